"""Order events as facts: reading what machines send, and reading a whole set of events as one order.

Pure: no database, no clock, no settings. `read_event` turns one untrusted JSON value into the allow-listed
facts that are kept, or says by field name what is wrong with it (SPEC §10). `read_order` turns the set of an
order's events, in whatever order they arrived, into what is known of the order (LIFE-7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from portal.money import EXPONENTS, MAX_AMOUNT

MAX_AHEAD = timedelta(minutes=5)
MAX_LINES = 500
MAX_SUBSIDIES = 50
MAX_CLICK_IDS = 5
MAX_TEXT = 100
SUPPORTED_CURRENCIES = frozenset({"USD"})

AWAITING = "order.awaiting_payment"
PAID = "order.paid"
CANCELLED = "order.cancelled"
COMPLETED = "order.completed"
REFUNDED = "order.refunded"
DISPUTE_OPENED = "order.dispute_opened"
DISPUTE_RESOLVED = "order.dispute_resolved"
PRICING = frozenset({AWAITING, PAID})
TYPES = frozenset({AWAITING, PAID, CANCELLED, COMPLETED, REFUNDED, DISPUTE_OPENED, DISPUTE_RESOLVED})


class Refused(Exception):
    """An event, or a part of it, that can't be taken in. Carries a code, a message in English and a field."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


class IncomingEvent(NamedTuple):
    """An event that reads well. `facts` are the allow-listed fields that are kept, as JSON."""

    event_id: str
    type: str
    occurred_at: datetime
    merchant: str
    order_id: str
    facts: dict[str, Any]
    body_hash: bytes


def body_hash(raw: Any) -> bytes:
    """SHA-256 of an event as canonical JSON: sorted keys, no spaces. Equal content, equal hash.

    Raises: Refused for what has no such form: nested too deeply, an integer beyond 64 bits, broken text.
    """
    try:
        return hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).digest()
    except TypeError:
        raise Refused("invalid", "The event is nested too deeply or holds a value out of range.") from None


# --- reading one untrusted event ------------------------------------------------------------------------------


def _text(
    source: dict[str, Any], name: str, path: str, *, required: bool = True, limit: int = MAX_TEXT
) -> str:
    value = source.get(name)
    if value is None and not required:
        return ""
    if value is None:
        raise Refused("required", "This field is required.", path)
    if type(value) is not str:
        raise Refused("wrong_type", "A string is expected.", path)
    if not value.strip():
        if not required:
            return ""
        raise Refused("required", "This field must not be empty.", path)
    if len(value) > limit:
        raise Refused("too_long", f"At most {limit} characters are allowed.", path)
    if not value.isprintable():
        raise Refused("invalid", "Control characters are not allowed.", path)
    return value


def _amount(source: dict[str, Any], name: str, path: str, *, default: int | None = 0) -> int:
    value = source.get(name)
    if value is None:
        if default is None:
            raise Refused("required", "This field is required.", path)
        return default
    if type(value) is not int:  # a boolean is no integer
        raise Refused("wrong_type", "A whole number of minor units is expected.", path)
    if value < 0:
        raise Refused("negative", "An amount must not be negative.", path)
    if value > MAX_AMOUNT:
        raise Refused("too_large", "An amount must not exceed 10^12.", path)
    return value


def _object(source: dict[str, Any], name: str, path: str, *, required: bool = False) -> dict[str, Any]:
    value = source.get(name)
    if value is None:
        if required:
            raise Refused("required", "This field is required.", path)
        return {}
    if type(value) is not dict:
        raise Refused("wrong_type", "An object is expected.", path)
    return value


def _array(source: dict[str, Any], name: str, path: str, *, limit: int) -> list[Any]:
    value = source.get(name)
    if value is None:
        return []
    if type(value) is not list:
        raise Refused("wrong_type", "An array is expected.", path)
    if len(value) > limit:
        raise Refused("too_long", f"At most {limit} entries are allowed.", path)
    return value


