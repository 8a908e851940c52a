"""Affiliates in the admin: who they are, where they promote, what they chose, and suspending them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from affiliates import pid_admin  # noqa: F401 - registers the pages of PIDs
from affiliates.models import (
    Affiliate,
    AffiliateMember,
    Channel,
    CommissionPreference,
    Pid,
    RetentionReport,
    Suspension,
    code_part,
)
from affiliates.pids import create_pid
from affiliates.preferences import choose_minimum_unit
from affiliates.suspension import reinstate, suspend
from portal.admin import ReadOnlyAdmin, ReadOnlyInline
from portal.admin_actions import AuditedAdmin, ObjectAction, ObjectActionsMixin, ReasonForm


class MemberInline(admin.TabularInline):
    model = AffiliateMember
    extra = 0
    autocomplete_fields = ("user",)


class ChannelForm(forms.ModelForm):
    """A channel; its code is part of its PIDs, so it stays once it is saved."""

    class Meta:
        model = Channel
        fields = ("code", "platform", "handle", "audience")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["code"].disabled = True


class ChannelInline(admin.TabularInline):
    model = Channel
    form = ChannelForm
    extra = 0


class PidInline(ReadOnlyInline):
    model = Pid
    fields = ("value", "channel", "placement", "created_at", "frozen_at")
    readonly_fields = fields
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Pid]:
        return super().get_queryset(request).select_related("channel")


class PreferenceInline(ReadOnlyInline):
    model = CommissionPreference
    fields = ("minimum_unit", "effective_at", "chosen_by")
    readonly_fields = fields
    ordering = ("-effective_at",)
    show_change_link = False
    verbose_name_plural = _("commission preferences (history)")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[CommissionPreference]:
        return super().get_queryset(request).select_related("chosen_by", "affiliate")


class SuspensionInline(ReadOnlyInline):
    model = Suspension
    fields = ("reason", "suspended_at", "suspended_by", "reinstated_at", "reinstated_by")
    readonly_fields = fields
    ordering = ("-suspended_at",)
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Suspension]:
        related = ("affiliate", "suspended_by", "reinstated_by")
        return super().get_queryset(request).select_related(*related)


class SuspendedFilter(admin.SimpleListFilter):
    title = _("suspended")
    parameter_name = "suspended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Suspended now")), ("no", _("Not suspended"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        open_ones = Suspension.objects.filter(reinstated_at__isnull=True).values("affiliate")
        if self.value() == "yes":
            return queryset.filter(pk__in=open_ones)
        return queryset.exclude(pk__in=open_ones) if self.value() == "no" else queryset


class ProbationFilter(admin.SimpleListFilter):
    title = _("probation")
    parameter_name = "probation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("On probation")), ("no", _("Unlocked"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(unlocked_at__isnull=self.value() == "yes")
        return queryset


class MinimumUnitForm(forms.Form):
    minimum_unit = forms.TypedChoiceField(
        label=_("Minimum unit"),
        coerce=int,
        choices=CommissionPreference._meta.get_field("minimum_unit").choices,
        help_text=_("Counts for orders placed from now on. $0.01 is the “from one cent” switch turned on."),
    )


def pid_form(affiliate: Affiliate) -> type[forms.Form]:
    """The form for a new PID on one of this affiliate's channels."""

    class PidForm(forms.Form):
        channel = forms.ModelChoiceField(label=_("Channel"), queryset=affiliate.channels.all())
        placement = forms.CharField(
            label=_("Placement"),
            max_length=20,
            validators=[code_part],
            help_text=_("Lower-case letters and digits; the last part of the PID."),
        )

    return PidForm


def is_suspended(affiliate: Affiliate) -> bool:
    return affiliate.suspensions.filter(reinstated_at__isnull=True).exists()


def _suspend(request: HttpRequest, affiliate: Affiliate, data: dict[str, Any]) -> str:
    suspend(affiliate, by=request.user, at=timezone.now(), reason=data["reason"])
    return gettext("The affiliate is suspended. What is not released yet is held within seconds.")


def _reinstate(request: HttpRequest, affiliate: Affiliate, data: dict[str, Any]) -> str:
    reinstate(affiliate, by=request.user, at=timezone.now(), reason=data["reason"])
    return gettext("The affiliate is reinstated. What was held for the suspension goes on within seconds.")


