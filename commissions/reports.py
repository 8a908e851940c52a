"""Reads across models: the Commission Report and the figures of the home pages (REP-1, REP-6).

The report counts ledger postings by the Shanghai day on which they were posted, so a day that is over never
changes (postings are append-only). One query gives an owner's postings as moves of commissions; days, orders
of a day and today's figures are sums of it. A reversal counts against what it reverses, on its own day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q, Sum

from affiliates.models import Affiliate
from commissions.models import Account, AccountKind, Commission, State, Transition
from orders.models import Merchant
from portal.money import COMMISSION_CURRENCY


@dataclass(frozen=True, slots=True)
class Books:
    """Whose postings are counted: the accounts, where a release shows, and the side that counts as more."""

    accounts: tuple[int, ...]
    release_account: int
    sign: int


class Figures(NamedTuple):
    """Cents of the dollar. `locked` includes adjustments; `net` is what the postings changed in all."""

    locked: int = 0
    released: int = 0
    void: int = 0
    clawed_back: int = 0

    @property
    def net(self) -> int:
        return self.locked - self.void - self.clawed_back

    def plus(self, other: Figures) -> Figures:
        return Figures(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Day(NamedTuple):
    """One Shanghai day: how many orders had a posting, and the figures."""

    day: date
    orders: int
    figures: Figures


class OrderRow(NamedTuple):
    """One order's postings of a span of days, beside where its commission stands now."""

    commission_id: int
    public_id: UUID
    order_id: str
    merchant: str
    pid: str
    country: str
    category: str
    state: str
    amount: int
    figures: Figures


class Scope(NamedTuple):
    """What a report is narrowed to. Empty values don't narrow; both days are included."""

    first: date
    last: date
    pid: int | None = None
    merchant: int | None = None
    country: str = ""
    category: str = ""
    state: str = ""


def shanghai_day(at: datetime) -> date:
    """The day on the Shanghai calendar."""
    return at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def start_of(day: date) -> datetime:
    """The first moment of a Shanghai day."""
    return datetime.combine(day, time(), ZoneInfo(settings.TIME_ZONE))


def books_of(owner: Affiliate | Merchant) -> Books | None:
    """The owner's accounts for the report; None while nothing was ever posted for it."""
    if isinstance(owner, Affiliate):
        accounts, release, sign = owner.accounts, AccountKind.AFFILIATE_AVAILABLE, 1
    else:
        accounts, release, sign = owner.accounts, AccountKind.MERCHANT_RECEIVABLE, -1
    ids = dict(accounts.filter(currency=COMMISSION_CURRENCY).values_list("kind", "id"))
    return Books(tuple(sorted(ids.values())), ids[release], sign) if ids else None


# Moves inside an owner's accounts (hold, resume, recover, payouts) earn and cost nothing and are left out. A
# release moves money between two accounts of the same owner too: it is counted once, where it arrives.
_POSTINGS = """
WITH sides AS (
    SELECT posted_at, kind, source_kind, source_id, credit_account_id AS account_id, amount
      FROM commissions_transfer
     WHERE credit_account_id = ANY(%(accounts)s) AND posted_at >= %(start)s AND posted_at < %(end)s
    UNION ALL
    SELECT posted_at, kind, source_kind, source_id, debit_account_id, -amount
      FROM commissions_transfer
     WHERE debit_account_id = ANY(%(accounts)s) AND posted_at >= %(start)s AND posted_at < %(end)s
), postings AS (
    SELECT s.posted_at, coalesce(o.kind, s.kind) AS kind, coalesce(o.source_id, s.source_id) AS commission_id,
           s.amount * %(sign)s AS amount
      FROM sides s
      LEFT JOIN commissions_transfer o ON s.kind = 'reversal' AND o.id = s.source_id
     WHERE coalesce(o.source_kind, s.source_kind) = 'commission'
       AND (coalesce(o.kind, s.kind) IN ('lock', 'adjust', 'void', 'claw_back')
            OR coalesce(o.kind, s.kind) = 'release' AND s.account_id = %(release_account)s)
)"""