def _boolean(source: dict[str, Any], name: str, path: str) -> bool:
    value = source.get(name, False)
    if type(value) is not bool:
        raise Refused("wrong_type", "true or false is expected.", path)
    return value


def _time(source: dict[str, Any], name: str) -> datetime:
    value = _text(source, name, name, limit=40)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Refused("invalid", "An ISO 8601 time is expected.", name) from None
    if moment.tzinfo is None:
        raise Refused("invalid", "The time needs a UTC offset or Z.", name)
    if not 2000 <= moment.year <= 9000:
        raise Refused("invalid", "The year is out of range.", name)
    # In UTC: the same instant reads the same, and no offset is left that JSON writers round (seconds).
    return moment.astimezone(UTC)


def read_event(raw: Any, *, at: datetime) -> IncomingEvent:
    """Read one element of `events`. Unknown fields are ignored; `at` is when it was received.

    Raises: Refused, naming the field.
    Source: SPEC §10, PRICE-8.
    """
    if type(raw) is not dict:
        raise Refused("wrong_type", "An object is expected.", "")
    event_id = _text(raw, "event_id", "event_id")
    type_ = _text(raw, "type", "type")
    if type_ not in TYPES:
        raise Refused("unknown_type", "This event type is not known.", "type")
    occurred_at = _time(raw, "occurred_at")
    if occurred_at > at + MAX_AHEAD:
        raise Refused("in_the_future", "The time is more than 5 minutes ahead.", "occurred_at")
    merchant = _text(raw, "merchant", "merchant")
    order_id = _text(raw, "order_id", "order_id")
    if type_ in PRICING:
        facts = _read_pricing(raw, at=at)
    elif type_ == REFUNDED:
        facts = {"refund": _read_refund(raw)}
    elif type_ in (DISPUTE_OPENED, DISPUTE_RESOLVED):
        dispute = _object(raw, "dispute", "dispute", required=True)
        facts = {"dispute": {"dispute_id": _text(dispute, "dispute_id", "dispute.dispute_id")}}
        if type_ == DISPUTE_RESOLVED:
            facts["dispute"]["compensation"] = _amount(
                dispute, "compensation", "dispute.compensation", default=None
            )
    else:
        facts = {}
    return IncomingEvent(event_id, type_, occurred_at, merchant, order_id, facts, body_hash(raw))