def _create_pid(request: HttpRequest, affiliate: Affiliate, data: dict[str, Any]) -> str:
    pid = create_pid(data["channel"], placement=data["placement"], by=request.user, at=timezone.now())
    return gettext("The PID %(pid)s is made.") % {"pid": pid.value}


def _choose_minimum_unit(request: HttpRequest, affiliate: Affiliate, data: dict[str, Any]) -> str:
    choice = choose_minimum_unit(
        affiliate, minimum_unit=data["minimum_unit"], by=request.user, at=timezone.now()
    )
    return gettext("From now on the minimum unit is %(unit)s.") % {"unit": choice.get_minimum_unit_display()}


def _who(affiliate: Affiliate) -> list[tuple[Any, Any]]:
    return [(_("affiliate"), affiliate), (_("type"), affiliate.get_kind_display())]


@admin.register(Affiliate)
class AffiliateAdmin(ObjectActionsMixin, AuditedAdmin):
    list_display = ("code", "name", "kind", "approved_at", "unlocked_at", "suspended")
    list_display_links = ("code", "name")
    list_filter = ("kind", SuspendedFilter, ProbationFilter)
    search_fields = ("code", "name", "pids__value")
    search_help_text = _("Code, name or PID")
    ordering = ("code",)
    inlines = (MemberInline, ChannelInline, PidInline, PreferenceInline, SuspensionInline)
    fields = ("code", "name", "kind", "approved_at", "unlocked_at", "created_at")
    object_actions = (
        ObjectAction(
            name="suspend",
            label=_("Suspend…"),
            question=_(
                "From now on this affiliate's clicks do not count, and its commissions that are not released yet "
                "are held. What is released stays released."
            ),
            button=_("Suspend"),
            permission="affiliates.add_suspension",
            perform=_suspend,
            when=lambda affiliate: not is_suspended(affiliate),
            facts=_who,
            form=lambda affiliate: ReasonForm,
            danger=True,
        ),
        ObjectAction(
            name="reinstate",
            label=_("Reinstate…"),
            question=_("Its clicks count again, and what was held for the suspension goes on."),
            button=_("Reinstate"),
            permission="affiliates.change_suspension",
            perform=_reinstate,
            when=is_suspended,
            facts=_who,
            form=lambda affiliate: ReasonForm,
        ),
        ObjectAction(
            name="new-pid",
            label=_("New PID…"),
            question=_(
                "A PID is made of the affiliate's, the channel's and the placement's codes, and stays."
            ),
            button=_("Make the PID"),
            permission="affiliates.add_pid",
            perform=_create_pid,
            when=lambda affiliate: affiliate.channels.exists(),
            facts=_who,
            form=pid_form,
        ),
        ObjectAction(
            name="minimum-unit",
            label=_("Choose minimum unit…"),
            question=_(
                "Commissions below the minimum unit are not paid. The affiliate can change this itself."
            ),
            button=_("Choose"),
            permission="affiliates.add_commissionpreference",
            perform=_choose_minimum_unit,
            facts=_who,
            form=lambda affiliate: MinimumUnitForm,
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Affiliate | None = None) -> tuple[str, ...]:
        # PIDs are made of the code, and orders carry PIDs.
        return ("unlocked_at", "created_at", *(("code",) if obj else ()))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Affiliate]:
        open_ones = Suspension.objects.filter(affiliate=models.OuterRef("pk"), reinstated_at__isnull=True)
        return super().get_queryset(request).annotate(is_suspended=models.Exists(open_ones))

    @admin.display(description=_("suspended"), boolean=True)
    def suspended(self, affiliate: Any) -> bool:
        return affiliate.is_suspended


@admin.register(Channel)
class ChannelAdmin(AuditedAdmin):
    list_display = ("handle", "platform", "code", "affiliate", "audience")
    list_select_related = ("affiliate",)
    list_filter = ("platform",)
    search_fields = ("handle", "code", "affiliate__code", "affiliate__name")
    autocomplete_fields = ("affiliate",)
    fields = ("affiliate", "code", "platform", "handle", "audience")

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return ("affiliate", "code") if obj else ()


@admin.register(RetentionReport)
class RetentionReportAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "finished_at", "documents", "frames", "numbers", "strays", "failures")
    ordering = ("-pk",)
    fields = (*list_display, "details")
