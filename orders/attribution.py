"""Whose order is it: the rule that picks the click (ATTR-7, RATE-5). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

DEFAULT_WINDOW_DAYS = 30


class ClickFact(NamedTuple):
    """A click as it was recorded; its validity at click time counts (ATTR-3)."""

    pk: int
    click_id: str
    affiliate_id: int
    merchant_id: int
    clicked_at: datetime
    invalid_reason: str


def window_at(settings: list[tuple[datetime, int]], at: datetime) -> int:
    """The attribution window in days in force at `at`, given (effective_at, days) pairs in any order (RATE-5)."""
    past = [setting for setting in settings if setting[0] <= at]
    return max(past)[1] if past else DEFAULT_WINDOW_DAYS


def attribute(
    clicks: Iterable[ClickFact], *, merchant_id: int, ordered_at: datetime, window_days: int
) -> tuple[ClickFact | None, str]:
    """The newest valid click inside the window at this merchant, and "" — or None and what was missing.

    `clicks` are those of the order's click ids that are known. Both ends of the window are inside:
    0 ≤ ordered_at − clicked_at ≤ window_days × 24 h. A bare PID never attributes.

    Source: SPEC ATTR-7, RATE-5, DIAG-2.
    """
    window = timedelta(days=window_days)
    found: ClickFact | None = None
    problem = (datetime.min.replace(tzinfo=ordered_at.tzinfo), "click_not_found")
    for click in clicks:
        if click.merchant_id != merchant_id:
            code = "click_other_merchant"
        elif click.invalid_reason:
            code = "pid_frozen" if click.invalid_reason == "pid_frozen" else "click_invalid"
        elif not timedelta(0) <= ordered_at - click.clicked_at <= window:
            code = "click_expired"
        else:
            if found is None or (click.clicked_at, click.click_id) > (found.clicked_at, found.click_id):
                found = click
            continue
        problem = max(problem, (click.clicked_at, code))
    return (found, "") if found else (None, problem[1])
