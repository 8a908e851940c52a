"""Merchants and order sources, editable; clicks, orders and events as they happened, read-only.

`OrderAdmin` is registered by `commissions.admin`, which adds what the order earned and where the money is.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders import (
    link_admin,  # noqa: F401 - registers the pages of links
    secrets,
)
from orders.attribution import window_at
from orders.models import (
    AttributionWindow,
    Click,
    Merchant,
    MerchantDomain,
    MerchantMember,
    Order,
    OrderEvent,
    OrderSource,
    OrderSourceSecret,
    RejectedEvent,
)
from orders.windows import choose_window
from portal.admin import ReadOnlyInline
from portal.admin_actions import AuditedAdmin, ObjectAction, ObjectActionsMixin
from portal.admin_lists import ReadOnlyLongList
from portal.templatetags.shell import money

PARKED_FOR = timedelta(hours=24)


# --- merchants ------------------------------------------------------------------------------------------------


class DomainInline(admin.TabularInline):
    model = MerchantDomain
    extra = 0


class MemberInline(admin.TabularInline):
    model = MerchantMember
    extra = 0
    autocomplete_fields = ("user",)


class SourceInline(admin.TabularInline):
    model = OrderSource.merchants.through
    extra = 0
    verbose_name = _("order source")
    verbose_name_plural = _("order sources")


class WindowInline(ReadOnlyInline):
    model = AttributionWindow
    fields = ("days", "effective_at")
    readonly_fields = fields
    ordering = ("-effective_at",)
    show_change_link = False
    verbose_name_plural = _("attribution windows (history; 30 days before the first)")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[AttributionWindow]:
        return super().get_queryset(request).select_related("merchant")


class WindowForm(forms.Form):
    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=90, help_text=_("1 to 90"))
    effective_at = forms.SplitDateTimeField(
        label=_("Effective from"),
        required=False,
        widget=admin.widgets.AdminSplitDateTime,
        help_text=_("Empty: at once. Orders placed before keep the window of their time."),
    )


def _choose_window(request: HttpRequest, merchant: Merchant, data: dict[str, Any]) -> str:
    window = choose_window(
        merchant,
        days=data["days"],
        by=request.user,
        at=timezone.now(),
        effective_at=data["effective_at"],
    )
    return gettext("The attribution window is %(days)s days from then on.") % {"days": window.days}


def _window_now(merchant: Merchant) -> list[tuple[Any, Any]]:
    chosen = list(merchant.attribution_windows.values_list("effective_at", "days"))
    return [(_("merchant"), merchant), (_("days now"), window_at(chosen, timezone.now()))]


@admin.register(Merchant)
class MerchantAdmin(ObjectActionsMixin, AuditedAdmin):
    list_display = ("code", "name", "store_rating", "status", "created_at")
    list_display_links = ("code", "name")
    list_filter = ("status", "store_rating")
    search_fields = ("code", "name", "domains__host")
    ordering = ("code",)
    inlines = (DomainInline, MemberInline, SourceInline, WindowInline)
    fields = ("code", "name", "store_rating", "status", "created_at")
    object_actions = (
        ObjectAction(
            name="window",
            label=_("Change attribution window…"),
            question=_("How many days after its click an order still counts."),
            button=_("Change"),
            permission="orders.add_attributionwindow",
            perform=_choose_window,
            facts=_window_now,
            form=lambda merchant: WindowForm,
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        # Order events name the merchant by its code.
        return ("created_at", *(("code",) if obj else ()))


# --- order sources and their secrets --------------------------------------------------------------------------


class RotateForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=_("The old secret stays valid for"),
        coerce=int,
        initial=24,
        choices=[(24, _("24 hours")), (1, _("one hour")), (0, _("no time: it has leaked"))],
    )


class SecretInline(ReadOnlyInline):
    model = OrderSourceSecret
    # Never the secret itself: it was shown once, to whoever made it.
    fields = ("created_at", "expires_at")
    readonly_fields = fields
    ordering = ("-created_at",)
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[OrderSourceSecret]:
        return super().get_queryset(request).defer("secret").select_related("source")


def _show_once(request: HttpRequest, secret: str) -> str:
    messages.warning(
        request,
        format_html(
            '{} <code class="secret">{}</code>',
            gettext("Copy the secret now. It is not shown again:"),
            secret,
        ),
    )
    return gettext("The new secret is valid from now on.")


def _create_secret(request: HttpRequest, source: OrderSource, data: dict[str, Any]) -> str:
    return _show_once(request, secrets.create(source, by=request.user, at=timezone.now()))


def _rotate_secret(request: HttpRequest, source: OrderSource, data: dict[str, Any]) -> str:
    overlap = timedelta(hours=data["overlap"])
    return _show_once(request, secrets.rotate(source, by=request.user, at=timezone.now(), overlap=overlap))


def has_valid_secret(source: OrderSource) -> bool:
    valid = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=timezone.now())
    return source.secrets.filter(valid).exists()


@admin.register(OrderSource)
class OrderSourceAdmin(ObjectActionsMixin, AuditedAdmin):
    list_display = ("code", "name", "is_active", "created_at")
    list_display_links = ("code", "name")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    ordering = ("code",)
    autocomplete_fields = ("merchants",)
    inlines = (SecretInline,)
    fields = ("code", "name", "is_active", "merchants", "created_at")
    object_actions = (
        ObjectAction(
            name="create-secret",
            label=_("Create secret…"),
            question=_("A signing secret is made and shown exactly once, on the next page."),
            button=_("Create the secret"),
            permission="orders.add_ordersourcesecret",
            perform=_create_secret,
            when=lambda source: not has_valid_secret(source),
            facts=lambda source: [(_("order source"), source)],
        ),
        ObjectAction(
            name="rotate-secret",
            label=_("Rotate secret…"),
            question=_("A new secret is made and shown exactly once; during the overlap both are valid."),
            button=_("Rotate the secret"),
            permission="orders.add_ordersourcesecret",
            perform=_rotate_secret,
            when=has_valid_secret,
            facts=lambda source: [(_("order source"), source)],
            form=lambda source: RotateForm,
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: OrderSource | None = None) -> tuple[str, ...]:
        return ("created_at", *(("code",) if obj else ()))

    def get_inlines(self, request: HttpRequest, obj: OrderSource | None) -> Any:
        return self.inlines if obj else ()


# --- what happened --------------------------------------------------------------------------------------------


@admin.register(Click)
class ClickAdmin(ReadOnlyLongList):
    list_display = ("click_id", "clicked_at", "pid", "affiliate", "merchant", "valid", "invalid_reason")
    list_select_related = ("pid", "affiliate", "merchant")
    list_filter = ("invalid_reason", "merchant")
    search_fields = ("click_id__exact", "pid__value__exact")
    search_help_text = _("Click id or PID")
    fields = ("click_id", "clicked_at", "pid", "affiliate", "merchant", "invalid_reason")

    @admin.display(description=_("valid"), boolean=True)
    def valid(self, click: Click) -> bool:
        return click.is_valid


class ParkedFilter(admin.SimpleListFilter):
    """Orders of which nothing but parked facts are known (LIFE-7)."""

    title = _("parked facts")
    parameter_name = "parked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Parked")), ("old", _("Parked for more than 24 hours"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(ordered_at__isnull=True)
        if self.value() == "old":
            return queryset.filter(ordered_at__isnull=True, first_seen_at__lt=timezone.now() - PARKED_FOR)
        return queryset


class FlagFilter(admin.SimpleListFilter):
    title = _("flag")
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Order.Flag.choices)

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(flags__contains=[self.value()]) if self.value() else queryset


class AttributedFilter(admin.SimpleListFilter):
    title = _("attribution")
    parameter_name = "attributed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Attributed")), ("no", _("Not attributed"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(click__isnull=False)
        if self.value() == "no":
            return queryset.filter(click__isnull=True, ordered_at__isnull=False)
        return queryset


class OrderAdmin(ObjectActionsMixin, ReadOnlyLongList):
    """An order: its events in order, and whose it is and why. Registered by `commissions.admin`."""

    list_display = ("order_id", "merchant", "ordered_at", "paid_sum", "paid_at", "country", "attribution")
    list_select_related = ("merchant", "click__affiliate")
    list_filter = (ParkedFilter, AttributedFilter, FlagFilter, "merchant")
    search_fields = ("order_id__exact",)
    search_help_text = _("The whole order number")
    fields = ()
    change_form_template = "admin/orders/order/change_form.html"

    @admin.display(description=_("paid"))
    def paid_sum(self, order: Order) -> str:
        return money(order.paid_amount, order.currency or "USD")

    @admin.display(description=_("attributed to"))
    def attribution(self, order: Order) -> str:
        if order.click:
            return str(order.click.affiliate)
        return gettext("parked") if order.ordered_at is None else why_not_attributed(order.attribution_code)

    def page_context(self, request: HttpRequest, order: Order) -> dict[str, Any]:
        """The order's events, oldest first, and the evidence of its attribution."""
        events = list(order.events.select_related("source").order_by("occurred_at", "event_id"))
        chosen = order.merchant.attribution_windows.values_list("effective_at", "days")
        carried = sorted({click_id for event in events for click_id in event.facts.get("click_ids", ())})
        found = Click.objects.filter(click_id__in=carried).select_related("pid", "affiliate", "merchant")
        clicks = {click.click_id: click for click in found}
        return {
            **super().page_context(request, order),
            "order_events": [
                {"event": event, "facts": pretty(event.facts), "answer": pretty(event.answer)}
                for event in events
            ],
            "window_days": window_at(list(chosen), order.ordered_at) if order.ordered_at else None,
            "carried_clicks": [{"click_id": click_id, "click": clicks.get(click_id)} for click_id in carried],
            "why_not": why_not_attributed(order.attribution_code) if order.attribution_code else "",
            "flag_labels": [dict(Order.Flag.choices).get(flag, flag) for flag in order.flags],
        }

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Order]:
        related = ("merchant", "click__affiliate", "click__pid", "click__merchant")
        return super().get_queryset(request).select_related(*related)


