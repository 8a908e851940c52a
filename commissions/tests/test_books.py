"""`check_books` finds what it is there to find: each check has a clean run and a falsified row (LEDGER-6)."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from commissions.books import CHECKS, check_books
from commissions.tests.factories import Shop
from orders.tests.factories import NOON

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(hours=3)


@pytest.fixture
def shop():
    """One commission released and partly refunded, one confirmed, one held."""
    shop = Shop()
    shop.send(shop.paid("A1"))
    shop.sweep()
    shop.send(shop.refund(400, order_id="A1"))
    shop.send(shop.paid("A2", at=LATER))
    shop.send(shop.paid("A3"), shop.dispute(order_id="A3"))
    return shop


def falsify(sql: str, *args) -> None:
    """Change a row behind every guard's back, as a bug in the database would."""
    with connection.cursor() as cursor:
        # Constraint triggers of deferred foreign keys must have run before the table can be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, args)
        cursor.execute("SET session_replication_role = origin")


FALSIFIED = [
    ("balances", "UPDATE commissions_account SET debits = debits + 1 WHERE kind = 'merchant.receivable'"),
    (
        "trial_balance",
        "UPDATE commissions_account SET credits = credits + 1 WHERE kind = 'affiliate.pending'",
    ),
    ("transfers", "UPDATE commissions_transfer SET currency = 'CNY'"),
    (
        "transfers",
        "DELETE FROM commissions_journal WHERE id IN (SELECT min(id) FROM commissions_journal)",
    ),
    (
        "reversals",
        "UPDATE commissions_transfer SET kind = 'reversal', source_kind = 'transfer', sequence = 0,"
        " source_id = -1 WHERE id = (SELECT min(id) FROM commissions_transfer)",
    ),
    ("positions", "DELETE FROM commissions_transfer WHERE kind = 'release' AND sequence = 1"),
    ("positions", "UPDATE commissions_commission SET amount = amount + 1 WHERE state = 'released'"),
    ("positions", "UPDATE commissions_commission SET held_amount = 0 WHERE state = 'held'"),
    (
        "sheets",
        "UPDATE commissions_commission SET sheet = jsonb_set(sheet, '{amount}', '1') WHERE state = 'released'",
    ),
    ("states", "UPDATE commissions_commission SET paid_at = NULL WHERE state = 'released'"),
    (
        "lateness",
        "UPDATE commissions_commission SET ready_at = ready_at - interval '2 hours',"
        " release_due_at = release_due_at - interval '2 hours' WHERE state = 'confirmed'",
    ),
    (
        "debts",
        "UPDATE commissions_account SET debits = debits + 5 WHERE kind = 'affiliate.debt'",
    ),
]


def failed_checks() -> set[str]:
    return {finding.check for finding in check_books(at=LATER)}


def test_honest_books_balance(shop):
    assert check_books(at=LATER) == []
    shop.sweep(at=LATER + timedelta(hours=1))
    out = StringIO()
    call_command("check_books", stdout=out)
    assert out.getvalue().startswith("The books balance: 9 transfers")


@pytest.mark.parametrize(("check", "sql"), FALSIFIED)
def test_a_falsified_row_is_named(shop, check, sql):
    falsify(sql)
    assert check in failed_checks()
    with pytest.raises(CommandError):
        call_command("check_books", stderr=StringIO())


def test_every_check_is_seen_to_fail_above():
    assert {check for check, _sql in FALSIFIED} == {check.name for check in CHECKS}
