"""What the demo shop tells the network: order events from its order system, conversions from its server."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings

from orders.demo_shop import store
from orders.snippets import upfront


def tell(order: dict[str, Any], event_type: str, **facts: Any) -> None:
    """Post one signed order event and keep the answer. An unreachable network loses nothing but this message."""
    product = store.BY_SLUG[order["slug"]]
    event = {
        "event_id": f"evt_{uuid.uuid4().hex}",
        "type": event_type,
        "occurred_at": store.now(),
        "merchant": settings.MERCHANT,
        "order_id": order["number"],
        **facts,
    }
    if event_type in ("order.awaiting_payment", "order.paid"):
        event |= {
            "ordered_at": order["ordered_at"],
            "currency": "USD",
            "attribution": {"click_ids": order["click_ids"]},
            "buyer": {"ref": f"shop-{order['visit'][:10]}", "country": "ES"},
            "amounts": {"paid": order["paid"]},
            "lines": [
                {
                    "line_id": "1",
                    "product_id": product.slug,
                    "category_id": product.category,
                    "paid": order["paid"],
                }
            ],
        }
    url = f"{settings.NETWORK_URL}/api/v1/order-events"
    _send(
        order["number"],
        event_type,
        lambda: upfront.post_signed(url, settings.SOURCE_SECRET, {"events": [event]}),
    )


def report(order: dict[str, Any], click_id: str) -> None:
    """Report the conversion from the server, if it knows a click of this customer."""
    if click_id and settings.UPFRONT["secret"]:
        _send(
            order["number"],
            "s2s conversion",
            lambda: (200, upfront.report_conversion(order["number"], click_id)),
        )


def _send(number: str, what: str, post: Any) -> None:
    try:
        status, answer = post()
    except upfront.ConversionRefused as refusal:
        status, answer = refusal.status, refusal.body
    except (OSError, ValueError) as error:
        status, answer = None, {"error": str(error)}
    store.note(number, what, status, answer)
