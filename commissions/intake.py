"""Taking in order events: an inbox that keeps each of them, worked off as a set (SPEC §10, LIFE-7).

A batch is one transaction and a fixed number of statements, whatever its size. Every event gets its own answer;
one that is refused never spoils its neighbours. An event that was seen before changes nothing and is answered
as it was the first time.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction

from commissions.recompute import Answer, lock_orders, recompute
from orders.facts import PRICING, IncomingEvent, KnownEvent, Refused, body_hash, read_event
from orders.models import OrderSource

logger = logging.getLogger(__name__)

MAX_EVENTS = 1000
ATTEMPTS = 4


@dataclass(slots=True)
class Result:
    """The answer to one event: what became of it, and of the commission of its order."""

    event_id: str
    status: str
    error: dict[str, str] | None = None
    commission: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"event_id": self.event_id, "status": self.status}
        if self.error:
            body["error"] = self.error
        if self.commission:
            body["commission"] = self.commission
        return body


def take_in(source: OrderSource, raw_events: Sequence[Any], *, at: datetime) -> list[Result]:
    """Take in a batch of events, received at `at`; one result for each, in the order given.

    One transaction: either all that could be taken in is, with its commissions and postings, or nothing.
    Locks the orders concerned, then as `recompute`. Two batches over the same orders take turns.

    Source: SPEC §10, LIFE-7.
    """
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _take_in(source, raw_events, at=at)
        except (OperationalError, IntegrityError) as error:
            # Only one event id under two different orders, taken in twice at once, can meet crosswise.
            crossed = "deadlock detected" in str(error) or "event_once_per_source" in str(error)
            if not crossed or attempt == ATTEMPTS - 1:
                raise
            logger.warning(
                "order intake met another one crosswise, trying again", extra={"source": source.code}
            )
    raise AssertionError("unreachable")


def _take_in(source: OrderSource, raw_events: Sequence[Any], *, at: datetime) -> list[Result]:
    results: list[Result | None] = [None] * len(raw_events)
    merchants = dict(source.merchants.values_list("code", "pk"))
    incoming: dict[int, IncomingEvent] = {}
    refused: list[tuple[int, Refused]] = []
    for index, raw in enumerate(raw_events):
        try:
            event = read_event(raw, at=at)
            if event.merchant not in merchants:
                # A merchant of somebody else's answers the same as one that doesn't exist.
                raise Refused("unknown_merchant", "There is no such merchant for this source.", "merchant")
            incoming[index] = event
        except Refused as refusal:
            refused.append((index, refusal))

    fresh = _sort_out_repeats(source, incoming, results, refused)
    if fresh:
        order_ids = _open_orders(fresh, merchants, at=at)
        orders = lock_orders(order_ids.values())
        # Somebody else may have taken in the same events before we held the orders' locks.
        fresh = _sort_out_repeats(source, fresh, results, refused)
        arriving = _arriving(fresh, order_ids)
        answers = recompute(orders, at=at, arriving=arriving)
        known = {order.id for order in orders if order.ordered_at is not None}
        known |= {order_id for order_id, events in arriving.items() if any(e.type in PRICING for e in events)}
        for index, event in fresh.items():
            order_id = order_ids[index]
            results[index] = _result(event.event_id, order_id in known, answers[order_id])
        _store(source, fresh, order_ids, arriving, results, at=at)
    _repeat_within_batch(incoming, results, refused)
    _keep_refusals(source, raw_events, refused, results, at=at)
    return [result for result in results if result is not None]


def _result(event_id: str, known: bool, answer: Answer | None) -> Result:
    return Result(event_id, "applied" if known else "parked", commission=answer.as_json() if answer else None)


def _sort_out_repeats(
    source: OrderSource,
    incoming: dict[int, IncomingEvent],
    results: list[Result | None],
    refused: list[tuple[int, Refused]],
) -> dict[int, IncomingEvent]:
    """Answer the events that are stored already; returns the first of each id that isn't."""
    if not incoming:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, body_hash, answer::text FROM orders_orderevent"
            " WHERE source_id = %s AND event_id = ANY(%s)",
            [source.pk, sorted({event.event_id for event in incoming.values()})],
        )
        stored = {event_id: (bytes(digest), answer) for event_id, digest, answer in cursor.fetchall()}
    fresh: dict[int, IncomingEvent] = {}
    taken: set[str] = set()
    for index, event in incoming.items():
        if event.event_id in stored:
            digest, answer = stored[event.event_id]
            if digest == event.body_hash:
                first = orjson.loads(answer)
                results[index] = Result(event.event_id, "duplicate", commission=first["commission"])
            else:
                refused.append((index, _conflict()))
        elif event.event_id not in taken:
            taken.add(event.event_id)
            fresh[index] = event
    return fresh


def _conflict() -> Refused:
    return Refused("event_id_conflict", "This event id was used for another event.", "event_id")


def _repeat_within_batch(
    incoming: dict[int, IncomingEvent], results: list[Result | None], refused: list[tuple[int, Refused]]
) -> None:
    """Answer the second and later events of an id that came twice in this very batch."""
    unanswered = [index for index in incoming if results[index] is None]
    done = {index for index, _ in refused}
    first_of: dict[str, int] = {}
    for index, event in incoming.items():
        if results[index] is not None:
            first_of.setdefault(event.event_id, index)
    for index in unanswered:
        if index in done:
            continue
        event = incoming[index]
        # None: the first was refused, because somebody else used its id in the meantime.
        first = first_of.get(event.event_id)
        if first is not None and incoming[first].body_hash == event.body_hash:
            answered = results[first]
            results[index] = Result(
                event.event_id, "duplicate", commission=answered.commission if answered else None
            )
        else:
            refused.append((index, _conflict()))


