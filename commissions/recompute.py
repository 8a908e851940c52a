"""Bringing commissions in line with the facts of their orders, many orders at a time (LIFE-11).

Everything that changes what a commission must be — an event taken in, an expiry, a hold placed or lifted —
ends here: the orders' rows are locked, all their facts are read, `life.judge` says what must be, `life.plan`
says which transfers are missing, and both are written set-based in a fixed number of statements, whatever the
number of orders.

Locks, always in this order: orders by id, commissions by id, affiliates by id, accounts by id.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection

from affiliates.models import minimum_unit_at
from commissions import ledger, terms
from commissions.life import (
    NOTHING_BOOKED,
    Booked,
    Delays,
    Purse,
    Verdict,
    expires_at,
    judge,
    plan,
    reattributed,
    verb_of,
)
from commissions.models import Hold, SourceKind, State
from orders.attribution import ClickFact, attribute, window_at
from orders.facts import KnownEvent, OrderFacts, read_order
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


class Answer(NamedTuple):
    """What an order's commission is now: what senders of events are told."""

    id: str
    state: str
    amount: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


@dataclass(slots=True)
class _Commission:
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


class _Step(NamedTuple):
    """One commission's way from what is booked to what must be."""

    order: LockedOrder
    commission: _Commission
    verdict: Verdict
    ordered_at: datetime
    changed: bool


def delays() -> Delays:
    """The programme's waiting times from the settings."""
    return Delays(pre_release=settings.PRE_RELEASE_DELAY, unpaid_expiry=settings.UNPAID_EXPIRY)


_ORDER_COLUMNS = ", ".join(LockedOrder._fields)


