"""The release timer: what is due is released by a sweep whose only truth is the database (LIFE-3).

The sweep takes due rows in chunks with SKIP LOCKED, so that several workers share the work, and releases a
chunk in one statement: state, timeline, journal, transfers and (by the posting trigger) balances together.
Whatever is killed at any moment, a chunk is released whole or not at all, and the next sweep finds the rest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from commissions import ledger
from commissions.models import Hold, JournalKind, SourceKind
from commissions.recompute import lock_orders, recompute

CHUNK = 5000
EXPIRY_CHUNK = 500
LATE_AFTER = timedelta(hours=1)

# Suspended affiliates' rows are left for `hold_suspended`.
_RELEASE = """
WITH due AS MATERIALIZED (
    SELECT c.id, c.order_id, c.affiliate_id, c.merchant_id, c.currency, c.amount
      FROM commissions_commission c
     WHERE c.state = 'confirmed' AND c.release_due_at <= %(at)s
       AND NOT EXISTS (SELECT 1 FROM affiliates_suspension s
                        WHERE s.affiliate_id = c.affiliate_id AND s.reinstated_at IS NULL)
     ORDER BY c.release_due_at, c.id
     LIMIT %(limit)s FOR NO KEY UPDATE OF c SKIP LOCKED
), released AS (
    UPDATE commissions_commission c
       SET state = 'released', released_at = %(at)s, updated_at = %(at)s
      FROM due WHERE c.id = due.id AND c.state = 'confirmed'
 RETURNING c.id, c.order_id, c.affiliate_id, c.merchant_id, c.currency, c.amount, c.reason
), numbered AS MATERIALIZED (
    SELECT r.*, nextval(pg_get_serial_sequence('commissions_journal', 'id')) AS journal_id FROM released r
), journals AS (
    INSERT INTO commissions_journal (id, kind, order_id, posted_at, memo)
    SELECT journal_id, 'release', order_id, %(at)s, '' FROM numbered
), timeline AS (
    INSERT INTO commissions_transition (commission_id, verb, at, state_before, state_after,
                                        amount_before, amount_after, reason, journal_id)
    SELECT id, 'release', %(at)s, 'confirmed', 'released', amount, amount, reason, journal_id FROM numbered
), posted AS (
    INSERT INTO commissions_transfer (journal_id, kind, source_kind, source_id, sequence,
                                      debit_account_id, credit_account_id, amount, currency, posted_at)
    SELECT n.journal_id, 'release', 'commission', n.id, side.sequence, side.debit, side.credit,
           n.amount, n.currency, %(at)s
      FROM numbered n
      JOIN commissions_account pending ON pending.kind = 'affiliate.pending'
           AND pending.affiliate_id = n.affiliate_id AND pending.currency = n.currency
      JOIN commissions_account available ON available.kind = 'affiliate.available'
           AND available.affiliate_id = n.affiliate_id AND available.currency = n.currency
      JOIN commissions_account committed ON committed.kind = 'merchant.committed'
           AND committed.merchant_id = n.merchant_id AND committed.currency = n.currency
      JOIN commissions_account receivable ON receivable.kind = 'merchant.receivable'
           AND receivable.merchant_id = n.merchant_id AND receivable.currency = n.currency
     CROSS JOIN LATERAL (VALUES (0, pending.id, available.id), (1, receivable.id, committed.id))
           AS side (sequence, debit, credit)
)
SELECT count(*), coalesce(sum(amount), 0), coalesce(array_agg(id), '{}') FROM numbered
"""


class Released(NamedTuple):
    """What one sweep released: how many commissions, and cents of the dollar."""

    commissions: int
    amount: int


class TimerBoard(NamedTuple):
    """How the timer is doing: what is due and not yet released, by how much, and what was late (LIFE-3)."""

    due: int
    oldest_due_at: datetime | None
    lag: timedelta
    overdue: int
    released_today: int
    late_today: int


def release_chunk(*, at: datetime, limit: int = CHUNK) -> Released:
    """Release up to `limit` due commissions, oldest first; (0, 0) when nothing is due.

    Locks the commissions (skipping those that somebody else is at), then their accounts by id. Posts, for each:
    affiliate.pending → affiliate.available and merchant.receivable → merchant.committed; then recovers debt.

    Source: SPEC LIFE-3, LIFE-6, LEDGER-5.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, {"at": at, "limit": limit})
            count, amount, commission_ids = cursor.fetchone()
        if count:
            recover_debts(commission_ids, at=at)
    return Released(int(count), int(amount))


