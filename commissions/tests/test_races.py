"""Two at once: each pair of steps that can meet, forced and free, and the same with the lock off (LIFE-3, LIFE-7).

A negative control shows that its test can fail: without the lock, the same interleaving goes wrong.
"""

from __future__ import annotations

import threading
from copy import copy
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, OperationalError, connection

from affiliates.suspension import reinstate, suspend
from affiliates.tests.factories import make_pid
from commissions import intake, ledger, recompute
from commissions.booking import ChangedMeanwhile, LockedOrder
from commissions.books import check_books
from commissions.ledger import Overdrawn
from commissions.models import Hold, State, Transfer
from commissions.release import hold_suspended, release_due, sweep
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from orders.models import OrderEvent
from orders.tests.factories import NOON, make_click
from portal.models import User
from portal.testing.races import as_is, interleave, race, without

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DUE = NOON + timedelta(minutes=40)
EVENING = NOON + timedelta(hours=8)
# After all facts are read and before anything is written; and inside the release, its commissions locked.
JUDGED = "FROM orders_click"
RELEASING = "WITH funding AS"
ROUNDS = 20

LOCK = " ORDER BY id FOR NO KEY UPDATE"
ROW_GUARD = " AND c.state = n.state_before AND c.posting_count = n.posting_count_before"
UNLOCKED = without(LOCK, ROW_GUARD)
"""Orders and commissions are read without their row locks and written unguarded; a release keeps its own."""


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def paid(shop):
    """One confirmed commission of 79, due."""
    shop.send(shop.paid())
    return shop


def sending(shop: Shop, *events, at=DUE):
    return partial(shop.send, *events, at=at)


def sweeping(at=DUE):
    return partial(release_due, at=at)


# --- refund × refund -------------------------------------------------------------------------------------------


def two_refunds(shop, change):
    return interleave(
        sending(shop, shop.refund(400, refund_id="r1", at=DUE)),
        sending(shop, shop.refund(400, refund_id="r2", at=DUE)),
        pause_before=JUDGED,
        change=change,
    )


def test_two_refunds_at_once_both_count(paid):
    first, second, waited = two_refunds(paid, as_is)
    assert waited
    assert [first[0].commission["amount"], second[0].commission["amount"]] == [47, 15]
    assert paid.commission().amount == 15
    assert paid.balances() == {"affiliate.pending": 15, "merchant.committed": 15}
    assert_books_balance(at=DUE)


def test_control_without_the_lock_one_of_two_refunds_is_lost(paid):
    _, _, waited = two_refunds(paid, UNLOCKED)
    assert not waited
    assert OrderEvent.objects.filter(type="order.refunded").count() == 2
    assert paid.commission().amount == 47


def test_without_the_lock_the_guard_of_the_update_still_refuses_to_lose_a_refund(paid):
    first, second, _ = two_refunds(paid, without(LOCK))
    assert isinstance(first, ChangedMeanwhile) or isinstance(second, ChangedMeanwhile)
    assert OrderEvent.objects.filter(type="order.refunded").count() == 1
    assert paid.commission().amount == 47


def test_refunds_racing_end_exactly(shop):
    orders = [f"A{n}" for n in range(ROUNDS)]
    shop.send(*(shop.paid(order) for order in orders))
    left = [sending(shop, shop.refund(300, refund_id="r1", order_id=order, at=DUE)) for order in orders]
    right = [sending(shop, shop.refund(300, refund_id="r2", order_id=order, at=DUE)) for order in orders]
    race(left, right)
    assert {shop.commission(order).amount for order in orders} == {31}
    total = 31 * ROUNDS
    assert shop.balances() == {"affiliate.pending": total, "merchant.committed": total}
    assert_books_balance(at=DUE)


# --- release × refund, release × dispute -----------------------------------------------------------------------


def fact_of(shop, kind: str, order: str = "A1"):
    if kind == "refund":
        return shop.refund(400, order_id=order, at=DUE)
    return shop.dispute(order_id=order, at=DUE)


