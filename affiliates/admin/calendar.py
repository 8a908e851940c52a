"""Working days in the admin: a month at a glance, and a day's page to correct it (ONB-3)."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, register_converter, reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from affiliates.calendar import unofficial_years
from affiliates.due_times import correct_day
from affiliates.models import CalendarDay
from affiliates.working_time import SHANGHAI
from portal.admin import ReadOnlyAdmin
from portal.errors import DomainError

FIRST_YEAR, LAST_YEAR = 2024, 2099
# As the libraries call them.
OCCASIONS = {
    "New Year's Day": _("New Year's Day"),
    "Spring Festival": _("Spring Festival"),
    "Tomb-sweeping Day": _("Tomb-sweeping Day"),
    "Labour Day": _("Labour Day"),
    "Dragon Boat Festival": _("Dragon Boat Festival"),
    "Mid-autumn Festival": _("Mid-autumn Festival"),
    "National Day": _("National Day"),
}


class DayConverter:
    """A day in an address: `2026-10-01`."""

    regex = r"\d{4}-\d{2}-\d{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date | str) -> str:
        return value if isinstance(value, str) else value.isoformat()


register_converter(DayConverter, "day")


class DayForm(forms.Form):
    """Whether a day is worked, and why it differs from its weekday."""

    is_working = forms.TypedChoiceField(
        label=_("This day is a"),
        coerce=lambda value: value == "yes",
        choices=[("yes", _("working day")), ("no", _("day off"))],
        widget=forms.RadioSelect,
    )
    name = forms.CharField(
        label=_("Occasion"),
        max_length=100,
        required=False,
        help_text=_("For example “National Day”, or “make-up day”."),
    )


@admin.register(CalendarDay)
class CalendarDayAdmin(ReadOnlyAdmin):
    """The list is a month's sheet. A day is changed through the operation that moves due times with it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.day_view)
        return [path("day/<day:day>/", view, name="affiliates_calendarday_day"), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return request.user.has_perm("affiliates.view_calendarday")

    def may_correct(self, request: HttpRequest) -> bool:
        return request.user.has_perm("affiliates.change_calendarday")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        today = at.astimezone(SHANGHAI).date()
        month = _month(request.GET.get("month", "")) or today.replace(day=1)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Working days"),
            "month": month,
            "before": _shifted(month, -1),
            "after": _shifted(month, 1),
            "years": range(today.year - 1, today.year + 3),
            "months": [date(month.year, number, 1) for number in range(1, 13)],
            "weekdays": [(WEEKDAYS_ABBR[day], WEEKDAYS[day]) for day in range(7)],
            "weeks": _weeks(month, today),
            "may_correct": self.may_correct(request),
            "unofficial_years": unofficial_years(at),
        }
        return TemplateResponse(request, "admin/affiliates/calendar.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A stored day's page is the day's page."""
        try:
            day = date.fromisoformat(object_id.replace("_2D", "-"))
        except ValueError as error:
            raise Http404 from error
        return self.day_view(request, day)

    def day_view(self, request: HttpRequest, day: date) -> HttpResponse:
        """Look at a day (GET), correct it (POST)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not self.may_correct(request):
            raise PermissionDenied
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise Http404
        known = CalendarDay.objects.filter(day=day).first()
        worked = known.is_working if known else day.weekday() < 5
        initial = {"is_working": "yes" if worked else "no", "name": known.name if known else ""}
        form = DayForm(request.POST if request.method == "POST" else None, initial=initial)
        status = 200
        if request.method == "POST":
            if form.is_valid():
                try:
                    _day, moved = correct_day(day, **form.cleaned_data, by=request.user, at=timezone.now())
                except DomainError as refusal:
                    form.add_error(None, str(refusal.message))
                else:
                    self._tell(request, day, moved)
                    return HttpResponseRedirect(f"{_list_url()}?month={day:%Y-%m}")
            status = 422
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{day:%Y-%m-%d}",
            "day": day,
            "known": known,
            "occasion": occasion(known),
            "worked": worked,
            "weekday": WEEKDAYS[day.weekday()],
            "form": form if self.may_correct(request) else None,
            "back": f"{_list_url()}?month={day:%Y-%m}",
        }
        return TemplateResponse(request, "admin/affiliates/calendar_day.html", context, status=status)

    def _tell(self, request: HttpRequest, day: date, moved: int) -> None:
        messages.success(request, gettext("%(day)s is entered.") % {"day": f"{day:%Y-%m-%d}"})
        if moved:
            text = ngettext(
                "The due time of %(count)d case has moved.",
                "The due times of %(count)d cases have moved.",
                moved,
            )
            messages.info(request, text % {"count": moved})


def occasion(day: CalendarDay | None) -> str:
    """What a day is called, in the reader's language where the libraries named it."""
    return str(OCCASIONS.get(day.name, day.name)) if day else ""


def _list_url() -> str:
    return reverse("admin:affiliates_calendarday_changelist")


def _month(text: str) -> date | None:
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return month if FIRST_YEAR <= month.year <= LAST_YEAR else None


def _shifted(month: date, by: int) -> date:
    number = month.year * 12 + month.month - 1 + by
    return date(number // 12, number % 12 + 1, 1)


def _weeks(month: date, today: date) -> list[list[dict[str, Any]]]:
    """The month's sheet, Monday to Sunday, with the neighbours' days that fill it up. One query."""
    sheet = calendar.Calendar().monthdatescalendar(month.year, month.month)
    span = (sheet[0][0], sheet[-1][-1] + timedelta(days=1))
    known = {day.day: day for day in CalendarDay.objects.filter(day__gte=span[0], day__lt=span[1])}
    return [[_cell(day, known.get(day), month, today) for day in week] for week in sheet]


def _cell(day: date, known: CalendarDay | None, month: date, today: date) -> dict[str, Any]:
    return {
        "day": day,
        "known": known,
        "occasion": occasion(known),
        "worked": known.is_working if known else day.weekday() < 5,
        "is_other_month": day.month != month.month,
        "is_today": day == today,
    }
