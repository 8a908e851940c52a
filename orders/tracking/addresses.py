"""Where a link is found."""

from __future__ import annotations

from django.conf import settings

from orders.models import Link


def link_url(link: Link) -> str:
    """The address that an affiliate hands out for `link`."""
    scheme = "https" if settings.HTTPS else "http"
    host = settings.ALLOWED_HOSTS[0] if settings.HTTPS else f"{settings.ALLOWED_HOSTS[0]}:{settings.PORT}"
    return f"{scheme}://{host}/s/{link.code}"
