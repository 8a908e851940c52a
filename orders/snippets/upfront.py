"""First-party attribution for a Django shop, in one file without dependencies. Copy it into your project.

It keeps the last five click ids that visitors brought, in a cookie on your own domain set by your own server, so
that browsers treat it as yours. When an order is placed you hand these ids on: in the order event, and, from your
server to ours, as a signed conversion.

    # settings.py
    MIDDLEWARE = ["shop.upfront.ClickMiddleware", …]
    UPFRONT = {"url": "https://network.example", "secret": "whsec_…", "cookie_secure": True}

    # when the buyer places the order
    from shop.upfront import click_ids, report_conversion
    ids = click_ids(request)              # newest first, [] when there are none: put them into your order event
    report_conversion(order_id, ids[0])   # from a task queue, with retries; keep ids[0] with the customer's session

Works with Python 3.9 and Django 3.2 or newer.
"""

import base64
import hashlib
import hmac
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime

PARAMETER = "ua_click"
COOKIE = "upfront_clicks"
KEEP = 5
MAX_AGE = 90 * 24 * 3600
_CLICK_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")


class ConversionRefused(Exception):
    """The network answered with a refusal; `status` and `body` say which. Repeating it won't help below 500."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


def click_ids(request):
    """The click ids of this visitor, the newest first, at most five. Ids of this very request are among them."""
    known = [part for part in request.COOKIES.get(COOKIE, "").split(".") if _CLICK_ID.fullmatch(part)]
    fresh = request.GET.get(PARAMETER, "")
    if _CLICK_ID.fullmatch(fresh):
        known = [fresh, *(click_id for click_id in known if click_id != fresh)]
    return known[:KEEP]


class ClickMiddleware:
    """Puts the click id of a tracking link's landing in front of those in the cookie."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if _CLICK_ID.fullmatch(request.GET.get(PARAMETER, "")):
            response.set_cookie(
                COOKIE,
                ".".join(click_ids(request)),
                max_age=MAX_AGE,
                secure=_options().get("cookie_secure", True),
                samesite="Lax",
            )
        return response


def sign(secret, message_id, timestamp, body):
    """The `webhook-signature` of `body` (bytes): Standard Webhooks, HMAC-SHA256 over id.timestamp.body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post_signed(url, secret, payload, timeout=10, headers=()):
    """POST `payload` as JSON, signed; returns (status, decoded answer). Network errors are raised as they are."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    message_id, timestamp = f"msg_{uuid.uuid4().hex}", int(time.time())
    request = urllib.request.Request(
        url,
        data=body,
        method="POST",
        headers={
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secret, message_id, timestamp, body),
            **dict(headers),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"{}")


def report_conversion(order_id, click_id, occurred_at=None, timeout=10):
    """Tell the network, server to server, that the order came from this click.

    Repeat it after a network error or a 5xx; a repeat has no effect twice. Raises: ConversionRefused.
    """
    when = (occurred_at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    payload = {"order_id": str(order_id), "click_id": click_id, "occurred_at": when}
    options = _options()
    url = options["url"].rstrip("/") + "/api/v1/s2s/conversions"
    status, answer = post_signed(url, options["secret"], payload, timeout=timeout)
    if status != 200:
        raise ConversionRefused(status, answer)
    return answer


def _options():
    from django.conf import settings

    return settings.UPFRONT
