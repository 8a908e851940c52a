"""Merchants' terms: drafts are edited, published versions are only looked at (RATE-1…3)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from commissions.models import MAX_RATE_BPS, MIN_RATE_BPS, RateRule, TermsVersion
from commissions.terms import draft_from, publish
from portal.admin_actions import AuditedAdmin, ObjectAction, ObjectActionsMixin
from portal.admin_lists import state_badge
from portal.templatetags.shell import bps, money


def rate_allowed(value: int) -> None:
    """RATE-1: 0.5 % to 20 %."""
    if not MIN_RATE_BPS <= value <= MAX_RATE_BPS:
        raise ValidationError(
            _("A rate is between 0.5 % and 20 %, that is 50 to 2000 basis points."), code="rate_out_of_range"
        )


class RateField(forms.IntegerField):
    """A rate in basis points, with the bounds of RATE-1 told in percent."""

    default_validators = [rate_allowed]

    def __init__(self, **kwargs: Any) -> None:
        for own in ("min_value", "max_value"):
            kwargs.pop(own, None)
        super().__init__(**kwargs)
        self.widget.attrs.update({"min": MIN_RATE_BPS, "max": MAX_RATE_BPS})


RATE_HELP = _("In basis points: 790 is 7.9 %. From 50 (0.5 %) to 2000 (20 %).")


class TermsForm(forms.ModelForm):
    default_rate_bps = RateField(label=_("Default rate (basis points)"), help_text=RATE_HELP)

    class Meta:
        model = TermsVersion
        fields = ("merchant", "mode", "default_rate_bps", "threshold_amount", "completion_days")
        help_texts = {"threshold_amount": _("In US cents: 3000 is US$30.00. 0 means no minimum.")}


class RuleForm(forms.ModelForm):
    rate_bps = RateField(label=_("Rate (basis points)"))

    class Meta:
        model = RateRule
        fields = (
            "position",
            "product_id",
            "affiliate",
            "category_id",
            "country",
            "window_start",
            "window_end",
            "rate_bps",
        )

    def clean_country(self) -> str:
        country = self.cleaned_data["country"].strip().upper()
        if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise ValidationError(_("Give a country's two letters, such as RU."), code="country")
        return country

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("window_start"), cleaned.get("window_end")
        if {"window_start", "window_end"} & set(self.errors):
            return cleaned
        if (start is None) != (end is None):
            self.add_error("window_end", _("A campaign has a beginning and an end, or neither."))
        elif start is not None and start >= end:
            self.add_error("window_end", _("A campaign ends after it begins."))
        return cleaned


class RuleInline(admin.StackedInline):
    """The rules of a version. Which one wins is said above them (RATE-1)."""

    model = RateRule
    form = RuleForm
    extra = 0
    autocomplete_fields = ("affiliate",)
    readonly_fields = ("percent",)
    template = "admin/commissions/termsversion/rules.html"
    fields = (
        ("position", "rate_bps", "percent"),
        ("product_id", "affiliate"),
        ("category_id", "country"),
        ("window_start", "window_end"),
    )

    @admin.display(description=_("rate"))
    def percent(self, rule: RateRule) -> str:
        return bps(rule.rate_bps)

    def _open(self, terms: TermsVersion | None) -> bool:
        return terms is None or not terms.is_published

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[RateRule]:
        return super().get_queryset(request).select_related("affiliate", "terms__merchant")

    def has_add_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        return self._open(obj) and request.user.has_perm("commissions.change_termsversion")

    def has_change_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        return self._open(obj) and request.user.has_perm("commissions.change_termsversion")

    def has_delete_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        return self._open(obj) and request.user.has_perm("commissions.change_termsversion")

    def has_view_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        return request.user.has_perm("commissions.view_termsversion") or self.has_change_permission(
            request, obj
        )


class PublishForm(forms.Form):
    starts_at = forms.SplitDateTimeField(
        label=_("Starts at"),
        required=False,
        widget=AdminSplitDateTime,
        help_text=_("Empty: at once. Never in the past: an order keeps the terms of the time it was placed."),
    )


def _publish(request: HttpRequest, terms: TermsVersion, data: dict[str, Any]) -> str:
    published = publish(terms, by=request.user, at=timezone.now(), starts_at=data["starts_at"])
    return gettext("Version %(number)s is published.") % {"number": published.number}


def _draft_from(request: HttpRequest, terms: TermsVersion, data: dict[str, Any]) -> SafeString:
    draft = draft_from(terms)
    url = reverse("admin:commissions_termsversion_change", args=[draft.pk])
    return format_html('{} <a href="{}">{}</a>', gettext("A new draft is made."), url, gettext("Edit it"))


def _terms_facts(terms: TermsVersion) -> list[tuple[Any, Any]]:
    rates = [bps(rate) for rate in terms.rules.order_by("position").values_list("rate_bps", flat=True)]
    return [
        (_("merchant"), terms.merchant),
        (_("mode"), terms.get_mode_display()),
        (_("default rate"), bps(terms.default_rate_bps)),
        (_("minimum order"), money(terms.threshold_amount) if terms.threshold_amount else _("none")),
        (_("rate rules"), ", ".join(rates) or _("none")),
    ]


class PublishedFilter(admin.SimpleListFilter):
    title = _("published")
    parameter_name = "published"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Published")), ("no", _("Drafts"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(published_at__isnull=self.value() == "no")
        return queryset


@admin.register(TermsVersion)
class TermsVersionAdmin(ObjectActionsMixin, AuditedAdmin):
    form = TermsForm
    list_display = (
        "version",
        "merchant",
        "mode",
        "default_rate",
        "minimum_order",
        "starts_at",
        "published_at",
    )
    list_select_related = ("merchant",)
    list_filter = (PublishedFilter, "mode", "merchant")
    search_fields = ("merchant__code", "merchant__name")
    ordering = ("-pk",)
    autocomplete_fields = ("merchant",)
    inlines = (RuleInline,)
    fields = ("merchant", "mode", ("default_rate_bps", "default_rate"), "threshold_amount", "completion_days")
    object_actions = (
        ObjectAction(
            name="publish",
            label=_("Publish…"),
            question=_(
                "A published version never changes. Orders placed from its start on are priced by it, "
                "for good: refunds and disputes too."
            ),
            button=_("Publish"),
            permission="commissions.change_termsversion",
            perform=_publish,
            when=lambda terms: not terms.is_published,
            facts=_terms_facts,
            form=lambda terms: PublishForm,
        ),
        ObjectAction(
            name="draft",
            label=_("New draft from this version…"),
            question=_("The draft has the same terms and rules. Nothing counts before it is published."),
            button=_("Make the draft"),
            permission="commissions.add_termsversion",
            perform=_draft_from,
            facts=_terms_facts,
        ),
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        terms = super().get_object(request, object_id, from_field)
        if terms is not None and request.method == "POST":
            # Saving waits for a publication under way, and then finds nothing left to edit.
            locked = TermsVersion.objects.select_for_update(of=("self",)).filter(pk=terms.pk)
            terms = locked.select_related("merchant").first()
        return terms

    def get_fields(self, request: HttpRequest, obj: TermsVersion | None = None) -> Any:
        if obj is not None and obj.is_published:
            return ("number", *self.fields, "starts_at", "published_at", "published_by")
        return self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: TermsVersion | None = None) -> tuple[str, ...]:
        published = ("number", "starts_at", "published_at", "published_by")
        return (
            "default_rate",
            *(("merchant",) if obj else ()),
            *(published if obj and obj.is_published else ()),
        )

    def has_change_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj is not None and obj.is_published)

    def has_delete_permission(self, request: HttpRequest, obj: TermsVersion | None = None) -> bool:
        draft = obj is not None and not obj.is_published
        return draft and request.user.has_perm("commissions.delete_termsversion")

    @admin.display(description=_("version"), ordering="number")
    def version(self, terms: TermsVersion) -> Any:
        if terms.is_published:
            return format_html("v{}", terms.number)
        return state_badge("draft", gettext("draft"))

    @admin.display(description=_("default rate"), ordering="default_rate_bps")
    def default_rate(self, terms: TermsVersion) -> str:
        return bps(terms.default_rate_bps)

    @admin.display(description=_("minimum order"), ordering="threshold_amount")
    def minimum_order(self, terms: TermsVersion) -> str:
        return money(terms.threshold_amount) if terms.threshold_amount else "—"
