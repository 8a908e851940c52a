"""The reviewers' queue: which cases wait, in which order, and who works on how much (ONB-3).

Reads only. The queue is paged by key in the order of due time, so that it opens as fast with a hundred thousand
cases as with a hundred; nothing here counts further than `BOUND`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce

from affiliates import cases
from affiliates.calendar import working_calendar
from affiliates.case_steps import belongs
from affiliates.models import Affiliate, Case, CaseEvent
from affiliates.working_time import SHANGHAI, WorkingCalendar
from portal.models import User
from portal.paging import Mark, read_mark

PAGE = 50
BOUND = 100
DECISIONS = ("approve", "reject", "request_changes", "send_back")
_PAUSED, _CLOSED = (Case.State.CHANGES_REQUESTED,), Case.CLOSED
STATES = (*Case.REVIEWERS_TURN, *_PAUSED, *_CLOSED)


@dataclass(frozen=True)
class QueueFilter:
    """What the address asks for. Unknown values count as not given."""

    state: str = ""
    kind: str = ""
    affiliate_kind: str = ""
    mine: bool = False
    unclaimed: bool = False
    overdue: bool = False
    search: str = ""
    after: Mark | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> QueueFilter:
        def one_of(name: str, known: Any) -> str:
            value = query.get(name, "")
            return value if value in known else ""

        return cls(
            state=one_of("state", STATES),
            kind=one_of("kind", Case.Kind.values),
            affiliate_kind=one_of("type", Affiliate.Kind.values),
            mine=query.get("mine") == "1",
            unclaimed=query.get("unclaimed") == "1",
            overdue=query.get("overdue") == "1",
            search=query.get("q", "").replace("\0", "").strip()[:100],
            after=read_mark(query.get("after", "")),
        )

    @property
    def is_narrowed(self) -> bool:
        return replace(self, after=None) != QueueFilter()

    @property
    def ordering(self) -> tuple[str, bool]:
        """The time that cases in this state are ordered by, and whether the latest comes first."""
        if self.state in _CLOSED:
            return "closed_at", True
        return ("submitted_at", False) if self.state in _PAUSED else ("due_at", False)


@dataclass(frozen=True)
class QueueRow:
    """A case as the queue shows it. `seconds_left` is working time until it is due, negative once overdue."""

    case: Any
    seconds_left: int | None
    is_mine: bool
    is_leased: bool
    is_lapsed: bool


@dataclass(frozen=True)
class QueuePage:
    rows: list[QueueRow]
    next: Mark | None


def queue(wanted: QueueFilter, *, user: User, at: datetime, size: int = PAGE) -> QueuePage:
    """One page of the queue. Two queries, whatever it finds."""
    field, latest_first = wanted.ordering
    found = _narrowed(wanted, user=user, at=at)
    if wanted.after is not None:
        found = _after(found, field, wanted.after, latest_first=latest_first)
    order = (f"-{field}", "-pk") if latest_first else (field, "pk")
    page = list(_with_names(found.order_by(*order))[: size + 1])
    following = None
    if len(page) > size:
        page.pop()
        following = Mark(getattr(page[-1], field), page[-1].pk)
    calendar = working_calendar() if page else WorkingCalendar()
    return QueuePage([_row(case, user, at, calendar) for case in page], following)


def _narrowed(wanted: QueueFilter, *, user: User, at: datetime) -> QuerySet[Case]:
    found = Case.objects.filter(state__in=[wanted.state] if wanted.state else Case.REVIEWERS_TURN)
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if wanted.affiliate_kind:
        found = found.filter(affiliate__kind=wanted.affiliate_kind)
    if wanted.mine:
        found = found.filter(claimed_by=user, lease_expires_at__gt=at)
    if wanted.unclaimed:
        found = found.filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=at))
    if wanted.overdue:
        found = found.filter(due_at__lt=at)
    return found.filter(_search(wanted.search)) if wanted.search else found


def _search(text: str) -> Q:
    """A case's number, an affiliate's code, a unified code; else part of the company's or affiliate's name."""
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 15:
        return Q(pk=int(number)) | Q(company__uscc=number) | Q(affiliate__code=number)
    code = text.upper()
    if len(code) == 18 and code.isascii() and code.isalnum():
        return Q(company__uscc=code) | Q(affiliate__company__uscc=code)
    return (
        Q(affiliate__code=text.lower())
        | Q(company__name__icontains=text)
        | Q(affiliate__company__name__icontains=text)
        | Q(affiliate__name__icontains=text)
    )


def _after(found: QuerySet[Case], field: str, mark: Mark, *, latest_first: bool) -> QuerySet[Case]:
    side, further = ("lte", "gte") if latest_first else ("gte", "lte")
    return found.filter(**{f"{field}__{side}": mark.at}).exclude(
        **{field: mark.at, f"pk__{further}": mark.pk}
    )


def _with_names(found: QuerySet[Case]) -> QuerySet[Case]:
    """With what a row shows, and without what is encrypted."""
    return (
        found.select_related("affiliate", "claimed_by", "first_by")
        .defer("affiliate__regions", "affiliate__categories")
        .annotate(
            company_name=Coalesce("company__name", "verified_company__name", "affiliate__company__name"),
            company_uscc=Coalesce("company__uscc", "verified_company__uscc", "affiliate__company__uscc"),
        )
    )


def _row(case: Case, user: User, at: datetime, calendar: WorkingCalendar) -> QueueRow:
    leased = case.lease_expires_at is not None and case.lease_expires_at > at
    return QueueRow(
        case=case,
        seconds_left=seconds_left(case, at=at, calendar=calendar),
        is_mine=leased and case.claimed_by_id == user.pk,
        is_leased=leased,
        is_lapsed=case.claimed_by_id is not None and not leased,
    )


def seconds_left(case: Case, *, at: datetime, calendar: WorkingCalendar) -> int | None:
    """Working seconds until the case is due, negative once it is overdue; None while its clock stands still."""
    if case.due_at is None:
        return None
    return calendar.between(at, case.due_at) if case.due_at > at else -calendar.between(case.due_at, at)


@dataclass(frozen=True)
class Tally:
    """How many there are, counted to `BOUND` at most."""

    count: int

    def __str__(self) -> str:
        return f"{BOUND - 1}+" if self.count >= BOUND else str(self.count)


def tallies(*, user: User, at: datetime) -> dict[str, Tally]:
    """What the queue's head shows: overdue, unclaimed, mine, waiting for a second person. Bounded counts."""

    def count(**fields: bool | str) -> Tally:
        found = _narrowed(QueueFilter(**fields), user=user, at=at)  # type: ignore[arg-type]
        return Tally(found.order_by()[:BOUND].count())

    return {
        "overdue": count(overdue=True),
        "unclaimed": count(unclaimed=True),
        "mine": count(mine=True),
        "second": count(state=Case.State.AWAITING_SECOND_REVIEW.value),
    }


