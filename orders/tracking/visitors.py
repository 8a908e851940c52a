"""What a request to a tracking link says about who makes it: a buyer, a robot, an app's built-in browser. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache

import crawleruseragents

# Fetchers of previews that the library doesn't list, and programs that are no browser at all.
_MORE_ROBOTS = re.compile(
    r"preview|prerender|headless|phantomjs|python-|curl/|wget/|go-http-client|okhttp|java/|libwww|node-fetch|axios",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_robot(user_agent: str) -> bool:
    """Whether the user agent is a crawler, a preview fetcher or a program; nobody's browser sends none."""
    if not user_agent:
        return True
    return bool(_MORE_ROBOTS.search(user_agent)) or crawleruseragents.is_crawler(user_agent)


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether a browser only fetches ahead of a click that may never come."""
    said = " ".join(headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"))
    return any(word in said.lower() for word in ("prefetch", "prerender", "preview"))


def in_app(user_agent: str) -> str:
    """`wechat` or `qq` for the built-in browsers that block marketplaces, else "". QQ Browser is a real browser."""
    if "MicroMessenger" in user_agent:
        return "wechat"
    if re.search(r"\bQQ/", user_agent):
        return "qq"
    return ""


def network_of(address: str) -> str:
    """The /24 or /48 that an address is in: as much of it as is ever kept (ATTR-3). "" for no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, prefix), strict=False).network_address)