_SCOPED = """
  FROM postings p
  JOIN commissions_commission c ON c.id = p.commission_id
  JOIN orders_order o ON o.id = c.order_id
  JOIN orders_click k ON k.id = c.click_id
 WHERE (%(pid)s::bigint IS NULL OR k.pid_id = %(pid)s)
   AND (%(merchant)s::bigint IS NULL OR c.merchant_id = %(merchant)s)
   AND (%(country)s = '' OR o.country = %(country)s)
   AND (%(category)s = '' OR o.category_id = %(category)s)
   AND (%(state)s = '' OR c.state = %(state)s)"""

_FIGURES = ", ".join(
    f"coalesce({sum_} FILTER (WHERE p.kind {kinds}), 0)::bigint AS {name}"
    for name, sum_, kinds in (
        ("locked", "sum(p.amount)", "IN ('lock', 'adjust')"),
        ("released", "sum(p.amount)", "= 'release'"),
        ("void", "sum(-p.amount)", "= 'void'"),
        ("clawed_back", "sum(-p.amount)", "= 'claw_back'"),
    )
)


def _parameters(books: Books, scope: Scope) -> dict[str, Any]:
    return {
        "accounts": list(books.accounts),
        "release_account": books.release_account,
        "sign": books.sign,
        "start": start_of(scope.first),
        "end": start_of(scope.last + timedelta(days=1)),
        "zone": settings.TIME_ZONE,
        **scope._asdict(),
    }


def days(owner: Affiliate | Merchant, scope: Scope) -> list[Day]:
    """The days of `scope` that have postings, newest first.

    Source: SPEC REP-1.
    """
    books = books_of(owner)
    if books is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_POSTINGS} SELECT (p.posted_at AT TIME ZONE %(zone)s)::date AS day, count(DISTINCT c.id),"
            f" {_FIGURES} {_SCOPED} GROUP BY day ORDER BY day DESC",
            _parameters(books, scope),
        )
        return [Day(day, count, Figures(*figures)) for day, count, *figures in cursor.fetchall()]


def total(rows: list[Day]) -> Figures:
    """The totals row."""
    figures = Figures()
    for row in rows:
        figures = figures.plus(row.figures)
    return figures


def orders_of_day(
    owner: Affiliate | Merchant, scope: Scope, *, before: int | None = None, limit: int = 25
) -> list[OrderRow]:
    """Up to `limit` orders with postings in `scope`, newest commission first, after the one numbered `before`.

    Source: SPEC REP-1 (drill-down).
    """
    books = books_of(owner)
    if books is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {_POSTINGS}, scoped AS (
                SELECT c.id, {_FIGURES} {_SCOPED}
                   AND (%(before)s::bigint IS NULL OR c.id < %(before)s)
                 GROUP BY c.id ORDER BY c.id DESC LIMIT %(limit)s)
            SELECT c.id, c.public_id, o.order_id, m.name, pid.value, o.country, o.category_id, c.state, c.amount,
                   s.locked, s.released, s.void, s.clawed_back
              FROM scoped s
              JOIN commissions_commission c ON c.id = s.id
              JOIN orders_order o ON o.id = c.order_id
              JOIN orders_merchant m ON m.id = c.merchant_id
              JOIN orders_click k ON k.id = c.click_id
              JOIN affiliates_pid pid ON pid.id = k.pid_id
             ORDER BY c.id DESC""",
            {**_parameters(books, scope), "before": before, "limit": limit},
        )
        return [OrderRow._make([*row[:9], Figures(*row[9:])]) for row in cursor.fetchall()]


def forgone(affiliate: Affiliate, scope: Scope | None = None) -> tuple[int, int]:
    """How many paid orders the minimum unit zeroed, and the cents lost by it; by the day they were ordered.

    Source: SPEC PRICE-5.
    """
    lost = Commission.objects.filter(affiliate=affiliate, forgone_amount__gt=0, paid_at__isnull=False)
    if scope is not None:
        lost = lost.filter(
            ordered_at__gte=start_of(scope.first), ordered_at__lt=start_of(scope.last + timedelta(days=1))
        )
        narrowing = {
            "click__pid": scope.pid,
            "merchant": scope.merchant,
            "order__country": scope.country,
            "order__category_id": scope.category,
            "state": scope.state,
        }
        lost = lost.filter(**{name: value for name, value in narrowing.items() if value})
    result = lost.aggregate(orders=Count("id"), cents=Sum("forgone_amount", default=0))
    return result["orders"], result["cents"]


class Places(NamedTuple):
    """What an affiliate's report can be narrowed to."""

    pids: list[tuple[int, str]]
    merchants: list[tuple[int, str]]
    countries: list[str]
    categories: list[str]


