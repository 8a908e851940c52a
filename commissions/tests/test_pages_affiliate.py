"""An affiliate's home, Pending Commission, commission page and preferences (REP-2, REP-3, PRICE-6, ONB-7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import CommissionPreference
from affiliates.preferences import choose_minimum_unit
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from commissions.tests.pages import member_of, next_page, table, text
from orders.tests.factories import NOON, make_click
from portal.tests.factories import make_user, signed_in, speaking

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The pages' clock stands at one in the afternoon in Shanghai."""
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(hours=1))


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice", name="Alice Media")))


def paths(shop: Shop) -> list[str]:
    """Every page of the affiliate, one of a commission included."""
    base = f"/affiliate/{shop.affiliate.code}/"
    commission = shop.commission().public_id
    return [
        base,
        f"{base}report/",
        f"{base}report/csv/",
        f"{base}report/2026-11-20/",
        f"{base}report/2026-11-20/?format=csv",
        f"{base}pending/",
        f"{base}commissions/{commission}/",
        f"{base}balance/",
        f"{base}balance/available/",
        f"{base}balance/paid/",
        f"{base}settings/commission/",
    ]


# --- who may look ---------------------------------------------------------------------------------------------


def test_every_page_opens_for_a_member_and_is_not_found_for_anybody_else(shop):
    shop.send(shop.paid())
    alice = member_of(shop.affiliate)
    bob = member_of(make_affiliate("bob"), "Bob")
    charlie = signed_in(make_user("Charlie", is_staff=True))
    for path in paths(shop):
        assert alice.get(path).status_code == 200, path
        assert bob.get(path).status_code == 404, path
        assert charlie.get(path).status_code == 404, path


def test_a_foreign_affiliate_answers_like_one_that_does_not_exist(shop):
    bob = member_of(make_affiliate("bob"), "Bob")
    foreign, unknown = bob.get("/affiliate/alice/"), bob.get("/affiliate/nobody/")
    assert foreign.status_code == unknown.status_code == 404
    assert text(foreign, status=404) == text(unknown, status=404)


def test_a_foreign_commission_is_not_found_under_ones_own_code_either(shop):
    shop.send(shop.paid())
    bob = member_of(make_affiliate("bob"), "Bob")
    assert bob.get(f"/affiliate/bob/commissions/{shop.commission().public_id}/").status_code == 404


def test_lists_and_totals_hold_nothing_of_other_affiliates(shop):
    shop.send(shop.paid("ALICES-1"))
    bobs = Shop(pid=make_pid(make_affiliate("bob", name="Bob Media")))
    bobs.send(bobs.paid("BOBS-1", paid=5000))
    alice = member_of(shop.affiliate)
    for path in paths_of_lists("alice"):
        said = text(alice.get(path))
        assert "BOBS-1" not in said, path
        assert "US$3.95" not in said, path
    assert "ALICES-1" in text(alice.get("/affiliate/alice/pending/"))


def paths_of_lists(code: str) -> list[str]:
    base = f"/affiliate/{code}/"
    span = "?first=2026-11-01&last=2026-11-30"
    return [base, f"{base}report/{span}", f"{base}report/2026-11-20/", f"{base}pending/", f"{base}balance/"]


def test_visitors_are_sent_to_sign_in_whether_or_not_the_affiliate_exists(shop, client):
    shop.send(shop.paid())
    for path in [*paths(shop), "/affiliate/nobody/"]:
        response = client.get(path)
        assert response.status_code == 302, path
        assert response["Location"].startswith("/account/login/?next="), path


def test_opening_a_page_makes_its_affiliate_the_current_workspace(shop):
    second = make_affiliate("zeta", name="Zeta")
    alice = member_of(shop.affiliate)
    user = shop.affiliate.members.get().user
    second.members.create(user=user)
    assert alice.get("/")["Location"] == "/affiliate/alice/"
    page = alice.get("/affiliate/zeta/pending/").content.decode()
    assert "/affiliate/zeta/report/" in page
    assert "/affiliate/alice/report/" not in page
    assert alice.get("/")["Location"] == "/affiliate/zeta/"


# --- home -----------------------------------------------------------------------------------------------------


def test_home_counts_today_and_down_to_the_next_release(shop):
    shop.send(shop.awaiting("A1"))
    shop.send(shop.paid("A1"))
    shop.sweep(at=NOON + timedelta(minutes=40))
    shop.send(shop.refund(400, order_id="A1", at=NOON + timedelta(minutes=41)))
    shop.send(shop.paid("A2", at=NOON + timedelta(minutes=50)))
    page = member_of(shop.affiliate).get("/affiliate/alice/")
    said = text(page)
    assert "Today is 2026-11-20 in Shanghai." in said
    assert "Pending US$0.79 1 commission" in said
    assert "Next release in 20 min 2026-11-20 13:20:00" in said
    assert "Available US$0.47 released to you" in said
    assert "Locked US$1.58" in said
    assert "Confirmed US$1.58" in said
    assert "Released US$0.79" in said
    assert "Clawed back US$0.32" in said
    assert "data-countdown" in page.content.decode()
    assert [row[0] for row in table(page)] == ["A2", "A1"]
    assert_books_balance(at=NOON + timedelta(hours=1))


