"""An affiliate's balance and the ledger lines behind each number (REP-4)."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.tests.factories import make_affiliate, make_pid
from commissions import ledger
from commissions.balances import BY_SLUG, balances, lines
from commissions.ledger import JournalEntry, Posting
from commissions.models import AccountKind, SourceKind
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from commissions.tests.pages import member_of, next_page, table, text
from orders.tests.factories import NOON
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db

BALANCE = "/affiliate/alice/balance/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(hours=6))


@pytest.fixture
def shop():
    return Shop(pid=make_pid(make_affiliate("alice")))


def pay_out(shop: Shop, amount: int, *, at) -> None:
    """Post a payout of `amount` cents, requested and settled, as the books record one."""
    mine = ledger.account_ids(affiliates=[shop.affiliate.pk])
    available = mine[AccountKind.AFFILIATE_AVAILABLE, shop.affiliate.pk]
    in_payout = mine[AccountKind.AFFILIATE_IN_PAYOUT, shop.affiliate.pk]
    clearing = ledger.platform_account_id(AccountKind.FX_CLEARING, currency="USD")
    for kind, debit, credit in (
        ("payout_request", available, in_payout),
        ("settle", in_payout, clearing),
    ):
        ledger.post(
            [JournalEntry(kind, None)],
            [Posting(0, kind, SourceKind.PAYOUT, 1, 0, debit, credit, amount)],
            at=at,
        )


def amounts(shop: Shop) -> dict[str, int]:
    return {entry.tile.slug: entry.amount for entry in balances(shop.affiliate)}


def test_six_numbers_from_the_books_each_opening_its_lines(shop):
    shop.send(shop.paid("A1"), shop.awaiting("A2"), shop.paid("A3", paid=2000))
    shop.send(shop.dispute(order_id="A3", at=NOON + timedelta(minutes=10)))
    shop.sweep()
    pay_out(shop, 50, at=NOON + timedelta(hours=1))
    alice = member_of(shop.affiliate)
    said = text(alice.get(BALANCE))
    assert "Pending US$0.79" in said
    assert "Held US$1.58" in said
    assert "Available US$0.29" in said
    assert "In payout US$0.00" in said
    assert "Paid US$0.50" in said
    assert "Debt US$0.00" in said
    page = alice.get(f"{BALANCE}paid/")
    assert table(page) == [["2026-11-20 13:00:00", "payout settled", "—", "+US$0.50", "US$0.50"]]
    assert [row[1:] for row in table(alice.get(f"{BALANCE}in-payout/"))] == [
        ["payout settled", "—", "−US$0.50", "US$0.00"],
        ["payout requested", "—", "+US$0.50", "US$0.50"],
    ]
    assert_books_balance(at=NOON + timedelta(hours=1))


def test_a_refund_after_the_payout_is_debt_and_says_which_order(shop):
    shop.send(shop.paid())
    shop.sweep()
    pay_out(shop, 79, at=NOON + timedelta(hours=1))
    shop.send(shop.refund(400))
    assert amounts(shop)["debt"] == 32
    alice = member_of(shop.affiliate)
    [row] = table(alice.get(f"{BALANCE}debt/"))
    assert row == ["2026-11-20 14:00:00", "clawback", f"A1 {shop.merchant.name}", "+US$0.32", "US$0.32"]
    shop.send(shop.paid("A2", at=NOON + timedelta(hours=3), ordered_at=NOON))
    shop.sweep(at=NOON + timedelta(hours=4))
    assert amounts(shop) == {
        "pending": 0,
        "held": 0,
        "available": 47,
        "in-payout": 0,
        "paid": 79,
        "debt": 0,
    }
    assert [row[1:] for row in table(alice.get(f"{BALANCE}debt/"))] == [
        ["debt recovery", f"A2 {shop.merchant.name}", "−US$0.32", "US$0.00"],
        ["clawback", f"A1 {shop.merchant.name}", "+US$0.32", "US$0.32"],
    ]


def test_the_running_balance_holds_across_pages_and_lines_of_one_instant(shop):
    for number in range(12):
        shop.send(shop.awaiting(f"A{number}", paid=1000 + 100 * number), at=NOON)
    shop.send(*(shop.paid(f"A{number}", paid=1000 + 100 * number) for number in range(12)))
    shop.sweep()
    tile = BY_SLUG["pending"]
    whole, following = lines(shop.affiliate, tile, limit=100)
    assert (len(whole), following) == (24, None)
    assert whole[0].balance == amounts(shop)["pending"] == 0
    assert whole[-1].balance == whole[-1].amount == 79
    for newer, older in pairwise(whole):
        assert newer.balance - newer.amount == older.balance
    paged, mark = [], None
    while True:
        page, mark = lines(shop.affiliate, tile, after=mark, limit=5)
        paged += page
        if mark is None:
            break
    assert paged == whole


def test_each_line_leads_to_its_commission_and_a_reversal_to_the_one_it_undoes(shop):
    shop.send(shop.awaiting())
    transfer = shop.affiliate.accounts.get(kind="affiliate.pending").credit_transfers.get()
    ledger.reverse(transfer, by=make_user("Finn"), at=NOON + timedelta(hours=1), reason="booked in error")
    alice = member_of(shop.affiliate)
    page = alice.get(f"{BALANCE}pending/")
    assert [row[1:] for row in table(page)] == [
        ["reversal", f"A1 {shop.merchant.name}", "−US$0.79", "US$0.00"],
        ["lock", f"A1 {shop.merchant.name}", "+US$0.79", "US$0.79"],
    ]
    link = f"/affiliate/alice/commissions/{shop.commission().public_id}/"
    assert page.content.decode().count(f'href="{link}"') == 2
    assert [row[1] for row in table(alice.get(link), -1)] == ["lock", "reversal"]


def test_an_affiliate_without_postings_has_zeros_and_no_lines():
    fresh = member_of(make_affiliate("alice"), "Fred")
    assert text(fresh.get(BALANCE)).count("US$0.00") == 6
    for slug in BY_SLUG:
        assert "Nothing was ever posted here." in text(fresh.get(f"{BALANCE}{slug}/"))


def test_an_account_that_is_none_is_not_found(shop):
    alice = member_of(shop.affiliate)
    assert alice.get(f"{BALANCE}bank/").status_code == 404
    assert alice.get(f"{BALANCE}merchant-receivable/").status_code == 404


def test_twenty_lines_cost_as_many_queries_as_two_and_a_later_page_one_more(shop):
    alice = member_of(shop.affiliate)
    shop.send(*(shop.awaiting(f"A{number}") for number in range(2)))
    alice.get(f"{BALANCE}pending/")
    with CaptureQueriesContext(connection) as two:
        alice.get(f"{BALANCE}pending/")
    shop.send(*(shop.awaiting(f"B{number}") for number in range(28)))
    with CaptureQueriesContext(connection) as many:
        page = alice.get(f"{BALANCE}pending/")
    assert len(many) == len(two)
    with CaptureQueriesContext(connection) as later:
        rest = alice.get(next_page(page))
    assert len(later) == len(two) + 1
    assert [len(table(page)), len(table(rest))] == [25, 5]
    assert table(rest)[-1][-1] == "US$0.79"
