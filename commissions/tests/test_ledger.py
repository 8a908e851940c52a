"""The books refuse what must not be written, whoever asks (LEDGER-1…5), and recover debts first (LIFE-6)."""

from __future__ import annotations

import threading
from copy import copy
from datetime import timedelta
from itertools import count

import pytest
from django.db import IntegrityError, connection, transaction

from affiliates.tests.factories import make_affiliate, make_pid
from commissions import ledger
from commissions.ledger import (
    JournalEntry,
    NotReversible,
    Overdrawn,
    Posting,
    TransferConflict,
    account_ids,
    platform_account_id,
    post,
    reverse,
)
from commissions.models import Account, AccountKind, Journal, JournalKind, SourceKind, State, Transfer
from commissions.release import release_due
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from orders.tests.factories import NOON, make_click, make_merchant
from portal import audit
from portal.models import User

RELEASED_AT = NOON + timedelta(minutes=40)
PENDING, HELD, AVAILABLE = "affiliate.pending", "affiliate.held", "affiliate.available"
IN_PAYOUT, DEBT = "affiliate.in_payout", "affiliate.debt"
COMMITTED, RECEIVABLE = "merchant.committed", "merchant.receivable"
_payouts = count(1)


@pytest.fixture
def user(db):
    return User.objects.create(email="fiona@finance.example")


class Books:
    """The accounts of one affiliate and one merchant, and postings among them."""

    def __init__(self) -> None:
        self.affiliate, self.merchant = make_affiliate(), make_merchant()
        accounts = account_ids(affiliates=[self.affiliate.pk], merchants=[self.merchant.pk])
        self.ids = {kind: account for (kind, _), account in accounts.items()}

    def posting(
        self, debit: str, credit: str, amount: int, *, source: int = 1, sequence: int = 0, journal: int = 0
    ) -> Posting:
        return Posting(journal, "adjust", "debt", source, sequence, self.ids[debit], self.ids[credit], amount)

    def post(self, *postings: Posting) -> list[int]:
        with transaction.atomic():
            return post([JournalEntry("adjust", None)], postings, at=NOON)

    def balances(self) -> dict[str, int]:
        accounts = Account.objects.filter(pk__in=self.ids.values())
        return {account.kind: account.balance for account in accounts if account.balance}


@pytest.fixture
def books(db):
    return Books()


def refused(sql: str, message: str) -> None:
    with pytest.raises(IntegrityError, match=message), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


# --- append-only, for raw SQL too (LEDGER-2) -------------------------------------------------------------------

TABLES = {
    "commissions_transfer": "amount",
    "commissions_journal": "memo",
    "commissions_transition": "reason",
    "portal_auditentry": "id",
    "orders_orderevent": "event_id",
    "orders_rejectedevent": "code",
}


@pytest.fixture
def full_tables(user):
    shop = Shop()
    shop.send(shop.paid(), {**shop.paid(), "currency": "XXX"})
    shop.sweep()
    audit.record("test.entry", by=user, target=shop.affiliate, at=NOON)
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0] > 0, table


def contents(table: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return cursor.fetchall()


@pytest.mark.parametrize(("table", "column"), TABLES.items())
@pytest.mark.usefixtures("full_tables")
def test_no_row_of_the_record_is_changed_or_deleted_by_raw_sql(table, column):
    before = contents(table)
    refused(f"UPDATE {table} SET {column} = {column}", "append-only: UPDATE refused")
    refused(f"UPDATE {table} SET {column} = {column} WHERE false", "append-only: UPDATE refused")
    refused(f"DELETE FROM {table}", "append-only: DELETE refused")
    refused(f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})", "append-only: DELETE refused")
    assert contents(table) == before


@pytest.mark.parametrize("table", [*TABLES, "commissions_commission", "commissions_account"])
@pytest.mark.parametrize("setting", ["off", "", "ON "])
@pytest.mark.usefixtures("full_tables")
def test_no_table_of_the_record_is_emptied_outside_a_test_database(table, setting):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('portal.test_database', %s, true)", [setting])
        # A constraint that waits for the end of the transaction would refuse the TRUNCATE before we do.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    before = contents(table)
    refused(f"TRUNCATE {table} CASCADE", "append-only: TRUNCATE refused")
    assert contents(table) == before


def test_an_upsert_is_an_update_and_refused(full_tables):
    refused(
        "INSERT INTO commissions_journal SELECT * FROM commissions_journal"
        " ON CONFLICT (id) DO UPDATE SET memo = 'rewritten'",
        "append-only: UPDATE refused",
    )


