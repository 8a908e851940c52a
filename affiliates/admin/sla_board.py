"""The SLA board: whether reviews keep their promise, where the time goes, what is about to be late (ONB-3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext

from affiliates import reports
from affiliates.calendar import unofficial_years
from affiliates.models import Case
from affiliates.working_time import DAY_SECONDS, SHANGHAI

DEFAULT_DAYS = 30
PRESETS = (7, 30, 90)


def span_of(query: Mapping[str, str], *, today: date) -> reports.Span:
    """The days that the address asks for; the last thirty if it doesn't say, or says nonsense."""
    last = _day(query.get("to", "")) or today
    first = _day(query.get("from", "")) or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or (last - first).days >= reports.LONGEST_DAYS:
        first = last - timedelta(days=DEFAULT_DAYS - 1)
    return reports.Span(first, last)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None


def working_days(seconds: float | None) -> str:
    """Working seconds in working days: `1.42 d`."""
    return "—" if seconds is None else gettext("%(days)s d") % {"days": f"{seconds / DAY_SECONDS:.2f}"}


def percent(share: float | None) -> str:
    return "—" if share is None else f"{share * 100:.1f}\N{NO-BREAK SPACE}%"


def context(query: Mapping[str, str], *, at: datetime) -> dict[str, Any]:
    today = at.astimezone(SHANGHAI).date()
    span = span_of(query, today=today)
    times, days = reports.review_times(span), reports.by_day(span)
    buckets = reports.ageing(at=at)
    labels = dict(Case.State.choices)
    return {
        "at": at,
        "span": span,
        "presets": [(count, today - timedelta(days=count - 1), today) for count in PRESETS],
        "times": times,
        "mean": working_days(times.mean),
        "p95": working_days(times.p95),
        "share": percent(times.share),
        "days": [
            {
                "day": one.day,
                "decided": one.decided,
                "in_target": one.in_target,
                "share": percent(one.in_target / one.decided),
                "mean": working_days(one.mean),
            }
            for one in days
        ],
        "chart": {
            "labels": [f"{one.day:%m-%d}" for one in days],
            "series": [
                {
                    "label": gettext("within 2 working days"),
                    "tone": "good",
                    "values": [one.in_target for one in days],
                },
                {
                    "label": gettext("later"),
                    "tone": "bad",
                    "values": [one.decided - one.in_target for one in days],
                },
            ],
        },
        "stages": [
            {
                "label": labels[one.state],
                "moves": one.moves,
                "mean": working_days(one.mean),
                "longest": working_days(one.longest),
            }
            for one in reports.by_stage(span)
        ],
        "reviewers": [{"person": one, "mean": working_days(one.mean)} for one in reports.by_reviewer(span)],
        "ageing": [
            {"state": state, "label": labels[state], "counts": counts} for state, counts in buckets.items()
        ],
        "ageing_total": [sum(column) for column in zip(*buckets.values(), strict=True)],
        "waiting": sum(one.total for one in buckets.values()),
        "paused": reports.paused(),
        "unofficial_years": unofficial_years(at),
    }
