"""What a corrected working day means for the cases that wait: their due times move with it (ONB-3)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.db import transaction

from affiliates.calendar import enter_day, working_calendar
from affiliates.models import CalendarDay, Case
from affiliates.working_time import SHANGHAI, TARGET_SECONDS
from portal.models import User


@transaction.atomic
def correct_day(day: date, *, is_working: bool, name: str, by: User, at: datetime) -> tuple[CalendarDay, int]:
    """Enter a day of the calendar, and move the due times that it lies in. Returns it and how many were moved.

    Locks the cases concerned in the order of their ids. What was decided keeps the time that was counted then.
    Source: SPEC ONB-3.
    """
    entered = enter_day(day, is_working=is_working, name=name, by=by, at=at)
    begins = datetime.combine(day, time(), SHANGHAI)
    concerned = (
        Case.objects.select_for_update()
        .filter(
            state__in=Case.REVIEWERS_TURN, clock_started_at__lt=begins + timedelta(days=1), due_at__gte=begins
        )
        .order_by("pk")
    )
    calendar, moved = working_calendar(), []
    for case in concerned:
        assert case.clock_started_at is not None  # noqa: S101 - the database holds it while the clock runs
        due = calendar.add(case.clock_started_at, max(0, TARGET_SECONDS - case.worked_seconds))
        if due != case.due_at:
            case.due_at = due
            moved.append(case)
    Case.objects.bulk_update(moved, ["due_at"], batch_size=1000)
    return entered, len(moved)