def lock_orders(ids: Iterable[int]) -> list[LockedOrder]:
    """Lock these orders' rows in the order of their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_ORDER_COLUMNS} FROM orders_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [sorted(set(ids))],
        )
        return [LockedOrder(*row) for row in cursor.fetchall()]


def recompute(
    orders: list[LockedOrder],
    *,
    at: datetime,
    by: User | None = None,
    arriving: Mapping[int, list[KnownEvent]] | None = None,
) -> dict[int, Answer | None]:
    """Bring the commissions of locked orders in line with their facts; returns each order's answer by order id.

    None: nothing but parked facts is known of the order, or no affiliate has earned it.
    `arriving` are events by order that the caller stores in this same transaction.

    Must run inside a transaction that holds the orders' row locks. Locks their commissions, the affiliates it
    unlocks and all accounts it posts to. Posts the difference to what is booked, nothing when there is none.

    Source: SPEC LIFE-1…11, PRICE-7, ONB-7.
    """
    if not orders:
        return {}
    facts = _read_facts([order.id for order in orders], arriving or {})
    commissions = _lock_commissions([order.id for order in orders])
    attributions = _attribute(orders, facts, commissions)
    steps = _judge_all(orders, facts, commissions, attributions, at=at)
    _update_orders(orders, facts, attributions, steps, at=at)
    _unlock_affiliates(steps, at=at)
    newest_events = {
        order_id: max(event.pk for event in events) for order_id, events in (arriving or {}).items()
    }
    _write([step for step in steps if step.changed], at=at, by=by, newest_events=newest_events)
    answers: dict[int, Answer | None] = {order.id: None for order in orders}
    for step in steps:
        winner = attributions[step.order.id][0]
        if winner and winner.affiliate_id == step.commission.affiliate_id:
            answers[step.order.id] = Answer(
                str(step.commission.public_id), step.verdict.state, step.verdict.amount, step.verdict.reason
            )
    return answers


# --- reading --------------------------------------------------------------------------------------------------


def _read_facts(order_ids: list[int], arriving: Mapping[int, list[KnownEvent]]) -> dict[int, OrderFacts]:
    events: dict[int, list[KnownEvent]] = defaultdict(list)
    for order_id, fresh in arriving.items():
        events[order_id].extend(fresh)
    with connection.cursor() as cursor:
        # Text, not jsonb: one fast parser for all of them.
        cursor.execute(
            "SELECT order_id, event_id, type, occurred_at, facts::text FROM orders_orderevent"
            " WHERE order_id = ANY(%s)",
            [order_ids],
        )
        for order_id, event_id, type_, occurred_at, body in cursor.fetchall():
            events[order_id].append(KnownEvent(event_id, type_, occurred_at, orjson.loads(body)))
    return {order_id: read_order(events[order_id]) for order_id in order_ids}


def _lock_commissions(order_ids: list[int]) -> dict[int, dict[int, _Commission]]:
    """The orders' commissions, locked, by order and affiliate."""
    result: dict[int, dict[int, _Commission]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT order_id, id, public_id, affiliate_id, click_id, state, amount, held_amount, released_at,
                   posting_count, reason, mode, paid_at, release_due_at, sheet::text, ready_at, locked_amount
              FROM commissions_commission WHERE order_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE""",
            [order_ids],
        )
        rows = cursor.fetchall()
    for (
        order_id,
        pk,
        public_id,
        affiliate_id,
        click_pk,
        state,
        amount,
        held,
        released_at,
        count,
        *rest,
    ) in rows:
        *before, sheet, ready_at, locked_amount = rest
        result[order_id][affiliate_id] = _Commission(
            pk=pk,
            public_id=public_id,
            affiliate_id=affiliate_id,
            click_pk=click_pk,
            booked=Booked(state, amount, held, released_at is not None),
            released_at=released_at,
            posting_count=count,
            before=(state, amount, *before),
            sheet=orjson.loads(sheet),
            ready_at=ready_at,
            locked_amount=locked_amount,
        )
    return result


def _attribute(
    orders: list[LockedOrder],
    facts: dict[int, OrderFacts],
    commissions: dict[int, dict[int, _Commission]],
) -> dict[int, tuple[ClickFact | None, str]]:
    """Each order's click, or why it has none. Frozen once a commission of the order is released (LIFE-8)."""
    carried = {click_id for order in facts.values() for click_id in order.click_ids}
    frozen = [
        commission.click_pk
        for order in orders
        for commission in commissions[order.id].values()
        if commission.booked.released
    ]
    by_click_id: dict[str, ClickFact] = {}
    by_pk: dict[int, ClickFact] = {}
    windows: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        if carried or frozen:
            cursor.execute(
                """
                SELECT id, click_id, affiliate_id, merchant_id, clicked_at, invalid_reason
                  FROM orders_click WHERE click_id = ANY(%s) OR id = ANY(%s)""",
                [sorted(carried), frozen],
            )
            for row in cursor.fetchall():
                click = ClickFact(*row)
                by_click_id[click.click_id] = by_pk[click.pk] = click
        if by_click_id:
            cursor.execute(
                "SELECT merchant_id, effective_at, days FROM orders_attributionwindow"
                " WHERE merchant_id = ANY(%s)",
                [sorted({order.merchant_id for order in orders})],
            )
            for merchant_id, effective_at, days in cursor.fetchall():
                windows[merchant_id].append((effective_at, days))

    result: dict[int, tuple[ClickFact | None, str]] = {}
    for order in orders:
        known = facts[order.id]
        released = next((c for c in commissions[order.id].values() if c.booked.released), None)
        if released is not None:
            result[order.id] = (by_pk[released.click_pk], "")
        elif known.ordered_at is None:
            result[order.id] = (None, "")
        else:
            result[order.id] = attribute(
                [by_click_id[click_id] for click_id in known.click_ids if click_id in by_click_id],
                merchant_id=order.merchant_id,
                ordered_at=known.ordered_at,
                window_days=window_at(windows[order.merchant_id], known.ordered_at),
            )
    return result


def _minimum_units(affiliate_ids: set[int]) -> dict[int, list[tuple[datetime, int]]]:
    choices: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT affiliate_id, effective_at, minimum_unit FROM affiliates_commissionpreference"
            " WHERE affiliate_id = ANY(%s)",
            [sorted(affiliate_ids)],
        )
        for affiliate_id, effective_at, minimum_unit in cursor.fetchall():
            choices[affiliate_id].append((effective_at, minimum_unit))
    return choices