def _open_orders(
    fresh: dict[int, IncomingEvent], merchants: dict[str, int], *, at: datetime
) -> dict[int, int]:
    """The ids of the events' orders by index; an order that isn't there yet is opened as an empty row."""
    keys = sorted({(merchants[event.merchant], event.order_id) for event in fresh.values()})
    columns: list[Any] = [[merchant_id for merchant_id, _ in keys], [order_id for _, order_id in keys]]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_order (merchant_id, order_id, currency, country, category_id,
                                      attribution_code, flags, first_seen_at)
            SELECT k.merchant_id, k.order_id, '', '', '', '', '{}', %s
              FROM unnest(%s::bigint[], %s::text[]) AS k (merchant_id, order_id)
            ON CONFLICT (merchant_id, order_id) DO NOTHING""",
            [at, *columns],
        )
        cursor.execute(
            "SELECT o.id, o.merchant_id, o.order_id FROM orders_order o"
            " JOIN unnest(%s::bigint[], %s::text[]) AS k (merchant_id, order_id) USING (merchant_id, order_id)",
            columns,
        )
        order_ids = {(merchant_id, order_id): pk for pk, merchant_id, order_id in cursor.fetchall()}
    return {index: order_ids[merchants[event.merchant], event.order_id] for index, event in fresh.items()}


def _arriving(fresh: dict[int, IncomingEvent], order_ids: dict[int, int]) -> dict[int, list[KnownEvent]]:
    """The fresh events by order, with the ids that they will be stored under."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('orders_orderevent', 'id')) FROM generate_series(1, %s)",
            [len(fresh)],
        )
        ids = [row[0] for row in cursor.fetchall()]
    arriving: dict[int, list[KnownEvent]] = defaultdict(list)
    for pk, (index, event) in zip(ids, fresh.items(), strict=True):
        known = KnownEvent(event.event_id, event.type, event.occurred_at, event.facts, pk)
        arriving[order_ids[index]].append(known)
    return arriving


def _store(
    source: OrderSource,
    fresh: dict[int, IncomingEvent],
    order_ids: dict[int, int],
    arriving: dict[int, list[KnownEvent]],
    results: list[Result | None],
    *,
    at: datetime,
) -> None:
    """Keep the events in the inbox, each with the answer that it was given."""
    ids = {known.event_id: known.pk for events in arriving.values() for known in events}
    rows = []
    for index, event in fresh.items():
        result = results[index]
        rows.append(
            {
                "id": ids[event.event_id],
                "event_id": event.event_id,
                "order_id": order_ids[index],
                "type": event.type,
                "occurred_at": event.occurred_at,
                "facts": event.facts,
                "body_hash": event.body_hash.hex(),
                "answer": result and {"status": result.status, "commission": result.commission},
            }
        )
    with connection.cursor() as cursor:
        # One JSON document, not arrays: quoting thousands of JSON texts inside arrays is what would take longest.
        cursor.execute(
            """
            INSERT INTO orders_orderevent (source_id, received_at, id, event_id, order_id, type, occurred_at,
                                           facts, body_hash, answer)
            SELECT %s, %s, id, event_id, order_id, type, occurred_at, facts, decode(body_hash, 'hex'), answer
              FROM json_to_recordset(%s::json) AS n (id bigint, event_id text, order_id bigint, type text,
                   occurred_at timestamptz, facts jsonb, body_hash text, answer jsonb)""",
            [source.pk, at, orjson.dumps(rows).decode()],
        )


def _keep_refusals(
    source: OrderSource,
    raw_events: Sequence[Any],
    refused: list[tuple[int, Refused]],
    results: list[Result | None],
    *,
    at: datetime,
) -> None:
    """Answer the refused events, and keep each refusal for the source's log. Nothing unchecked is stored."""
    rows = []
    for index, refusal in refused:
        raw = raw_events[index]
        event_id, merchant, order_id = (_safe(raw, name) for name in ("event_id", "merchant", "order_id"))
        error = {"code": refusal.code, "message": refusal.message}
        if refusal.field:
            error["field"] = refusal.field
        results[index] = Result(event_id, "rejected", error=error)
        rows.append(
            (event_id, merchant, order_id, refusal.code, refusal.field, refusal.message, _hash_of(raw))
        )
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO orders_rejectedevent (source_id, received_at, event_id, merchant_code, order_number,
                                                  code, field, message, body_hash)
                SELECT %s, %s, n.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                                               %s::text[], %s::bytea[]) AS n""",
                [source.pk, at, *(list(column) for column in zip(*rows, strict=True))],
            )


def _hash_of(raw: Any) -> bytes:
    """The hash of a refused event; that of nothing where it has no canonical form."""
    try:
        return body_hash(raw)
    except Refused:
        return hashlib.sha256(b"").digest()


def _safe(raw: Any, name: str) -> str:
    """A field of an unchecked event, if it is fit to be stored and echoed."""
    value = raw.get(name) if isinstance(raw, dict) else None
    return value if isinstance(value, str) and len(value) <= 100 and value.isprintable() else ""
