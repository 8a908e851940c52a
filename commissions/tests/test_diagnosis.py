"""The path that real sequences of events leave, for each code of DIAG-2 that they can cause (DIAG-1…3)."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from affiliates.suspension import suspend
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.diagnosis import OPS, Viewer, of_click, of_link, of_orders, search
from commissions.diagnosis_codes import CAUSES
from commissions.diagnosis_path import Hop
from commissions.diagnosis_words import NOTES, TITLES
from commissions.holds import hold
from commissions.models import Hold
from commissions.tests.factories import Shop, make_terms
from commissions.tests.pages import member_of, merchant_member, text
from orders.models import Link, Order
from orders.tests.factories import NOON, make_click, make_merchant
from portal.tests.factories import make_staff, make_user, signed_in

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
AT = NOON + 2 * HOUR


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: AT)


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice")))


def untracked(event: dict) -> dict:
    """The event of a shop that knows nothing of clicks."""
    return {**event, "attribution": {}}


def carrying(event: dict, *ids: str) -> dict:
    return {**event, "attribution": {"click_ids": list(ids)}}


DIAG_2 = {
    *("pid_missing", "pid_unknown", "pid_frozen", "click_not_found", "click_invalid", "click_expired"),
    *("click_other_merchant", "merchant_inactive", "in_app_blocked", "cookie_lost", "s2s_timeout"),
    *("s2s_bad_signature", "evidence_conflict", "no_rate", "zero_base", "below_order_threshold"),
    *(
        "below_minimum_unit",
        "unpaid_expired",
        "order_cancelled",
        "dispute_open",
        "self_purchase",
        "risk_hold",
    ),
    *("affiliate_suspended", "merchant_limit", "refunded", "payout_failed"),
}


# --- one real sequence for each code --------------------------------------------------------------------------


def _pid_missing(shop):
    shop.send(untracked(shop.awaiting(clicks=())))


def _pid_unknown(shop):
    shop.send(carrying(shop.awaiting(), "mm_nobody_blog_top"))


def _click_with(reason):
    def play(shop):
        click = make_click(shop.merchant, shop.pid, invalid_reason=reason)
        shop.send(shop.awaiting(clicks=(click,)))

    return play


def _click_not_found(shop):
    shop.send(carrying(shop.awaiting(), "no-such-click"))


def _click_expired(shop):
    shop.send(
        shop.awaiting(clicks=(make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=30, seconds=1)),))
    )


def _click_other_merchant(shop):
    shop.send(shop.awaiting(clicks=(make_click(make_merchant(), shop.pid),)))


def _cookie_lost(shop):
    shop.send(shop.awaiting(clicks=()))


def _evidence_conflict(shop):
    """Another affiliate's click is newer: the shop's affiliate sees that its own lost."""
    newer = make_click(shop.merchant, make_pid(), at=NOON - timedelta(minutes=1))
    shop.send(shop.awaiting(clicks=(shop.click, newer)))


def _no_rate(shop):
    early = NOON - timedelta(days=400)
    click = make_click(shop.merchant, shop.pid, at=early - HOUR)
    shop.send(shop.awaiting(ordered_at=early, clicks=(click,)))


def _zero_base(shop):
    shop.send(shop.awaiting(amounts={"platform_fee": 1000}))


def _below_threshold(shop):
    make_terms(shop.merchant, threshold=3000, starts_at=NOON - timedelta(days=2))
    shop.send(shop.awaiting(paid=2850))


def _below_minimum(shop):
    shop.send(shop.awaiting(paid=100))


def _unpaid_expired(shop):
    at = NOON - timedelta(hours=25)
    click = make_click(shop.merchant, shop.pid, at=at - HOUR)
    shop.send(shop.awaiting(at=at, ordered_at=at, clicks=(click,)))
    shop.sweep(at=NOON)


def _cancelled(shop):
    shop.send(shop.awaiting(), shop.event("cancelled"))


def _dispute(shop):
    shop.send(shop.paid(), shop.dispute(at=NOON + timedelta(minutes=10)))


def _held_for(reason):
    def play(shop):
        shop.send(shop.paid())
        hold(shop.commission(), reason=reason, by=make_user("Risk"), at=NOON + HOUR)

    return play


def _suspended(shop):
    shop.send(shop.paid())
    suspend(shop.affiliate, reason="checks", by=make_user("Ops"), at=NOON + timedelta(minutes=10))
    shop.sweep(at=NOON + HOUR)


def _refunded(shop):
    shop.send(shop.paid())
    shop.sweep(at=NOON + HOUR)
    shop.send(shop.refund())


SEQUENCES = {
    "pid_missing": ("pid", _pid_missing),
    "pid_unknown": ("pid", _pid_unknown),
    "pid_frozen": ("pid", _click_with("pid_frozen")),
    "click_not_found": ("click", _click_not_found),
    "click_invalid": ("click", _click_with("bot")),
    "click_expired": ("match", _click_expired),
    "click_other_merchant": ("match", _click_other_merchant),
    "merchant_inactive": ("click", _click_with("merchant_inactive")),
    "cookie_lost": ("cookie", _cookie_lost),
    "evidence_conflict": ("match", _evidence_conflict),
    "no_rate": ("rate", _no_rate),
    "zero_base": ("rate", _zero_base),
    "below_order_threshold": ("threshold", _below_threshold),
    "below_minimum_unit": ("threshold", _below_minimum),
    "unpaid_expired": ("payment", _unpaid_expired),
    "order_cancelled": ("payment", _cancelled),
    "dispute_open": ("release", _dispute),
    "self_purchase": ("release", _held_for("self_purchase")),
    "risk_hold": ("release", _held_for("risk_hold")),
    "affiliate_suspended": ("release", _suspended),
    "refunded": ("release", _refunded),
}
# What leaves no evidence of an affiliate's is seen by the merchant and by ops.
NOBODYS = {"pid_missing", "pid_unknown", "click_not_found", "cookie_lost"}


@pytest.mark.parametrize("code", SEQUENCES)
def test_a_real_sequence_breaks_the_path_at_the_right_hop_in_both_languages(shop, code):
    hop, play = SEQUENCES[code]
    play(shop)
    to_merchant = code in NOBODYS
    base = f"/merchant/{shop.merchant.code}" if to_merchant else "/affiliate/alice"
    for language in ("en", "zh-hans"):
        client = (
            merchant_member(shop.merchant, language, language=language)
            if to_merchant
            else member_of(shop.affiliate, language, language=language)
        )
        page = unescape(client.get(f"{base}/diagnosis/?q=A1").content.decode())
        assert f'data-outcome="broken" data-code="{code}"' in page
        broken = page.split(f'data-hop="{hop}" data-state="broken"')
        assert len(broken) == 2
        step = broken[1].partition("</li>")[0]
        with translation.override(language):
            cause = CAUSES[code]
            for said in (TITLES[Hop(hop)], cause.label, cause.cause, cause.fix(merchant=to_merchant)):
                assert str(said) in step


def test_every_code_has_its_words():
    assert set(CAUSES) == DIAG_2
    assert len(DIAG_2) == 26
    for code, cause in CAUSES.items():
        texts = [cause.label, cause.cause, cause.fix(merchant=False), cause.fix(merchant=True)]
        assert all(map(str, texts)), code
        with translation.override("zh-hans"):
            said = [str(cause.label), str(cause.cause), cause.fix(merchant=False), cause.fix(merchant=True)]
        for english, chinese in zip(texts, said, strict=True):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), (code, english)


# --- a whole path ---------------------------------------------------------------------------------------------


def states(diagnosis) -> dict[str, str]:
    return {step.hop.value: step.state.value for step in diagnosis.path.steps}


def test_a_released_order_has_passed_every_hop_that_there_is(shop):
    shop.send(shop.paid())
    shop.sweep()
    (found,) = of_orders("A1", viewer=Viewer(affiliate_id=shop.affiliate.pk), at=AT)
    reached = states(found)
    assert list(reached) == [hop.value for hop in Hop]
    assert reached.pop("payout") == "waiting"
    assert {hop for hop, state in reached.items() if state == "not_needed"} <= {"link", "in_app", "s2s"}
    assert "broken" not in reached.values()
    assert found.path.outcome == "passed"
    page = text(member_of(shop.affiliate).get("/affiliate/alice/diagnosis/?q=A1"))
    assert "The path is whole" in page
    assert "US$0.79" in page
    assert "7.9 %" in page


def test_an_unpaid_order_waits_for_its_payment(shop):
    shop.send(shop.awaiting())
    (found,) = of_orders("A1", viewer=Viewer(affiliate_id=shop.affiliate.pk), at=AT)
    assert found.path.outcome == "waiting"
    assert found.path.waits_at.hop == Hop.PAYMENT
    assert states(found)["release"] == "waiting"


def test_a_partial_refund_leaves_the_path_whole_and_says_so(shop):
    _refunded(shop)
    shop.send(shop.paid("A2"))
    shop.sweep(at=NOON + HOUR)
    shop.send(shop.refund(400, order_id="A2", refund_id="r2"))
    (found,) = of_orders("A2", viewer=OPS, at=AT)
    assert found.path.outcome == "passed"
    release = next(step for step in found.path.steps if step.hop == Hop.RELEASE)
    assert (release.state, release.code, release.facts["amount"]) == ("passed", "refunded", 47)


def test_a_hold_on_an_unpaid_order_is_shown_before_it_bites(shop):
    shop.send(shop.awaiting())
    hold(shop.commission(), reason=Hold.Reason.RISK_HOLD, by=make_user("Risk"), at=NOON)
    (found,) = of_orders("A1", viewer=OPS, at=AT)
    assert (found.path.code, states(found)["payment"]) == ("risk_hold", "waiting")


def test_parked_facts_are_an_order_that_is_waited_for(shop):
    shop.send(shop.refund(100))
    (found,) = of_orders("A1", viewer=Viewer(merchant_id=shop.merchant.pk), at=AT)
    assert (found.path.outcome, states(found)["order"]) == ("waiting", "waiting")


def test_the_window_has_the_rules_own_edges(shop):
    last = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=30))
    shop.send(shop.awaiting(clicks=(last,)))
    assert of_orders("A1", viewer=OPS, at=AT)[0].path.code == ""
    _click_expired_order = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=30, microseconds=1))
    shop.send(shop.awaiting("A2", clicks=(_click_expired_order,)))
    assert of_orders("A2", viewer=OPS, at=AT)[0].path.code == "click_expired"


# --- clicks and links -----------------------------------------------------------------------------------------


def make_link(shop, code: str = "Ab3dE6gH1j") -> Link:
    return Link.objects.create(
        code=code,
        pid=shop.pid,
        affiliate=shop.affiliate,
        merchant=shop.merchant,
        target="https://shop.example/p/1",
    )


def test_a_click_without_an_order_waits_for_one_and_with_one_shows_it(shop):
    link = make_link(shop)
    click = make_click(shop.merchant, shop.pid, link=link)
    mine = Viewer(affiliate_id=shop.affiliate.pk)
    (found,) = of_click(click.click_id, viewer=mine, at=AT)
    assert (found.path.outcome, states(found)["link"], states(found)["order"]) == (
        "waiting",
        "passed",
        "waiting",
    )
    shop.send(shop.awaiting(clicks=(click,)))
    (found,) = of_click(click.click_id, viewer=mine, at=AT)
    assert found.number == "A1"


def test_a_visit_that_stayed_in_an_app_breaks_there(shop):
    click = make_click(shop.merchant, shop.pid, invalid_reason="in_app")
    for language in ("en", "zh-hans"):
        client = member_of(shop.affiliate, language, language=language)
        page = unescape(client.get(f"/affiliate/alice/diagnosis/?q={click.click_id}").content.decode())
        assert 'data-outcome="broken" data-code="in_app_blocked"' in page
        assert 'data-hop="in_app" data-state="broken"' in page
        assert 'data-hop="click" data-state="passed"' in page
        with translation.override(language):
            assert str(CAUSES["in_app_blocked"].cause) in page


def test_a_link_shows_its_newest_click_and_before_that_waits_for_one(shop):
    link = make_link(shop)
    mine = Viewer(affiliate_id=shop.affiliate.pk)
    (found,) = of_link(link.code, viewer=mine, at=AT)
    assert (states(found)["pid"], states(found)["click"]) == ("passed", "waiting")
    make_click(shop.merchant, shop.pid, link=link, at=NOON - HOUR)
    make_click(shop.merchant, shop.pid, link=link, at=NOON, invalid_reason="pid_frozen")
    (found,) = search(f" {link.code} ", viewer=mine, at=AT)
    assert found.path.code == "pid_frozen"


# --- who sees what --------------------------------------------------------------------------------------------


def queries(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return [query["sql"].split(" WHERE ")[0] for query in captured.captured_queries]


def test_an_order_without_ones_evidence_answers_exactly_like_one_that_does_not_exist(shop):
    shop.send(shop.paid("SECRET-1"))
    bob = member_of(make_affiliate("bob"), "Bob")
    page = "/affiliate/bob/diagnosis/?q="
    foreign, unknown = bob.get(f"{page}SECRET-1"), bob.get(f"{page}SECRET-2")
    assert foreign.status_code == unknown.status_code == 200
    assert without_noise(foreign).replace("SECRET-1", "?") == without_noise(unknown).replace("SECRET-2", "?")
    assert queries(bob, f"{page}SECRET-1") == queries(bob, f"{page}SECRET-2")

    api = "/api/v1/orders/{}/diagnosis"
    foreign, unknown = bob.get(api.format("SECRET-1")), bob.get(api.format("SECRET-2"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert queries(bob, api.format("SECRET-1")) == queries(bob, api.format("SECRET-2"))


def without_noise(response) -> str:
    return re.sub(
        r'(csrfmiddlewaretoken" value="|X-CSRFToken": "|nonce=")[^"]*', r"\1", response.content.decode()
    )


def test_clicks_and_links_of_others_are_not_found(shop):
    link = make_link(shop)
    click = make_click(shop.merchant, shop.pid, link=link)
    bob, rival = Viewer(affiliate_id=make_affiliate("bob").pk), Viewer(merchant_id=make_merchant().pk)
    for viewer in (bob, rival):
        assert search(click.click_id, viewer=viewer, at=AT) == []
        assert search(link.code, viewer=viewer, at=AT) == []
    assert search("a\x00b", viewer=OPS, at=AT) == []


def test_a_losing_affiliate_sees_its_own_click_and_nothing_of_the_winner(shop):
    winner = make_pid(make_affiliate("bob", name="Bob Media"))
    newer = make_click(shop.merchant, winner, at=NOON - timedelta(minutes=1))
    shop.send(shop.paid(clicks=(shop.click, newer)))
    shop.sweep()
    client = member_of(shop.affiliate)
    page = client.get("/affiliate/alice/diagnosis/?q=A1").content.decode()
    answer = client.get("/api/v1/orders/A1/diagnosis")
    for said in (page, answer.content.decode()):
        for hidden in (newer.click_id, winner.value, "Bob Media", "US$0.79", "7.9"):
            assert hidden not in said
    (one,) = answer.json()["results"]
    assert (one["code"], one["other_clicks"]) == ("evidence_conflict", [])
    assert {step["state"] for step in one["steps"][-6:]} == {"not_needed"}


def test_a_merchant_learns_nothing_of_the_link_that_led_to_another_merchant(shop):
    other = make_merchant("RIVAL")
    pid = make_pid(make_affiliate("bob", name="Bob Media"))
    click = make_click(other, pid)
    shop.send(shop.awaiting(clicks=(click,)))
    page = merchant_member(shop.merchant).get(f"/merchant/{shop.merchant.code}/diagnosis/?q=A1")
    said = text(page)
    assert "click_other_merchant" in said
    for hidden in (pid.value, "Bob Media", "RIVAL"):
        assert hidden not in said
    assert (
        merchant_member(other, "Bob").get("/merchant/RIVAL/diagnosis/?q=A1").content.count(b"data-hop=") == 0
    )


def test_the_same_number_at_two_merchants_is_two_paths_for_whoever_has_both(shop):
    second = Shop(pid=shop.pid)
    shop.send(shop.paid())
    second.send(second.awaiting())
    page = text(member_of(shop.affiliate).get("/affiliate/alice/diagnosis/?q=A1"))
    assert "2 orders with this number" in page
    assert "1 order" not in text(
        merchant_member(second.merchant, "Bob").get(f"/merchant/{second.merchant.code}/diagnosis/?q=A1")
    )
    assert len(member_of(shop.affiliate, "Carol").get("/api/v1/orders/A1/diagnosis").json()["results"]) == 2


def test_strangers_are_not_let_in(shop, client):
    shop.send(shop.paid())
    bob = member_of(make_affiliate("bob"), "Bob")
    pages = ["/affiliate/alice/diagnosis/", "/affiliate/alice/diagnosis/breakpoints/"]
    pages += [
        f"/merchant/{shop.merchant.code}/diagnosis/",
        f"/merchant/{shop.merchant.code}/diagnosis/breakpoints/",
    ]
    for page in pages:
        assert bob.get(page).status_code == 404, page
        assert client.get(page).status_code == 302, page
        assert bob.post(page).status_code == 405, page
    assert client.get("/api/v1/orders/A1/diagnosis").status_code == 401
    assert bob.get("/api/v1/orders/A1/diagnosis?affiliate=alice").status_code == 404
    for page in ("diagnosis", "breakpoints"):
        assert bob.get(f"/admin/orders/order/{page}/").status_code == 302


def test_ops_need_the_right_to_see_orders(shop):
    shop.send(shop.paid())
    order = Order.objects.get()
    allowed = signed_in(make_staff("Ops", groups=("support",)))
    for page in (f"diagnosis/?q={shop.click.click_id}", f"{order.pk}/change/", "breakpoints/", "diagnosis/"):
        response = allowed.get(f"/admin/orders/order/{page}")
        assert response.status_code == 200, page
        assert ('data-hop="payout"' in response.content.decode()) == ("q=" in page or "change" in page)
        assert (
            signed_in(make_staff(f"n{page[0]}{len(page)}")).get(f"/admin/orders/order/{page}").status_code
            == 403
        )


# --- the API --------------------------------------------------------------------------------------------------


def test_the_api_says_what_the_page_says(shop):
    shop.send(shop.awaiting(clicks=(make_click(shop.merchant, shop.pid, invalid_reason="pid_frozen"),)))
    client = member_of(shop.affiliate, language="zh-hans")
    (one,) = client.get("/api/v1/orders/A1/diagnosis").json()["results"]
    assert (one["order_id"], one["merchant"], one["outcome"], one["code"]) == (
        "A1",
        shop.merchant.code,
        "broken",
        "pid_frozen",
    )
    assert [step["step"] for step in one["steps"]] == [hop.value for hop in Hop]
    broken = next(step for step in one["steps"] if step["state"] == "broken")
    with translation.override("zh-hans"):
        assert broken == {
            "step": "pid",
            "state": "broken",
            "at": "2026-11-20T03:00:00Z",
            "code": "pid_frozen",
            "bridged": False,
            "text": str(NOTES["pid_at_click"]),
            "evidence": [{"label": "PID", "value": shop.pid.value}],
            "cause": str(CAUSES["pid_frozen"].cause),
            "fix": str(CAUSES["pid_frozen"].affiliate_fix),
        }


def test_order_numbers_with_slashes_and_signs_are_found(shop):
    number = "2026/11-20 №1?&=+"
    shop.send(shop.paid(number))
    client = member_of(shop.affiliate)
    assert (
        client.get(f"/api/v1/orders/{quote(number, safe='')}/diagnosis").json()["results"][0]["order_id"]
        == number
    )
    page = client.get("/affiliate/alice/diagnosis/", {"q": number})
    assert 'data-hop="payout"' in page.content.decode()


def test_the_api_is_in_the_schema(client):
    schema = client.get("/api/schema/", headers={"accept": "application/json"}).content.decode()
    assert "/api/v1/orders/{order_id}/diagnosis" in schema


# --- empty pages and odd questions ----------------------------------------------------------------------------


def test_an_empty_search_explains_itself_with_examples(shop):
    client = member_of(shop.affiliate)
    assert "Until then, look up one of your links" in text(client.get("/affiliate/alice/diagnosis/"))
    shop.send(shop.paid(), shop.awaiting("A2", paid=100))
    said = text(client.get("/affiliate/alice/diagnosis/?q=+"))
    assert "A1" in said
    assert "A2 locked below the minimum unit" in said
    for hop in Hop:
        assert str(TITLES[hop]) in said


@pytest.mark.parametrize("asked", ["<script>alert(1)</script>", "%00", "a" * 5000, "'; --", "\ud83d"])
def test_odd_questions_find_nothing_and_break_nothing(shop, asked):
    response = member_of(shop.affiliate).get(
        "/affiliate/alice/diagnosis/", {"q": asked.encode("utf-8", "replace")}
    )
    assert "Nothing of yours was found" in text(response)
    assert b"<script>alert" not in response.content


def test_a_number_at_many_merchants_costs_no_more_statements(shop):
    shop.send(shop.paid())
    client = member_of(shop.affiliate)
    client.get("/affiliate/alice/diagnosis/?q=A1")
    few = len(queries(client, "/affiliate/alice/diagnosis/?q=A1"))
    for _ in range(18):
        more = Shop(pid=shop.pid)
        more.send(more.paid())
    assert len(queries(client, "/affiliate/alice/diagnosis/?q=A1")) == few
