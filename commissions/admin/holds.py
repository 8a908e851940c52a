"""Holds: the risk queue. Lifting and forfeiting, the second by two persons (LIFE-11)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from commissions.holds import BY_PEOPLE, FORFEITABLE, claw_back, propose_forfeit, resume
from commissions.models import Commission, Hold
from portal.admin import ReadOnlyAdmin
from portal.admin_actions import ObjectAction, ObjectActionsMixin
from portal.admin_lists import LongList, state_badge
from portal.templatetags.shell import money


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Why; it is kept in the audit trail. The affiliate does not see it."),
    )


def amounts(commission: Commission) -> list[tuple[Any, Any]]:
    """What a confirmation page says of the commission it is about."""
    return [
        (_("commission"), commission.public_id),
        (_("affiliate"), commission.affiliate),
        (_("merchant"), commission.merchant),
        (_("order number"), commission.order.order_id),
        (_("state"), commission.get_state_display()),
        (_("amount"), money(commission.amount, commission.currency)),
        (_("held"), money(commission.held_amount, commission.currency)),
    ]


def _facts(hold: Hold) -> list[tuple[Any, Any]]:
    rows = [
        *amounts(hold.commission),
        (_("reason"), hold.get_reason_display()),
        (_("note"), hold.note or "—"),
    ]
    if hold.forfeit_proposed_by is not None:
        rows.append((_("forfeit proposed by"), hold.forfeit_proposed_by))
    return rows


def _is_open(hold: Hold) -> bool:
    return hold.lifted_at is None and hold.forfeited_at is None


def _resume(request: HttpRequest, hold: Hold, data: dict[str, Any]) -> str:
    resume(hold, by=request.user, at=timezone.now(), note=data["note"])
    return gettext("The hold is lifted.")


def _propose(request: HttpRequest, hold: Hold, data: dict[str, Any]) -> str:
    propose_forfeit(hold, by=request.user, at=timezone.now(), note=data["note"])
    return gettext("Forfeiting is proposed. Another person has to approve it.")


def _approve(request: HttpRequest, hold: Hold, data: dict[str, Any]) -> str:
    claw_back(hold, by=request.user, at=timezone.now(), note=data["note"])
    return gettext("The commission is forfeited; its money went back to the merchant.")


class StageFilter(admin.SimpleListFilter):
    title = _("stage")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("Open")),
            ("proposed", _("Waiting for a second person")),
            ("lifted", _("Lifted")),
            ("forfeited", _("Forfeited")),
        ]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        open_ones = queryset.filter(lifted_at__isnull=True, forfeited_at__isnull=True)
        return {
            "open": open_ones,
            "proposed": open_ones.filter(forfeit_proposed_at__isnull=False),
            "lifted": queryset.filter(lifted_at__isnull=False),
            "forfeited": queryset.filter(forfeited_at__isnull=False),
        }.get(self.value() or "", queryset)


@admin.register(Hold)
class HoldAdmin(ObjectActionsMixin, LongList, ReadOnlyAdmin):
    list_display = ("placed_at", "commission", "affiliate", "amount", "reason", "placed_by", "stage")
    list_filter = (StageFilter, "reason")
    search_fields = ("commission__order__order_id__exact", "commission__affiliate__code__exact")
    search_help_text = _("Order number or affiliate's code")
    fields = (
        "commission",
        "affiliate",
        "amount",
        "reason",
        "note",
        ("placed_at", "placed_by"),
        ("lifted_at", "lifted_by"),
        ("forfeit_proposed_at", "forfeit_proposed_by"),
        ("forfeited_at", "forfeited_by"),
    )
    readonly_fields = ("affiliate", "amount")
    object_actions = (
        ObjectAction(
            name="lift",
            label=_("Lift…"),
            question=_("The commission goes on: it is released at once if its time has come."),
            button=_("Lift the hold"),
            permission="commissions.change_hold",
            perform=_resume,
            when=lambda hold: _is_open(hold) and hold.reason in BY_PEOPLE,
            facts=_facts,
            form=lambda hold: NoteForm,
        ),
        ObjectAction(
            name="propose-forfeit",
            label=_("Propose to forfeit…"),
            question=_("Nothing moves yet. Another person has to approve it."),
            button=_("Propose"),
            permission="commissions.change_hold",
            perform=_propose,
            when=lambda hold: (
                _is_open(hold) and hold.forfeit_proposed_by_id is None and hold.reason in FORFEITABLE
            ),
            facts=_facts,
            form=lambda hold: NoteForm,
            danger=True,
        ),
        ObjectAction(
            name="approve-forfeit",
            label=_("Approve forfeiting…"),
            question=_("The money goes back to the merchant for good. This cannot be undone."),
            button=_("Forfeit the commission"),
            permission="commissions.change_hold",
            perform=_approve,
            when=lambda hold: _is_open(hold) and hold.forfeit_proposed_by_id is not None,
            facts=_facts,
            form=lambda hold: NoteForm,
            danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Hold]:
        related = ("commission__affiliate", "commission__merchant", "commission__order")
        people = ("placed_by", "lifted_by", "forfeit_proposed_by", "forfeited_by")
        return super().get_queryset(request).select_related(*related, *people).defer("commission__sheet")

    @admin.display(description=_("affiliate"))
    def affiliate(self, hold: Hold) -> str:
        return str(hold.commission.affiliate)

    @admin.display(description=_("amount"))
    def amount(self, hold: Hold) -> str:
        return money(hold.commission.amount, hold.commission.currency)

    @admin.display(description=_("stage"))
    def stage(self, hold: Hold) -> SafeString:
        return stage_badge(hold)


def stage_badge(hold: Hold) -> SafeString:
    """Where a hold stands, as a badge."""
    if hold.forfeited_at is not None:
        return state_badge("clawed_back", gettext("forfeited"))
    if hold.lifted_at is not None:
        return state_badge("released", gettext("lifted"))
    if hold.forfeit_proposed_at is not None:
        return state_badge("held", gettext("waiting for a second person"))
    return state_badge("held", gettext("open"))