@pytest.mark.parametrize("table", ["commissions_commission", "commissions_account"])
def test_commissions_and_accounts_are_not_deleted(full_tables, table):
    refused(f"DELETE FROM {table}", "append-only: DELETE refused")


# --- accounts and balances (LEDGER-1, LEDGER-4) ----------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["debits = debits + 1", "credits = 0", "debits = 5, credits = 5", "credits = credits"]
)
def test_a_balance_is_not_changed_by_raw_sql(books, change):
    books.post(books.posting(COMMITTED, PENDING, 100))
    refused(f"UPDATE commissions_account SET {change}", "balances move by transfers only")
    assert books.balances() == {COMMITTED: 100, PENDING: 100}


def test_an_account_opens_at_zero(books):
    another = make_affiliate()
    refused(
        "INSERT INTO commissions_account (kind, affiliate_id, currency, debits, credits)"
        f" VALUES ('affiliate.available', {another.pk}, 'USD', 0, 500)",
        "an account opens at zero",
    )
    opened = account_ids(affiliates=[another.pk])
    assert len(opened) == 5
    assert account_ids(affiliates=[another.pk]) == opened
    assert not any(account.balance for account in Account.objects.filter(affiliate=another))


def test_an_account_fits_its_owner(books):
    refused(
        "INSERT INTO commissions_account (kind, merchant_id, currency, debits, credits)"
        f" VALUES ('affiliate.available', {books.merchant.pk}, 'USD', 0, 0)",
        "account_owner_fits_kind",
    )


def test_every_balance_is_the_sum_of_its_transfers(books):
    books.post(
        books.posting(COMMITTED, PENDING, 100, source=1),
        books.posting(PENDING, HELD, 30, source=2),
        books.posting(HELD, PENDING, 10, source=3),
        books.posting(PENDING, COMMITTED, 25, source=4),
    )
    assert books.balances() == {COMMITTED: 75, PENDING: 55, HELD: 20}
    pending = Account.objects.get(pk=books.ids[PENDING])
    assert (pending.debits, pending.credits) == (55, 110)
    assert sum(account.debits - account.credits for account in Account.objects.all()) == 0
    assert_books_balance(at=NOON)


def transfer(debit: int, credit: int, amount: int = 5, *, currency: str = "USD", kind: str = "adjust") -> str:
    return (
        "INSERT INTO commissions_transfer (journal_id, kind, source_kind, source_id, sequence,"
        " debit_account_id, credit_account_id, amount, currency, posted_at)"
        f" VALUES (1, '{kind}', 'debt', 1, 0, {debit}, {credit}, {amount}, '{currency}', now())"
    )


def test_currencies_do_not_mix(books):
    yuan = platform_account_id(AccountKind.BANK, currency="CNY")
    dollar = books.ids[COMMITTED]
    for pair in ((dollar, yuan), (yuan, dollar)):
        refused(transfer(*pair), "its accounts are in")
    refused(transfer(dollar, books.ids[PENDING], currency="CNY"), "its accounts are in")
    assert books.balances() == {}
    assert not Transfer.objects.exists()


def test_an_account_must_exist(books):
    refused(transfer(books.ids[COMMITTED], 10**9), "its accounts are in USD and <NULL>")
    refused(transfer(10**9, books.ids[COMMITTED]), "its accounts are in")
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_is_positive(books, amount):
    refused(transfer(books.ids[COMMITTED], books.ids[PENDING], amount), "transfer_amount_positive")


def test_an_unknown_kind_and_a_transfer_to_itself_are_refused(books):
    refused(transfer(books.ids[COMMITTED], books.ids[PENDING], kind="gift"), "transfer_kind_known")
    refused(transfer(books.ids[PENDING], books.ids[PENDING]), "transfer_between_two_accounts")


@pytest.mark.parametrize(
    ("debit", "credit"),
    [
        (PENDING, COMMITTED),
        (HELD, RECEIVABLE),
        (AVAILABLE, RECEIVABLE),
        (IN_PAYOUT, RECEIVABLE),
        (RECEIVABLE, COMMITTED),
        (RECEIVABLE, DEBT),
    ],
)
@pytest.mark.parametrize("funds", [0, 100])
def test_no_account_can_be_overdrawn_by_a_cent(books, debit, credit, funds):
    if funds:
        # Put exactly `funds` on the account, the other way round, from where there is always enough.
        books.post(Posting(0, "adjust", "debt", 50, 0, books.ids[credit], books.ids[debit], funds))
        before = books.balances()
    else:
        before = {}
    with pytest.raises(Overdrawn):
        books.post(books.posting(debit, credit, funds + 1))
    assert books.balances() == before
    if funds:
        books.post(books.posting(debit, credit, funds))
        assert books.balances() == {}
    assert_books_balance(at=NOON)


