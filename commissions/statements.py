"""The lines of one account, newest first, a page at a time and without counting (REP-4)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from commissions.models import Account, Transfer

PAGE = 50


class Mark(NamedTuple):
    """Where a page begins: after this line."""

    posted_at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.posted_at.isoformat()}~{self.pk}"


class Line(NamedTuple):
    """One transfer as its account sees it: what came in, what went out, and where from or to."""

    transfer: Transfer
    debit: int | None
    credit: int | None
    other: Account


class Page(NamedTuple):
    lines: list[Line]
    next: Mark | None


def read_mark(text: str) -> Mark | None:
    """The mark written by `str(mark)`; None if it isn't one."""
    moment, _, pk = text.partition("~")
    try:
        posted_at = datetime.fromisoformat(moment)
        return Mark(posted_at, int(pk)) if posted_at.tzinfo else None
    except ValueError:
        return None


def lines_of(account: Account, *, after: Mark | None = None, limit: int = PAGE) -> Page:
    """One page of `account`'s lines. Both sides are read by their own index and merged; nothing is counted."""
    transfers = sorted(
        [
            *_side(account.debit_transfers.all(), after, limit),
            *_side(account.credit_transfers.all(), after, limit),
        ],
        key=lambda transfer: (transfer.posted_at, transfer.pk),
        reverse=True,
    )
    shown = transfers[:limit]
    lines = []
    for transfer in shown:
        if transfer.debit_account_id == account.pk:
            lines.append(Line(transfer, transfer.amount, None, transfer.credit_account))
        else:
            lines.append(Line(transfer, None, transfer.amount, transfer.debit_account))
    more = len(transfers) > limit
    return Page(lines, Mark(shown[-1].posted_at, shown[-1].pk) if more else None)


def _side(transfers: QuerySet[Transfer], after: Mark | None, limit: int) -> QuerySet[Transfer]:
    if after is not None:
        transfers = transfers.filter(
            Q(posted_at__lt=after.posted_at) | Q(posted_at=after.posted_at, pk__lt=after.pk)
        )
    owners = [
        f"{side}_account__{owner}" for side in ("debit", "credit") for owner in ("affiliate", "merchant")
    ]
    return transfers.select_related("journal__order", *owners).order_by("-posted_at", "-pk")[: limit + 1]
