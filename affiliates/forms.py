"""The forms of the application's steps. They read fields; whether these are true is the reviewers' business."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from affiliates import masking
from affiliates.identifiers import normalised, uscc_problem
from affiliates.models import (
    AccountKind,
    Affiliate,
    Case,
    Channel,
    Company,
    Consent,
    SettlementDeclaration,
    TaxDeclaration,
)

# ISO 3166 code: name. Guidance, not a limit (ONB-8).
REGIONS = [
    ("RU", _("Russia")),
    ("KZ", _("Kazakhstan")),
    ("ES", _("Spain")),
    ("MX", _("Mexico")),
    ("SA", _("Saudi Arabia")),
    ("AE", _("United Arab Emirates")),
]
CATEGORIES = [
    ("phone-accessories", _("Phone accessories")),
    ("beauty-tools", _("Beauty tools")),
    ("small-home-goods", _("Small home goods")),
]
GUIDANCE = {
    Affiliate.Kind.KOC: _("usually 50,000 or more followers in private groups"),
    Affiliate.Kind.MCN: _("usually 100,000 or more followers overseas"),
    Affiliate.Kind.INDEPENDENT_SITE: _("usually more than 3,000 visitors a day"),
}
MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


def kind_choices() -> list[tuple[str, str]]:
    return [(kind.value, f"{kind.label} · {GUIDANCE[kind]}") for kind in Affiliate.Kind]


class ApplyForm(forms.Form):
    """The first question: who applies."""

    name = forms.CharField(
        label=_("Name that merchants will see"), max_length=200, help_text=_("Your brand, account or site.")
    )
    kind = forms.ChoiceField(label=_("What you are"), choices=kind_choices, widget=forms.RadioSelect)


class ProfileForm(ApplyForm):
    """Who the affiliate is, and where and what it promotes (ONB-8)."""

    regions = forms.MultipleChoiceField(
        label=_("Target regions"), choices=REGIONS, required=False, widget=forms.CheckboxSelectMultiple
    )
    categories = forms.MultipleChoiceField(
        label=_("Categories"),
        choices=CATEGORIES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Goods from $15 to $50 sell best."),
    )

    @staticmethod
    def initial_of(case: Case) -> dict[str, Any]:
        affiliate = case.affiliate
        return {
            "name": affiliate.name,
            "kind": affiliate.kind,
            "regions": affiliate.regions,
            "categories": affiliate.categories,
        }


class ChannelForm(forms.Form):
    """One channel; a row left empty counts for nothing."""

    pk = forms.IntegerField(required=False, widget=forms.HiddenInput)
    platform = forms.ChoiceField(
        label=_("Platform"), choices=[("", "—"), *Channel.Platform.choices], required=False
    )
    handle = forms.CharField(label=_("Handle or address"), max_length=300, required=False)
    audience = forms.IntegerField(
        label=_("Followers or daily visitors"), min_value=0, max_value=2_000_000_000, required=False
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        platform, handle = cleaned.get("platform"), (cleaned.get("handle") or "").strip()
        if (platform or cleaned.get("audience") is not None) and not handle:
            self.add_error("handle", _("Say where the channel is."))
        if handle and not platform and "platform" not in self.errors:
            self.add_error("platform", _("Choose a platform."))
        cleaned["handle"] = handle
        return cleaned


ChannelFormSet = forms.formset_factory(ChannelForm, extra=2, max_num=20, validate_max=True)


class LongTermMixin(forms.Form):
    """A date of expiry, or "long term"."""

    valid_until = forms.DateField(
        label=_("Valid until"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    long_term = forms.BooleanField(label=_("Valid for the long term (长期)"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.pop("long_term", False):
            cleaned["valid_until"] = None
        elif cleaned.get("valid_until") is None and "valid_until" not in self.errors:
            self.add_error("valid_until", _("Enter the date, or tick long term."))
        elif cleaned.get("valid_until") and not 2000 <= cleaned["valid_until"].year <= 2200:
            self.add_error("valid_until", _("Give a date such as 2030-12-31."))
        return cleaned


class LicenceForm(LongTermMixin):
    """The fields of the business licence."""

    entity = forms.ChoiceField(
        label=_("Legal form"), choices=Company.Entity.choices, widget=forms.RadioSelect
    )
    name = forms.CharField(label=_("Company name"), max_length=200, help_text=_("Exactly as on the licence."))
    uscc = forms.CharField(
        label=_("Unified social credit code"),
        max_length=24,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("18 characters, at the top of the licence."),
    )
    representative_name = forms.CharField(
        label=_("Legal representative"),
        max_length=100,
        help_text=_("As the licence names them; of a sole proprietor, the operator."),
    )
    address = forms.CharField(label=_("Registered address"), max_length=300, required=False)
    field_order = ["entity", "name", "uscc", "representative_name", "address", "valid_until", "long_term"]

    def clean_uscc(self) -> str:
        number = normalised(self.cleaned_data["uscc"])
        if uscc_problem(number) == "old_licence_number":
            raise forms.ValidationError(
                _("15 digits are the old licence number. Enter the 18 characters of the unified code.")
            )
        if uscc_problem(number) == "uscc_length":
            raise forms.ValidationError(_("A unified social credit code has 18 characters."))
        return number

    @staticmethod
    def initial_of(case: Case) -> dict[str, Any]:
        saved = getattr(case, "company", None)
        if saved is None:
            return {}
        names = ("entity", "name", "uscc", "representative_name", "address", "valid_until")
        return {name: getattr(saved, name) for name in names} | {"long_term": saved.valid_until is None}


class KeptNumberMixin(forms.Form):
    """A number that is masked once it is saved: left empty, it stays as it is."""

    number_field = ""

    def __init__(self, *args: Any, kept: str = "", masked: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = kept
        if kept:
            field = self.fields[self.number_field]
            field.required = False
            field.help_text = _("Saved: %(masked)s. Leave empty to keep it.") % {"masked": masked}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.number_field not in self.errors and not cleaned.get(self.number_field):
            cleaned[self.number_field] = self.kept
        return cleaned


class RepresentativeForm(KeptNumberMixin, LongTermMixin):
    """The fields of the ID card."""

    number_field = "id_number"
    name = forms.CharField(label=_("Name on the ID card"), max_length=100)
    id_number = forms.CharField(
        label=_("ID number"),
        max_length=24,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ["name", "id_number", "valid_until", "long_term"]

    def clean_id_number(self) -> str:
        number = normalised(self.cleaned_data["id_number"])
        if number and not re.fullmatch(r"\d{17}[\dX]", number):
            raise forms.ValidationError(_("An ID number has 18 characters: 17 digits, then a digit or X."))
        return number

    @staticmethod
    def initial_of(case: Case) -> dict[str, Any]:
        saved = getattr(case, "representative", None)
        if saved is None:
            return {}
        return {"name": saved.name, "valid_until": saved.valid_until, "long_term": saved.valid_until is None}

    @staticmethod
    def kept_of(case: Case) -> dict[str, str]:
        saved = getattr(case, "representative", None)
        return {"kept": saved.id_number, "masked": masking.mask_id_number(saved.id_number)} if saved else {}


class SettlementForm(KeptNumberMixin):
    """The account to be paid to."""

    number_field = "account_number"
    kind = forms.ChoiceField(
        label=_("Kind of account"), choices=AccountKind.choices, widget=forms.RadioSelect
    )
    account_name = forms.CharField(
        label=_("Account name"), max_length=200, help_text=_("It must be the name on the licence.")
    )
    account_number = forms.CharField(
        label=_("Account number, or Alipay login"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    bank_name = forms.CharField(
        label=_("Bank"), max_length=100, required=False, help_text=_("Bank account only.")
    )
    branch_name = forms.CharField(label=_("Branch"), max_length=200, required=False)
    cnaps_code = forms.CharField(
        label=_("CNAPS code"), max_length=12, required=False, help_text=_("12 digits; your bank knows it.")
    )
    alipay_kind = forms.ChoiceField(
        label=_("Kind of Alipay account"),
        choices=[("", _("not Alipay")), *SettlementDeclaration.AlipayKind.choices],
        required=False,
        help_text=_("Only certified enterprise accounts can be paid to."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        number = "".join((cleaned.get("account_number") or "").split())
        if cleaned.get("kind") == AccountKind.BANK:
            if number and not re.fullmatch(r"[0-9-]{6,32}", number):
                self.add_error("account_number", _("A bank account number has digits only."))
            if not cleaned.get("bank_name"):
                self.add_error("bank_name", _("Enter the bank."))
        elif cleaned.get("kind") == AccountKind.ALIPAY:
            if number and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|1\d{10}", number):
                self.add_error(
                    "account_number", _("An Alipay login is an e-mail address or a mobile number.")
                )
            if not cleaned.get("alipay_kind"):
                self.add_error("alipay_kind", _("Say which kind of Alipay account it is."))
        cleaned["account_number"] = number
        return cleaned

    @staticmethod
    def initial_of(case: Case) -> dict[str, Any]:
        saved = getattr(case, "settlement", None)
        names = ("kind", "account_name", "bank_name", "branch_name", "cnaps_code", "alipay_kind")
        return {name: getattr(saved, name) for name in names} if saved else {}

    @staticmethod
    def kept_of(case: Case) -> dict[str, str]:
        saved = getattr(case, "settlement", None)
        if saved is None:
            return {}
        return {
            "kept": saved.account_number,
            "masked": masking.mask_account(saved.kind, saved.account_number),
        }


class MonthField(forms.CharField):
    """A month, `2026-03`, as the first day of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            max_length=7,
            widget=forms.TextInput(attrs={"type": "month", "placeholder": "2026-03"}),
            **kwargs,
        )

    def clean(self, value: Any) -> date | None:  # type: ignore[override]
        text = super().clean(value)
        if not text:
            return None
        found = MONTH.fullmatch(text)
        if found is None:
            raise forms.ValidationError(_("Give a month such as 2026-03."))
        return date(int(found[1]), int(found[2]), 1)