def test_an_overdraft_by_raw_sql_is_refused_too(books):
    refused(transfer(books.ids[PENDING], books.ids[COMMITTED]), "not_overdrawn")


def test_what_a_merchant_has_paid_ahead_is_no_overdraft(books):
    books.post(books.posting(AVAILABLE, RECEIVABLE, 5), books.posting(RECEIVABLE, AVAILABLE, 5, source=2))
    bank = platform_account_id(AccountKind.BANK, currency="USD")
    books.post(Posting(0, "merchant_payment", "merchant_payment", 1, 0, bank, books.ids[RECEIVABLE], 700))
    assert books.balances() == {RECEIVABLE: -700}


# --- idempotent by the fact (LEDGER-3) -------------------------------------------------------------------------


def test_a_repeat_returns_what_is_booked(books):
    posting = books.posting(COMMITTED, PENDING, 100)
    first = books.post(posting)
    assert books.post(posting) == first
    assert books.post(posting) == first
    assert (Transfer.objects.count(), Journal.objects.count()) == (1, 1)
    assert books.balances() == {COMMITTED: 100, PENDING: 100}


def test_of_a_set_that_is_partly_booked_the_rest_is_booked(books):
    (old,) = books.post(books.posting(COMMITTED, PENDING, 100))
    entries = [JournalEntry("adjust", None, memo) for memo in ("old", "mixed", "new")]
    postings = [
        books.posting(COMMITTED, PENDING, 100, journal=0),
        books.posting(COMMITTED, PENDING, 7, source=2, journal=1),
        books.posting(COMMITTED, PENDING, 9, source=3, journal=2),
    ]
    ids = post(entries, postings, at=NOON)
    assert ids[0] == old
    assert list(Journal.objects.filter(pk__in=ids[1:]).order_by("id").values_list("memo", flat=True)) == [
        "mixed",
        "new",
    ]
    assert Transfer.objects.get(source_id=3).journal_id == ids[2]
    assert post(entries, postings, at=NOON) == ids
    assert books.balances() == {COMMITTED: 116, PENDING: 116}


@pytest.mark.parametrize(
    ("debit", "credit", "amount"),
    [(COMMITTED, PENDING, 99), (COMMITTED, HELD, 100), (RECEIVABLE, PENDING, 100), (PENDING, COMMITTED, 100)],
)
def test_the_same_fact_with_another_amount_or_account_is_a_conflict(books, debit, credit, amount):
    books.post(books.posting(COMMITTED, PENDING, 100))
    new = books.posting(COMMITTED, PENDING, 3, source=2)
    with pytest.raises(TransferConflict):
        books.post(new, books.posting(debit, credit, amount))
    assert books.balances() == {COMMITTED: 100, PENDING: 100}
    assert (Transfer.objects.count(), Journal.objects.count()) == (1, 1)


def test_another_sequence_source_or_kind_is_another_fact(books):
    fact = books.posting(COMMITTED, PENDING, 1)
    others = [fact._replace(sequence=1), fact._replace(source_id=2), fact._replace(kind="lock")]
    for posting in (fact, *others, fact._replace(source_kind="payout")):
        books.post(posting)
    assert books.balances() == {COMMITTED: 5, PENDING: 5}


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_books_and_the_other_gets_what_is_booked():
    books = Books()
    rounds, results = 20, [[], []]
    barrier = threading.Barrier(2, timeout=20)

    def work(mine: list) -> None:
        try:
            for number in range(rounds):
                barrier.wait()
                mine.append(books.post(books.posting(COMMITTED, PENDING, 100, source=number)))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results[0] == results[1]
    assert len(results[0]) == rounds == Transfer.objects.count() == Journal.objects.count()
    assert books.balances() == {COMMITTED: 2000, PENDING: 2000}
    assert_books_balance(at=NOON)


# --- reversals (LEDGER-2) --------------------------------------------------------------------------------------


