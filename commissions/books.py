"""`check_books`: everything the books claim, recomputed from the transfers (LEDGER-6).

Each check is one set-based query that returns the rows that differ, so a clean run reads a lot and returns
nothing. All of them see one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from commissions.release import LATE_AFTER

SHOWN_PER_CHECK = 100


class Finding(NamedTuple):
    """One row that differs: the check, what it is about, and what is wrong with it."""

    check: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.message}"


class Check(NamedTuple):
    """A query whose rows are (subject, message): what is wrong. No row: the invariant holds."""

    name: str
    invariant: str
    query: str


CHECKS: Sequence[Check] = (
    Check(
        "balances",
        "Every balance is the sum of its transfers.",
        """
        WITH moved AS (
            SELECT account_id, sum(debit) AS debits, sum(credit) AS credits FROM (
                SELECT debit_account_id AS account_id, sum(amount) AS debit, 0 AS credit
                  FROM commissions_transfer GROUP BY 1
                UNION ALL
                SELECT credit_account_id, 0, sum(amount) FROM commissions_transfer GROUP BY 1) AS side
             GROUP BY account_id)
        SELECT 'account ' || coalesce(a.id, m.account_id),
               format('carries %%s/%%s, its transfers make %%s/%%s',
                      a.debits, a.credits, coalesce(m.debits, 0), coalesce(m.credits, 0))
          FROM commissions_account a FULL JOIN moved m ON m.account_id = a.id
         WHERE a.id IS NULL OR a.debits <> coalesce(m.debits, 0) OR a.credits <> coalesce(m.credits, 0)""",
    ),
    Check(
        "trial_balance",
        "Debits equal credits in each currency.",
        """
        SELECT 'currency ' || currency, format('debits %%s, credits %%s', sum(debits), sum(credits))
          FROM commissions_account GROUP BY currency HAVING sum(debits) <> sum(credits)""",
    ),
    Check(
        "transfers",
        "Both accounts of a transfer have its currency, and its journal exists.",
        """
        SELECT 'transfer ' || t.id, 'currency, account or journal does not fit'
          FROM commissions_transfer t
          LEFT JOIN commissions_account d ON d.id = t.debit_account_id
          LEFT JOIN commissions_account c ON c.id = t.credit_account_id
          LEFT JOIN commissions_journal j ON j.id = t.journal_id
         WHERE d.currency IS DISTINCT FROM t.currency OR c.currency IS DISTINCT FROM t.currency
            OR j.id IS NULL""",
    ),
    Check(
        "reversals",
        "A reversal is its transfer the other way round.",
        """
        SELECT 'transfer ' || r.id, 'does not undo transfer ' || r.source_id
          FROM commissions_transfer r
          LEFT JOIN commissions_transfer t ON t.id = r.source_id
         WHERE r.kind = 'reversal'
           AND (t.id IS NULL OR t.kind = 'reversal' OR t.amount <> r.amount OR t.currency <> r.currency
                OR t.debit_account_id <> r.credit_account_id OR t.credit_account_id <> r.debit_account_id)""",
    ),
    Check(
        "positions",
        "Each commission's position in the books is what its state says; it is released once or never.",
        """
        WITH account AS MATERIALIZED (SELECT id, kind FROM commissions_account),
        position AS (
            SELECT t.source_id AS id,
                   sum(CASE WHEN c.kind = 'affiliate.pending' THEN amount
                            WHEN d.kind = 'affiliate.pending' THEN -amount ELSE 0 END) AS pending,
                   sum(CASE WHEN c.kind = 'affiliate.held' THEN amount
                            WHEN d.kind = 'affiliate.held' THEN -amount ELSE 0 END) AS held,
                   sum(CASE WHEN d.kind = 'merchant.committed' THEN amount
                            WHEN c.kind = 'merchant.committed' THEN -amount ELSE 0 END) AS committed,
                   sum(CASE WHEN d.kind = 'merchant.receivable' THEN amount
                            WHEN c.kind = 'merchant.receivable' THEN -amount ELSE 0 END) AS receivable,
                   count(*) FILTER (WHERE t.kind = 'release') AS releases
              FROM commissions_transfer t
              JOIN account d ON d.id = t.debit_account_id
              JOIN account c ON c.id = t.credit_account_id
             WHERE t.source_kind = 'commission'
             GROUP BY t.source_id)
        SELECT 'commission ' || coalesce(m.id, p.id),
               format('%%s of %%s (held %%s): books say pending %%s, held %%s, committed %%s, receivable %%s, '
                      'releases %%s', m.state, m.amount, m.held_amount, p.pending, p.held, p.committed,
                      p.receivable, p.releases)
          FROM commissions_commission m FULL JOIN position p ON p.id = m.id
         WHERE m.id IS NULL
            OR coalesce(p.held, 0) <> m.held_amount
            OR coalesce(p.pending, 0) <> CASE WHEN m.released_at IS NULL THEN m.amount - m.held_amount ELSE 0 END
            OR coalesce(p.committed, 0) <> CASE WHEN m.released_at IS NULL THEN m.amount ELSE 0 END
            OR coalesce(p.receivable, 0) <> CASE WHEN m.released_at IS NULL THEN 0 ELSE m.amount END
            OR coalesce(p.releases, 0) <> CASE WHEN m.released_at IS NULL THEN 0 ELSE 2 END""",
    ),
    Check(
        "sheets",
        "A commission that stands carries the amount of its calculation sheet.",
        """
        SELECT 'commission ' || id, format('carries %%s, its sheet says %%s', amount, sheet->>'amount')
          FROM commissions_commission
         WHERE state IN ('locked', 'confirmed', 'held', 'released')
           AND amount IS DISTINCT FROM (sheet->>'amount')::bigint""",
    ),
    Check(
        "states",
        "Nothing is released while unpaid; what is held while unreleased is held whole.",
        """
        SELECT 'commission ' || id, format('%%s, paid %%s, held %%s of %%s', state, paid_at, held_amount, amount)
          FROM commissions_commission
         WHERE (released_at IS NOT NULL AND paid_at IS NULL)
            OR (state = 'confirmed' AND paid_at IS NULL)
            OR (state = 'held' AND released_at IS NULL AND held_amount <> amount)""",
    ),
    Check(
        "debts",
        "No affiliate has money available and debt at once.",
        """
        SELECT 'affiliate ' || d.affiliate_id, format('owes %%s, has %%s', d.debits - d.credits, a.credits - a.debits)
          FROM commissions_account d
          JOIN commissions_account a ON a.affiliate_id = d.affiliate_id AND a.currency = d.currency
               AND a.kind = 'affiliate.available'
         WHERE d.kind = 'affiliate.debt' AND d.debits > d.credits AND a.credits > a.debits""",
    ),
    Check(
        "lateness",
        "Nothing confirmed and unheld is past due beyond the hour.",
        """
        SELECT 'commission ' || c.id, format('due %%s, not released', c.release_due_at)
          FROM commissions_commission c
         WHERE c.state = 'confirmed' AND c.ready_at < %(late_before)s AND c.release_due_at <= %(at)s
           AND NOT EXISTS (SELECT 1 FROM affiliates_suspension s
                            WHERE s.affiliate_id = c.affiliate_id AND s.reinstated_at IS NULL)""",
    ),
)


def check_books(*, at: datetime) -> list[Finding]:
    """Recompute the books and return each row that differs; an empty list means that they balance.

    Reads one snapshot and changes nothing; at most `SHOWN_PER_CHECK` findings of each check are returned.
    Source: SPEC LEDGER-6.
    """
    findings: list[Finding] = []
    parameters: dict[str, Any] = {"at": at, "late_before": at - LATE_AFTER}
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for check in CHECKS:
            cursor.execute(f"{check.query} LIMIT {SHOWN_PER_CHECK}", parameters)
            findings.extend(Finding(check.name, subject, message) for subject, message in cursor.fetchall())
    return findings
