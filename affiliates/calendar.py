"""China's working days as they are known: published years, estimated ones, and what staff have corrected (ONB-3).

The State Council publishes a year's holidays late in the year before. Until then they are estimated, and ops are
told that they are. The days live in the database, so that a correction needs no release.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import chinese_calendar
import holidays
from django.db import transaction

from affiliates.models import CalendarDay
from affiliates.working_time import SHANGHAI, WorkingCalendar
from portal import audit
from portal.models import User

WARN_FROM_MONTH = 11
"""From this month on the next year's calendar ought to be known."""
_PUBLISHED_SINCE = 2024


def working_calendar() -> WorkingCalendar:
    """The calendar as it stands in the database. One query."""
    return WorkingCalendar(dict(CalendarDay.objects.values_list("day", "is_working")))


def published_years() -> list[int]:
    """The years whose official holidays the library knows, from the programme's first on."""
    return [year for year in range(_PUBLISHED_SINCE, 2100) if _is_published(year)]


def _is_published(year: int) -> bool:
    try:
        chinese_calendar.is_workday(date(year, 6, 1))
    except NotImplementedError:
        return False
    return True


def official_days(year: int) -> list[CalendarDay]:
    """The days of a published year that differ from their weekday's rule."""
    found = []
    day = date(year, 1, 1)
    while day.year == year:
        worked = chinese_calendar.is_workday(day)
        if worked != (day.weekday() < 5):
            _, name = chinese_calendar.get_holiday_detail(day)
            found.append(
                CalendarDay(day=day, is_working=worked, name=name or "", source=CalendarDay.Source.OFFICIAL)
            )
        day += timedelta(days=1)
    return found


def estimated_days(year: int) -> list[CalendarDay]:
    """The public holidays of a year that is not published yet. Make-up days can't be foretold."""
    known = holidays.country_holidays("CN", years=year, language="en_US")
    return [
        CalendarDay(day=day, is_working=False, name=name[:100], source=CalendarDay.Source.ESTIMATED)
        for day, name in sorted(known.items())
        if day.weekday() < 5
    ]


@transaction.atomic
def learn_year(year: int) -> int:
    """Take in a year from the libraries; what staff entered stays. Returns how many days were written.

    An estimated year is replaced once it is published. Idempotent.
    """
    source = CalendarDay.Source.OFFICIAL if _is_published(year) else CalendarDay.Source.ESTIMATED
    days = official_days(year) if source == CalendarDay.Source.OFFICIAL else estimated_days(year)
    of_year = CalendarDay.objects.filter(day__year=year)
    entered = set(of_year.filter(source=CalendarDay.Source.STAFF).values_list("day", flat=True))
    of_year.exclude(source=CalendarDay.Source.STAFF).delete()
    fresh = [day for day in days if day.day not in entered]
    CalendarDay.objects.bulk_create(fresh)
    return len(fresh)


@transaction.atomic
def enter_day(day: date, *, is_working: bool, name: str, by: User, at: datetime) -> CalendarDay:
    """Staff say whether a day is worked, against the libraries. Leaves an audit row."""
    entered, _ = CalendarDay.objects.update_or_create(
        day=day, defaults={"is_working": is_working, "name": name, "source": CalendarDay.Source.STAFF}
    )
    audit.record("calendar.enter_day", by=by, target=entered, at=at, is_working=is_working, name=name)
    return entered


def unofficial_years(at: datetime) -> list[int]:
    """The years that matter at `at` and whose calendar is not official: this one, and late in it the next."""
    today = at.astimezone(SHANGHAI).date()
    wanted = [today.year] + ([today.year + 1] if today.month >= WARN_FROM_MONTH else [])
    official = set(
        CalendarDay.objects.filter(day__year__in=wanted)
        .exclude(source=CalendarDay.Source.ESTIMATED)
        .values_list("day__year", flat=True)
        .distinct()
    )
    estimated = set(
        CalendarDay.objects.filter(day__year__in=wanted, source=CalendarDay.Source.ESTIMATED)
        .values_list("day__year", flat=True)
        .distinct()
    )
    return [year for year in wanted if year in estimated or year not in official]
