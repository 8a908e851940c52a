"""An affiliate's balances and the ledger lines that make each of them up (REP-4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from commissions.models import (
    CREDIT_SIDE,
    Account,
    AccountKind,
    Commission,
    JournalKind,
    SourceKind,
    Transfer,
)
from portal.money import COMMISSION_CURRENCY
from portal.paging import PAGE_SIZE, Mark


class Tile(NamedTuple):
    """One balance: its name in addresses, what it is called, what it is, and how it looks."""

    slug: str
    kind: AccountKind
    label: str | Promise
    hint: str | Promise
    icon: str
    # Count these kinds of transfers only, and their debits as more: what was paid is no account of its own.
    only: str = ""


TILES = (
    Tile(
        "pending",
        AccountKind.AFFILIATE_PENDING,
        _("Pending"),
        _("locked or confirmed, not yet released"),
        "hourglass-split",
    ),
    Tile("held", AccountKind.AFFILIATE_HELD, _("Held"), _("waits for a dispute or a check"), "pause-circle"),
    Tile("available", AccountKind.AFFILIATE_AVAILABLE, _("Available"), _("released to you"), "wallet2"),
    Tile(
        "in-payout", AccountKind.AFFILIATE_IN_PAYOUT, _("In payout"), _("on its way to you"), "arrow-up-right"
    ),
    Tile(
        "paid",
        AccountKind.AFFILIATE_IN_PAYOUT,
        _("Paid"),
        _("paid out to you so far"),
        "check-circle",
        JournalKind.SETTLE.value,
    ),
    Tile(
        "debt",
        AccountKind.AFFILIATE_DEBT,
        _("Debt"),
        _("taken back after it was paid out; later releases cover it first"),
        "arrow-counterclockwise",
    ),
)
BY_SLUG = {tile.slug: tile for tile in TILES}


class Balance(NamedTuple):
    tile: Tile
    amount: int


class LedgerLine(NamedTuple):
    """One transfer as the account sees it, with the balance after it, in cents."""

    transfer_id: int
    posted_at: datetime
    kind: str
    amount: int
    balance: int
    commission: UUID | None
    order_id: str | None
    merchant: str | None


def _accounts(affiliate: Affiliate) -> dict[str, Account]:
    return {
        account.kind: account
        for account in Account.objects.filter(affiliate=affiliate, currency=COMMISSION_CURRENCY)
    }


def balances(affiliate: Affiliate) -> list[Balance]:
    """Every tile with its balance, in cents; zeros while nothing was ever posted."""
    accounts = _accounts(affiliate)
    return [Balance(tile, _balance(accounts.get(tile.kind), tile)) for tile in TILES]


def balance(affiliate: Affiliate, tile: Tile) -> int:
    """One tile's balance, in cents."""
    return _balance(_accounts(affiliate).get(tile.kind), tile)


def _balance(account: Account | None, tile: Tile) -> int:
    if account is None:
        return 0
    if tile.only:
        return account.debit_transfers.filter(kind=tile.only).aggregate(cents=Sum("amount", default=0))[
            "cents"
        ]
    return account.balance


# Both sides are read by their own index and merged, a page of each at most.
_LINES = """
SELECT id, posted_at, kind, source_kind, source_id, journal_id, amount FROM (
    (SELECT id, posted_at, kind, source_kind, source_id, journal_id, amount * %(credit)s AS amount
       FROM commissions_transfer
      WHERE credit_account_id = %(account)s AND {credit_side} {after}
      ORDER BY posted_at DESC, id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT id, posted_at, kind, source_kind, source_id, journal_id, amount * -%(credit)s
       FROM commissions_transfer
      WHERE debit_account_id = %(account)s AND {debit_side} {after}
      ORDER BY posted_at DESC, id DESC LIMIT %(limit)s)
) AS side ORDER BY posted_at DESC, id DESC LIMIT %(limit)s"""

_NEWER = """
SELECT coalesce(sum(amount), 0)::bigint FROM (
    SELECT amount * %(credit)s AS amount FROM commissions_transfer
     WHERE credit_account_id = %(account)s AND {credit_side} AND (posted_at, id) >= (%(at)s, %(pk)s)
    UNION ALL
    SELECT amount * -%(credit)s FROM commissions_transfer
     WHERE debit_account_id = %(account)s AND {debit_side} AND (posted_at, id) >= (%(at)s, %(pk)s)) AS newer"""