@dataclass
class Workload:
    """One reviewer: cases in hand now, of them overdue, decisions made since midnight in Shanghai."""

    name: str
    in_hand: int = 0
    overdue: int = 0
    decided_today: int = 0


def workload(*, at: datetime) -> list[Workload]:
    """Who has cases in hand or has decided some today, the busiest first. Two queries."""
    midnight = datetime.combine(at.astimezone(SHANGHAI).date(), time(), SHANGHAI)
    found: dict[int, Workload] = {}
    in_hand = (
        Case.objects.filter(claimed_by__isnull=False, lease_expires_at__gt=at)
        .values("claimed_by", person=F("claimed_by__name"), email=F("claimed_by__email"))
        .annotate(count=Count("pk"), late=Count("pk", filter=Q(due_at__lt=at)))
    )
    for row in in_hand:
        found[row["claimed_by"]] = Workload(row["person"] or row["email"], row["count"], row["late"])
    decided = (
        CaseEvent.objects.filter(at__gte=midnight, verb__in=DECISIONS, by__isnull=False)
        .values("by", person=F("by__name"), email=F("by__email"))
        .annotate(count=Count("pk"))
    )
    for one in decided:
        person = found.setdefault(one["by"], Workload(one["person"] or one["email"]))
        person.decided_today = one["count"]
    return sorted(found.values(), key=lambda one: (-one.in_hand, -one.decided_today, one.name))


def next_for(user: User, *, at: datetime) -> Case | None:
    """The case to go on with: one that the person has in hand, else the next one is claimed; None if none waits."""
    in_hand = (
        Case.objects.awaiting_review()
        .filter(claimed_by=user, lease_expires_at__gt=at)
        .exclude(first_by=user)
        .first()
    )
    if in_hand is not None and not belongs(in_hand, user):
        return in_hand
    return cases.claim_next(by=user, at=at)
