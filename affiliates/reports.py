"""How well reviews keep their promise: mean within 1.8 working days, 99.2 % within two (ONB-3).

Reads across cases, by SQL over sets. What is measured is working time while it was the reviewers' turn, as the cases
and their events recorded it; nothing is counted anew from the calendar, so a corrected calendar changes no history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q

from affiliates.calendar import working_calendar
from affiliates.models import Case
from affiliates.working_time import DAY_SECONDS, SHANGHAI, TARGET_SECONDS

TARGET_SHARE = 0.992
TARGET_MEAN_SECONDS = DAY_SECONDS * 18 // 10
LONGEST_DAYS = 366


@dataclass(frozen=True)
class Span:
    """Whole days in Shanghai, both ends included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), SHANGHAI)

    @property
    def until(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), SHANGHAI)

    @property
    def bounds(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until, "target": TARGET_SECONDS}


class Times(NamedTuple):
    """Decisions of a span: how many, the mean in working seconds, the 95th percentile, how many within target."""

    decided: int
    mean: float | None
    p95: float | None
    in_target: int

    @property
    def share(self) -> float | None:
        return self.in_target / self.decided if self.decided else None

    @property
    def share_is_met(self) -> bool | None:
        return self.share >= TARGET_SHARE if self.share is not None else None

    @property
    def mean_is_met(self) -> bool | None:
        return self.mean <= TARGET_MEAN_SECONDS if self.mean is not None else None


class Day(NamedTuple):
    day: date
    decided: int
    in_target: int
    mean: float


class Stage(NamedTuple):
    """How long cases stood in one state before somebody moved them on, in working seconds."""

    state: str
    moves: int
    mean: float
    longest: int


class Reviewer(NamedTuple):
    """What one person decided, and the mean working seconds from taking a case to the decision."""

    name: str
    papers: int
    first: int
    second: int
    changes: int
    mean: float | None


_DECIDED = "state IN ('approved', 'rejected') AND closed_at >= %(since)s AND closed_at < %(until)s"
# Steps that moved a case of reviewers on, each with the working time since the step before. Notes and uploads
# move nothing and are passed over.
_STEPS = """
    SELECT step.*, worked_seconds - lag(worked_seconds, 1, worked_seconds)
                                        OVER (PARTITION BY case_id ORDER BY id) AS took
      FROM affiliates_caseevent AS step
     WHERE state_before <> state_after
       AND case_id IN (SELECT case_id FROM affiliates_caseevent WHERE at >= %(since)s AND at < %(until)s)"""


def review_times(span: Span) -> Times:
    """Cases decided for good within the span (ONB-3)."""
    row = _rows(
        f"""
        SELECT count(*), avg(worked_seconds)::float,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY worked_seconds),
               count(*) FILTER (WHERE worked_seconds <= %(target)s)
          FROM affiliates_case WHERE {_DECIDED}""",
        span,
    )[0]
    return Times(*row)


def by_day(span: Span) -> list[Day]:
    """The days on which something was decided."""
    return [
        Day(*row)
        for row in _rows(
            f"""
            SELECT (closed_at AT TIME ZONE 'Asia/Shanghai')::date AS day, count(*),
                   count(*) FILTER (WHERE worked_seconds <= %(target)s), avg(worked_seconds)::float
              FROM affiliates_case WHERE {_DECIDED} GROUP BY day ORDER BY day""",
            span,
        )
    ]


def by_stage(span: Span) -> list[Stage]:
    """Where the time went: steps taken within the span, by the state that they ended."""
    turn = [str(state) for state in Case.REVIEWERS_TURN]
    found = {
        row[0]: Stage(*row)
        for row in _rows(
            f"""
            SELECT state_before, count(*), avg(took)::float, max(took)
              FROM ({_STEPS}) AS steps
             WHERE at >= %(since)s AND at < %(until)s AND state_before = ANY(%(turn)s)
             GROUP BY state_before""",
            span,
            turn=turn,
        )
    }
    return [found[state] for state in turn if state in found]


def by_reviewer(span: Span) -> list[Reviewer]:
    """Who decided what within the span, the most decisions first."""
    return [
        Reviewer(*row)
        for row in _rows(
            f"""
            WITH decisions AS (
                SELECT by_id, count(*) FILTER (WHERE state_after = 'awaiting_second_review') AS first,
                       count(*) FILTER (WHERE state_after IN ('approved', 'rejected')) AS second,
                       count(*) FILTER (WHERE verb IN ('request_changes', 'send_back')) AS changes,
                       avg(took)::float AS mean
                  FROM ({_STEPS}) AS steps
                 WHERE at >= %(since)s AND at < %(until)s
                   AND verb IN ('approve', 'reject', 'request_changes', 'send_back')
                 GROUP BY by_id
            ), verdicts AS (
                SELECT by_id, count(*) AS papers FROM affiliates_caseevent
                 WHERE at >= %(since)s AND at < %(until)s AND verb IN ('accept', 'refuse') GROUP BY by_id
            )
            SELECT coalesce(nullif(person.name, ''), person.email), coalesce(papers, 0), coalesce(first, 0),
                   coalesce(second, 0), coalesce(changes, 0), mean
              FROM decisions FULL JOIN verdicts USING (by_id)
              JOIN portal_user AS person ON person.id = by_id
             ORDER BY coalesce(first, 0) + coalesce(second, 0) + coalesce(changes, 0) DESC, 1""",
            span,
        )
    ]


class Ageing(NamedTuple):
    """Cases that wait for reviewers, by the working time that is left: counts by state and bucket."""

    overdue: int
    half_day: int
    one_day: int
    two_days: int

    @property
    def total(self) -> int:
        return sum(self)


def ageing(*, at: datetime) -> dict[str, Ageing]:
    """What waits now. Buckets of working time are turned into moments once, so the counting is one statement."""
    calendar = working_calendar()
    half, full = (calendar.add(at, seconds) for seconds in (DAY_SECONDS // 2, DAY_SECONDS))
    found = (
        Case.objects.filter(state__in=Case.REVIEWERS_TURN)
        .values("state")
        .annotate(
            overdue=Count("pk", filter=Q(due_at__lt=at)),
            half_day=Count("pk", filter=Q(due_at__gte=at, due_at__lt=half)),
            one_day=Count("pk", filter=Q(due_at__gte=half, due_at__lt=full)),
            two_days=Count("pk", filter=Q(due_at__gte=full)),
        )
        .order_by()
    )
    counted = {
        row["state"]: Ageing(row["overdue"], row["half_day"], row["one_day"], row["two_days"])
        for row in found
    }
    return {str(state): counted.get(state, Ageing(0, 0, 0, 0)) for state in Case.REVIEWERS_TURN}


def paused() -> int:
    """How many cases the applicants have: their clocks stand still."""
    return Case.objects.filter(state=Case.State.CHANGES_REQUESTED).count()


def _rows(sql: str, span: Span, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {**span.bounds, **parameters})
        return cursor.fetchall()