def _read_pricing(raw: dict[str, Any], *, at: datetime) -> dict[str, Any]:
    ordered_at = _time(raw, "ordered_at")
    if ordered_at > at + MAX_AHEAD:
        raise Refused("in_the_future", "The time is more than 5 minutes ahead.", "ordered_at")
    currency = _text(raw, "currency", "currency", limit=3)
    if currency not in EXPONENTS or currency not in SUPPORTED_CURRENCIES:
        raise Refused("currency_unsupported", "Orders in this currency can't be priced yet.", "currency")
    amounts = _object(raw, "amounts", "amounts", required=True)
    paid = _amount(amounts, "paid", "amounts.paid", default=None)
    cashback = _amount(amounts, "cashback", "amounts.cashback")
    subsidies: list[dict[str, Any]] = []
    for index, entry in enumerate(_array(amounts, "subsidies", "amounts.subsidies", limit=MAX_SUBSIDIES)):
        path = f"amounts.subsidies[{index}]"
        if type(entry) is not dict:
            raise Refused("wrong_type", "An object is expected.", path)
        subsidies.append(
            {
                "name": _text(entry, "name", f"{path}.name", required=False),
                "amount": _amount(entry, "amount", f"{path}.amount", default=None),
                "commissionable": _boolean(entry, "commissionable", f"{path}.commissionable"),
            }
        )
    freight = _object(amounts, "freight", "amounts.freight")
    freight_line = _text(freight, "line", "amounts.freight.line", required=False) or "standard"
    # On any line but the standard one the actual freight is what is deducted, so it must be told (PRICE-2).
    freight_actual = _amount(
        freight, "actual", "amounts.freight.actual", default=0 if freight_line == "standard" else None
    )
    lines: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, entry in enumerate(_array(raw, "lines", "lines", limit=MAX_LINES)):
        path = f"lines[{index}]"
        if type(entry) is not dict:
            raise Refused("wrong_type", "An object is expected.", path)
        line_id = _text(entry, "line_id", f"{path}.line_id")
        if line_id in seen:
            raise Refused("duplicate", "Each line_id may occur once.", f"{path}.line_id")
        seen.add(line_id)
        lines.append(
            {
                "line_id": line_id,
                "product_id": _text(entry, "product_id", f"{path}.product_id", required=False),
                "category_id": _text(entry, "category_id", f"{path}.category_id", required=False),
                "paid": _amount(entry, "paid", f"{path}.paid", default=None),
            }
        )
    if cashback + sum(subsidy["amount"] for subsidy in subsidies) > paid:
        raise Refused(
            "inconsistent_amounts", "Cash-back and subsidies exceed what was paid.", "amounts.cashback"
        )
    if lines and sum(line["paid"] for line in lines) != paid:
        raise Refused("inconsistent_amounts", "The lines do not sum to amounts.paid.", "lines")
    buyer = _object(raw, "buyer", "buyer")
    country = _text(buyer, "country", "buyer.country", required=False, limit=2)
    # Looked at before it is put in capitals: those of "ß" are "SS".
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise Refused("invalid", "An ISO 3166 code of two letters is expected.", "buyer.country")
    buyer_ref = _text(buyer, "ref", "buyer.ref", required=False, limit=200)
    attribution = _object(raw, "attribution", "attribution")
    click_ids = []
    # A longer list is cut, not refused: the cookie may have been written by an older snippet.
    given = _array(attribution, "click_ids", "attribution.click_ids", limit=100)
    for index, value in enumerate(given[:MAX_CLICK_IDS]):
        if type(value) is not str:
            raise Refused("wrong_type", "A string is expected.", f"attribution.click_ids[{index}]")
        if 0 < len(value) <= MAX_TEXT and value.isprintable():
            click_ids.append(value)
    return {
        "ordered_at": ordered_at.isoformat(),
        "currency": currency,
        "country": country.upper(),
        # A pseudonym is enough to recognise a self-purchase; the reference itself is not kept.
        "buyer": hashlib.sha256(buyer_ref.encode()).hexdigest() if buyer_ref else "",
        "click_ids": click_ids,
        # An empty list says that the cookie was empty; no list, that the shop doesn't look (DIAG-3).
        "tracked": attribution.get("click_ids") is not None,
        "amounts": {
            "paid": paid,
            "platform_fee": _amount(amounts, "platform_fee", "amounts.platform_fee"),
            "cashback": cashback,
            "freight": {
                "line": freight_line,
                "base": _amount(freight, "base", "amounts.freight.base"),
                "actual": freight_actual,
            },
            "subsidies": subsidies,
        },
        "lines": lines,
    }


def _read_refund(raw: dict[str, Any]) -> dict[str, Any]:
    refund = _object(raw, "refund", "refund", required=True)
    full = _boolean(refund, "full", "refund.full")
    amount = None if full else _amount(refund, "amount", "refund.amount", default=None)
    basis = _text(refund, "basis", "refund.basis", required=False) or "paid"
    if basis not in ("paid", "cash"):
        raise Refused("invalid", 'The basis is "paid" or "cash".', "refund.basis")
    lines: list[dict[str, Any]] = []
    for index, entry in enumerate(_array(refund, "lines", "refund.lines", limit=MAX_LINES)):
        path = f"refund.lines[{index}]"
        if type(entry) is not dict:
            raise Refused("wrong_type", "An object is expected.", path)
        lines.append(
            {
                "line_id": _text(entry, "line_id", f"{path}.line_id"),
                "amount": _amount(entry, "amount", f"{path}.amount", default=None),
            }
        )
    if amount is not None and sum(line["amount"] for line in lines) > amount:
        raise Refused("inconsistent_amounts", "The lines exceed refund.amount.", "refund.lines")
    return {
        "refund_id": _text(refund, "refund_id", "refund.refund_id"),
        "amount": amount,
        "full": full,
        "basis": basis,
        "dispute_id": _text(refund, "dispute_id", "refund.dispute_id", required=False),
        "lines": lines,
    }


