"""The books: accounts, and transfers posted in sets (LEDGER-1…5).

The database does the bookkeeping: a trigger posts each inserted transfer to both its accounts, refuses a
currency that doesn't fit, and keeps the tables append-only; constraints refuse an overdraft and a second
posting of the same fact. This module gets rows there in bulk, and reads the refusals.

Locks: accounts in the order of their ids, after everything else (docs/architecture.md, "Locks").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from commissions.models import AccountKind, JournalKind, SourceKind, Transfer
from portal.errors import DomainError
from portal.models import User
from portal.money import COMMISSION_CURRENCY

# One affiliate's accounts are always made together and in this order, so whoever holds `available` can lock
# `debt` after it without meeting anybody coming the other way.
AFFILIATE_KINDS = (
    AccountKind.AFFILIATE_PENDING,
    AccountKind.AFFILIATE_HELD,
    AccountKind.AFFILIATE_AVAILABLE,
    AccountKind.AFFILIATE_IN_PAYOUT,
    AccountKind.AFFILIATE_DEBT,
)
MERCHANT_KINDS = (AccountKind.MERCHANT_COMMITTED, AccountKind.MERCHANT_RECEIVABLE)


class Overdrawn(DomainError):
    """A posting would have taken more out of an account than it holds."""

    code = "overdrawn"


class TransferConflict(DomainError):
    """The same fact is booked already, with another amount or other accounts (LEDGER-3)."""

    code = "transfer_conflict"


class NotReversible(DomainError):
    """A reversal can't be reversed, and a transfer can be reversed once only (LEDGER-2)."""

    code = "not_reversible"


class Posting(NamedTuple):
    """One transfer to be. `journal` indexes the journals given with it; accounts are ids; amounts minor units."""

    journal: int
    kind: str
    source_kind: str
    source_id: int
    sequence: int
    debit_account_id: int
    credit_account_id: int
    amount: int


class JournalEntry(NamedTuple):
    """A journal to be."""

    kind: str
    order_id: int | None
    memo: str = ""


@contextmanager
def refusals() -> Iterator[None]:
    """Turns the database's refusals of a posting into ours."""
    try:
        yield
    except IntegrityError as error:
        if "not_overdrawn" in str(error):
            raise Overdrawn(_("There is not enough money on the account.")) from error
        raise


def account_ids(
    *, affiliates: Iterable[int] = (), merchants: Iterable[int] = (), currency: str = COMMISSION_CURRENCY
) -> dict[tuple[str, int], int]:
    """The ids of the accounts of these owners in `currency`, by (kind, owner's id). Missing ones are opened."""
    wanted = {
        "affiliate": (AFFILIATE_KINDS, sorted(set(affiliates))),
        "merchant": (MERCHANT_KINDS, sorted(set(merchants))),
    }
    found: dict[tuple[str, int], int] = {}
    with connection.cursor() as cursor:
        for owner, (kinds, owner_ids) in wanted.items():
            if not owner_ids:
                continue
            query = f"""
                SELECT kind, {owner}_id, id FROM commissions_account
                 WHERE {owner}_id = ANY(%s) AND currency = %s"""
            cursor.execute(query, [owner_ids, currency])
            rows = cursor.fetchall()
            if len(rows) < len(kinds) * len(owner_ids):
                cursor.execute(
                    f"""
                    INSERT INTO commissions_account (kind, {owner}_id, currency, debits, credits)
                    SELECT kind, owner_id, %s, 0, 0
                      FROM unnest(%s::bigint[]) WITH ORDINALITY AS o (owner_id, place)
                     CROSS JOIN unnest(%s::text[]) WITH ORDINALITY AS k (kind, rank)
                     ORDER BY place, rank
                    ON CONFLICT DO NOTHING""",
                    [currency, owner_ids, [kind.value for kind in kinds]],
                )
                cursor.execute(query, [owner_ids, currency])
                rows = cursor.fetchall()
            found.update({(kind, owner_id): account_id for kind, owner_id, account_id in rows})
    return found