def lines(
    affiliate: Affiliate, tile: Tile, *, after: Mark | None = None, limit: int = PAGE_SIZE
) -> tuple[list[LedgerLine], Mark | None]:
    """A page of the lines that make up a balance, newest first, and where the next page begins.

    Each line says the balance after it: the newest of all the balance of today, each older one less by the lines
    that came later.

    Source: SPEC REP-4.
    """
    account = _accounts(affiliate).get(tile.kind)
    if account is None:
        return [], None
    credit = 1 if tile.kind in CREDIT_SIDE and not tile.only else -1
    parameters: dict[str, Any] = {
        "account": account.pk,
        "credit": credit,
        "limit": limit + 1,
        "only": tile.only,
        **({"at": after.at, "pk": after.pk} if after else {}),
    }
    sides = {
        "credit_side": "false" if tile.only else "true",
        "debit_side": "kind = %(only)s" if tile.only else "true",
    }
    running = _balance(account, tile)
    with connection.cursor() as cursor:
        if after is not None:
            cursor.execute(_NEWER.format(**sides), parameters)
            running -= cursor.fetchone()[0]
        cursor.execute(
            f"""
            SELECT l.id, l.posted_at, l.kind, l.amount, c.public_id, o.order_id, m.name
              FROM ({_LINES.format(**sides, after="AND (posted_at, id) < (%(at)s, %(pk)s)" if after else "")}) l
              LEFT JOIN commissions_transfer r ON l.kind = 'reversal' AND r.id = l.source_id
              LEFT JOIN commissions_commission c ON c.id = coalesce(r.source_id, l.source_id)
                    AND coalesce(r.source_kind, l.source_kind) = 'commission'
              LEFT JOIN orders_order o ON o.id = c.order_id
              LEFT JOIN orders_merchant m ON m.id = c.merchant_id
             ORDER BY l.posted_at DESC, l.id DESC""",
            parameters,
        )
        rows = cursor.fetchall()
    found = []
    for pk, posted_at, kind, amount, commission, order_id, merchant in rows[:limit]:
        found.append(LedgerLine(pk, posted_at, kind, amount, running, commission, order_id, merchant))
        running -= amount
    last = found[-1] if len(rows) > limit else None
    return found, Mark(last.posted_at, last.transfer_id) if last else None


class Posting(NamedTuple):
    """One transfer of a commission in words: from which account to which; empty stands for the other party."""

    posted_at: datetime
    kind: str
    taken_from: str
    given_to: str
    amount: int


NAMES: dict[str, str | Promise] = {
    AccountKind.AFFILIATE_PENDING: _("Pending"),
    AccountKind.AFFILIATE_HELD: _("Held"),
    AccountKind.AFFILIATE_AVAILABLE: _("Available"),
    AccountKind.AFFILIATE_IN_PAYOUT: _("In payout"),
    AccountKind.AFFILIATE_DEBT: _("Debt"),
    AccountKind.MERCHANT_COMMITTED: _("Committed"),
    AccountKind.MERCHANT_RECEIVABLE: _("Owed"),
}


def postings_of(commission: Commission, *, owner: str) -> list[Posting]:
    """The ledger lines of one commission on the accounts of `owner` (`affiliate` or `merchant`), oldest first."""
    own = Transfer.objects.filter(source_kind=SourceKind.COMMISSION, source_id=commission.pk)
    reversals = Transfer.objects.filter(source_kind=SourceKind.TRANSFER, source_id__in=own.values("pk"))
    found = []
    for transfer in (
        (own | reversals).select_related("debit_account", "credit_account").order_by("posted_at", "pk")
    ):
        debit, credit = (
            str(NAMES[kind]) if kind.startswith(f"{owner}.") else ""
            for kind in (transfer.debit_account.kind, transfer.credit_account.kind)
        )
        if debit or credit:
            kind = transfer.get_kind_display()
            found.append(Posting(transfer.posted_at, kind, debit, credit, transfer.amount))
    return found
