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
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection

from affiliates.models import minimum_unit_at
from commissions import terms
from commissions.booking import (
    KnownCommission,
    LockedOrder,
    Step,
    delays,
    unlock_affiliates,
    update_orders,
    write,
)
from commissions.life import (
    NOTHING_BOOKED,
    Booked,
    Verdict,
    judge,
    reattributed,
)
from commissions.models import Hold
from orders.attribution import ClickFact, attribute, window_at
from orders.facts import KnownEvent, OrderFacts, read_order
from portal.models import User


class Answer(NamedTuple):
    """What an order's commission is now: what senders of events are told."""

    id: str
    state: str
    amount: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


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
    update_orders(orders, facts, attributions, steps, at=at)
    unlock_affiliates(steps, at=at)
    newest_events = {
        order_id: max(event.pk for event in events) for order_id, events in (arriving or {}).items()
    }
    write([step for step in steps if step.changed], at=at, by=by, newest_events=newest_events)
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


def _lock_commissions(order_ids: list[int]) -> dict[int, dict[int, KnownCommission]]:
    """The orders' commissions, locked, by order and affiliate."""
    result: dict[int, dict[int, KnownCommission]] = defaultdict(dict)
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
        result[order_id][affiliate_id] = KnownCommission(
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
    commissions: dict[int, dict[int, KnownCommission]],
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
    commissions: dict[int, dict[int, KnownCommission]],
    attributions: dict[int, tuple[ClickFact | None, str]],
    *,
    at: datetime,
) -> list[Step]:
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
        commission = commissions[order.id].get(click.affiliate_id) or KnownCommission(
            pk=None,
            public_id=uuid.uuid4(),
            affiliate_id=click.affiliate_id,
            click_pk=click.pk,
            booked=NOTHING_BOOKED,
            released_at=None,
        )
        moved = commission.click_pk != click.pk
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
        step = _step(order, commission, verdict, known.ordered_at)
        # Another click of the same affiliate is news even where nothing else is.
        steps.append(step._replace(changed=step.changed or moved))
    return steps


def _step(order: LockedOrder, commission: KnownCommission, verdict: Verdict, ordered_at: datetime) -> Step:
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
    return Step(order, commission, verdict, ordered_at, changed)
