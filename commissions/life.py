"""The life of a commission: its state as a function of the order's facts, and the postings that follow (LIFE-11).

Pure: no database, no clock, no settings. `judge` says what a commission must be, `plan` which transfers take
the books from what they carry to that. Because both start from the whole set of facts, the order in which the
facts arrived can't matter (LIFE-7).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from commissions.models import AccountKind, JournalKind, Mode, State, Transition
from commissions.pricing import (
    CalculationSheet,
    Line,
    OrderAmounts,
    Reductions,
    Refund,
    Subsidy,
    Terms,
    price_order,
)
from orders.facts import OrderFacts

# When several reasons hold a commission, the first of these is the one that is shown.
HOLD_PRECEDENCE = ("dispute_open", "self_purchase", "risk_hold", "affiliate_suspended", "merchant_limit")


class Delays(NamedTuple):
    """The two waiting times of the programme: from payment to release, and for an unpaid order."""

    pre_release: timedelta
    unpaid_expiry: timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a commission must be now."""

    state: str
    reason: str
    amount: int
    mode: str
    paid_at: datetime | None
    release_due_at: datetime | None
    # None when the order is no longer this affiliate's: nothing is priced for it then.
    sheet: CalculationSheet | None

    @property
    def reduced(self) -> bool:
        """Whether refunds or compensations have a part in the amount."""
        return self.sheet is not None and self.sheet.reduced


def amounts_of(facts: dict[str, Any]) -> OrderAmounts:
    """The amounts of an awaiting or paid event as the calculator takes them."""
    amounts, freight = facts["amounts"], facts["amounts"]["freight"]
    return OrderAmounts(
        currency=facts["currency"],
        paid=amounts["paid"],
        platform_fee=amounts["platform_fee"],
        cashback=amounts["cashback"],
        subsidies=tuple(
            Subsidy(entry["name"], entry["amount"], entry["commissionable"]) for entry in amounts["subsidies"]
        ),
        freight_line=freight["line"],
        freight_base=freight["base"],
        freight_actual=freight["actual"],
        lines=tuple(
            Line(entry["line_id"], entry["product_id"], entry["category_id"], entry["paid"])
            for entry in facts["lines"]
        ),
    )


def reductions_of(order: OrderFacts) -> Reductions:
    """The order's refunds and compensations; a cancellation after payment is a full refund (LIFE-4, PRICE-7)."""
    return Reductions(
        refunds=tuple(
            Refund(
                refund_id=refund["refund_id"],
                amount=refund["amount"],
                full=refund["full"],
                basis=refund["basis"],
                dispute_id=refund["dispute_id"],
                lines=tuple((line["line_id"], line["amount"]) for line in refund["lines"]),
            )
            for refund in order.refunds
        ),
        compensations=tuple(order.compensations.items()),
        cancelled=order.cancelled and order.paid_at is not None,
    )


def expires_at(order: OrderFacts, delays: Delays) -> datetime | None:
    """When an unpaid order expires: a day by default after the latest awaiting event (LIFE-4)."""
    if order.awaiting_at is None or order.paid_at is not None or order.cancelled:
        return None
    return order.awaiting_at + delays.unpaid_expiry


def judge(
    order: OrderFacts,
    *,
    terms: Terms | None,
    affiliate_id: int,
    minimum_unit: int,
    holds: frozenset[str],
    forfeited: bool,
    released_at: datetime | None,
    delays: Delays,
    at: datetime,
) -> Verdict:
    """What the commission of an attributed order must be at `at`; the first match wins (LIFE-11).

    `holds` are the open hold reasons of our own; open disputes are read from the order's facts.

    Source: SPEC LIFE-1, 2, 4, 5, 10, 11, PRICE-7.
    """
    if order.pricing is None or order.ordered_at is None:
        raise ValueError("an order of which only parked facts are known has no verdict")
    sheet = price_order(
        amounts_of(order.pricing.facts),
        terms=terms,
        affiliate_id=affiliate_id,
        country=order.pricing.facts["country"],
        ordered_at=order.ordered_at,
        minimum_unit=minimum_unit,
        reductions=reductions_of(order),
    )
    mode = terms.mode if terms else Mode.PRE_PAYMENT.value
    due_at = None
    if order.paid_at is not None:
        if mode == Mode.PRE_PAYMENT:
            due_at = order.paid_at + delays.pre_release
        elif order.completed_at is not None and terms is not None:
            due_at = order.completed_at + timedelta(days=terms.completion_days)

    def verdict(state: State, reason: str, amount: int) -> Verdict:
        return Verdict(state.value, reason, amount, mode, order.paid_at, due_at, sheet)

    if order.paid_at is None:
        expiry = expires_at(order, delays)
        if order.cancelled:
            return verdict(State.VOID, "order_cancelled", 0)
        if expiry is not None and at >= expiry:
            return verdict(State.VOID, "unpaid_expired", 0)
        if mode == Mode.TRADITIONAL:
            return verdict(State.AWAITING_PAYMENT, sheet.reason, 0)
        return verdict(State.LOCKED, sheet.reason or _reduced(sheet), sheet.amount)
    if sheet.priced == 0:
        return verdict(State.VOID, sheet.reason, 0)
    if sheet.amount == 0:
        return verdict(State.CLAWED_BACK, "order_cancelled" if order.cancelled else "refunded", 0)
    if forfeited:
        reason = min(holds, key=HOLD_PRECEDENCE.index) if holds else "affiliate_suspended"
        return verdict(State.CLAWED_BACK, reason, 0)
    reasons = holds | {"dispute_open"} if order.open_disputes else holds
    if reasons:
        return verdict(State.HELD, min(reasons, key=HOLD_PRECEDENCE.index), sheet.amount)
    if released_at is not None:
        return verdict(State.RELEASED, _reduced(sheet), sheet.amount)
    return verdict(State.CONFIRMED, _reduced(sheet), sheet.amount)