def platform_account_id(kind: AccountKind, *, currency: str) -> int:
    """The id of one of the platform's own accounts, opened when missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO commissions_account (kind, currency, debits, credits) VALUES (%s, %s, 0, 0)"
            " ON CONFLICT DO NOTHING",
            [kind.value, currency],
        )
        cursor.execute(
            "SELECT id FROM commissions_account"
            " WHERE kind = %s AND currency = %s AND affiliate_id IS NULL AND merchant_id IS NULL",
            [kind.value, currency],
        )
        row = cursor.fetchone()
    return int(row[0])


def lock_accounts(ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Lock accounts in the order of their ids; returns (debits, credits) of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, debits, credits FROM commissions_account WHERE id = ANY(%s)"
            " ORDER BY id FOR NO KEY UPDATE",
            [sorted(set(ids))],
        )
        return {account_id: (debits, credits) for account_id, debits, credits in cursor.fetchall()}


def post(
    journals: Sequence[JournalEntry],
    postings: Sequence[Posting],
    *,
    at: datetime,
    by: User | None = None,
    currency: str = COMMISSION_CURRENCY,
) -> list[int]:
    """Write journals and their transfers, in one statement each; returns the journals' ids in the order given.

    Idempotent by the fact (LEDGER-3): what is booked already stays and isn't booked again. A journal of which
    nothing is left to book isn't written; in its place the one is returned that its transfers are booked in.
    All of the rest is booked or nothing.

    Must run inside a transaction. Locks every account touched, in id order.
    Raises: Overdrawn; TransferConflict when a fact is booked with another amount or other accounts.
    Source: SPEC LEDGER-1, 3, 4.
    """
    if not journals:
        return []
    try:
        with refusals(), transaction.atomic():
            return _insert(journals, postings, at=at, by=by, currency=currency)
    except IntegrityError as error:
        if "transfer_once_per_fact" not in str(error):
            raise
    # Some of it is booked already, perhaps by somebody who has committed only now: book the rest.
    booked = _already_booked(postings, currency)
    ids = {posting.journal: booked[_fact(posting)] for posting in postings if _fact(posting) in booked}
    rest = [posting for posting in postings if _fact(posting) not in booked]
    kept = sorted(set(range(len(journals))) - (ids.keys() - {posting.journal for posting in rest}))
    renumbered = [posting._replace(journal=kept.index(posting.journal)) for posting in rest]
    with refusals(), transaction.atomic():
        written = _insert([journals[index] for index in kept], renumbered, at=at, by=by, currency=currency)
    ids.update(zip(kept, written, strict=True))
    return [ids[index] for index in range(len(journals))]


def _insert(
    journals: Sequence[JournalEntry],
    postings: Sequence[Posting],
    *,
    at: datetime,
    by: User | None,
    currency: str,
) -> list[int]:
    if not journals:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('commissions_journal', 'id')) FROM generate_series(1, %s)",
            [len(journals)],
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            """
            INSERT INTO commissions_journal (id, kind, order_id, posted_at, memo, by_id)
            SELECT id, kind, order_id, %s, memo, %s
              FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS j (id, kind, order_id, memo)""",
            [
                at,
                by.pk if by else None,
                ids,
                [journal.kind for journal in journals],
                [journal.order_id for journal in journals],
                [journal.memo for journal in journals],
            ],
        )
        if postings:
            columns = [list(column) for column in zip(*postings, strict=True)]
            columns[0] = [ids[index] for index in columns[0]]
            cursor.execute(
                """
                INSERT INTO commissions_transfer (currency, posted_at, journal_id, kind, source_kind, source_id,
                    sequence, debit_account_id, credit_account_id, amount)
                SELECT %s, %s, p.*
                  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::int[],
                              %s::bigint[], %s::bigint[], %s::bigint[]) AS p""",
                [currency, at, *columns],
            )
    return ids


def _fact(posting: Posting) -> tuple[str, str, int, int]:
    return (posting.kind, posting.source_kind, posting.source_id, posting.sequence)


def _already_booked(postings: Sequence[Posting], currency: str) -> dict[tuple[str, str, int, int], int]:
    """The journals of the facts among `postings` that are booked. Raises TransferConflict where they differ."""
    by_fact = {_fact(posting): posting for posting in postings}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.kind, t.source_kind, t.source_id, t.sequence,
                   t.debit_account_id, t.credit_account_id, t.amount, t.currency, t.journal_id
              FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::int[])
                   AS f (kind, source_kind, source_id, sequence)
              JOIN commissions_transfer t USING (source_id, source_kind, kind, sequence)""",
            [list(column) for column in zip(*by_fact, strict=True)],
        )
        rows = cursor.fetchall()
    booked = {}
    for *fact, debit, credit, amount, booked_currency, journal_id in rows:
        posting = by_fact[tuple(fact)]
        if (debit, credit, amount, booked_currency) != (
            posting.debit_account_id,
            posting.credit_account_id,
            posting.amount,
            currency,
        ):
            raise TransferConflict(
                _("%(kind)s %(sequence)s of %(source)s %(number)s is booked with another amount or account.")
                % {"kind": fact[0], "sequence": fact[3], "source": fact[1], "number": fact[2]}
            )
        booked[tuple(fact)] = journal_id
    return booked


