"""The filters of reports and lists, read from the address, and the switch for the minimum unit."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from affiliates.models import CommissionPreference
from commissions.breakpoints import CLICKS, ORDERS
from commissions.breakpoints import Places as BreakpointPlaces
from commissions.breakpoints import Scope as BreakpointScope
from commissions.diagnosis_codes import CAUSES
from commissions.models import State
from commissions.reports import Places, Scope

DEFAULT_DAYS = 30
MAX_DAYS = 366
REPORT_STATES = [(state.value, state.label) for state in State if state != State.AWAITING_PAYMENT]


def _date_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


def _say_errors(form: forms.Form) -> None:
    for field in form.fields.values():
        field.error_messages["invalid_choice"] = _("This is none of your choices. Choose from the list.")
    for name in ("first", "last"):
        form.fields[name].error_messages["invalid"] = _("Give a date such as 2026-11-20.")


def _check_span(form: forms.Form, cleaned: dict[str, Any]) -> None:
    """Refuse days that are none, or too many of them."""
    first, last = cleaned.get("first"), cleaned.get("last")
    if first and last and last < first:
        form.add_error("last", _("The end is before the start."))
    elif first and last and (last - first).days >= MAX_DAYS:
        form.add_error("first", _("Choose at most %(days)d days.") % {"days": MAX_DAYS})
    for name in ("first", "last"):
        if cleaned.get(name) and not 2000 <= cleaned[name].year <= 2200:
            form.add_error(name, _("Give a date such as 2026-11-20."))


class ReportFilter(forms.Form):
    """The Commission Report's filters; what is left out of the address takes its default (REP-1)."""

    first = forms.DateField(label=_("From"), widget=_date_input(), input_formats=["%Y-%m-%d"])
    last = forms.DateField(label=_("Until"), widget=_date_input(), input_formats=["%Y-%m-%d"])
    pid = forms.TypedChoiceField(label="PID", required=False, coerce=int, empty_value=None)
    merchant = forms.TypedChoiceField(label=_("Merchant"), required=False, coerce=int, empty_value=None)
    country = forms.ChoiceField(label=_("Buyer country"), required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    state = forms.ChoiceField(label=_("State now"), required=False)

    def __init__(self, data: Any, *, places: Places, today: date) -> None:
        defaults = {"first": today - timedelta(days=DEFAULT_DAYS - 1), "last": today}
        given = {name: data[name] for name in self.base_fields if data.get(name)}
        super().__init__({**defaults, **given}, initial=defaults)
        every = ("", _("All"))
        self.fields["pid"].choices = [every, *places.pids]
        self.fields["merchant"].choices = [every, *places.merchants]
        self.fields["country"].choices = [every, *((code, code) for code in places.countries)]
        self.fields["category"].choices = [every, *((code, code) for code in places.categories)]
        self.fields["state"].choices = [every, *REPORT_STATES]
        _say_errors(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        _check_span(self, cleaned)
        return cleaned

    def scope(self) -> Scope:
        """What the filters ask for. The form must be valid."""
        return Scope(**{name: self.cleaned_data[name] for name in Scope._fields})


class BreakpointFilter(forms.Form):
    """The filters of the summary of breakpoints (DIAG-4)."""

    first = forms.DateField(label=_("From"), widget=_date_input(), input_formats=["%Y-%m-%d"])
    last = forms.DateField(label=_("Until"), widget=_date_input(), input_formats=["%Y-%m-%d"])
    of = forms.ChoiceField(label=_("Count"), choices=[(ORDERS, _("Orders")), (CLICKS, _("Clicks"))])
    cause = forms.ChoiceField(label=_("Cause"), required=False)
    merchant = forms.TypedChoiceField(label=_("Merchant"), required=False, coerce=int, empty_value=None)
    pid = forms.TypedChoiceField(label="PID", required=False, coerce=int, empty_value=None)

    def __init__(self, data: Any, *, places: BreakpointPlaces, today: date) -> None:
        defaults = {"first": today - timedelta(days=DEFAULT_DAYS - 1), "last": today, "of": ORDERS}
        given = {name: data[name] for name in self.base_fields if data.get(name)}
        super().__init__({**defaults, **given}, initial=defaults)
        every = ("", _("All"))
        self.fields["cause"].choices = [every, *((cause.code, cause.label) for cause in CAUSES.values())]
        self.fields["pid"].choices = [every, *places.pids]
        if places.merchants is None:
            del self.fields["merchant"]
        else:
            self.fields["merchant"].choices = [every, *places.merchants]
        _say_errors(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        _check_span(self, cleaned)
        return cleaned

    def scope(self) -> BreakpointScope:
        """What the filters ask for. The form must be valid."""
        return BreakpointScope(
            **{name: self.cleaned_data[name] for name in BreakpointScope._fields if name in self.cleaned_data}
        )


class PendingFilter(forms.Form):
    """Which of the waiting commissions to list."""

    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("All")),
            *((state.value, state.label) for state in (State.LOCKED, State.CONFIRMED, State.HELD)),
        ],
    )


class MerchantCommissionFilter(forms.Form):
    """A merchant's commissions by order number and state."""

    order = forms.CharField(
        label=_("Order number"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All")), *((state.value, state.label) for state in State)],
    )


class MinimumUnitForm(forms.Form):
    """The "$0.01起佣" switch (REP-3)."""

    minimum_unit = forms.TypedChoiceField(
        label=_("Minimum unit"),
        coerce=int,
        choices=[
            (CommissionPreference.ONE_CENT, _("On: every commission from US$0.01 is paid")),
            (CommissionPreference.TEN_CENTS, _("Off: commissions below US$0.10 are not paid (default)")),
        ],
        widget=forms.RadioSelect,
    )