def reattributed(reason: str) -> Verdict:
    """What becomes of a commission whose order turns out not to be its affiliate's: nothing (LIFE-8)."""
    return Verdict(State.VOID.value, reason, 0, Mode.PRE_PAYMENT.value, None, None, None)


def _reduced(sheet: CalculationSheet) -> str:
    return "refunded" if sheet.amount < sheet.priced else ""


# --- from what is booked to what must be ----------------------------------------------------------------------


class Booked(NamedTuple):
    """What the books carry for a commission before a step."""

    state: str
    amount: int
    held: int
    released: bool


@dataclass(slots=True)
class Purse:
    """An affiliate's available and debt balances, in cents, running through a batch of steps."""

    available: int
    debt: int


class Move(NamedTuple):
    """One transfer to be posted: its kind, the two accounts, cents."""

    kind: str
    debit: str
    credit: str
    amount: int


COMMITTED = AccountKind.MERCHANT_COMMITTED.value
RECEIVABLE = AccountKind.MERCHANT_RECEIVABLE.value
PENDING = AccountKind.AFFILIATE_PENDING.value
HELD = AccountKind.AFFILIATE_HELD.value
AVAILABLE = AccountKind.AFFILIATE_AVAILABLE.value
DEBT = AccountKind.AFFILIATE_DEBT.value

NOTHING_BOOKED = Booked(state="", amount=0, held=0, released=False)


def plan(booked: Booked, target: Verdict, purse: Purse) -> tuple[list[Move], int]:
    """The transfers that take a commission from `booked` to `target`, and what is then held of it, in cents.

    `purse` is the affiliate's and is changed. Before its release a commission is in pending or held, against
    merchant.committed; after it, in available or held, against merchant.receivable. A decrease takes the
    commission's own pending or held first, then available, then debt (LIFE-6). Zero posts nothing.

    Source: SPEC LEDGER-5, LIFE-5, LIFE-6, LIFE-11.
    """
    moves: list[Move] = []

    def move(kind: JournalKind, debit: str, credit: str, amount: int) -> None:
        if amount:
            moves.append(Move(kind.value, debit, credit, amount))

    held = booked.held
    increase = target.amount - booked.amount
    if target.state == State.VOID:
        down = JournalKind.VOID
    elif target.reduced or target.state == State.CLAWED_BACK:
        down = JournalKind.CLAW_BACK
    else:
        down = JournalKind.ADJUST
    up = JournalKind.ADJUST if booked.amount else JournalKind.LOCK

    if not booked.released:
        pending = booked.amount - held
        if increase > 0:
            move(up, COMMITTED, PENDING, increase)
            pending += increase
        elif increase < 0:
            from_held = min(held, -increase)
            move(down, HELD, COMMITTED, from_held)
            move(down, PENDING, COMMITTED, -increase - from_held)
            held -= from_held
            pending -= -increase - from_held
        if target.state == State.HELD:
            move(JournalKind.HOLD, PENDING, HELD, pending)
            return moves, held + pending
        move(JournalKind.RESUME, HELD, PENDING, held)
        return moves, 0

    if increase > 0:
        move(JournalKind.ADJUST, RECEIVABLE, AVAILABLE, increase)
        purse.available += increase
    elif increase < 0:
        from_held = min(held, -increase)
        from_available = min(purse.available, -increase - from_held)
        into_debt = -increase - from_held - from_available
        move(down, HELD, RECEIVABLE, from_held)
        move(down, AVAILABLE, RECEIVABLE, from_available)
        move(down, DEBT, RECEIVABLE, into_debt)
        held -= from_held
        purse.available -= from_available
        purse.debt += into_debt
    if target.state == State.HELD:
        more = min(target.amount - held, purse.available)
        move(JournalKind.HOLD, AVAILABLE, HELD, more)
        purse.available -= more
        held += more
    else:
        move(JournalKind.RESUME, HELD, AVAILABLE, held)
        purse.available += held
        held = 0
    # Debt is recovered first from whatever has just become available (LIFE-6).
    recovered = min(purse.available, purse.debt)
    move(JournalKind.RECOVER, AVAILABLE, DEBT, recovered)
    purse.available -= recovered
    purse.debt -= recovered
    return moves, held


def verb_of(booked: Booked, target: Verdict) -> str:
    """The name of the step from `booked` to `target`, from the closed list of verbs."""
    state = State(target.state)
    if state == booked.state:
        if target.amount < booked.amount and target.reduced:
            return Transition.Verb.CLAW_BACK.value
        return Transition.Verb.ADJUST.value
    if booked.state == State.HELD and state in (State.CONFIRMED, State.RELEASED):
        return Transition.Verb.RESUME.value
    return {
        State.AWAITING_PAYMENT: Transition.Verb.ADJUST,
        State.LOCKED: Transition.Verb.LOCK,
        State.CONFIRMED: Transition.Verb.CONFIRM,
        State.HELD: Transition.Verb.HOLD,
        State.RELEASED: Transition.Verb.ADJUST,
        State.VOID: Transition.Verb.VOID,
        State.CLAWED_BACK: Transition.Verb.CLAW_BACK,
    }[state].value
