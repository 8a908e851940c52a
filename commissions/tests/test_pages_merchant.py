"""A merchant's pages: what it owes, its orders with their sheets, its terms."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.tests.factories import make_affiliate, make_pid
from commissions.pricing import Line
from commissions.terms import terms_of
from commissions.tests.factories import Shop, make_terms
from commissions.tests.pages import member_of, merchant_member, table, text
from orders.tests.factories import NOON, make_merchant
from portal.navigation import broken_items
from portal.tests.factories import make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(hours=1))


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice", name="Alice Media")))


def base(shop: Shop) -> str:
    return f"/merchant/{shop.merchant.code}/"


def paths(shop: Shop) -> list[str]:
    home = base(shop)
    return [
        home,
        f"{home}commissions/",
        f"{home}commissions/{shop.commission().public_id}/",
        f"{home}terms/",
    ]


def test_pages_open_for_a_member_and_are_not_found_for_anybody_else(shop, client):
    shop.send(shop.paid())
    merchant = merchant_member(shop.merchant, "Mia")
    rival = merchant_member(make_merchant("RIVAL"), "Bob")
    its_affiliate = member_of(shop.affiliate)
    charlie = signed_in(make_user("Charlie", is_staff=True))
    for path in paths(shop):
        assert merchant.get(path).status_code == 200, path
        assert rival.get(path).status_code == 404, path
        assert its_affiliate.get(path).status_code == 404, path
        assert charlie.get(path).status_code == 404, path
        assert client.get(path)["Location"].startswith("/account/login/?next="), path
    foreign = f"/merchant/RIVAL/commissions/{shop.commission().public_id}/"
    assert rival.get(foreign).status_code == 404
    affiliates_page = f"/affiliate/alice/commissions/{shop.commission().public_id}/"
    assert merchant.get(affiliates_page).status_code == 404


def test_lists_hold_nothing_of_other_merchants(shop):
    shop.send(shop.paid("MINE"))
    other = Shop(pid=make_pid(shop.affiliate, placement="side"))
    other.send(other.paid("THEIRS", paid=5000))
    mia = merchant_member(shop.merchant, "Mia")
    for path in (base(shop), f"{base(shop)}commissions/"):
        said = text(mia.get(path))
        assert "MINE" in said
        assert "THEIRS" not in said
    assert "No order matches" in text(mia.get(f"{base(shop)}commissions/?order=THEIRS"))


def test_home_says_what_is_committed_owed_and_moved_today(shop):
    shop.send(shop.paid("A1"), shop.awaiting("A2"), shop.awaiting("A3"))
    shop.sweep()
    shop.send(shop.refund(400, order_id="A1", at=NOON + timedelta(minutes=45)))
    shop.send(shop.event("cancelled", "A3", at=NOON + timedelta(minutes=50)))
    page = merchant_member(shop.merchant, "Mia").get(base(shop))
    said = text(page)
    assert "Committed US$0.79" in said
    assert "Owed US$0.47" in said
    assert "Default rate 7.9 % version 1 of your terms" in said
    assert "Locked US$2.37 Released US$0.79 Clawed back US$0.32 Void US$0.79" in said
    assert sorted(row[0] for row in table(page)) == ["A1", "A2", "A3"]


def test_orders_are_filtered_by_number_and_state(shop):
    shop.send(shop.paid("A1"), shop.awaiting("A2"))
    mia = merchant_member(shop.merchant, "Mia")
    path = f"{base(shop)}commissions/"

    def numbers(**filters) -> list[str]:
        return [row[0].split()[0] for row in table(mia.get(path, filters))]

    assert sorted(numbers()) == ["A1", "A2"]
    assert numbers(order=" A2 ") == ["A2"]
    assert numbers(state="confirmed") == ["A1"]
    assert sorted(numbers(state="nonsense")) == ["A1", "A2"]
    assert [row[1:3] for row in table(mia.get(path, {"order": "A1"}))] == [
        ["Alice Media mm_alice_blog_top", "confirmed"]
    ]


def test_a_commission_shows_its_sheet_and_the_merchants_own_ledger_lines(shop):
    shop.send(shop.paid())
    shop.sweep()
    page = merchant_member(shop.merchant, "Mia").get(
        f"{base(shop)}commissions/{shop.commission().public_id}/"
    )
    assert "Commission of the order US$0.79" in text(page)
    assert [row[1:] for row in table(page, -1)] == [
        ["lock", "Committed", "the affiliate", "US$0.79"],
        ["release", "Owed", "Committed", "US$0.79"],
    ]


def test_terms_list_rules_as_the_calculator_prefers_them(shop):
    window = {"window_start": NOON - timedelta(days=1), "window_end": NOON + timedelta(days=1)}
    merchant = make_merchant("RULES")
    terms = make_terms(
        merchant,
        rate_bps=500,
        threshold=3000,
        rules=(
            {"rate_bps": 510},
            {"country": "RU", "rate_bps": 520},
            {"country": "RU", "rate_bps": 530, **window},
            {"category_id": "toys", "rate_bps": 540},
            {"affiliate": shop.affiliate, "rate_bps": 550},
            {"product_id": "p9", "rate_bps": 560},
        ),
    )
    page = merchant_member(merchant, "Mia").get("/merchant/RULES/terms/")
    shown = [row[0] for row in table(page)]
    assert shown == ["rule 6", "rule 5", "rule 4", "rule 3", "rule 2", "rule 1"]
    assert "Minimum order US$30.00" in text(page)
    # Taking away the winner each time, the calculator goes down the same list.
    rules = list(terms.rules.all())
    winners = []
    while rules:
        winner = terms_of(terms, rules).winning_rule(
            Line("1", "p9", "toys", 100), affiliate_id=shop.affiliate.pk, country="RU", ordered_at=NOON
        )
        winners.append(f"rule {winner.position}")
        rules = [rule for rule in rules if rule.pk != winner.rule_id]
    assert winners == shown


def test_a_version_to_come_is_listed_but_not_in_force(shop):
    make_terms(shop.merchant, rate_bps=900, starts_at=NOON + timedelta(days=3))
    page = merchant_member(shop.merchant, "Mia").get(f"{base(shop)}terms/")
    assert "version 1 in force" in text(page)
    assert [row[0] for row in table(page, -1)] == ["2 to come", "1 in force"]


def test_a_merchant_without_terms_or_orders_is_told_what_that_means():
    mia = merchant_member(make_merchant("BARE"), "Mia")
    for path in ("/merchant/BARE/", "/merchant/BARE/terms/"):
        assert "No terms are in force." in text(mia.get(path))
    assert "No orders from affiliates yet" in text(mia.get("/merchant/BARE/"))
    assert "No orders from affiliates yet" in text(mia.get("/merchant/BARE/commissions/"))


@pytest.mark.parametrize("page", ["", "commissions/", "terms/"])
def test_twenty_rows_cost_as_many_queries_as_two(shop, page):
    mia = merchant_member(shop.merchant, "Mia")
    shop.send(*(shop.awaiting(f"A{number}") for number in range(2)))
    mia.get(f"{base(shop)}{page}")
    with CaptureQueriesContext(connection) as two:
        mia.get(f"{base(shop)}{page}")
    shop.send(*(shop.awaiting(f"B{number}") for number in range(18)))
    with CaptureQueriesContext(connection) as twenty:
        mia.get(f"{base(shop)}{page}")
    assert len(twenty) == len(two)


def test_no_item_of_either_menu_leads_nowhere(shop):
    for client, path in (
        (member_of(shop.affiliate), "/affiliate/alice/"),
        (merchant_member(shop.merchant, "Mia"), base(shop)),
    ):
        request = client.get(path).wsgi_request
        assert broken_items(request) == []
        assert client.get("/")["Location"] == path
