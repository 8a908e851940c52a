"""Commissions explained to the cent, the orders they come from, and the timer board (LIFE-3, PRICE-6)."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from commissions.admin.diagnosis import DiagnosisMixin, path_of
from commissions.admin.holds import amounts, stage_badge
from commissions.board import coming_releases, release_times
from commissions.holds import BY_PEOPLE, ENDED, hold
from commissions.models import Commission, Hold, Mode, SourceKind, State, Transfer
from commissions.release import LATE_AFTER, timer_board
from commissions.sheets import explain
from orders.admin import OrderAdmin
from orders.models import Order
from portal.admin_actions import ObjectAction, ObjectActionsMixin
from portal.admin_lists import ReadOnlyLongList, state_badge
from portal.templatetags.shell import money, when

NEVER_COMPLETED_AFTER = timedelta(days=60)


class HoldForm(forms.Form):
    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[choice for choice in Hold.Reason.choices if choice[0] in BY_PEOPLE],
        initial=Hold.Reason.RISK_HOLD.value,
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Why; it is kept in the audit trail. The affiliate does not see it."),
    )


def _hold(request: HttpRequest, commission: Commission, data: dict[str, Any]) -> str:
    hold(commission, reason=data["reason"], by=request.user, at=timezone.now(), note=data["note"])
    return gettext("The commission is held.")


class NeverCompletedFilter(admin.SimpleListFilter):
    """Traditional-mode commissions whose order was never completed (LIFE-10)."""

    title = _("never completed")
    parameter_name = "never_completed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("60", _("Traditional, not completed 60 days after payment"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() != "60":
            return queryset
        return queryset.filter(
            mode=Mode.TRADITIONAL,
            state=State.CONFIRMED,
            release_due_at__isnull=True,
            paid_at__lt=timezone.now() - NEVER_COMPLETED_AFTER,
        )


class OverdueFilter(admin.SimpleListFilter):
    title = _("timer")
    parameter_name = "timer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("due", _("Due now")), ("late", _("Due, and late"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        now = timezone.now()
        if self.value() == "due":
            return queryset.due(now)
        return queryset.due(now).filter(ready_at__lt=now - LATE_AFTER) if self.value() == "late" else queryset


@admin.register(Commission)
class CommissionAdmin(ObjectActionsMixin, ReadOnlyLongList):
    list_display = ("number", "badge", "sum", "due", "affiliate_code", "merchant_code", "order")
    list_select_related = ("affiliate", "merchant", "order")
    list_filter = ("state", OverdueFilter, NeverCompletedFilter, "mode", "reason", "merchant")
    search_fields = ("public_id",)  # see get_search_results
    search_help_text = _("Commission id, order number or affiliate's code, whole")
    fields = ()
    change_form_template = "admin/commissions/commission/change_form.html"
    change_list_template = "admin/commissions/commission/change_list.html"
    object_actions = (
        ObjectAction(
            name="hold",
            label=_("Hold…"),
            question=_(
                "What is not released yet stops where it is; of a released commission, what is still "
                "available moves to held. An unpaid one is held as soon as its order is paid."
            ),
            button=_("Hold the commission"),
            permission="commissions.add_hold",
            perform=_hold,
            when=lambda commission: commission.state not in ENDED,
            facts=amounts,
            form=lambda commission: HoldForm,
            danger=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        board = path(
            "timer/", self.admin_site.admin_view(self.timer_view), name="commissions_commission_timer"
        )
        return [board, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Commission]:
        return super().get_queryset(request).select_related("affiliate", "merchant", "order")

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Whole values only: each of them is an index look-up."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = models.Q(order__order_id=term) | models.Q(affiliate__code=term.lower())
        with suppress(ValueError):
            wanted |= models.Q(public_id=uuid.UUID(term))
        return queryset.filter(wanted), False

    @admin.display(description=_("commission"), ordering="pk")
    def number(self, commission: Commission) -> str:
        return str(commission.public_id)[:8]

    @admin.display(description=_("state"), ordering="state")
    def badge(self, commission: Commission) -> SafeString:
        shown = state_badge(commission.state)
        if not commission.reason:
            return shown
        return format_html('{}<span class="note">{}</span>', shown, commission.get_reason_display())

    @admin.display(description=_("affiliate"), ordering="affiliate")
    def affiliate_code(self, commission: Commission) -> str:
        return commission.affiliate.code

    @admin.display(description=_("merchant"), ordering="merchant")
    def merchant_code(self, commission: Commission) -> str:
        return commission.merchant.code

    @admin.display(description=_("amount"), ordering="amount")
    def sum(self, commission: Commission) -> str:
        return money(commission.amount, commission.currency)

    @admin.display(description=_("due"), ordering="release_due_at")
    def due(self, commission: Commission) -> Any:
        return when(commission.release_due_at)

    def page_context(self, request: HttpRequest, commission: Commission) -> dict[str, Any]:
        """The timeline, the calculation sheet, the holds and the postings."""
        related = ("journal", "debit_account__affiliate", "debit_account__merchant")
        related += ("credit_account__affiliate", "credit_account__merchant")
        click = commission.click
        return {
            **super().page_context(request, commission),
            "timeline": list(commission.transitions.select_related("event", "by").order_by("pk")),
            "sheet": explain(commission.sheet),
            "holds": [
                {"hold": hold, "stage": stage_badge(hold)}
                for hold in commission.holds.select_related("placed_by", "lifted_by").order_by("pk")
            ],
            "transfers": list(
                Transfer.objects.filter(source_kind=SourceKind.COMMISSION, source_id=commission.pk)
                .select_related(*related)
                .order_by("pk")
            ),
            "click": click,
            "release_took": _took(commission),
        }

    def timer_view(self, request: HttpRequest) -> HttpResponse:
        """How the release timer is doing right now (LIFE-3)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Timer board"),
            "at": at,
            "board": timer_board(at=at),
            "times": release_times(at=at),
            "coming": [
                {"commission": commission, "left": commission.release_due_at - at}
                for commission in coming_releases()
            ],
        }
        return TemplateResponse(request, "admin/commissions/timer_board.html", context)


def _took(commission: Commission) -> dict[str, Any] | None:
    """The two figures of LIFE-3 for one release."""
    released_at, paid_at = commission.released_at, commission.paid_at
    if released_at is None or paid_at is None:
        return None
    ready_at: datetime = commission.ready_at or released_at
    return {
        "from_payment": released_at - paid_at,
        "from_ready": max(released_at - ready_at, timedelta(0)),
        "late": released_at - ready_at > LATE_AFTER,
    }


@admin.register(Order)
class OrderWithMoneyAdmin(DiagnosisMixin, OrderAdmin):
    """The order's page, with what it earned and every posting made for it."""

    def page_context(self, request: HttpRequest, order: Order) -> dict[str, Any]:
        transfers = Transfer.objects.select_related(
            "debit_account__affiliate",
            "debit_account__merchant",
            "credit_account__affiliate",
            "credit_account__merchant",
        ).order_by("pk")
        return {
            **super().page_context(request, order),
            "path": path_of(order),
            "commissions": list(order.commissions.select_related("affiliate").order_by("pk")),
            "journals": list(
                order.journals.select_related("by")
                .prefetch_related(models.Prefetch("transfers", queryset=transfers))
                .order_by("pk")
            ),
        }
