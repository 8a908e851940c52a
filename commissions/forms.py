"""The filters of reports and lists, read from the address, and the switch for the minimum unit."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from affiliates.models import CommissionPreference
from commissions.models import State
from commissions.reports import Places, Scope

DEFAULT_DAYS = 30
MAX_DAYS = 366
REPORT_STATES = [(state.value, state.label) for state in State if state != State.AWAITING_PAYMENT]


def _date_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


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
        for field in self.fields.values():
            field.error_messages["invalid_choice"] = _("This is none of your choices. Choose from the list.")
        for name in ("first", "last"):
            self.fields[name].error_messages["invalid"] = _("Give a date such as 2026-11-20.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The end is before the start."))
        elif first and last and (last - first).days >= MAX_DAYS:
            self.add_error("first", _("Choose at most %(days)d days.") % {"days": MAX_DAYS})
        for name in ("first", "last"):
            if cleaned.get(name) and not 2000 <= cleaned[name].year <= 2200:
                self.add_error(name, _("Give a date such as 2026-11-20."))
        return cleaned

    def scope(self) -> Scope:
        """What the filters ask for. The form must be valid."""
        return Scope(**{name: self.cleaned_data[name] for name in Scope._fields})


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