def settled(shop, kind: str, *orders: str) -> None:
    """After a resolution of any dispute and another sweep: 47 cents of each order are available."""
    if kind == "dispute":
        assert {shop.commission(order).state for order in orders} == {State.HELD}
        shop.send(*(shop.resolution(400, order_id=order, at=EVENING) for order in orders))
    sweep(at=EVENING)
    for order in orders:
        commission = shop.commission(order)
        assert (commission.state, commission.amount, commission.held_amount) == (State.RELEASED, 47, 0)
    total = 47 * len(orders)
    assert shop.balances() == {"affiliate.available": total, "merchant.receivable": total}
    assert Transfer.objects.filter(kind="release").count() == 2 * len(orders)
    assert_books_balance(at=EVENING)


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_a_sweep_passes_by_what_is_being_changed(paid, kind):
    fact, released, waited = interleave(sending(paid, fact_of(paid, kind)), sweeping(), pause_before=JUDGED)
    assert (released, waited) == ((0, 0), False)
    assert fact[0].status == "applied"
    settled(paid, kind, "A1")


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_a_fact_waits_for_the_release_that_is_under_way(paid, kind):
    released, fact, waited = interleave(
        sweeping(), sending(paid, fact_of(paid, kind)), pause_before=RELEASING
    )
    assert (released, waited) == ((1, 79), True)
    assert fact[0].status == "applied"
    settled(paid, kind, "A1")


@pytest.mark.parametrize("kind", ["refund", "dispute"])
@pytest.mark.parametrize("sweep_first", [True, False])
def test_control_without_the_lock_a_fact_is_judged_by_what_was_before_the_release(paid, kind, sweep_first):
    send = sending(paid, fact_of(paid, kind))
    if sweep_first:
        released, fact, _ = interleave(sweeping(), send, pause_before=RELEASING, change=UNLOCKED)
    else:
        fact, released, _ = interleave(send, sweeping(), pause_before=JUDGED, change=UNLOCKED)
    assert released == (1, 79)
    # Pending money that is not there any more: the last line, the database's constraints, refuses it. Without
    # them it would be booked; as it is, the shop's fact is not taken in.
    assert isinstance(fact, Overdrawn | IntegrityError)
    assert not OrderEvent.objects.exclude(type="order.paid").exists()


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_facts_racing_with_sweeps_end_exactly(shop, kind):
    orders = [f"A{n}" for n in range(ROUNDS)]
    shop.send(*(shop.paid(order, at=NOON + timedelta(seconds=n)) for n, order in enumerate(orders)))
    due = timedelta(minutes=30)
    # The sweep of each round has just this round's order to release.
    sweeps = [sweeping(NOON + timedelta(seconds=n) + due) for n in range(ROUNDS)]
    facts = [sending(shop, fact_of(shop, kind, order)) for order in orders]
    race(sweeps, facts)
    settled(shop, kind, *orders)


# --- sweep × sweep ---------------------------------------------------------------------------------------------

SKIPPING = "FOR NO KEY UPDATE OF c SKIP LOCKED"
GUARD = "AND c.state = 'confirmed'"


def test_a_second_sweep_passes_by_what_the_first_releases(paid):
    first, second, waited = interleave(sweeping(), sweeping(), pause_before=RELEASING)
    assert (first, second, waited) == ((1, 79), (0, 0), False)
    settled_at = {"affiliate.available": 79, "merchant.receivable": 79}
    assert paid.balances() == settled_at
    assert_books_balance(at=DUE)


def test_without_its_lock_the_guard_of_the_update_still_keeps_a_release_single(paid):
    first, second, waited = interleave(
        sweeping(), sweeping(), pause_before=RELEASING, change=without(SKIPPING)
    )
    assert (first, second, waited) == ((1, 79), (0, 0), True)
    assert paid.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert_books_balance(at=DUE)


def test_control_without_lock_and_guard_the_second_sweep_releases_again(paid):
    first, second, waited = interleave(
        sweeping(), sweeping(), pause_before=RELEASING, change=without(SKIPPING, GUARD)
    )
    assert (first, waited) == ((1, 79), True)
    # Only the uniqueness of the fact stops it now, and with it the whole chunk.
    assert isinstance(second, IntegrityError)
    assert "transfer_once_per_fact" in str(second)


def test_sweeps_racing_share_the_work_and_release_everything_once(shop):
    number = 120
    shop.send(*(shop.paid(f"A{n}") for n in range(number)))
    left, right = race([partial(release_due, at=DUE, chunk=7)], [partial(release_due, at=DUE, chunk=7)])
    assert left[0].commissions + right[0].commissions == number
    assert left[0].amount + right[0].amount == 79 * number
    assert shop.balances() == {"affiliate.available": 79 * number, "merchant.receivable": 79 * number}
    assert Transfer.objects.filter(kind="release").count() == 2 * number
    assert_books_balance(at=DUE)


