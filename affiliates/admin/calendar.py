"""The working-time calendar in the admin: which days are worked, and whether the coming year is official (ONB-3)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from affiliates import calendar
from affiliates.models import CalendarDay
from portal.admin import ReadOnlyAdmin


@admin.register(CalendarDay)
class CalendarDayAdmin(ReadOnlyAdmin):
    """Days that differ from their weekday's rule. What staff enter beats the official list; nothing is deleted."""

    list_display = ("day", "weekday", "is_working", "name", "source")
    list_filter = ("source", "is_working")
    date_hierarchy = "day"
    ordering = ("-day",)
    fields = ("day", "is_working", "name", "source")
    readonly_fields = ("source",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("affiliates.add_calendarday")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("affiliates.change_calendarday")

    def get_readonly_fields(self, request: HttpRequest, obj: CalendarDay | None = None) -> Any:
        return ("source", "day") if obj is not None else ("source",)

    @admin.display(description=_("weekday"))
    def weekday(self, day: CalendarDay) -> str:
        return day.day.strftime("%a")

    def save_model(self, request: HttpRequest, obj: CalendarDay, form: Any, change: bool) -> None:
        calendar.enter_day(
            obj.day, is_working=obj.is_working, name=obj.name, by=request.user, at=timezone.now()
        )

    def log_addition(self, *args: Any) -> None:
        """The audit trail has it."""

    def log_change(self, *args: Any) -> None:
        """The audit trail has it."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        for year in calendar.unofficial_years(timezone.now()):
            text = _("The calendar for %(year)d is not official yet: its holidays are estimated.") % {
                "year": year
            }
            messages.warning(request, text)
        return super().changelist_view(request, extra_context)
