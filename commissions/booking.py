"""Writing down what the facts of orders have made of their commissions.

The second half of `commissions.recompute`: what was judged there becomes rows here — the orders' own reading of
their facts, the commissions, their transitions, journals and transfers — in a fixed number of statements.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection

from commissions import ledger
from commissions.life import Booked, Delays, Purse, Verdict, expires_at, plan, verb_of
from commissions.models import SourceKind, State
from orders.attribution import ClickFact
from orders.facts import OrderFacts
from portal.models import User
from portal.money import COMMISSION_CURRENCY


class ChangedMeanwhile(Exception):
    """A commission is not what it was when it was read, though its order is locked: a bug, so nothing is written."""


class LockedOrder(NamedTuple):
    """An order whose row this transaction has locked, as it was before."""

    id: int
    merchant_id: int
    order_id: str
    ordered_at: datetime | None
    currency: str
    country: str
    category_id: str
    paid_amount: int | None
    paid_at: datetime | None
    expires_at: datetime | None
    click_id: int | None
    attribution_code: str
    flags: list[str]


@dataclass(slots=True)
class KnownCommission:
    """A commission as it is booked, or a new one (`pk` None)."""

    pk: int | None
    public_id: uuid.UUID
    affiliate_id: int
    click_pk: int
    booked: Booked
    released_at: datetime | None
    posting_count: int = 0
    before: tuple[Any, ...] = ()
    sheet: dict[str, Any] = field(default_factory=dict)
    ready_at: datetime | None = None
    locked_amount: int | None = None
    holds: frozenset[str] = frozenset()


class Step(NamedTuple):
    """One commission's way from what is booked to what must be."""

    order: LockedOrder
    commission: KnownCommission
    verdict: Verdict
    ordered_at: datetime
    changed: bool


def delays() -> Delays:
    """The programme's waiting times from the settings."""
    return Delays(pre_release=settings.PRE_RELEASE_DELAY, unpaid_expiry=settings.UNPAID_EXPIRY)


def update_orders(
    orders: list[LockedOrder],
    facts: dict[int, OrderFacts],
    attributions: dict[int, tuple[ClickFact | None, str]],
    steps: list[Step],
    *,
    at: datetime,
) -> None:
    """Refresh the orders' own reading of their facts where it changed."""
    waits = delays()
    over_refunded = {
        step.order.id for step in steps if step.verdict.sheet is not None and step.verdict.sheet.over_refunded
    }
    changed = []
    for order in orders:
        known = facts[order.id]
        if known.pricing is None:
            continue
        body = known.pricing.facts
        expiry = expires_at(known, waits)
        click, code = attributions[order.id]
        flags = (["paid_twice"] if known.paid_twice else []) + (
            ["over_refunded"] if order.id in over_refunded else []
        )
        after = order._replace(
            ordered_at=known.ordered_at,
            currency=body["currency"],
            country=body["country"],
            category_id=body["lines"][0]["category_id"] if body["lines"] else "",
            paid_amount=body["amounts"]["paid"],
            paid_at=known.paid_at,
            expires_at=expiry if expiry is not None and expiry > at else None,
            click_id=click.pk if click else None,
            attribution_code=code,
            flags=flags,
        )
        if after != order:
            changed.append(after._asdict())
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE_ORDERS, [orjson.dumps(changed).decode()])


_UPDATE_ORDERS = """
UPDATE orders_order o
   SET ordered_at = n.ordered_at, currency = n.currency, country = n.country, category_id = n.category_id,
       paid_amount = n.paid_amount, paid_at = n.paid_at, expires_at = n.expires_at, click_id = n.click_id,
       attribution_code = n.attribution_code, flags = n.flags
  FROM json_to_recordset(%s::json) AS n (id bigint, ordered_at timestamptz, currency text, country text,
       category_id text, paid_amount bigint, paid_at timestamptz, expires_at timestamptz, click_id bigint,
       attribution_code text, flags text[])
 WHERE o.id = n.id"""