def begun_together(sql: str) -> str:
    """The search for what to hold, waiting in mid-statement until the one before has committed.

    So the second sees with a snapshot from before the first's commit, and locks rows after it.
    """
    searched = "WHERE c.state IN ('confirmed', 'held') AND c.released_at IS NULL"
    return sql.replace(searched, f"{searched} AND pg_advisory_xact_lock(20261120) IS NOT NULL")


def test_sweeps_that_begin_together_place_each_hold_once(shop):
    shop.send(*(shop.paid(f"A{n}") for n in range(5)))
    officer = User.objects.create(email="rita@risk.example")
    suspend(shop.affiliate, by=officer, at=NOON, reason="traffic looks bought")
    holding = partial(hold_suspended, at=DUE)
    first, second, waited = interleave(holding, holding, pause_before=JUDGED, change=begun_together)
    assert (first, second, waited) == (5, 5, True)
    assert Hold.objects.count() == 5
    assert shop.balances() == {"affiliate.held": 5 * 79, "merchant.committed": 5 * 79}
    reinstate(shop.affiliate, by=officer, at=DUE, reason="it was not")
    race([holding], [holding])
    sweep(at=DUE)
    assert shop.balances() == {"affiliate.available": 5 * 79, "merchant.receivable": 5 * 79}
    assert_books_balance(at=DUE)


# --- pay × cancel ----------------------------------------------------------------------------------------------


def payment_and_cancellation(shop, change, *, payment_first: bool):
    payment = sending(shop, shop.paid())
    cancellation = sending(shop, shop.event("cancelled", at=DUE))
    pair = (payment, cancellation) if payment_first else (cancellation, payment)
    return interleave(*pair, pause_before=JUDGED, change=change)


@pytest.mark.parametrize("payment_first", [True, False])
def test_a_payment_and_a_cancellation_at_once_are_both_known(shop, payment_first):
    shop.send(shop.awaiting())
    _, last, waited = payment_and_cancellation(shop, as_is, payment_first=payment_first)
    assert waited
    assert last[0].commission["state"] == "clawed_back"
    commission = shop.commission()
    assert (commission.state, commission.reason) == (State.CLAWED_BACK, "order_cancelled")
    assert shop.balances() == {}
    sweep(at=EVENING)
    assert_books_balance(at=EVENING)


@pytest.mark.parametrize("payment_first", [True, False])
def test_control_without_the_lock_one_of_payment_and_cancellation_is_overlooked(shop, payment_first):
    shop.send(shop.awaiting())
    payment_and_cancellation(shop, UNLOCKED, payment_first=payment_first)
    assert OrderEvent.objects.count() == 3
    if payment_first:
        # Confirmed, with nothing in the books behind it: the timer would stumble over it for ever.
        assert shop.commission().state == State.CONFIRMED
        assert {finding.check for finding in check_books(at=DUE)} == {"positions"}
        with pytest.raises(IntegrityError):
            sweep(at=DUE)
    else:
        assert (shop.commission().state, shop.commission().paid_at) == (State.VOID, None)


def test_payments_and_cancellations_racing_end_exactly(shop):
    orders = [f"A{n}" for n in range(ROUNDS)]
    shop.send(*(shop.awaiting(order) for order in orders))
    race(
        [sending(shop, shop.paid(order)) for order in orders],
        [sending(shop, shop.event("cancelled", order, at=DUE)) for order in orders],
    )
    assert {shop.commission(order).state for order in orders} == {State.CLAWED_BACK}
    assert shop.balances() == {}
    assert_books_balance(at=DUE)


# --- intake × intake -------------------------------------------------------------------------------------------


def test_batches_over_the_same_orders_in_opposite_order_never_meet_crosswise(shop, caplog):
    left, right = [], []
    for turn in range(12):
        orders = [f"A{turn}-{n}" for n in range(6)]
        # Half of the orders are known already, the others are opened by whoever comes first.
        shop.send(*(shop.paid(order) for order in orders[::2]))
        news = [shop.paid(order, at=NOON + timedelta(minutes=6)) for order in orders]
        refunds = [shop.refund(300, order_id=order, at=DUE) for order in orders]
        left.append(sending(shop, *news))
        right.append(sending(shop, *reversed(refunds)))
    race(left, right)
    assert "crosswise" not in caplog.text
    total = 12 * 6 * 55
    assert shop.balances() == {"affiliate.pending": total, "merchant.committed": total}
    assert_books_balance(at=DUE)