WHY_NOT = {
    "click_not_found": _("No click is known of the ids that the order carried, or it carried none."),
    "click_invalid": _("The click was not valid when it was made."),
    "click_expired": _("The click lies outside the attribution window."),
    "click_other_merchant": _("The click was made for another merchant."),
    "pid_frozen": _("The PID was frozen when the click was made."),
}


def why_not_attributed(code: str) -> str:
    """The cause in words for a code of DIAG-2."""
    return str(WHY_NOT.get(code, code))


def pretty(value: Any) -> str:
    """A small JSON value for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) if value is not None else ""


def as_block(value: Any) -> SafeString:
    return format_html('<pre class="facts-json">{}</pre>', pretty(value))


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyLongList):
    list_display = ("event_id", "type", "order", "source", "occurred_at", "received_at")
    list_select_related = ("order", "source")
    list_filter = ("type", "source")
    search_fields = ("event_id__exact", "order__order_id__exact")
    search_help_text = _("Event id or order number")
    fields = (
        "event_id",
        "type",
        "order",
        "source",
        "occurred_at",
        "received_at",
        "all_facts",
        "first_answer",
        "hash",
    )
    readonly_fields = fields

    @admin.display(description=_("facts"))
    def all_facts(self, event: OrderEvent) -> SafeString:
        return as_block(event.facts)

    @admin.display(description=_("first answer"))
    def first_answer(self, event: OrderEvent) -> SafeString:
        return as_block(event.answer)

    @admin.display(description=_("body hash (SHA-256)"))
    def hash(self, event: OrderEvent) -> str:
        return bytes(event.body_hash).hex()


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyLongList):
    list_display = ("received_at", "source", "code", "field", "merchant_code", "order_number", "event_id")
    list_select_related = ("source",)
    list_filter = ("source", "code")
    search_fields = ("event_id__exact", "order_number__exact")
    search_help_text = _("Event id or order number")
    fields = (
        "received_at",
        "source",
        "code",
        "field",
        "message",
        "merchant_code",
        "order_number",
        "event_id",
        "hash",
    )
    readonly_fields = fields

    @admin.display(description=_("body hash (SHA-256)"))
    def hash(self, event: RejectedEvent) -> str:
        return bytes(event.body_hash).hex()