def test_a_reversal_undoes_a_transfer_in_full_and_once(books, user):
    books.post(books.posting(COMMITTED, PENDING, 100), books.posting(COMMITTED, PENDING, 9, source=2))
    wrong = Transfer.objects.get(amount=100)
    journal = reverse(wrong, by=user, at=NOON, reason="posted to the wrong shop")
    undone = Transfer.objects.get(journal_id=journal)
    assert (undone.debit_account_id, undone.credit_account_id, undone.amount) == (
        wrong.credit_account_id,
        wrong.debit_account_id,
        100,
    )
    assert Journal.objects.get(pk=journal).by == user
    assert books.balances() == {COMMITTED: 9, PENDING: 9}
    with pytest.raises(NotReversible):
        reverse(wrong, by=user, at=NOON, reason="again")
    with pytest.raises(NotReversible):
        reverse(undone, by=user, at=NOON, reason="and back")
    assert Transfer.objects.count() == 3
    assert_books_balance(at=NOON)


def test_a_reversal_that_would_overdraw_is_refused(books, user):
    books.post(books.posting(COMMITTED, PENDING, 100), books.posting(PENDING, HELD, 100, source=2))
    with pytest.raises(Overdrawn):
        reverse(Transfer.objects.get(source_id=1), by=user, at=NOON, reason="too late")
    assert books.balances() == {COMMITTED: 100, HELD: 100}
    assert Transfer.objects.count() == 2


def test_a_reversal_is_of_a_transfer_and_nothing_else_is(books):
    refused(
        transfer(books.ids[COMMITTED], books.ids[PENDING], kind="reversal"), "transfer_reversal_of_a_transfer"
    )


# --- debt (LIFE-6) ---------------------------------------------------------------------------------------------


def pay_out(shop: Shop, amount: int) -> None:
    """What a payout's request does to the books."""
    ids = account_ids(affiliates=[shop.affiliate.pk])
    posting = Posting(
        0,
        JournalKind.PAYOUT_REQUEST.value,
        SourceKind.PAYOUT.value,
        next(_payouts),
        0,
        ids[AVAILABLE, shop.affiliate.pk],
        ids[IN_PAYOUT, shop.affiliate.pk],
        amount,
    )
    with transaction.atomic():
        post([JournalEntry(JournalKind.PAYOUT_REQUEST.value, None)], [posting], at=NOON)


@pytest.fixture
def indebted(db):
    """79 cents paid out, of which a refund has since taken back 48: nothing available, 48 owed."""
    shop = Shop()
    shop.send(shop.paid())
    shop.sweep()
    pay_out(shop, 79)
    shop.send(shop.refund(600))
    assert shop.balances() == {IN_PAYOUT: 79, DEBT: 48, RECEIVABLE: 31}
    return shop


def later(minutes: int):
    return NOON + timedelta(hours=3, minutes=minutes)


def test_a_refund_after_payout_takes_what_is_available_and_the_rest_is_debt(db):
    shop = Shop()
    shop.send(shop.paid())
    shop.sweep()
    pay_out(shop, 50)
    shop.send(shop.refund(600))
    assert shop.balances() == {IN_PAYOUT: 50, DEBT: 19, RECEIVABLE: 31}
    assert_books_balance(at=later(0))


def test_money_in_a_payout_is_never_touched(indebted):
    indebted.send(indebted.refund(400, refund_id="r2"))
    assert indebted.commission().state == State.CLAWED_BACK
    assert indebted.balances() == {IN_PAYOUT: 79, DEBT: 79}
    assert_books_balance(at=later(0))


def test_the_next_release_recovers_first(indebted):
    indebted.send(indebted.paid("A2", at=later(0), paid=500))
    indebted.sweep(at=later(30))
    # 39 released, all of it taken for the debt of 48.
    assert indebted.balances() == {IN_PAYOUT: 79, DEBT: 9, RECEIVABLE: 70}
    indebted.send(indebted.paid("A3", at=later(31), paid=500))
    indebted.sweep(at=later(61))
    assert indebted.balances() == {IN_PAYOUT: 79, AVAILABLE: 30, RECEIVABLE: 109}
    recoveries = Transfer.objects.filter(kind=JournalKind.RECOVER).order_by("id")
    assert [recovery.amount for recovery in recoveries] == [39, 9]
    assert [recovery.source_id for recovery in recoveries] == [
        indebted.commission("A2").pk,
        indebted.commission("A3").pk,
    ]
    assert_books_balance(at=later(61))


