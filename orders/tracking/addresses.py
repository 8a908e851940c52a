"""Where a link is found."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from django.conf import settings

from orders.models import Link

CLICK, PID, SUB = "ua_click", "ua_pid", "ua_sub"
"""What the landing's address carries besides UTM: names of our own, which no browser strips."""


def link_url(link: Link) -> str:
    """The address that an affiliate hands out for `link`."""
    scheme = "https" if settings.HTTPS else "http"
    host = settings.ALLOWED_HOSTS[0] if settings.HTTPS else f"{settings.ALLOWED_HOSTS[0]}:{settings.PORT}"
    return f"{scheme}://{host}/s/{link.code}"


def allowed_hosts(verified: Iterable[str]) -> set[str]:
    """The hosts that links may lead to: a merchant's verified ones, and in demo mode the demo shop with its port."""
    hosts = set(verified)
    if settings.DEMO and "127.0.0.1" in hosts:
        hosts.add(f"127.0.0.1:{settings.DEMO_SHOP_PORT}")
    return hosts


def landing_url(link: Link, *, click_id: str, pid: str) -> str:
    """Where the buyer goes: the target with click id, PID, UTM and sub-ids in its query; the rest of it unchanged."""
    ours = {CLICK: click_id, PID: pid, "utm_medium": "affiliate"}
    for name in ("utm_source", "utm_campaign", "utm_content", "utm_term"):
        if value := getattr(link, name):
            ours[name] = value
    ours |= {f"{SUB}{number}": value for number, value in enumerate(link.sub_ids, start=1) if value}
    parts = urlsplit(link.target)
    kept = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in ours
    ]
    query = urlencode([*kept, *ours.items()], quote_via=quote)
    return urlunsplit(parts._replace(query=query))