def test_what_happened_before_the_shanghai_midnight_is_not_today(shop):
    yesterday = NOON - timedelta(days=1)
    shop.click = make_click(shop.merchant, shop.pid, at=yesterday - timedelta(hours=1))
    shop.send(shop.paid("A1", at=yesterday, ordered_at=yesterday))
    said = text(member_of(shop.affiliate).get("/affiliate/alice/"))
    assert "Locked US$0.00" in said
    assert "Confirmed US$0.00" in said
    assert "Pending US$0.79" in said


def test_a_new_affiliate_sees_what_comes_and_how_far_it_is(shop):
    fresh = make_affiliate("fresh", on_probation=True)
    client = member_of(fresh, "Fred")
    said = text(client.get("/affiliate/fresh/"))
    assert "Your first order unlocks everything" in said
    assert "waiting for the first one" in said
    assert "No commission yet" in said
    assert "no paid order waits for its release" in said
    later = Shop(pid=make_pid(fresh))
    later.send(later.awaiting())
    assert "1 order so far" in text(client.get("/affiliate/fresh/"))
    later.send(later.paid())
    assert "unlocks everything" not in text(client.get("/affiliate/fresh/"))


def test_the_prompt_for_the_switch_stays_until_a_choice_either_way(shop):
    alice = member_of(shop.affiliate)
    assert "Decide on commissions below US$0.10." in text(alice.get("/affiliate/alice/"))
    choose_minimum_unit(shop.affiliate, minimum_unit=10, by=None, at=NOON)
    assert "Decide on commissions" not in text(alice.get("/affiliate/alice/"))


# --- Pending Commission ---------------------------------------------------------------------------------------


def test_pending_says_what_each_waits_for(shop):
    choose_minimum_unit(shop.affiliate, minimum_unit=1, by=None, at=NOON - timedelta(days=1))
    shop.send(shop.awaiting("LOCKED"))
    shop.send(shop.paid("SMALL", at=NOON + timedelta(minutes=45), paid=100))
    shop.send(shop.paid("HELD"))
    shop.send(shop.dispute(order_id="HELD", at=NOON + timedelta(minutes=10)))
    shop.send(shop.paid("GONE"))
    shop.send(shop.refund(order_id="GONE", at=NOON + timedelta(minutes=20)))
    alice = member_of(shop.affiliate)
    page = alice.get("/affiliate/alice/pending/")
    shop_name = shop.merchant.name
    assert {row[0]: row[1:] for row in table(page)} == {
        f"LOCKED {shop_name}": [
            "locked",
            "2026-11-20 12:00",
            "payment expected until 2026-11-21 12:00 in 23 h",
            "US$0.79",
        ],
        f"SMALL {shop_name}": [
            "confirmed",
            "2026-11-20 12:00",
            "release due 2026-11-20 13:15 in 15 min",
            "US$0.07 0 under the default minimum",
        ],
        f"HELD {shop_name}": [
            "held dispute open",
            "2026-11-20 12:00",
            "waits for the dispute",
            "US$0.79",
        ],
    }
    said = text(page)
    assert "All US$1.65 3 commissions" in said
    assert "locked US$0.79 1 commission" in said
    assert [row[0] for row in table(alice.get("/affiliate/alice/pending/?state=held"))] == [
        f"HELD {shop_name}"
    ]
    assert len(table(alice.get("/affiliate/alice/pending/?state=nonsense"))) == 3


def test_pending_is_empty_kindly(shop):
    alice = member_of(shop.affiliate)
    assert "Nothing is pending" in text(alice.get("/affiliate/alice/pending/"))
    assert "Nothing in this state" in text(alice.get("/affiliate/alice/pending/?state=held"))


