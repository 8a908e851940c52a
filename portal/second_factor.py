"""Staff work with a second factor or not at all: one check before every page, the admin's and all others (ONB-9).

Powers of staff are spread over the site, so the rule is the other way round: a staff account whose session hasn't
been confirmed by a second factor reaches nothing but the pages on which it signs in, out, or sets one up.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.models import User

Handler = Callable[[HttpRequest], HttpResponse]


def is_confirmed(request: HttpRequest, user: User) -> bool:
    """Whether the person has a second factor now, and has shown it in this session."""
    shown = any(record.get("method") == "mfa" for record in get_authentication_records(request, user))
    return shown and is_mfa_enabled(user)


def open_to_all() -> tuple[str, ...]:
    """Where the addresses begin that don't ask: one's own account, the language, files and health checks."""
    own_account = reverse("account_login").removesuffix("login/")
    return (
        own_account,
        reverse("switch_language"),
        reverse("healthz"),
        reverse("readyz"),
        settings.STATIC_URL,
    )


def staff_second_factor(get_response: Handler) -> Handler:
    """Send staff without a second factor to set one up, and with one to show it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not settings.STAFF_MFA_REQUIRED or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return get_response(request)
        if request.path.startswith(open_to_all()):
            return get_response(request)
        user = request.user
        if not (user.is_authenticated and user.is_staff) or is_confirmed(request, user):
            return get_response(request)
        if is_mfa_enabled(user):
            wanted = request.get_full_path() if request.method == "GET" else reverse("home")
            return HttpResponseRedirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': wanted})}")
        messages.warning(
            request,
            _("Staff sign in with a second factor. Set up an authenticator app or a security key first."),
        )
        return HttpResponseRedirect(reverse("mfa_index"))

    return middleware
