"""The SLA board and the calendar: figures to the second, and who may correct a day (ONB-3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from affiliates import cases, reports
from affiliates.admin.sla_board import span_of
from affiliates.due_times import correct_day
from affiliates.evidence_digest import digest
from affiliates.models import CalendarDay, Case
from affiliates.tests.case_factories import (
    NOW,
    accept_all,
    later,
    make_case,
    make_reviewer,
    make_senior,
    put_document,
)
from affiliates.working_time import DAY_SECONDS, TARGET_SECONDS
from portal.models import AuditEntry
from portal.tests.factories import make_staff, make_user, signed_in

pytestmark = pytest.mark.django_db
State = Case.State
BOARD = reverse("admin:affiliates_case_board")
CALENDAR = reverse("admin:affiliates_calendarday_changelist")
WEEK = reports.Span(date(2026, 3, 9), date(2026, 3, 15))
HOUR = 3600


def english(user):
    user.language = "en"
    user.save()
    return signed_in(user)


def decide(*, first_after: float, second_after: float, rita, sven, at=NOW, reject: bool = False) -> Case:
    """A case submitted at `at`, claimed an hour later, decided so many hours after the submission."""
    case = make_case(State.SUBMITTED, at=at)
    claimed, first, second = (at + timedelta(hours=hours) for hours in (1, first_after, second_after))
    cases.claim(case, by=rita, at=claimed)
    Case.objects.filter(pk=case.pk).update(lease_expires_at=first + timedelta(hours=1))
    if reject:
        cases.reject(case, reason_code="not_eligible", by=rita, at=first, digest=digest(case))
    else:
        accept_all(case, by=rita, at=first)
        cases.approve(case, by=rita, at=first, digest=digest(case))
    cases.claim(case, by=sven, at=second)
    if reject:
        cases.reject(case, reason_code="not_eligible", by=sven, at=second, digest=digest(case))
    else:
        cases.approve(case, by=sven, at=second, digest=digest(case))
    case.refresh_from_db()
    return case


@pytest.fixture
def decided():
    """Two cases from Wednesday 10:00: one after 3 working hours, one on Monday after 3 days and 1 hour."""
    rita, sven = make_reviewer("Rita"), make_senior("Sven")
    quick = decide(first_after=2, second_after=3, rita=rita, sven=sven)
    slow = decide(first_after=4, second_after=5 * 24 + 1, rita=rita, sven=sven, reject=True)
    return quick, slow


def test_mean_share_and_percentile_are_those_of_working_time(decided):
    quick, slow = decided
    assert (quick.worked_seconds, slow.worked_seconds) == (3 * HOUR, 3 * DAY_SECONDS + 1 * HOUR)
    # The slow one was closed on Monday the 16th.
    times = reports.review_times(reports.Span(date(2026, 3, 9), date(2026, 3, 16)))
    assert (times.decided, times.in_target, times.share) == (2, 1, 0.5)
    assert times.mean == (3 * HOUR + 28 * HOUR) / 2
    assert (times.share_is_met, times.mean_is_met) == (False, True)
    alone = reports.review_times(WEEK)
    assert (alone.decided, alone.mean, alone.p95, alone.share) == (1, 3 * HOUR, 3 * HOUR, 1)
    assert alone.share_is_met
    nothing = reports.review_times(reports.Span(date(2025, 1, 1), date(2025, 1, 2)))
    assert (nothing.decided, nothing.mean, nothing.share, nothing.mean_is_met) == (0, None, None, None)


def test_two_working_days_to_the_second_are_in_target(decided):
    quick, _slow = decided
    Case.objects.filter(pk=quick.pk).update(worked_seconds=TARGET_SECONDS)
    assert reports.review_times(WEEK).in_target == 1
    Case.objects.filter(pk=quick.pk).update(worked_seconds=TARGET_SECONDS + 1)
    assert reports.review_times(WEEK).in_target == 0


def test_days_are_those_of_shanghai(decided):
    quick, _slow = decided
    Case.objects.filter(pk=quick.pk).update(closed_at=datetime(2026, 3, 10, 16, 0, tzinfo=UTC))
    days = reports.by_day(reports.Span(date(2026, 3, 1), date(2026, 3, 31)))
    assert [(day.day, day.decided, day.in_target) for day in days] == [
        (date(2026, 3, 11), 1, 1),
        (date(2026, 3, 16), 1, 0),
    ]
    assert reports.review_times(reports.Span(date(2026, 3, 11), date(2026, 3, 11))).decided == 1
    assert reports.review_times(reports.Span(date(2026, 3, 10), date(2026, 3, 10))).decided == 0


def test_where_the_time_went_by_stage_and_by_reviewer(decided):
    span = reports.Span(date(2026, 3, 9), date(2026, 3, 16))
    stages = {stage.state: stage for stage in reports.by_stage(span)}
    assert (stages["submitted"].moves, stages["submitted"].mean) == (2, HOUR)
    assert stages["in_review"].mean == (1 + 3) / 2 * HOUR
    assert stages["awaiting_second_review"].longest == 24 * HOUR
    people = {person.name: person for person in reports.by_reviewer(span)}
    assert (people["Rita"].first, people["Rita"].second, people["Rita"].papers) == (2, 0, 5)
    assert (people["Sven"].first, people["Sven"].second, people["Sven"].papers) == (0, 2, 0)
    assert people["Rita"].mean == 2 * HOUR


def test_a_case_that_was_with_the_applicant_counts_without_that_time():
    rita, sven = make_reviewer("Rita"), make_senior("Sven")
    case = make_case(State.CHANGES_REQUESTED, rita=rita, at=NOW)
    put_document(case, "business_licence", by=case.opened_by, at=later(24 * 5))
    back = later(24 * 5)
    cases.submit(case, by=case.opened_by, at=back)
    cases.claim(case, by=rita, at=back)
    accept_all(case, by=rita, at=back)
    case.refresh_from_db()
    cases.approve(case, by=rita, at=back, digest=digest(case))
    cases.claim(case, by=sven, at=back + timedelta(hours=2))
    cases.approve(case, by=sven, at=back + timedelta(hours=2), digest=digest(case))
    times = reports.review_times(reports.Span(date(2026, 3, 16), date(2026, 3, 16)))
    assert (times.decided, times.mean) == (1, 2 * HOUR)


def test_what_waits_is_counted_by_the_working_time_left():
    for hours in (0, 1, 2):
        make_case(State.SUBMITTED, at=later(hours))
    make_case(State.AWAITING_SECOND_REVIEW, at=NOW)
    make_case(State.CHANGES_REQUESTED, at=NOW)
    # The first is due on Friday at 10:00.
    now = reports.ageing(at=NOW + timedelta(days=1))
    assert now["submitted"] == (0, 0, 0, 3)
    assert now["awaiting_second_review"] == (0, 0, 0, 1)
    late = reports.ageing(at=NOW + timedelta(days=2, minutes=30))
    assert late["submitted"] == (1, 2, 0, 0)
    assert late["awaiting_second_review"] == (1, 0, 0, 0)
    assert late["in_review"].total == 0
    assert reports.paused() == 1


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, date(2026, 2, 10), date(2026, 3, 11)),
        ({"from": "2026-03-01", "to": "2026-03-05"}, date(2026, 3, 1), date(2026, 3, 5)),
        ({"from": "2026-03-05", "to": "2026-03-01"}, date(2026, 1, 31), date(2026, 3, 1)),
        ({"from": "x", "to": "2026-13-01"}, date(2026, 2, 10), date(2026, 3, 11)),
        ({"from": "1026-03-01"}, date(2026, 2, 10), date(2026, 3, 11)),
        ({"from": "2020-01-01", "to": "2026-03-01"}, date(2026, 1, 31), date(2026, 3, 1)),
    ],
)
def test_the_days_that_the_address_asks_for(query, first, last):
    assert span_of(query, today=date(2026, 3, 11)) == reports.Span(first, last)


def test_the_board_shows_its_figures_and_costs_the_same_for_little_and_much(decided):
    client = english(make_senior("Boss"))
    query = {"from": "2026-03-09", "to": "2026-03-16"}
    answer = client.get(BOARD, query)
    assert (answer.context["share"], answer.context["mean"]) == ("50.0\N{NO-BREAK SPACE}%", "1.72 d")
    page = answer.content.decode()
    assert "Rita" in page
    assert "Sven" in page

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(BOARD, query).status_code == 200
        return len(captured)

    few = count()
    for number in range(4):
        decide(
            first_after=2, second_after=3, rita=make_reviewer(f"R{number}"), sven=make_senior(f"S{number}")
        )
    assert count() == few


# --- the calendar -----------------------------------------------------------------------------------------------


def test_a_corrected_day_moves_the_due_times_it_lies_in_and_no_others():
    sven = make_senior()
    # Due on Friday 10:00 and on Monday 10:00; and one whose clock stands still.
    friday = make_case(State.SUBMITTED, at=NOW)
    monday = make_case(State.SUBMITTED, at=later(24))
    paused = make_case(State.CHANGES_REQUESTED, at=NOW)
    before = monday.due_at
    _day, moved = correct_day(date(2026, 3, 16), is_working=False, name="test", by=sven, at=NOW)
    friday.refresh_from_db()
    monday.refresh_from_db()
    paused.refresh_from_db()
    assert moved == 1
    assert friday.due_at == datetime(2026, 3, 13, 2, tzinfo=UTC)
    assert (before, monday.due_at) == (
        datetime(2026, 3, 16, 2, tzinfo=UTC),
        datetime(2026, 3, 17, 2, tzinfo=UTC),
    )
    assert paused.due_at is None
    # A make-up Saturday brings it forward; and back again.
    assert correct_day(date(2026, 3, 14), is_working=True, name="make-up", by=sven, at=NOW)[1] == 1
    monday.refresh_from_db()
    assert monday.due_at == datetime(2026, 3, 14, 2, tzinfo=UTC)
    assert correct_day(date(2026, 3, 14), is_working=False, name="", by=sven, at=NOW)[1] == 1
    monday.refresh_from_db()
    assert monday.due_at == datetime(2026, 3, 17, 2, tzinfo=UTC)


def day_url(day: str) -> str:
    return reverse("admin:affiliates_calendarday_day", args=[day])


def test_the_month_shows_holidays_and_make_up_days():
    client = english(make_reviewer())
    answer = client.get(CALENDAR, {"month": "2026-10"})
    cells = {cell["day"]: cell for week in answer.context["weeks"] for cell in week}
    assert not cells[date(2026, 10, 1)]["worked"]
    assert cells[date(2026, 10, 10)]["worked"]  # a Saturday worked for National Day
    assert not cells[date(2026, 10, 11)]["worked"]
    assert cells[date(2026, 10, 1)]["known"].source == CalendarDay.Source.OFFICIAL
    assert client.get(CALENDAR, {"month": "nonsense"}).status_code == 200
    assert client.get(CALENDAR, {"month": "1999-01"}).context["month"].year == timezone.localtime().year


def test_who_may_correct_a_day():
    url, data = day_url("2026-12-24"), {"is_working": "no", "name": "stocktaking"}
    stored = CalendarDay.objects.count()
    for user in (make_reviewer(), make_staff("Sue", groups=("support",))):
        client = english(user)
        assert client.get(url).status_code == 200
        assert "Enter the day" not in client.get(url).content.decode()
        assert client.post(url, data).status_code == 403
    assert english(make_staff("Fay", groups=("finance",))).get(CALENDAR).status_code == 403
    assert english(make_user("Bob")).post(url, data, follow=True).status_code == 403
    assert CalendarDay.objects.count() == stored
    sven = make_senior()
    answer = english(sven).post(url, data)
    assert answer.headers["Location"] == f"{CALENDAR}?month=2026-12"
    day = CalendarDay.objects.get(day=date(2026, 12, 24))
    assert (day.is_working, day.name, day.source) == (False, "stocktaking", CalendarDay.Source.STAFF)
    entry = AuditEntry.objects.get(action="calendar.enter_day")
    assert (entry.by, entry.data) == (sven, {"is_working": False, "name": "stocktaking"})


@pytest.mark.parametrize("data", [{}, {"is_working": "maybe"}, {"is_working": "yes", "name": "x" * 101}])
def test_a_day_that_makes_no_sense_is_refused(data):
    stored = list(CalendarDay.objects.values_list())
    assert english(make_senior()).post(day_url("2026-12-24"), data).status_code == 422
    assert list(CalendarDay.objects.values_list()) == stored


@pytest.mark.parametrize("day", ["2026-02-30", "1999-01-01", "26-1-1", "x"])
def test_a_day_that_is_none_is_not_found(day):
    client = english(make_senior())
    assert client.get(f"/admin/affiliates/calendarday/day/{day}/", follow=True).status_code == 404


def test_a_year_that_is_not_official_is_warned_of(monkeypatch):
    client = english(make_senior())
    text = "The working days of 2027 are not official yet."
    CalendarDay.objects.filter(day__year=2027).update(source=CalendarDay.Source.ESTIMATED)
    for module in ("calendar", "sla_board"):
        monkeypatch.setattr(f"affiliates.admin.{module}.unofficial_years", lambda at: [2027])
    assert text in client.get(CALENDAR).content.decode()
    assert text in client.get(BOARD).content.decode()
    monkeypatch.setattr("affiliates.admin.calendar.unofficial_years", lambda at: [])
    assert text not in client.get(CALENDAR).content.decode()


def test_a_stored_day_opens_by_its_own_address():
    client = english(make_senior())
    day = CalendarDay.objects.get(day=date(2026, 10, 1))
    url = reverse("admin:affiliates_calendarday_change", args=[day.pk])
    assert "2026-10-01" in client.get(url).content.decode()
    assert client.get("/admin/affiliates/calendarday/nonsense/change/").status_code == 404