def release_due(*, at: datetime, chunk: int = CHUNK) -> Released:
    """Release everything that is due at `at`, chunk by chunk, each in a transaction of its own."""
    total = Released(0, 0)
    while (released := release_chunk(at=at, limit=chunk)).commissions:
        total = Released(total.commissions + released.commissions, total.amount + released.amount)
    return total


def recover_debts(commission_ids: list[int], *, at: datetime) -> None:
    """Take what their affiliates owe from what the release of these commissions has just credited (LIFE-6).

    The caller has posted to their available accounts in this transaction, so it holds those rows; see
    `ledger.AFFILIATE_KINDS` for why locking the debts after them can't deadlock.
    """
    with connection.cursor() as cursor:
        # A recovery is booked for the newest of the commissions that fund it. It must be one of these: another
        # chunk of the same sweep, at the same moment, has booked its own recovery for one of its own.
        cursor.execute(
            """
            WITH funding AS (
                SELECT DISTINCT ON (affiliate_id) affiliate_id, currency, id, order_id
                  FROM commissions_commission WHERE id = ANY(%s) ORDER BY affiliate_id, id DESC)
            SELECT f.id, f.order_id, d.id, a.id, least(d.debits - d.credits, a.credits - a.debits)
              FROM funding f
              JOIN commissions_account d ON d.affiliate_id = f.affiliate_id AND d.currency = f.currency
                   AND d.kind = 'affiliate.debt'
              JOIN commissions_account a ON a.affiliate_id = f.affiliate_id AND a.currency = f.currency
                   AND a.kind = 'affiliate.available'
             WHERE d.debits > d.credits AND a.credits > a.debits
             ORDER BY d.id FOR NO KEY UPDATE OF d""",
            [commission_ids],
        )
        rows = cursor.fetchall()
    if not rows:
        return
    journals: list[ledger.JournalEntry] = []
    postings: list[ledger.Posting] = []
    for commission_id, order_id, debt_account, available_account, amount in rows:
        postings.append(
            ledger.Posting(
                journal=len(journals),
                kind=JournalKind.RECOVER.value,
                source_kind=SourceKind.COMMISSION.value,
                source_id=commission_id,
                sequence=-1,
                debit_account_id=available_account,
                credit_account_id=debt_account,
                amount=amount,
            )
        )
        journals.append(ledger.JournalEntry(JournalKind.RECOVER.value, order_id))
    ledger.post(journals, postings, at=at)


def expire_unpaid(*, at: datetime, chunk: int = EXPIRY_CHUNK) -> int:
    """Void the commissions of orders that were not paid in time; returns how many orders (LIFE-4)."""
    return _recompute_in_chunks(
        "SELECT id FROM orders_order WHERE expires_at <= %(at)s"
        " ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED",
        at=at,
        chunk=chunk,
    )


def hold_suspended(*, at: datetime, chunk: int = EXPIRY_CHUNK) -> int:
    """Hold what suspended affiliates have confirmed and not released; resume it after reinstatement (LIFE-11).

    Returns how many orders were looked at. What was released before stays released: payouts are stopped, not
    taken back.
    """
    held = _change_holds(_SUSPENDED, place=True, at=at, chunk=chunk)
    return held + _change_holds(_REINSTATED, place=False, at=at, chunk=chunk)


