"""The daily summary of breakpoints by cause, merchant and PID (DIAG-4)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.tests.factories import make_affiliate, make_pid
from commissions.breakpoints import CLICKS, Scope, summary
from commissions.diagnosis import OPS, Viewer, of_orders
from commissions.tests.factories import Shop
from commissions.tests.pages import member_of, merchant_member, table, text
from commissions.tests.test_diagnosis import AT, HOUR, SEQUENCES
from orders.tests.factories import NOON, make_click
from portal.tests.factories import make_staff, signed_in

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 20)
# The sequence whose order is older than the span of the others.
EVER = Scope(date(2025, 1, 1), date(2026, 12, 31))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: AT)


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice")))


@pytest.mark.parametrize("code", SEQUENCES)
def test_the_summary_counts_what_the_path_shows_for_every_viewer(shop, code):
    _hop, play = SEQUENCES[code]
    play(shop)
    for viewer in (
        OPS,
        Viewer(merchant_id=shop.merchant.pk),
        Viewer(affiliate_id=shop.affiliate.pk),
        Viewer(affiliate_id=make_affiliate().pk),
    ):
        shown = [found.path.code for found in of_orders("A1", viewer=viewer, at=AT) if found.path.code]
        counted = summary(EVER, viewer=viewer).by_cause
        # Whoever loses to a newer click of the same kind has no record of its own to be counted.
        if code == "evidence_conflict":
            assert set(counted) <= set(shown)
        else:
            assert counted == dict.fromkeys(shown, 1), viewer


def play_some(shop: Shop) -> None:
    """Two orders below the minimum unit on one day, one expired click on the next, one without a trace."""
    shop.send(shop.awaiting("A1", paid=100), shop.awaiting("A2", paid=100), shop.paid("A3"))
    later = NOON + timedelta(hours=13)
    old = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=40))
    shop.send(shop.awaiting("A4", at=later, ordered_at=later, clicks=(old,)))
    shop.send({**shop.awaiting("A5"), "attribution": {}})


def test_orders_count_on_their_shanghai_day_by_cause_and_place(shop):
    play_some(shop)
    found = summary(Scope(DAY, DAY + timedelta(days=1)), viewer=OPS)
    assert found.by_day == {
        date(2026, 11, 21): {"click_expired": 1},
        DAY: {"below_minimum_unit": 2, "pid_missing": 1},
    }
    assert list(found.by_cause.items()) == [
        ("below_minimum_unit", 2),
        ("click_expired", 1),
        ("pid_missing", 1),
    ]
    assert found.total == 4
    assert [tuple(place) for place in found.places] == [
        (shop.merchant.name, shop.pid.value, "below_minimum_unit", 2),
        (shop.merchant.name, shop.pid.value, "click_expired", 1),
        (shop.merchant.name, "", "pid_missing", 1),
    ]


def test_filters_narrow_the_summary(shop):
    play_some(shop)
    other = Shop()
    other.send(other.awaiting(paid=100))
    week = Scope(DAY - timedelta(days=3), DAY + timedelta(days=3))
    assert summary(week, viewer=OPS).total == 5
    assert summary(week._replace(last=DAY), viewer=OPS).total == 4
    assert summary(week._replace(merchant=other.merchant.pk), viewer=OPS).total == 1
    assert summary(week._replace(pid=shop.pid.pk), viewer=OPS).total == 3
    assert summary(week._replace(cause="click_expired"), viewer=OPS).by_cause == {"click_expired": 1}
    assert summary(week, viewer=Viewer(merchant_id=other.merchant.pk)).total == 1
    assert summary(week, viewer=Viewer(affiliate_id=shop.affiliate.pk)).total == 3


def test_clicks_count_by_what_made_them_invalid(shop):
    for reason in ("", "bot", "head", "in_app", "pid_frozen"):
        make_click(shop.merchant, shop.pid, invalid_reason=reason)
    make_click(shop.merchant, make_pid(), invalid_reason="bot")
    found = summary(Scope(DAY, DAY, of=CLICKS), viewer=Viewer(affiliate_id=shop.affiliate.pk))
    assert found.by_cause == {"click_invalid": 2, "in_app_blocked": 1, "pid_frozen": 1}
    assert found.total == 4


def test_the_page_shows_chart_and_table_with_the_same_numbers(shop):
    play_some(shop)
    client = member_of(shop.affiliate)
    response = client.get("/affiliate/alice/diagnosis/breakpoints/?first=2026-11-01&last=2026-11-30")
    assert table(response, 0) == [
        ["Below the minimum unit below_minimum_unit", "2"],
        ["Click outside the window click_expired", "1"],
    ]
    assert table(response, 1) == [["2026-11-21", "0", "1", "1"], ["2026-11-20", "2", "0", "2"]]
    chart = response.context["chart"]
    assert chart["labels"][19:21] == ["2026-11-20", "2026-11-21"]
    assert [(one["label"], one["values"][19:21]) for one in chart["series"]] == [
        ("Below the minimum unit", [2, 0]),
        ("Click outside the window", [0, 1]),
    ]


def test_more_causes_than_the_chart_has_bars_share_the_last(shop):
    for number, reason in enumerate(
        ("pid_frozen", "bot", "merchant_inactive", "affiliate_suspended", "in_app")
    ):
        shop.send(
            shop.awaiting(f"B{number}", clicks=(make_click(shop.merchant, shop.pid, invalid_reason=reason),))
        )
    shop.send(shop.awaiting("B5", paid=100), shop.awaiting("B6", amounts={"platform_fee": 1000}))
    client = merchant_member(shop.merchant)
    response = client.get(f"/merchant/{shop.merchant.code}/diagnosis/breakpoints/")
    series = response.context["chart"]["series"]
    assert len(series) == 6
    assert (series[-1]["label"], sum(series[-1]["values"])) == ("Other causes", 2)
    assert table(response, 1) == [["2026-11-20", "1", "1", "1", "1", "1", "7"]]


@pytest.mark.parametrize(
    "query",
    ["first=x", "last=2026-13-01", "first=2026-11-20&last=2026-11-01", "first=2020-01-01", "pid=9999999",
     "merchant=x", "cause=nonsense", "of=everything", "pid=99999999999999999999999"],
)  # fmt: skip
def test_filters_that_make_no_sense_are_refused_with_a_word(shop, query):
    said = text(member_of(shop.affiliate).get(f"/affiliate/alice/diagnosis/breakpoints/?{query}"))
    assert "These filters can't be used." in said


def test_nobodys_pid_or_merchant_can_be_asked_for(shop):
    other = Shop()
    other.send(other.awaiting(paid=100))
    alice = member_of(shop.affiliate)
    for query in (f"pid={other.pid.pk}", f"merchant={other.merchant.pk}"):
        said = text(alice.get(f"/affiliate/alice/diagnosis/breakpoints/?{query}"))
        assert "This is none of your choices." in said
        assert other.pid.value not in said


def test_twenty_days_and_pids_cost_no_more_statements_than_two(shop):
    client = member_of(shop.affiliate)
    path = "/affiliate/alice/diagnosis/breakpoints/"

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    play_some(shop)
    cost()
    few = cost()
    for number in range(20):
        at = AT - timedelta(days=number) - HOUR
        click = make_click(shop.merchant, make_pid(shop.affiliate, placement=f"p{number}"), at=at - HOUR)
        shop.send(shop.awaiting(f"C{number}", at=at, ordered_at=at, paid=100, clicks=(click,)))
    assert cost() == few


def test_ops_see_all_merchants(shop):
    play_some(shop)
    other = Shop()
    other.send(other.awaiting(paid=100))
    said = text_of_admin(
        signed_in(make_staff("Sue", groups=("support",))).get("/admin/orders/order/breakpoints/")
    )
    assert shop.merchant.name in said
    assert other.merchant.name in said


def text_of_admin(response) -> str:
    assert response.status_code == 200
    return response.content.decode()