class TaxForm(forms.Form):
    """The tax filing."""

    proof = forms.ChoiceField(
        label=_("Proof"), choices=TaxDeclaration.Proof.choices, widget=forms.RadioSelect
    )
    taxpayer_name = forms.CharField(label=_("Taxpayer"), max_length=200)
    taxpayer_number = forms.CharField(
        label=_("Taxpayer number"), max_length=20, help_text=_("Usually the unified social credit code.")
    )
    first_month = MonthField(label=_("First month covered"), help_text=_("For certificates only."))
    last_month = MonthField(label=_("Last month covered"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("proof") == TaxDeclaration.Proof.CERTIFICATES:
            for name in ("first_month", "last_month"):
                if cleaned.get(name) is None and name not in self.errors:
                    self.add_error(name, _("Enter the month."))
            first, last = cleaned.get("first_month"), cleaned.get("last_month")
            if first and last and last < first:
                self.add_error("last_month", _("The end is before the start."))
        return cleaned

    @staticmethod
    def initial_of(case: Case) -> dict[str, Any]:
        saved = getattr(case, "tax", None)
        if saved is None:
            return {}
        months = {
            name: getattr(saved, name).strftime("%Y-%m")
            for name in ("first_month", "last_month")
            if getattr(saved, name)
        }
        return {name: getattr(saved, name) for name in ("proof", "taxpayer_name", "taxpayer_number")} | months


class ConsentForm(forms.Form):
    """Each consent by itself; all are needed, none is ticked beforehand (ONB-9)."""

    terms = forms.BooleanField(
        label=_("I agree to the programme terms."),
        help_text=_(
            "Commission is released within an hour of the payment, and taken back when the buyer is refunded."
        ),
    )
    identity = forms.BooleanField(
        label=_("I agree that the identity papers are used to check this application."),
        help_text=_("They are kept encrypted, seen by reviewers only, and erased as our policy says."),
    )
    face = forms.BooleanField(
        label=_("I agree that a picture of the face is used for the liveness check."),
        help_text=_("It is erased 30 days after the decision."),
    )

    def kinds(self) -> list[str]:
        return [kind for kind in Consent.Kind.values if self.cleaned_data.get(kind)]
