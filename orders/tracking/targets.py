"""What a tracking link may lead to: pages of the merchant's own verified hosts, and nothing else (ATTR-2). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from portal.errors import DomainError

MAX_LENGTH = 2000
# Browsers and servers disagree on all of these; a page that a shop means to be linked has none.
FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")


class BadTarget(DomainError):
    """This is no address that a link may lead to, whoever's it is."""

    code = "bad_target"


class HostNotVerified(DomainError):
    """The host is none of the merchant's verified domains."""

    code = "host_not_verified"


def check_target(url: str, hosts: Collection[str]) -> None:
    """Refuse `url` unless it is a plain web address on one of `hosts`: lower case, ASCII; `host:port` allows a port.

    Raises: BadTarget, HostNotVerified.
    Source: SPEC ATTR-2.
    """
    if not url or len(url) > MAX_LENGTH or FORBIDDEN.search(url):
        raise BadTarget(_("This is no web address that a link can lead to."), field="target")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadTarget(_("This is no web address that a link can lead to."), field="target") from None
    strange_port = port is not None and f"{host}:{port}" not in hosts
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or strange_port:
        raise BadTarget(_("Give the full address of a page, beginning with https://."), field="target")
    if not host.isascii() or (host not in hosts and f"{host}:{port}" not in hosts):
        raise HostNotVerified(
            _("The host of this page isn't a verified domain of a merchant on this network."), field="target"
        )