# --- reading the set of an order's events ---------------------------------------------------------------------


class KnownEvent(NamedTuple):
    """An accepted event; `pk` is its row's id, for those that need to name it."""

    event_id: str
    type: str
    occurred_at: datetime
    facts: dict[str, Any]
    pk: int = 0


@dataclass(slots=True)
class OrderFacts:
    """What the set of an order's events says, whatever order they came in (LIFE-7).

    `pricing` is the event that amounts are read from: the earliest payment, else the latest awaiting. It is
    None while only facts about an unknown order are parked.
    """

    pricing: KnownEvent | None
    ordered_at: datetime | None
    awaiting_at: datetime | None
    paid_at: datetime | None
    cancelled: bool
    completed_at: datetime | None
    click_ids: list[str]
    refunds: list[dict[str, Any]]
    compensations: dict[str, int]
    open_disputes: list[str]
    paid_twice: bool


def _when(event: KnownEvent) -> tuple[datetime, str]:
    return (event.occurred_at, event.event_id)


def read_order(events: Iterable[KnownEvent]) -> OrderFacts:
    """Read a set of events as one order. The result doesn't depend on their order or on repeats.

    Awaiting twice: the latest counts. Paid twice: the earliest. A refund id or a dispute told twice is one
    fact, the latest word on it counts. Ties in time are broken by event id.

    Source: SPEC LIFE-5, LIFE-7.
    """
    awaiting: KnownEvent | None = None
    paid: KnownEvent | None = None
    payments = 0
    cancelled = False
    completed_at: datetime | None = None
    click_ids: dict[str, None] = {}
    refunds: dict[str, KnownEvent] = {}
    opened: dict[str, None] = {}
    resolved: dict[str, KnownEvent] = {}
    for event in events:
        if event.type == AWAITING:
            if awaiting is None or _when(event) > _when(awaiting):
                awaiting = event
            click_ids.update(dict.fromkeys(event.facts["click_ids"]))
        elif event.type == PAID:
            payments += 1
            if paid is None or _when(event) < _when(paid):
                paid = event
            click_ids.update(dict.fromkeys(event.facts["click_ids"]))
        elif event.type == CANCELLED:
            cancelled = True
        elif event.type == COMPLETED:
            completed_at = min(completed_at, event.occurred_at) if completed_at else event.occurred_at
        elif event.type == REFUNDED:
            refund_id = event.facts["refund"]["refund_id"]
            if refund_id not in refunds or _when(event) > _when(refunds[refund_id]):
                refunds[refund_id] = event
        else:
            dispute_id = event.facts["dispute"]["dispute_id"]
            if event.type == DISPUTE_OPENED:
                opened[dispute_id] = None
            elif dispute_id not in resolved or _when(event) > _when(resolved[dispute_id]):
                resolved[dispute_id] = event
    pricing = paid or awaiting
    return OrderFacts(
        pricing=pricing,
        ordered_at=datetime.fromisoformat(pricing.facts["ordered_at"]) if pricing else None,
        awaiting_at=awaiting.occurred_at if awaiting else None,
        paid_at=paid.occurred_at if paid else None,
        cancelled=cancelled,
        completed_at=completed_at,
        click_ids=sorted(click_ids),
        refunds=[refunds[refund_id].facts["refund"] for refund_id in sorted(refunds)],
        compensations={
            dispute_id: resolved[dispute_id].facts["dispute"]["compensation"]
            for dispute_id in sorted(resolved)
        },
        open_disputes=sorted(set(opened) - set(resolved)),
        paid_twice=payments > 1,
    )
