"""PIDs in the admin: to look at, with their health and the spans in which they were frozen (ATTR-4)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from affiliates.models import FreezeWarning, Pid, PidFreeze
from affiliates.pids import FREEZES_AFTER, WARNS_AHEAD, health
from portal.admin import ReadOnlyInline
from portal.admin_lists import ReadOnlyLongList, state_badge
from portal.badges import Badge, register

register("pid_active", Badge(_("active"), "check-circle-fill", "good"))
register("pid_freezing", Badge(_("freezes soon"), "hourglass-split", "warn"))
register("pid_frozen", Badge(_("frozen"), "pause-circle-fill", "bad"))


class HealthFilter(admin.SimpleListFilter):
    """How PIDs stand, by what the last sweep knew."""

    title = _("health")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("active", _("active")), ("freezing", _("freezes soon")), ("frozen", _("frozen"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "frozen":
            return queryset.filter(frozen_at__isnull=False)
        quiet = Pid.objects.quiet(before=timezone.now() - FREEZES_AFTER + WARNS_AHEAD)
        if self.value() == "freezing":
            return queryset.filter(pk__in=quiet.values("pk"))
        if self.value() == "active":
            return queryset.filter(frozen_at__isnull=True).exclude(pk__in=quiet.values("pk"))
        return queryset


class FreezeInline(ReadOnlyInline):
    model = PidFreeze
    fields = ("frozen_at", "reactivated_at", "reactivated_by")
    readonly_fields = fields
    ordering = ("-frozen_at",)
    show_change_link = False


class WarningInline(ReadOnlyInline):
    model = FreezeWarning
    fields = ("warned_at", "quiet_since", "freezes_at")
    readonly_fields = fields
    ordering = ("-warned_at",)
    show_change_link = False


@admin.register(Pid)
class PidAdmin(ReadOnlyLongList):
    list_display = (
        "value",
        "affiliate",
        "channel",
        "health",
        "last_valid_click_at",
        "days_left",
        "created_at",
    )
    list_select_related = ("affiliate", "channel")
    list_filter = (HealthFilter, "channel__platform")
    search_fields = ("value", "affiliate__code", "affiliate__name")
    search_help_text = _("PID, or an affiliate's code or name")
    fields = (
        "value",
        "affiliate",
        "channel",
        "placement",
        "health",
        "days_left",
        "last_valid_click_at",
        "active_since",
        "frozen_at",
        "created_at",
    )
    readonly_fields = fields
    inlines = (FreezeInline, WarningInline)

    @admin.display(description=_("health"))
    def health(self, pid: Pid) -> SafeString:
        return state_badge(f"pid_{self._health(pid).state}")

    @admin.display(description=_("days to freeze"))
    def days_left(self, pid: Pid) -> int | None:
        found = self._health(pid)
        return None if found.freezes_at is None else found.days_left

    @staticmethod
    def _health(pid: Pid) -> Any:
        return health(
            active_since=pid.active_since,
            last_valid_click_at=pid.last_valid_click_at,
            frozen_at=pid.frozen_at,
            at=timezone.now(),
        )
