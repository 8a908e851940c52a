"""What every answer carries and every request knows: an id, headers beside the CSP, and the person's language.

The Content-Security-Policy itself comes from django-csp; frame, referrer and opener policies from Django.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from portal.logs import request_id

Handler = Callable[[HttpRequest], HttpResponse]

access = logging.getLogger("portal.access")
PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Asked for every few seconds by whoever watches the house.
QUIET = ("/healthz", "/readyz", "/static/")


def request_line(get_response: Handler) -> Handler:
    """Give the request an id, say it in the answer's `X-Request-ID`, and log one line about it.

    An id that comes in is kept if it looks like one, so that a proxy's or caller's log can be matched with ours.
    The line has the path without its query, which may hold what is nobody's business.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        wanted = request.headers.get("X-Request-ID", "")
        name = wanted if PLAUSIBLE_ID.fullmatch(wanted) else uuid.uuid4().hex
        token = request_id.set(name)
        began = time.perf_counter()
        try:
            response = get_response(request)
            response.headers["X-Request-ID"] = name
            level = logging.DEBUG if request.path.startswith(QUIET) else logging.INFO
            if access.isEnabledFor(level):
                took = round((time.perf_counter() - began) * 1000)
                extra = {"status": response.status_code, "ms": took}
                access.log(level, "%s %s", request.method, request.path, extra=extra)
            return response
        finally:
            request_id.reset(token)

    return middleware


def security_headers(get_response: Handler) -> Handler:
    """Add `Permissions-Policy`; say that signed-in pages are not for anybody's cache."""
    permissions = ", ".join(f"{name}={value}" for name, value in settings.PERMISSIONS_POLICY.items())

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", permissions)
        user = getattr(request, "_cached_user", None)
        if user is not None and user.is_authenticated:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


def user_language(get_response: Handler) -> Handler:
    """Speak the signed-in person's own language, whatever the browser's cookie or headers say.

    Visitors keep what `LocaleMiddleware` found: the switch's cookie, then the browser's wish, then zh-hans.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        # A visitor without a session cookie can't be signed in.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            language = request.user.language
            if language != translation.get_language():
                translation.activate(language)
                request.LANGUAGE_CODE = language  # type: ignore[attr-defined]
        response = get_response(request)
        if not response.has_header("Content-Language"):
            response["Content-Language"] = translation.get_language() or settings.LANGUAGE_CODE
        return response

    return middleware
