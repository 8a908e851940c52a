"""The Commission Report: days, filters, drill-down and CSV (REP-1)."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.tests.factories import make_affiliate, make_pid
from commissions import ledger
from commissions.models import Transfer
from commissions.report_views import text_cell
from commissions.tests.factories import Shop
from commissions.tests.pages import member_of, next_page, table, text
from orders.tests.factories import NOON, make_click
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db

REPORT = "/affiliate/alice/report/"
SPAN = {"first": "2026-11-01", "last": "2026-11-30"}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(hours=1))


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice")))


@pytest.fixture
def alice(shop):
    return member_of(shop.affiliate)


def busy(shop: Shop) -> None:
    """Three Shanghai days: locked 79 + 158, released 79, clawed back 32 a day later, void 158."""
    day = timedelta(days=1)
    shop.send(shop.awaiting("A1", at=NOON - 2 * day, ordered_at=NOON - 2 * day))
    shop.send(shop.awaiting("A2", at=NOON - 2 * day, ordered_at=NOON - 2 * day, paid=2000))
    shop.send(shop.paid("A1", at=NOON - 2 * day, ordered_at=NOON - 2 * day))
    shop.sweep(at=NOON - 2 * day + timedelta(minutes=31))
    shop.sweep(at=NOON - day)
    shop.send(shop.refund(400, order_id="A1", at=NOON))


def read(response) -> list[list[str]]:
    content = b"".join(response.streaming_content).decode()
    assert content.startswith("\ufeff")
    return list(csv.reader(StringIO(content[1:])))


def test_days_count_postings_and_add_up(shop, alice):
    shop.click = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=3))
    busy(shop)
    page = alice.get(REPORT, SPAN)
    assert table(page) == [
        ["2026-11-20", "1", "US$0.00", "US$0.00", "US$0.00", "US$0.32", "−US$0.32"],
        ["2026-11-19", "1", "US$0.00", "US$0.00", "US$1.58", "US$0.00", "−US$1.58"],
        ["2026-11-18", "2", "US$2.37", "US$0.79", "US$0.00", "US$0.00", "US$2.37"],
    ]
    assert table(page, part="tfoot") == [["Total", "", "US$2.37", "US$0.79", "US$1.58", "US$0.32", "US$0.47"]]
    assert "Counted by the day in Shanghai" in text(page)


def test_the_day_turns_at_midnight_in_shanghai(shop, alice):
    midnight = NOON + timedelta(hours=12)
    shop.send(shop.awaiting("BEFORE", at=midnight - timedelta(seconds=1)))
    shop.send(shop.awaiting("AFTER", at=midnight))
    rows = table(alice.get(REPORT, SPAN))
    assert [row[:2] for row in rows] == [["2026-11-21", "1"], ["2026-11-20", "1"]]
    assert [row[0].split()[0] for row in table(alice.get(f"{REPORT}2026-11-21/"))] == ["AFTER"]


def test_the_span_is_thirty_days_unless_asked_otherwise_and_its_ends_count(shop, alice):
    form = alice.get(REPORT).context["form"]
    assert (form["first"].value().isoformat(), form["last"].value().isoformat()) == (
        "2026-10-22",
        "2026-11-20",
    )
    assert not form.has_changed()
    shop.send(shop.awaiting())
    assert len(table(alice.get(REPORT, {"first": "2026-11-20", "last": "2026-11-20"}))) == 1
    assert "Nothing was posted in this span" in text(
        alice.get(REPORT, {"first": "2026-11-01", "last": "2026-11-19"})
    )


def test_each_filter_narrows_to_its_own(shop, alice):
    other = make_pid(shop.affiliate, placement="side")
    side = make_click(shop.merchant, other)
    shop.send(
        shop.awaiting("TOP", lines=[{"line_id": "1", "category_id": "toys", "paid": 1000}]),
        shop.paid("SIDE", clicks=(side,), buyer={"ref": "b", "country": "KZ"}, paid=2000),
    )
    second = Shop(pid=make_pid(shop.affiliate, placement="third"))
    second.send(second.awaiting("ELSEWHERE", paid=3000))

    def orders(**filters) -> set[str]:
        page = alice.get(f"{REPORT}2026-11-20/", filters)
        return {row[0].split()[0] for row in table(page)}

    assert orders() == {"TOP", "SIDE", "ELSEWHERE"}
    assert orders(pid=other.pk) == {"SIDE"}
    assert orders(merchant=second.merchant.pk) == {"ELSEWHERE"}
    assert orders(country="KZ") == {"SIDE"}
    assert orders(category="toys") == {"TOP"}
    assert orders(state="confirmed") == {"SIDE"}
    assert orders(state="locked", merchant=shop.merchant.pk) == {"TOP"}
    page = alice.get(REPORT, {**SPAN, "country": "KZ"})
    assert table(page, part="tfoot") == [["Total", "", "US$1.58", "US$0.00", "US$0.00", "US$0.00", "US$1.58"]]
    assert f"{REPORT}2026-11-20/?country=KZ" in page.content.decode()


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"first": "2026-13-01"}, "Give a date such as 2026-11-20."),
        ({"first": "yesterday"}, "Give a date such as 2026-11-20."),
        ({"first": "0001-01-01", "last": "0001-01-01"}, "Give a date such as 2026-11-20."),
        ({"first": "2026-11-20", "last": "2026-11-19"}, "The end is before the start."),
        ({"first": "2024-01-01", "last": "2026-11-20"}, "Choose at most 366 days."),
        ({"pid": "x"}, "This is none of your choices."),
        ({"merchant": "999999"}, "This is none of your choices."),
        ({"country": "XX'; --"}, "This is none of your choices."),
        ({"state": "rich"}, "This is none of your choices."),
    ],
)
def test_a_bad_filter_is_said_by_name_and_no_figures_are_shown(shop, alice, filters, complaint):
    shop.send(shop.awaiting())
    page = alice.get(REPORT, filters)
    assert complaint in text(page)
    assert "These filters can't be used." in text(page)
    assert b"<tbody>" not in page.content
    file = alice.get(f"{REPORT}csv/", filters)
    assert file.status_code == 302
    assert file["Location"].startswith(f"{REPORT}?")


def test_another_affiliates_pid_is_no_choice(shop, alice):
    foreign = make_pid(make_affiliate("bob"))
    assert "This is none of your choices." in text(alice.get(REPORT, {"pid": foreign.pk}))


@pytest.mark.parametrize("day", ["2026-02-30", "today", "20261120x", "0000-00-00"])
def test_a_day_that_is_none_is_not_found(alice, day):
    assert alice.get(f"{REPORT}{day}/").status_code == 404


def test_the_file_is_the_table(shop, alice):
    shop.click = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=3))
    busy(shop)
    response = alice.get(f"{REPORT}csv/", SPAN)
    assert response["Content-Disposition"] == (
        'attachment; filename="report-alice-2026-11-01-2026-11-30.csv"'
    )
    header, *rows = read(response)
    assert header[:3] == ["Day (Shanghai)", "Orders", "Locked (USD)"]
    shown = [
        [cell.replace("US$", "").replace("−", "-") for cell in row] for row in table(alice.get(REPORT, SPAN))
    ]
    assert rows == shown
    assert rows[0] == ["2026-11-20", "1", "0.00", "0.00", "0.00", "0.32", "-0.32"]


def test_the_file_of_a_day_holds_all_its_orders_beyond_the_page(shop, alice):
    shop.send(*(shop.awaiting(f"A{number:02d}") for number in range(30)))
    page = alice.get(f"{REPORT}2026-11-20/")
    assert len(table(page)) == 25
    rest = alice.get(next_page(page))
    shown = [row[0].split()[0] for row in [*table(page), *table(rest)]]
    _header, *rows = read(alice.get(f"{REPORT}2026-11-20/", {"format": "csv"}))
    assert [row[0] for row in rows] == shown
    assert len(set(shown)) == 30
    assert sum(round(float(row[6]) * 100) for row in rows) == 30 * 79
    assert table(page, part="tfoot") == table(rest, part="tfoot")


def test_cells_chosen_by_strangers_are_no_formulas():
    assert text_cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert text_cell("@x") == "'@x"
    assert text_cell("A-1") == "A-1"
    assert text_cell("") == ""


def test_a_reversal_counts_against_what_it_reverses_on_its_own_day(shop, alice):
    shop.send(shop.awaiting())
    ledger.reverse(
        Transfer.objects.get(), by=make_user("Finn"), at=NOON + timedelta(days=1), reason="booked in error"
    )
    assert [row[:3] for row in table(alice.get(REPORT, SPAN))] == [
        ["2026-11-21", "1", "−US$0.79"],
        ["2026-11-20", "1", "US$0.79"],
    ]


def test_money_that_only_moves_between_ones_own_accounts_is_not_counted(shop, alice):
    shop.send(shop.paid())
    shop.send(shop.dispute(at=NOON + timedelta(minutes=6)))
    shop.send(shop.resolution(0, at=NOON + timedelta(minutes=7)))
    assert table(alice.get(REPORT, SPAN)) == [
        ["2026-11-20", "1", "US$0.79", "US$0.00", "US$0.00", "US$0.00", "US$0.79"]
    ]


def test_lost_to_rounding_is_the_sum_of_forgone_cents_of_paid_orders(shop, alice):
    shop.send(shop.paid("A1", paid=100), shop.paid("A2", paid=120), shop.awaiting("A3", paid=100))
    assert "Lost to rounding US$0.16 2 paid orders below the minimum unit, by order day" in text(
        alice.get(REPORT, SPAN)
    )
    assert "Lost to rounding US$0.00" in text(
        alice.get(REPORT, {"first": "2026-11-21", "last": "2026-11-22"})
    )


def test_the_chart_draws_the_tables_numbers_with_a_bar_for_every_day(shop, alice):
    shop.send(shop.awaiting())
    chart = alice.get(REPORT, SPAN).context["chart"]
    assert len(chart["labels"]) == 30
    assert chart["series"][0]["values"][chart["labels"].index("2026-11-20")] == 79
    assert sum(chart["series"][0]["values"]) == 79


def test_more_days_cost_no_more_queries(shop, alice):
    shop.click = make_click(shop.merchant, shop.pid, at=NOON - timedelta(days=25))

    def on_days(*numbers: int) -> None:
        for number in numbers:
            at = NOON - timedelta(days=number)
            shop.send(shop.awaiting(f"A{number}", at=at, ordered_at=at))

    on_days(1, 2)
    alice.get(REPORT)
    with CaptureQueriesContext(connection) as two:
        assert len(table(alice.get(REPORT))) == 2
    on_days(*range(3, 21))
    with CaptureQueriesContext(connection) as twenty:
        assert len(table(alice.get(REPORT))) == 20
    assert len(twenty) == len(two)


def test_an_affiliate_without_any_posting_has_an_empty_report_and_file():
    fresh = member_of(make_affiliate("alice"), "Fred")
    assert "Nothing was posted in this span" in text(fresh.get(REPORT))
    assert "Nothing was posted on this day" in text(fresh.get(f"{REPORT}2026-11-20/"))
    assert len(read(fresh.get(f"{REPORT}csv/"))) == 1