def places(affiliate: Affiliate) -> Places:
    """The PIDs of an affiliate, and the merchants, countries and categories of its orders."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT c.merchant_id, m.name, o.country, o.category_id
              FROM commissions_commission c
              JOIN orders_order o ON o.id = c.order_id
              JOIN orders_merchant m ON m.id = c.merchant_id
             WHERE c.affiliate_id = %s""",
            [affiliate.pk],
        )
        rows = cursor.fetchall()
    return Places(
        pids=list(affiliate.pids.order_by("value").values_list("pk", "value")),
        merchants=sorted({(pk, name) for pk, name, *_ in rows}, key=lambda entry: entry[1]),
        countries=sorted({country for *_, country, _ in rows if country}),
        categories=sorted({category for *_, category in rows if category}),
    )


def today(owner: Affiliate | Merchant, *, at: datetime) -> Figures:
    """The figures of the Shanghai day of `at` so far."""
    day = shanghai_day(at)
    return total(days(owner, Scope(day, day)))


def confirmed_today(affiliate: Affiliate, *, at: datetime) -> int:
    """Cents confirmed on the Shanghai day of `at`. Confirming posts nothing, so the timeline is asked."""
    start = start_of(shanghai_day(at))
    steps = Transition.objects.filter(
        verb=Transition.Verb.CONFIRM,
        at__gte=start,
        commission__affiliate=affiliate,
        commission__updated_at__gte=start,
    )
    return steps.aggregate(cents=Sum("amount_after", default=0))["cents"]


class PendingTotals(NamedTuple):
    """Count and cents by state, and the next release."""

    by_state: dict[str, tuple[int, int]]
    next_release_at: datetime | None

    @property
    def amount(self) -> int:
        return sum(cents for _count, cents in self.by_state.values())

    @property
    def commissions(self) -> int:
        return sum(count for count, _cents in self.by_state.values())


def pending_totals(affiliate: Affiliate) -> PendingTotals:
    """What an affiliate waits for, by state (REP-2)."""
    rows = (
        Commission.objects.filter(affiliate=affiliate)
        .pending()
        .values("state")
        .annotate(count=Count("id"), cents=Sum("amount"), next=Min("release_due_at"))
        .order_by()
    )
    found = {row["state"]: row for row in rows}
    by_state = {
        state.value: (found[state]["count"], found[state]["cents"]) if state in found else (0, 0)
        for state in (State.LOCKED, State.CONFIRMED, State.HELD)
    }
    confirmed = found.get(State.CONFIRMED)
    return PendingTotals(by_state, confirmed["next"] if confirmed else None)


def first_orders(affiliate: Affiliate) -> tuple[int, int]:
    """How many orders an affiliate has brought, and how many of them were really paid (ONB-7)."""
    counts = Commission.objects.filter(affiliate=affiliate).aggregate(
        brought=Count("id"), paid=Count("id", filter=Q(paid_at__isnull=False) & ~Q(reason="self_purchase"))
    )
    return counts["brought"], counts["paid"]


def merchant_balances(merchant: Merchant) -> dict[str, int]:
    """What a merchant has committed and owes, in cents, by kind of account (PAY-5)."""
    balances = {AccountKind.MERCHANT_COMMITTED.value: 0, AccountKind.MERCHANT_RECEIVABLE.value: 0}
    for account in Account.objects.filter(merchant=merchant, currency=COMMISSION_CURRENCY):
        balances[account.kind] = account.balance
    return balances


def zero_filled(rows: list[Day], scope: Scope) -> Iterator[Day]:
    """Every day of `scope`, oldest first, those without postings too: what a chart needs."""
    known = {row.day: row for row in rows}
    for offset in range((scope.last - scope.first).days + 1):
        day = scope.first + timedelta(days=offset)
        yield known.get(day) or Day(day, 0, Figures())