_SUSPENDED = """
SELECT o.id, c.id, s.suspended_by_id FROM commissions_commission c
  JOIN orders_order o ON o.id = c.order_id
  JOIN affiliates_suspension s ON s.affiliate_id = c.affiliate_id AND s.reinstated_at IS NULL
 WHERE c.state IN ('confirmed', 'held') AND c.released_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM commissions_hold h WHERE h.commission_id = c.id
                    AND h.reason = 'affiliate_suspended' AND h.lifted_at IS NULL)
 ORDER BY o.id LIMIT %(limit)s FOR NO KEY UPDATE OF o SKIP LOCKED"""

_REINSTATED = """
SELECT o.id, h.id, (SELECT s.reinstated_by_id FROM affiliates_suspension s
                     WHERE s.affiliate_id = c.affiliate_id ORDER BY s.reinstated_at DESC LIMIT 1)
  FROM commissions_hold h
  JOIN commissions_commission c ON c.id = h.commission_id
  JOIN orders_order o ON o.id = c.order_id
 WHERE h.reason = 'affiliate_suspended' AND h.lifted_at IS NULL AND h.forfeited_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM affiliates_suspension s
                    WHERE s.affiliate_id = c.affiliate_id AND s.reinstated_at IS NULL)
 ORDER BY o.id LIMIT %(limit)s FOR NO KEY UPDATE OF o SKIP LOCKED"""


def _change_holds(query: str, *, place: bool, at: datetime, chunk: int) -> int:
    total = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(query, {"limit": chunk})
                rows = cursor.fetchall()
            if not rows:
                return total
            if place:
                # Another sweep may have placed some of them since our query began: its snapshot is older than
                # the row locks, and placing a hold changes nothing on the order's row.
                Hold.objects.bulk_create(
                    [
                        Hold(
                            commission_id=commission_id,
                            reason=Hold.Reason.AFFILIATE_SUSPENDED,
                            placed_at=at,
                            placed_by_id=user_id,
                        )
                        for _, commission_id, user_id in rows
                    ],
                    ignore_conflicts=True,
                )
            else:
                Hold.objects.bulk_update(
                    [Hold(pk=pk, lifted_at=at, lifted_by_id=user_id) for _, pk, user_id in rows],
                    ["lifted_at", "lifted_by"],
                )
            recompute(lock_orders(order_id for order_id, *_ in rows), at=at)
        total += len(rows)


def _recompute_in_chunks(query: str, *, at: datetime, chunk: int) -> int:
    total = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(query, {"at": at, "limit": chunk})
                ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return total
            recompute(lock_orders(ids), at=at)
        total += len(ids)


def sweep(*, at: datetime) -> Released:
    """One round of the timer: expire, hold and resume, release. Safe to run anywhere, any number at a time."""
    expire_unpaid(at=at)
    hold_suspended(at=at)
    return release_due(at=at)


def timer_board(*, at: datetime) -> TimerBoard:
    """The timer's figures at `at`; today is the Shanghai day (LIFE-3)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), min(release_due_at), min(ready_at),
                   count(*) FILTER (WHERE ready_at < %(late_before)s)
              FROM commissions_commission WHERE state = 'confirmed' AND release_due_at <= %(at)s""",
            {"at": at, "late_before": at - LATE_AFTER},
        )
        due, oldest, ready, overdue = cursor.fetchone()
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE released_at > ready_at + interval '1 hour')
              FROM commissions_commission
             WHERE released_at >= date_trunc('day', %(at)s AT TIME ZONE 'Asia/Shanghai')
                                  AT TIME ZONE 'Asia/Shanghai'""",
            {"at": at, "late_before": at - LATE_AFTER},
        )
        released_today, late_today = cursor.fetchone()
    lag = max(at - ready, timedelta(0)) if ready else timedelta(0)
    return TimerBoard(due, oldest, lag, overdue, released_today, late_today)
