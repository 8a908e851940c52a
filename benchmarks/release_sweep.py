"""The release sweep as the worker runs it, against one hand-written statement and an ORM loop on the same rows.

Each variant gets rows of its own in the same tables, made the same way; the rounds are interleaved, so that a
busy moment of the machine doesn't fall on one variant alone. The figure is the median.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from django.db import connection, transaction

from benchmarks import world
from benchmarks.figures import Figure
from commissions.models import Account, Commission, Journal, State, Transfer, Transition
from commissions.tasks import sweep_releases

ROWS = 20_000
LOOPED = 400
ROUNDS = 5

# What an expert would write for this one purpose: it does the same to the same tables as the product's sweep.
BY_HAND = """
WITH due AS MATERIALIZED (
    SELECT id FROM commissions_commission WHERE state = 'confirmed' AND release_due_at <= %(at)s
     ORDER BY release_due_at, id FOR NO KEY UPDATE SKIP LOCKED
), r AS (
    UPDATE commissions_commission c SET state = 'released', released_at = %(at)s, updated_at = %(at)s
      FROM due WHERE c.id = due.id
 RETURNING c.id, c.order_id, c.affiliate_id, c.merchant_id, c.amount
), n AS MATERIALIZED (
    SELECT r.*, nextval('commissions_journal_id_seq') AS journal_id FROM r
), j AS (
    INSERT INTO commissions_journal (id, kind, order_id, posted_at, memo)
    SELECT journal_id, 'release', order_id, %(at)s, '' FROM n
), s AS (
    INSERT INTO commissions_transition (commission_id, verb, at, state_before, state_after, amount_before,
                                        amount_after, reason, journal_id)
    SELECT id, 'release', %(at)s, 'confirmed', 'released', amount, amount, '', journal_id FROM n
)
INSERT INTO commissions_transfer (journal_id, kind, source_kind, source_id, sequence, debit_account_id,
                                  credit_account_id, amount, currency, posted_at)
SELECT n.journal_id, 'release', 'commission', n.id, side.sequence, side.debit, side.credit, n.amount, 'USD', %(at)s
  FROM n
  JOIN commissions_account p ON p.affiliate_id = n.affiliate_id AND p.kind = 'affiliate.pending'
  JOIN commissions_account a ON a.affiliate_id = n.affiliate_id AND a.kind = 'affiliate.available'
  JOIN commissions_account c ON c.merchant_id = n.merchant_id AND c.kind = 'merchant.committed'
  JOIN commissions_account v ON v.merchant_id = n.merchant_id AND v.kind = 'merchant.receivable'
 CROSS JOIN LATERAL (VALUES (0, p.id, a.id), (1, v.id, c.id)) AS side (sequence, debit, credit)
"""


def by_hand() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BY_HAND, {"at": world.NOW})


def by_worker() -> None:
    sweep_releases.apply(throw=True)


def by_orm_loop() -> None:
    """What most projects do: load each row, change it, save it, insert its postings one by one."""
    accounts = {(a.kind, a.affiliate_id or a.merchant_id): a for a in Account.objects.all()}
    for commission in Commission.objects.filter(state=State.CONFIRMED, release_due_at__lte=world.NOW):
        with transaction.atomic():
            locked = Commission.objects.select_for_update().get(pk=commission.pk)
            locked.state = State.RELEASED
            locked.released_at = locked.updated_at = world.NOW
            locked.save()
            journal = Journal.objects.create(kind="release", order_id=locked.order_id, posted_at=world.NOW)
            for sequence, (debit, credit) in enumerate(
                [
                    (
                        accounts["affiliate.pending", locked.affiliate_id],
                        accounts["affiliate.available", locked.affiliate_id],
                    ),
                    (
                        accounts["merchant.receivable", locked.merchant_id],
                        accounts["merchant.committed", locked.merchant_id],
                    ),
                ]
            ):
                Transfer.objects.create(
                    journal=journal,
                    kind="release",
                    source_kind="commission",
                    source_id=locked.pk,
                    sequence=sequence,
                    debit_account=debit,
                    credit_account=credit,
                    amount=locked.amount,
                    currency="USD",
                    posted_at=world.NOW,
                )
            Transition.objects.create(
                commission=locked,
                verb="release",
                at=world.NOW,
                state_before="confirmed",
                state_after="released",
                amount_before=locked.amount,
                amount_after=locked.amount,
                journal_id=journal.pk,
            )


def rate(variant: Callable[[], None], rows: int, prefix: str) -> float:
    """Rows a second: fresh rows are made and vacuumed first, only the release is timed."""
    world.confirmed(rows, prefix=prefix)
    world.settle_statistics()
    began = time.perf_counter()
    variant()
    seconds = time.perf_counter() - began
    left = Commission.objects.due(world.NOW).count()
    if left:
        raise RuntimeError(f"{left} rows were not released")
    return rows / seconds


def run() -> list[Figure]:
    variants: dict[str, tuple[Callable[[], None], int]] = {
        "worker": (by_worker, ROWS),
        "hand": (by_hand, ROWS),
        "loop": (by_orm_loop, LOOPED),
    }
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(ROUNDS):
        for name, (variant, rows) in variants.items():
            rates[name].append(rate(variant, rows, f"{name}{round_number}-"))
    worker, hand, loop = (median(rates[name]) for name in ("worker", "hand", "loop"))
    return [
        Figure(
            "release sweep ÷ one hand-written statement",
            worker / hand,
            0.7,
            f"{worker:,.0f} ÷ {hand:,.0f} rows/s",
        ),
        Figure("release sweep ÷ ORM loop", worker / loop, 20, f"{worker:,.0f} ÷ {loop:,.0f} rows/s"),
    ]
