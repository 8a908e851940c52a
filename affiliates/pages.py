"""What every page of an affiliate goes through: signed in, by an allowed method, by the door of its affiliate.

Anybody who is no member is told the same as if the affiliate didn't exist.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from affiliates.doors import affiliate_for

View = Callable[..., HttpResponseBase]


def _page(*methods: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @login_required
        @require_http_methods(methods)
        @never_cache
        @wraps(view)
        def page(request: HttpRequest, code: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, affiliate_for(request, code), *args, **kwargs)

        return page

    return decorate


affiliate_page = _page("GET", "HEAD")
"""A page to read. The view takes the request and the affiliate."""

affiliate_form = _page("GET", "HEAD", "POST")
"""A page with a form that is sent to itself."""

affiliate_action = _page("POST")
"""Something that is done, without a page of its own."""
