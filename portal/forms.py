"""The shell's own forms."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from portal.models import User


class ProfileForm(forms.ModelForm):
    """One's name and language; e-mail and password have pages of their own."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["name", "language"]
        widgets: ClassVar[dict[str, forms.Widget | type[forms.Widget]]] = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "language": forms.RadioSelect,
        }
