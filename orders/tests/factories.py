"""Merchants, order sources and clicks for tests, and events as machines send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from affiliates.models import Pid
from affiliates.tests.factories import make_pid
from orders.models import Click, Merchant, OrderSource, OrderSourceSecret

_numbers = count(1)
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
"""Noon in Shanghai on a Friday: when the orders of the tests are placed unless they say otherwise."""

SECRET = "whsec_dGVzdC1zZWNyZXQtZm9yLW9yZGVyLWV2ZW50cy0xMjM0"


def make_merchant(code: str = "", **fields: Any) -> Merchant:
    code = code or f"M{next(_numbers)}"
    return Merchant.objects.create(**{"code": code, "name": f"Shop {code}", **fields})


def make_source(*merchants: Merchant, code: str = "", secret: str = SECRET) -> OrderSource:
    code = code or f"source-{next(_numbers)}"
    source = OrderSource.objects.create(code=code, name=code)
    source.merchants.set(merchants)
    OrderSourceSecret.objects.create(source=source, secret=secret, created_at=NOON - timedelta(days=30))
    return source


def make_click(merchant: Merchant, pid: Pid | None = None, *, at: datetime | None = None, **fields) -> Click:
    pid = pid or make_pid()
    return Click.objects.create(
        pid=pid,
        affiliate_id=pid.affiliate_id,
        merchant=merchant,
        clicked_at=at or NOON - timedelta(hours=1),
        **fields,
    )


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def event(
    type_: str, merchant: Merchant | str, order_id: str, *, at: datetime, **body: Any
) -> dict[str, Any]:
    """One event of SPEC §10; `body` is merged over what the type needs."""
    return {
        "event_id": f"evt_{next(_numbers)}",
        "type": f"order.{type_}",
        "occurred_at": iso(at),
        "merchant": merchant if isinstance(merchant, str) else merchant.code,
        "order_id": order_id,
        **body,
    }


def pricing_event(
    type_: str,
    merchant: Merchant | str,
    order_id: str,
    *,
    at: datetime = NOON,
    ordered_at: datetime = NOON,
    paid: int = 1000,
    clicks: tuple[Click, ...] = (),
    lines: list[dict[str, Any]] | None = None,
    amounts: dict[str, Any] | None = None,
    **body: Any,
) -> dict[str, Any]:
    """An awaiting_payment or paid event."""
    return event(
        type_,
        merchant,
        order_id,
        at=at,
        **{
            "ordered_at": iso(ordered_at),
            "currency": "USD",
            "attribution": {"click_ids": [click.click_id for click in clicks]},
            "buyer": {"ref": "buyer-1", "country": "RU"},
            "amounts": {"paid": paid, **(amounts or {})},
            "lines": lines or [],
            **body,
        },
    )
