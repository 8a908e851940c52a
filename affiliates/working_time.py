"""Working time: what the review target is counted in (ONB-3). Pure.

One working day is nine working hours, 09:00 to 18:00 in Shanghai, on the days that China works: weekdays but for
public holidays, and the weekend days that are worked in their place (调休).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
OPENS, CLOSES = time(9), time(18)
DAY_SECONDS = 9 * 3600
"""One working day in seconds."""
TARGET_SECONDS = 2 * DAY_SECONDS
"""The review target: two working days (ONB-3)."""
_LONGEST_SEARCH_DAYS = 3660


@dataclass(frozen=True)
class WorkingCalendar:
    """Which days are worked: `exceptions` to the rule that Monday to Friday are."""

    exceptions: Mapping[date, bool] = field(default_factory=dict)

    def is_worked(self, day: date) -> bool:
        return self.exceptions.get(day, day.weekday() < 5)

    def add(self, start: datetime, seconds: int) -> datetime:
        """The moment at which `seconds` of working time have passed since `start`, in `start`'s own zone.

        Of a full working day it is its end, 18:00, and not the next morning; for 0 seconds the moment itself, or
        the next opening outside working time. Raises: ValueError for negative seconds.
        """
        if seconds < 0:
            raise ValueError("working time can't be negative")
        moment = start.astimezone(SHANGHAI)
        day = moment.date()
        for _ in range(_LONGEST_SEARCH_DAYS):
            opens, closes = self._hours(day)
            if self.is_worked(day) and moment < closes:
                begin = max(moment, opens)
                left = int((closes - begin).total_seconds())
                if seconds <= left:
                    return (begin + timedelta(seconds=seconds)).astimezone(start.tzinfo)
                seconds -= left
            day += timedelta(days=1)
            moment = self._hours(day)[0]
        raise ValueError("no working day within ten years")

    def between(self, start: datetime, end: datetime) -> int:
        """The whole seconds of working time in [start, end); 0 if `end` is not after `start`."""
        first, last = start.astimezone(SHANGHAI), end.astimezone(SHANGHAI)
        total, day = timedelta(0), first.date()
        while day <= last.date() and first < last:
            if self.is_worked(day):
                opens, closes = self._hours(day)
                total += max(timedelta(0), min(last, closes) - max(first, opens))
            day += timedelta(days=1)
        return int(total.total_seconds())

    @staticmethod
    def _hours(day: date) -> tuple[datetime, datetime]:
        return datetime.combine(day, OPENS, SHANGHAI), datetime.combine(day, CLOSES, SHANGHAI)