@transaction.atomic
def reverse(transfer: Transfer, *, by: User, at: datetime, reason: str) -> int:
    """Undo one transfer in full with a new one the other way round; returns the new journal's id.

    Locks both accounts first, so that of two reversals the second finds the first.
    Raises: NotReversible for a reversal and for what is reversed already; Overdrawn.
    Source: SPEC LEDGER-2, LIFE-9.
    """
    if transfer.kind == JournalKind.REVERSAL:
        raise NotReversible(_("A reversal can't be reversed."))
    lock_accounts([transfer.debit_account_id, transfer.credit_account_id])
    if Transfer.objects.filter(source_kind=SourceKind.TRANSFER, source_id=transfer.pk).exists():
        raise NotReversible(_("This transfer is reversed already."))
    posting = Posting(
        journal=0,
        kind=JournalKind.REVERSAL,
        source_kind=SourceKind.TRANSFER,
        source_id=transfer.pk,
        sequence=0,
        debit_account_id=transfer.credit_account_id,
        credit_account_id=transfer.debit_account_id,
        amount=transfer.amount,
    )
    ids = post(
        [JournalEntry(JournalKind.REVERSAL, transfer.journal.order_id, reason)],
        [posting],
        at=at,
        by=by,
        currency=transfer.currency,
    )
    return ids[0]


def purses(affiliate_ids: Iterable[int], accounts: dict[tuple[str, int], int]) -> dict[int, tuple[int, int]]:
    """Lock `accounts` and return (available, debt) of each of these affiliates, in cents.

    All that will be posted to must be among `accounts`, the merchants' too: whoever locked the affiliates'
    first and the merchants' while posting would meet a release coming the other way.
    """
    ids = set(affiliate_ids)
    balances = lock_accounts(accounts.values())
    owned = {
        key: account for key, account in accounts.items() if key[0].startswith("affiliate.") and key[1] in ids
    }
    result: dict[int, dict[str, int]] = defaultdict(dict)
    for (kind, affiliate_id), account in owned.items():
        debits, credits = balances[account]
        result[affiliate_id][kind] = credits - debits
    return {
        affiliate_id: (kinds[AccountKind.AFFILIATE_AVAILABLE.value], -kinds[AccountKind.AFFILIATE_DEBT.value])
        for affiliate_id, kinds in result.items()
    }