def unlock_affiliates(steps: list[Step], *, at: datetime) -> None:
    """The first promoted order that is really paid ends an affiliate's probation, whatever it earns (ONB-7)."""
    earners = {
        step.commission.affiliate_id
        for step in steps
        if step.verdict.paid_at is not None and "self_purchase" not in step.commission.holds
    }
    if not earners:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE affiliates_affiliate SET unlocked_at = %s WHERE id IN (
                SELECT id FROM affiliates_affiliate
                 WHERE id = ANY(%s) AND unlocked_at IS NULL ORDER BY id FOR NO KEY UPDATE)""",
            [at, sorted(earners)],
        )


def write(steps: list[Step], *, at: datetime, by: User | None, newest_events: Mapping[int, int]) -> None:
    if not steps:
        return
    accounts = ledger.account_ids(
        affiliates={step.commission.affiliate_id for step in steps},
        merchants={step.order.merchant_id for step in steps},
    )
    released = {step.commission.affiliate_id for step in steps if step.commission.booked.released}
    purses = {
        affiliate_id: Purse(available, debt)
        for affiliate_id, (available, debt) in (ledger.purses(released, accounts).items() if released else ())
    }
    new_ids = iter(_new_commission_ids(sum(step.commission.pk is None for step in steps)))
    journals: list[ledger.JournalEntry] = []
    postings: list[ledger.Posting] = []
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    transitions: list[tuple[Any, ...]] = []
    journal_of: list[int | None] = []
    for step in steps:
        order, commission, verdict = step.order, step.commission, step.verdict
        booked = commission.booked
        moves, held = plan(booked, verdict, purses.get(commission.affiliate_id) or Purse(0, 0))
        is_new = commission.pk is None
        if commission.pk is None:
            commission.pk = next(new_ids)
        count = commission.posting_count
        for sequence, move in enumerate(moves, start=count):
            postings.append(
                ledger.Posting(
                    journal=len(journals),
                    kind=move.kind,
                    source_kind=SourceKind.COMMISSION.value,
                    source_id=commission.pk,
                    sequence=sequence,
                    debit_account_id=_account(accounts, move.debit, order, commission),
                    credit_account_id=_account(accounts, move.credit, order, commission),
                    amount=move.amount,
                )
            )
        if moves:
            journal_of.append(len(journals))
            journals.append(ledger.JournalEntry(moves[0].kind, order.id))
        else:
            journal_of.append(None)
        row = _commission_row(step, held=held, count=count + len(moves), at=at)
        (inserts if is_new else updates).append(row)
        # A sheet may change without a step in the commission's life; and waiting for payment is none (LIFE-10).
        quiet = (verdict.state, verdict.amount, verdict.reason) == commission.before[:3]
        if quiet or (is_new and verdict.state == State.AWAITING_PAYMENT):
            journal_of.pop()
            continue
        transitions.append(
            (
                commission.pk,
                verb_of(booked, verdict),
                booked.state,
                verdict.state,
                booked.amount,
                verdict.amount,
                verdict.reason,
                newest_events.get(order.id),
            )
        )
    _insert_commissions(inserts, at=at)
    _update_commissions(updates, at=at)
    journal_ids = ledger.post(journals, postings, at=at, by=by)
    _insert_transitions(
        [
            (*row, None if index is None else journal_ids[index])
            for row, index in zip(transitions, journal_of, strict=True)
        ],
        at=at,
        by=by,
    )


def _account(
    accounts: dict[tuple[str, int], int], kind: str, order: LockedOrder, commission: KnownCommission
) -> int:
    owner = order.merchant_id if kind.startswith("merchant.") else commission.affiliate_id
    return accounts[kind, owner]


def _new_commission_ids(count: int) -> list[int]:
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('commissions_commission', 'id'))"
            " FROM generate_series(1, %s)",
            [count],
        )
        return [row[0] for row in cursor.fetchall()]


_ROW = {
    "id": "bigint",
    "public_id": "uuid",
    "order_id": "bigint",
    "affiliate_id": "bigint",
    "merchant_id": "bigint",
    "click_id": "bigint",
    "currency": "text",
    "state": "text",
    "reason": "text",
    "mode": "text",
    "amount": "bigint",
    "held_amount": "bigint",
    "priced_amount": "bigint",
    "forgone_amount": "bigint",
    "locked_amount": "bigint",
    "sheet": "jsonb",
    "ordered_at": "timestamptz",
    "paid_at": "timestamptz",
    "release_due_at": "timestamptz",
    "ready_at": "timestamptz",
    "posting_count": "int",
}
# What the row must still be when it is written: a second guard behind the order's lock.
_GUARDS = {"state_before": "text", "posting_count_before": "int"}
_NAMES = ", ".join(_ROW)
_COLUMNS = ", ".join(f"{name} {type_}" for name, type_ in (_ROW | _GUARDS).items())
_RECORDS = f"json_to_recordset(%s::json) AS n ({_COLUMNS})"
_FIXED = {"id", "public_id", "order_id", "affiliate_id", "merchant_id", "currency"}
_ASSIGNMENTS = ", ".join(f"{name} = n.{name}" for name in _ROW if name not in _FIXED)


def _commission_row(step: Step, *, held: int, count: int, at: datetime) -> dict[str, Any]:
    order, commission, verdict = step.order, step.commission, step.verdict
    sheet = verdict.sheet
    ready_at = commission.ready_at if commission.booked.released else None
    if verdict.state == State.CONFIRMED and verdict.release_due_at is not None:
        waiting = commission.booked.state == State.CONFIRMED
        unchanged = waiting and commission.before[5] == verdict.release_due_at
        ready_at = commission.ready_at if unchanged else max(verdict.release_due_at, at)
    locked_amount = commission.locked_amount
    if locked_amount is None and verdict.state == State.LOCKED:
        locked_amount = verdict.amount
    return {
        "id": commission.pk,
        "public_id": commission.public_id,
        "order_id": order.id,
        "affiliate_id": commission.affiliate_id,
        "merchant_id": order.merchant_id,
        "click_id": commission.click_pk,
        "currency": COMMISSION_CURRENCY,
        "state": verdict.state,
        "reason": verdict.reason,
        "mode": verdict.mode,
        "amount": verdict.amount,
        "held_amount": held,
        "priced_amount": sheet.priced if sheet else 0,
        "forgone_amount": sheet.forgone if sheet else 0,
        "locked_amount": locked_amount,
        "sheet": commission.sheet,
        "ordered_at": step.ordered_at,
        "paid_at": verdict.paid_at,
        "release_due_at": verdict.release_due_at,
        "ready_at": ready_at,
        "posting_count": count,
        "state_before": commission.booked.state,
        "posting_count_before": commission.posting_count,
    }


def _insert_commissions(rows: list[dict[str, Any]], *, at: datetime) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO commissions_commission ({_NAMES}, created_at, updated_at)"
                f" SELECT {_NAMES}, %s, %s FROM {_RECORDS}",
                [at, at, orjson.dumps(rows).decode()],
            )


def _update_commissions(rows: list[dict[str, Any]], *, at: datetime) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE commissions_commission c SET {_ASSIGNMENTS}, updated_at = %s FROM {_RECORDS}"
                " WHERE c.id = n.id AND c.state = n.state_before AND c.posting_count = n.posting_count_before",
                [at, orjson.dumps(rows).decode()],
            )
            if cursor.rowcount != len(rows):
                raise ChangedMeanwhile("a commission changed under its order's lock")


def _insert_transitions(rows: list[tuple[Any, ...]], *, at: datetime, by: User | None) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO commissions_transition (at, by_id, commission_id, verb, state_before, state_after,
                    amount_before, amount_after, reason, event_id, journal_id)
                SELECT %s, %s, n.* FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[],
                    %s::bigint[], %s::text[], %s::bigint[], %s::bigint[]) AS n""",
                [at, by.pk if by else None, *(list(column) for column in zip(*rows, strict=True))],
            )