def test_the_same_batch_sent_twice_at_once_is_taken_in_once(shop):
    batches = [[shop.paid(f"A{turn}-{n}") for n in range(5)] for turn in range(10)]
    sides = race(
        [sending(shop, *batch) for batch in batches],
        [sending(shop, *reversed(batch)) for batch in batches],
    )
    for turn in range(10):
        one, other = sides[0][turn], list(reversed(sides[1][turn]))
        for mine, theirs in zip(one, other, strict=True):
            assert {mine.status, theirs.status} == {"applied", "duplicate"}
            assert mine.commission == theirs.commission
    assert shop.balances() == {"affiliate.pending": 50 * 79, "merchant.committed": 50 * 79}
    assert_books_balance(at=DUE)


@pytest.fixture
def orders_locked_as_sent(monkeypatch):
    """Two intakes that lock their orders one by one, in the order sent, and both hold their first one."""
    meeting = threading.Barrier(2, timeout=20)
    met: set[int] = set()

    def lock_as_sent(ids):
        locked = []
        for number, order_id in enumerate(dict.fromkeys(ids)):
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT {recompute._ORDER_COLUMNS} FROM orders_order WHERE id = %s FOR NO KEY UPDATE",
                    [order_id],
                )
                locked.append(LockedOrder(*cursor.fetchone()))
            if number == 0 and threading.get_ident() not in met:
                met.add(threading.get_ident())
                meeting.wait()
        return locked

    monkeypatch.setattr(intake, "lock_orders", lock_as_sent)


def crossing_batches(shop):
    shop.send(shop.paid("A1"), shop.paid("A2"))
    refunds = {(o, r): shop.refund(300, order_id=o, refund_id=r, at=DUE) for o in ("A1", "A2") for r in "12"}
    return (
        [sending(shop, refunds["A1", "1"], refunds["A2", "1"])],
        [sending(shop, refunds["A2", "2"], refunds["A1", "2"])],
    )


def test_control_orders_locked_as_they_were_sent_deadlock(shop, monkeypatch, request):
    batches = crossing_batches(shop)
    request.getfixturevalue("orders_locked_as_sent")
    monkeypatch.setattr(intake, "ATTEMPTS", 1)
    with pytest.raises(OperationalError, match="deadlock detected"):
        race(*batches)


def test_a_batch_that_met_another_crosswise_is_taken_in_again(shop, request, caplog):
    batches = crossing_batches(shop)
    request.getfixturevalue("orders_locked_as_sent")
    race(*batches)
    assert "crosswise" in caplog.text
    assert shop.balances() == {"affiliate.pending": 62, "merchant.committed": 62}
    assert_books_balance(at=DUE)


# --- the accounts (LEDGER-4) -----------------------------------------------------------------------------------


@pytest.fixture
def newcomer(shop):
    """A shop's second affiliate: its accounts come after the merchant's. One commission released, one due."""
    shop.send(shop.paid("A0"))
    other = copy(shop)
    other.pid = make_pid()
    other.affiliate = other.pid.affiliate
    other.click = make_click(shop.merchant, other.pid)
    other.send(other.paid("A1"))
    sweep(at=DUE)
    other.send(other.paid("A2", at=DUE))
    return other


def refund_and_release(shop):
    """The refund holds the accounts that it has read when the release comes for them."""
    return interleave(
        sending(shop, shop.refund(400, order_id="A1", at=EVENING), at=EVENING),
        sweeping(EVENING),
        pause_before="INTO commissions_journal",
    )


def test_a_refund_and_a_release_lock_the_same_accounts_in_the_same_order(newcomer, caplog):
    refund, released, waited = refund_and_release(newcomer)
    assert (refund[0].commission["amount"], released, waited) == (47, (1, 79), True)
    assert "crosswise" not in caplog.text
    assert newcomer.balances()["affiliate.available"] == 47 + 79
    assert_books_balance(at=EVENING)


def test_control_with_the_affiliates_accounts_locked_first_they_deadlock(newcomer, caplog, monkeypatch):
    whole = ledger.purses

    def affiliates_first(affiliate_ids, accounts):
        own = {key: pk for key, pk in accounts.items() if key[0].startswith("affiliate.")}
        return whole(affiliate_ids, own)

    monkeypatch.setattr(ledger, "purses", affiliates_first)
    _, released, _ = refund_and_release(newcomer)
    surfaced = isinstance(released, OperationalError) and "deadlock detected" in str(released)
    assert surfaced or "crosswise" in caplog.text
