"""The forms of the links pages: one link, a file of links, the list's filters, a new PID."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Channel, Pid, code_part
from orders.links import MAX_SUB_IDS, MAX_TEXT, UTM, Wish
from orders.models import Merchant

SUBS = tuple(f"sub{number}" for number in range(1, MAX_SUB_IDS + 1))


def _text(label: str, **options: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", **options.pop("attrs", {})})
    return forms.CharField(label=label, required=False, max_length=MAX_TEXT, widget=widget, **options)


class LinkForm(forms.Form):
    """What a new link says. Only its texts are judged here; `orders.links` judges the rest."""

    target = forms.CharField(
        label=_("Page of the merchant"),
        max_length=2000,
        help_text=_("Paste the full address of a product, a category or the shop's home page."),
        widget=forms.TextInput(
            attrs={"type": "url", "inputmode": "url", "autocomplete": "off", "spellcheck": "false"}
        ),
        error_messages={"required": _("Paste the address of a page first.")},
    )
    pid = forms.ChoiceField(
        label="PID",
        help_text=_("Where the link will stand. Clicks and commissions are counted by PID."),
        error_messages={"invalid_choice": _("This is none of your PIDs.")},
    )
    label = _text(_("Label"), help_text=_("Only you see it."))
    utm_source = _text("utm_source")
    utm_campaign = _text("utm_campaign")
    utm_content = _text("utm_content")
    utm_term = _text("utm_term")
    sub1 = _text(_("Sub-id 1"))
    sub2 = _text(_("Sub-id 2"))
    sub3 = _text(_("Sub-id 3"))
    sub4 = _text(_("Sub-id 4"))
    sub5 = _text(_("Sub-id 5"))

    def __init__(self, *args: Any, pids: list[Pid], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pid"].choices = [(pid.value, f"{pid.value} · {pid.channel}") for pid in pids]

    def utm_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in UTM]

    def sub_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in SUBS]

    def wish(self) -> Wish:
        """The link that is asked for. The form must be valid."""
        data = self.cleaned_data
        return Wish(
            target=data["target"],
            pid=data["pid"],
            label=data["label"],
            sub_ids=[data[name] for name in SUBS],
            **{name: data[name] for name in UTM},
        )


class LinkFilter(forms.Form):
    """Which links to list, read from the address."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=100,
        help_text=_("Label, code, address or sub-id"),
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    merchant = forms.ChoiceField(label=_("Merchant"), required=False)
    pid = forms.ChoiceField(label="PID", required=False)
    shown = forms.ChoiceField(
        label=_("Show"), required=False, choices=[("", _("In use")), ("archived", _("Archived"))]
    )

    def __init__(self, data: Any, *, affiliate: Affiliate) -> None:
        super().__init__(data)
        every = ("", _("All"))
        merchants = Merchant.objects.filter(links__affiliate=affiliate).distinct().order_by("name")
        self.fields["merchant"].choices = [every, *((one.code, one.name) for one in merchants)]
        pids = affiliate.pids.order_by("value").values_list("value", flat=True)
        self.fields["pid"].choices = [every, *((value, value) for value in pids)]


class UploadForm(forms.Form):
    """A file of links. Its content is read by `orders.link_files`."""

    file = forms.FileField(
        label=_("CSV file"),
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=_("UTF-8 or GB18030 (as Excel saves it), at most 5,000 rows and 5 MB."),
        error_messages={"required": _("Choose a file first.")},
    )

    def upload(self) -> UploadedFile:
        return self.cleaned_data["file"]


class PidForm(forms.Form):
    """A new PID: a channel and a placement on it."""

    channel = forms.ModelChoiceField(label=_("Channel"), queryset=Channel.objects.none(), empty_label=None)
    placement = forms.CharField(
        label=_("Placement"),
        max_length=20,
        validators=[code_part],
        help_text=_(
            "Where on the channel, in 1 to 20 lower-case letters and digits, such as top or video12."
        ),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, affiliate: Affiliate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].queryset = affiliate.channels.order_by("pk")