def test_pages_of_pending_hold_each_commission_once(shop):
    for number in range(60):
        shop.send(shop.awaiting(f"A{number:02d}"), at=NOON + timedelta(seconds=number // 7))
    alice = member_of(shop.affiliate)
    seen: list[str] = []
    path = "/affiliate/alice/pending/"
    while path:
        page = alice.get(path)
        seen += [row[0].split()[0] for row in table(page)]
        path = next_page(page)
    assert len(seen) == 60
    assert set(seen) == {f"A{number:02d}" for number in range(60)}


@pytest.mark.parametrize(
    "mark", ["x", "2026-11-20~", "2026-11-20T00:00:00~5", "~", "2026-11-20T00:00:00Z~99999999999999999999"]
)
def test_a_broken_mark_shows_the_first_page(shop, mark):
    shop.send(shop.awaiting())
    assert len(table(member_of(shop.affiliate).get("/affiliate/alice/pending/", {"after": mark}))) == 1


# --- one commission -------------------------------------------------------------------------------------------


def test_a_commission_is_explained_to_the_cent(shop):
    shop.send(shop.awaiting())
    shop.send(shop.paid())
    shop.sweep()
    shop.send(shop.refund(400))
    alice = member_of(shop.affiliate)
    page = alice.get(f"/affiliate/alice/commissions/{shop.commission().public_id}/")
    said = text(page)
    assert "US$0.47 released" in said
    assert "US$0.47 is released and part of the available balance. A refund has taken its share back." in said
    assert "Commission base PRICE-2 never below zero US$10.00" in said
    assert "Commission on what is left PRICE-7 US$10.00 ÷ US$10.00 × (US$6.00 × 7.9 %), rounded down" in said
    assert [entry["title"] for entry in page.context["timeline"]] == [
        "locked",
        "confirmed",
        "released",
        "clawed back",
    ]
    lines = table(page, -1)
    assert [row[1:] for row in lines] == [
        ["lock", "the merchant", "Pending", "US$0.79"],
        ["release", "Pending", "Available", "US$0.79"],
        ["clawback", "Available", "the merchant", "US$0.32"],
    ]
    assert "merchant: " not in said


def test_a_void_commission_says_why_and_that_the_sheet_differs(shop):
    shop.send(shop.awaiting())
    shop.sweep(at=NOON + timedelta(hours=24))
    page = member_of(shop.affiliate).get(f"/affiliate/alice/commissions/{shop.commission().public_id}/")
    said = text(page)
    assert "It earns nothing. The buyer didn't pay in time." in said
    assert "Because of its state the books carry US$0.00 for it." in said


# --- preferences ----------------------------------------------------------------------------------------------


def test_an_owner_turns_the_switch_and_the_history_keeps_it(shop):
    alice = member_of(shop.affiliate)
    path = "/affiliate/alice/settings/commission/"
    assert "You haven't decided yet" in text(alice.get(path))
    assert alice.post(path, {"minimum_unit": "1"}).status_code == 302
    [choice] = CommissionPreference.objects.filter(affiliate=shop.affiliate)
    assert (choice.minimum_unit, choice.effective_at) == (1, NOON + timedelta(hours=1))
    page = alice.get(path)
    assert "Orders placed from now on earn from US$0.01." in text(page)
    assert table(page) == [["2026-11-20 13:00:00", "US$0.01", "Alice"]]


@pytest.mark.parametrize("unit", ["", "5", "x", "1.0"])
def test_a_choice_that_is_none_is_refused_and_nothing_is_kept(shop, unit):
    alice = member_of(shop.affiliate)
    response = alice.post("/affiliate/alice/settings/commission/", {"minimum_unit": unit})
    assert response.status_code == 200
    assert not CommissionPreference.objects.exists()


def test_a_member_sees_the_switch_but_may_not_turn_it_nor_may_strangers(shop):
    member = member_of(shop.affiliate, role="member")
    path = "/affiliate/alice/settings/commission/"
    assert "Only an owner of this affiliate may change it." in text(member.get(path))
    assert member.post(path, {"minimum_unit": "1"}).status_code == 403
    bob = member_of(make_affiliate("bob"), "Bob")
    assert bob.post(path, {"minimum_unit": "1"}).status_code == 404
    assert speaking("en").post(path, {"minimum_unit": "1"}).status_code == 302
    assert not CommissionPreference.objects.exists()


def test_the_preferences_name_what_the_default_has_cost(shop):
    shop.send(shop.paid("A1", paid=100))
    shop.send(shop.paid("A2", paid=50))
    shop.send(shop.awaiting("UNPAID", paid=100))
    said = text(member_of(shop.affiliate).get("/affiliate/alice/settings/commission/"))
    assert "The minimum unit has cost you US$0.10 on 2 paid orders so far." in said


# --- both languages, constant cost ----------------------------------------------------------------------------


def test_the_pages_speak_chinese(shop):
    shop.send(shop.paid())
    alice = member_of(shop.affiliate, language="zh-hans")
    alice.cookies["django_language"] = "zh-hans"
    assert "待发放佣金" in text(alice.get("/affiliate/alice/pending/"))
    said = text(alice.get(f"/affiliate/alice/commissions/{shop.commission().public_id}/"))
    assert "计佣基数 PRICE-2 不低于零 US$10.00" in said
    assert "订单已付款，US$0.79 到时自动发放。" in said


@pytest.mark.parametrize("page", ["", "pending/", "balance/pending/", "report/2026-11-20/"])
def test_twenty_rows_cost_as_many_queries_as_two(shop, page, django_assert_num_queries):
    alice = member_of(shop.affiliate)
    path = f"/affiliate/alice/{page}"
    shop.send(*(shop.paid(f"A{number}") for number in range(2)))
    alice.get(path)
    with CaptureQueriesContext(connection) as two:
        alice.get(path)
    shop.send(*(shop.paid(f"B{number}") for number in range(18)))
    with django_assert_num_queries(len(two)):
        alice.get(path)