@pytest.mark.parametrize("chunk", [1, 2, 3])
@pytest.mark.parametrize("newest_first", [True, False])
def test_every_chunk_of_one_sweep_recovers(indebted, chunk, newest_first):
    """The chunks of a sweep share its moment; each must book its recovery for a commission of its own."""
    numbers = range(3)
    for number in numbers:
        minute = 9 - number if newest_first else number
        indebted.send(indebted.paid(f"B{number}", at=later(minute), paid=200), at=later(10))
    assert release_due(at=later(40), chunk=chunk) == (3, 45)
    assert indebted.balances() == {IN_PAYOUT: 79, DEBT: 3, RECEIVABLE: 76}
    assert_books_balance(at=later(40))


def test_equal_recoveries_in_one_sweep_are_both_booked(indebted):
    """The second has another source, or it would pass for a repeat of the first and not be booked."""
    for number, minute in enumerate((1, 0)):
        indebted.send(indebted.paid(f"B{number}", at=later(minute), paid=200), at=later(2))
    assert release_due(at=later(40), chunk=1) == (2, 30)
    assert indebted.balances() == {IN_PAYOUT: 79, DEBT: 18, RECEIVABLE: 61}
    assert_books_balance(at=later(40))


def test_a_resumption_recovers_first(db):
    shop = Shop()
    shop.send(shop.paid("A1"), shop.paid("A2"))
    shop.sweep()
    pay_out(shop, 79)
    shop.send(shop.dispute(order_id="A2"))
    assert shop.balances() == {IN_PAYOUT: 79, HELD: 79, RECEIVABLE: 158}
    shop.send(shop.refund(600, order_id="A1"))
    assert shop.balances() == {IN_PAYOUT: 79, HELD: 79, DEBT: 48, RECEIVABLE: 110}
    shop.send(shop.resolution(0, order_id="A2"))
    assert shop.commission("A2").state == State.RELEASED
    assert shop.balances() == {IN_PAYOUT: 79, AVAILABLE: 31, RECEIVABLE: 110}
    assert_books_balance(at=later(0))


def test_an_upward_adjustment_recovers_first(indebted):
    indebted.send(indebted.refund(300, at=later(1)))
    assert indebted.commission().amount == 55
    assert indebted.balances() == {IN_PAYOUT: 79, DEBT: 24, RECEIVABLE: 55}
    indebted.send(indebted.refund(0, at=later(2)))
    assert indebted.balances() == {IN_PAYOUT: 79, RECEIVABLE: 79}
    assert_books_balance(at=later(2))


def test_a_dispute_of_what_was_paid_out_is_exposure_not_debt(db):
    shop = Shop()
    shop.send(shop.paid())
    shop.sweep()
    pay_out(shop, 50)
    shop.send(shop.dispute())
    assert (shop.commission().state, shop.commission().held_amount) == (State.HELD, 29)
    assert shop.balances() == {IN_PAYOUT: 50, HELD: 29, RECEIVABLE: 79}
    shop.send(shop.resolution(400))
    assert shop.balances() == {IN_PAYOUT: 50, DEBT: 3, RECEIVABLE: 47}
    assert_books_balance(at=later(0))


def test_one_sweep_recovers_from_several_affiliates_and_leaves_the_others_alone(db):
    first = Shop()
    shops = [first]
    for _ in range(2):
        other = copy(first)
        other.pid = make_pid()
        other.affiliate = other.pid.affiliate
        other.click = make_click(first.merchant, other.pid)
        shops.append(other)
    for number, shop in enumerate(shops):
        shop.send(shop.paid(f"A{number}"))
    first.sweep()
    for number, shop in enumerate(shops[:2]):
        pay_out(shop, 79)
        shop.send(shop.refund(600, order_id=f"A{number}"))
    for number, shop in enumerate(shops):
        shop.send(shop.paid(f"B{number}", at=later(0), paid=1000 - 500 * number))
    first.sweep(at=later(30))
    kinds = (AVAILABLE, DEBT)
    assert [{kind: shop.balances().get(kind, 0) for kind in kinds} for shop in shops] == [
        {AVAILABLE: 31, DEBT: 0},
        {AVAILABLE: 0, DEBT: 9},
        {AVAILABLE: 79, DEBT: 0},
    ]
    assert_books_balance(at=later(30))


def test_purses_are_read_under_the_locks_of_all_accounts(indebted):
    accounts = account_ids(affiliates=[indebted.affiliate.pk], merchants=[indebted.merchant.pk])
    with transaction.atomic():
        assert ledger.purses([indebted.affiliate.pk], accounts) == {indebted.affiliate.pk: (0, 48)}
