"""How people sign up and sign in: our choices on top of django-allauth.

E-mails speak the language of the person they go to; the secrets of second factors are encrypted at rest.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.mfa.adapter import DefaultMFAAdapter
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from portal.encryption import cipher
from portal.models import User


class SignupForm(AllauthSignupForm):
    """Sign-up by e-mail; a name is welcome, nothing else is asked (ONB-1)."""

    name = forms.CharField(
        label=_("Name"),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text=_("What we call you. You can leave it empty."),
    )
    field_order = ("email", "name", "password1", "password2")


class AccountAdapter(DefaultAccountAdapter):
    """Keeps the language of the sign-up with the user, and writes e-mails in it."""

    def save_user(self, request: HttpRequest, user: User, form: forms.Form, commit: bool = True) -> User:
        user.name = form.cleaned_data.get("name", "")
        user.language = _supported(translation.get_language())
        return super().save_user(request, user, form, commit=commit)

    def login(self, request: HttpRequest, user: User) -> None:
        """From here on the person's own language counts, the greeting included."""
        super().login(request, user)
        translation.activate(user.language)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> Any:
        user = context.get("user") or User.objects.filter(email__iexact=email).only("language").first()
        with translation.override(user.language if user else translation.get_language()):
            return super().send_mail(template_prefix, email, {**context, "site_name": settings.SITE_NAME})


class MFAAdapter(DefaultMFAAdapter):
    """Encrypts TOTP secrets and recovery-code seeds with the keys of `SECRETS_KEYS` (portal.encryption)."""

    def encrypt(self, text: str) -> str:
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return cipher().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return str(settings.SITE_NAME)


def _supported(language: str | None) -> str:
    return language if language in User.Language.values else settings.LANGUAGE_CODE