def _open_holds(commission_ids: list[int]) -> tuple[dict[int, set[str]], set[int]]:
    """The open holds of these commissions by id, and those that are forfeited.

    Of a forfeited one only the reasons that it was forfeited for: they are what its end is explained by.
    """
    reasons: dict[int, set[str]] = defaultdict(set)
    forfeited: dict[int, set[str]] = defaultdict(set)
    if commission_ids:
        rows = Hold.objects.filter(commission_id__in=commission_ids, lifted_at__isnull=True).values_list(
            "commission_id", "reason", "forfeited_at"
        )
        for commission_id, reason, forfeited_at in rows:
            reasons[commission_id].add(reason)
            if forfeited_at is not None:
                forfeited[commission_id].add(reason)
    return {**reasons, **forfeited}, set(forfeited)


# --- judging --------------------------------------------------------------------------------------------------


def _judge_all(
    orders: list[LockedOrder],
    facts: dict[int, OrderFacts],
    commissions: dict[int, dict[int, _Commission]],
    attributions: dict[int, tuple[ClickFact | None, str]],
    *,
    at: datetime,
) -> list[_Step]:
    winners = {order.id: attributions[order.id][0] for order in orders}
    in_force = terms.in_force(
        (order.merchant_id, ordered_at)
        for order in orders
        if winners[order.id] and (ordered_at := facts[order.id].ordered_at)
    )
    minimum_units = _minimum_units({click.affiliate_id for click in winners.values() if click})
    reasons, forfeited = _open_holds(
        [c.pk for of_order in commissions.values() for c in of_order.values() if c.pk is not None]
    )
    waits = delays()
    steps = []
    for order in orders:
        known, click = facts[order.id], winners[order.id]
        if known.ordered_at is None:
            continue
        for commission in commissions[order.id].values():
            if click is None or click.affiliate_id != commission.affiliate_id:
                verdict = reattributed(attributions[order.id][1] or "evidence_conflict")
                steps.append(_step(order, commission, verdict, known.ordered_at))
        if click is None:
            continue
        commission = commissions[order.id].get(click.affiliate_id) or _Commission(
            pk=None,
            public_id=uuid.uuid4(),
            affiliate_id=click.affiliate_id,
            click_pk=click.pk,
            booked=NOTHING_BOOKED,
            released_at=None,
        )
        commission.click_pk = click.pk
        if commission.pk in reasons:
            commission.holds = frozenset(reasons[commission.pk])
        verdict = judge(
            known,
            terms=in_force[order.merchant_id, known.ordered_at],
            affiliate_id=click.affiliate_id,
            minimum_unit=minimum_unit_at(minimum_units[click.affiliate_id], known.ordered_at),
            holds=commission.holds,
            forfeited=commission.pk in forfeited,
            released_at=commission.released_at,
            delays=waits,
            at=at,
        )
        steps.append(_step(order, commission, verdict, known.ordered_at))
    return steps


def _step(order: LockedOrder, commission: _Commission, verdict: Verdict, ordered_at: datetime) -> _Step:
    after = (
        verdict.state,
        verdict.amount,
        verdict.reason,
        verdict.mode,
        verdict.paid_at,
        verdict.release_due_at,
    )
    changed = commission.before != after
    if verdict.sheet is not None and verdict.sheet.body != commission.sheet:
        commission.sheet = verdict.sheet.body
        changed = True
    # A reattributed commission keeps what it last showed; only its end is news.
    if verdict.sheet is None and commission.before[:3] == after[:3]:
        changed = False
    return _Step(order, commission, verdict, ordered_at, changed)


# --- writing --------------------------------------------------------------------------------------------------


def _update_orders(
    orders: list[LockedOrder],
    facts: dict[int, OrderFacts],
    attributions: dict[int, tuple[ClickFact | None, str]],
    steps: list[_Step],
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


def _unlock_affiliates(steps: list[_Step], *, at: datetime) -> None:
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


def _write(steps: list[_Step], *, at: datetime, by: User | None, newest_events: Mapping[int, int]) -> None:
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
    accounts: dict[tuple[str, int], int], kind: str, order: LockedOrder, commission: _Commission
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


def _commission_row(step: _Step, *, held: int, count: int, at: datetime) -> dict[str, Any]:
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
