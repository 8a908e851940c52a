"""Working time: the golden cases, holidays and make-up days, and what holds for any calendar (ONB-3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiliates import calendar
from affiliates.models import CalendarDay
from affiliates.working_time import DAY_SECONDS, SHANGHAI, TARGET_SECONDS, WorkingCalendar
from portal.models import AuditEntry
from portal.tests.factories import make_staff


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def china(year: int = 2026) -> WorkingCalendar:
    return WorkingCalendar({day.day: day.is_working for day in calendar.official_days(year)})


@pytest.mark.parametrize(
    ("submitted", "due"),
    [
        ("2026-02-13 10:00", "2026-02-24 10:00"),
        ("2026-02-13 20:00", "2026-02-24 18:00"),
        ("2026-02-13 08:00", "2026-02-14 18:00"),
        # National Day: from Thursday afternoon over the holidays; Saturday the 10th is worked instead.
        ("2026-09-30 17:00", "2026-10-09 17:00"),
        ("2026-10-08 18:00", "2026-10-10 18:00"),
        # A make-up Saturday counts, the Sunday after it doesn't.
        ("2026-10-10 12:00", "2026-10-13 12:00"),
    ],
)
def test_two_working_days_end_when_the_programme_says(submitted, due):
    assert china().add(shanghai(submitted), TARGET_SECONDS) == shanghai(due)


def test_a_make_up_saturday_is_worked_and_a_holiday_is_not():
    assert china().is_worked(date(2026, 10, 10))
    assert not china().is_worked(date(2026, 10, 1))
    assert not china().is_worked(date(2026, 10, 11))
    assert china().is_worked(date(2026, 10, 12))


def test_the_answer_is_in_the_zone_that_was_asked_in():
    assert china().add(datetime(2026, 3, 11, 2, tzinfo=UTC), 3600) == datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert china().add(datetime(2026, 3, 11, 2, tzinfo=UTC), 3600).tzinfo is UTC


def test_negative_time_is_refused():
    with pytest.raises(ValueError, match="negative"):
        china().add(shanghai("2026-03-11 10:00"), -1)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=SHANGHAI)
)
calendars = st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.booleans(), max_size=30).map(
    WorkingCalendar
)


@given(calendars, moments, st.integers(1, 5 * DAY_SECONDS))
def test_what_was_added_lies_between(days, start, seconds):
    assert days.between(start, days.add(start, seconds)) == seconds


@given(calendars, moments, st.integers(0, 86400 * 9), st.integers(0, 86400 * 9))
def test_time_between_adds_up_and_never_runs_backwards(days, start, first, second):
    middle, end = start + timedelta(seconds=first), start + timedelta(seconds=first + second)
    assert days.between(start, middle) + days.between(middle, end) == days.between(start, end)
    assert days.between(end, start) == 0


@given(calendars, moments, st.integers(1, 3 * DAY_SECONDS))
def test_working_time_by_counting_minutes_says_the_same(days, start, seconds):
    """Against a model that looks at every minute."""
    start, minutes = start.replace(second=0), max(1, seconds // 3600) * 60
    moment, counted = start, 0
    while counted < minutes:
        counted += days.is_worked(moment.date()) and 9 <= moment.hour < 18
        moment += timedelta(minutes=1)
    assert days.add(start, minutes * 60) == moment


@pytest.fixture
def known_years(db):
    """As the migration left it, whatever other tests have emptied."""
    for year in (2026, 2027):
        calendar.learn_year(year)


@pytest.mark.usefixtures("known_years")
@pytest.mark.django_db
def test_the_calendar_in_the_database_is_the_official_one():
    assert calendar.working_calendar().add(shanghai("2026-02-13 10:00"), TARGET_SECONDS) == shanghai(
        "2026-02-24 10:00"
    )


@pytest.mark.django_db
def test_what_staff_enter_beats_the_libraries_and_stays():
    charlie = make_staff("Charlie")
    at = datetime(2026, 11, 2, tzinfo=UTC)
    calendar.enter_day(date(2026, 3, 12), is_working=False, name="台风", by=charlie, at=at)
    assert not calendar.working_calendar().is_worked(date(2026, 3, 12))
    calendar.learn_year(2026)
    assert not calendar.working_calendar().is_worked(date(2026, 3, 12))
    assert AuditEntry.objects.get(action="calendar.enter_day").data == {"is_working": False, "name": "台风"}


@pytest.mark.usefixtures("known_years")
@pytest.mark.django_db
def test_a_year_that_is_not_published_is_estimated_and_ops_are_told_from_november_on():
    assert calendar.unofficial_years(datetime(2026, 10, 31, 15, tzinfo=UTC)) == []
    assert calendar.unofficial_years(datetime(2026, 10, 31, 16, tzinfo=UTC)) == [2027]
    days = CalendarDay.objects.filter(day__year=2027)
    assert {day.source for day in days} == {"estimated"}
    assert not calendar.working_calendar().is_worked(date(2027, 10, 1))


@pytest.mark.usefixtures("known_years")
@pytest.mark.django_db
def test_learning_a_year_twice_changes_nothing():
    before = list(CalendarDay.objects.filter(day__year=2026).values_list("day", "is_working", "source"))
    assert calendar.learn_year(2026) == len(before)
    assert (
        list(CalendarDay.objects.filter(day__year=2026).values_list("day", "is_working", "source")) == before
    )
