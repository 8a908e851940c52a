"""The end of a simulation: what the API answered against what the books say.

After its last answer a commission may only go where the timer takes it: an unpaid one may expire, a confirmed
one may be released. Everything else that differs is a difference, and so are a lost event, a ledger position
that isn't the commission's amount, and any finding of `check_books`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from commissions.books import check_books
from commissions.models import State
from commissions.simulator import Tally, Told
from orders.models import OrderEvent
from portal.money import COMMISSION_CURRENCY, Money

Key = TypeVar("Key")

CHUNK = 5000
SHOWN = 20
LEDGER_KINDS = ("merchant.committed", "merchant.receivable")

# The commissions of some orders, and what the merchant's accounts carry for each of them.
_BOOKED = """
WITH wanted AS (
    SELECT m.code, o.order_id, o.id
      FROM unnest(%(codes)s::text[], %(orders)s::text[]) AS w (code, order_id)
      JOIN orders_merchant m ON m.code = w.code
      JOIN orders_order o ON o.merchant_id = m.id AND o.order_id = w.order_id
), found AS (
    SELECT w.code, w.order_id, c.id, c.public_id::text, c.state, c.amount, c.reason
      FROM wanted w LEFT JOIN commissions_commission c ON c.order_id = w.id
), position AS (
    SELECT t.source_id, sum(CASE WHEN d.kind = ANY(%(kinds)s) THEN t.amount ELSE 0 END)
                        - sum(CASE WHEN k.kind = ANY(%(kinds)s) THEN t.amount ELSE 0 END) AS amount
      FROM commissions_transfer t
      JOIN commissions_account d ON d.id = t.debit_account_id
      JOIN commissions_account k ON k.id = t.credit_account_id
     WHERE t.source_kind = 'commission' AND t.source_id IN (SELECT id FROM found)
     GROUP BY t.source_id
)
SELECT f.code, f.order_id, f.public_id, f.state, f.amount, f.reason, coalesce(p.amount, 0)
  FROM found f LEFT JOIN position p ON p.source_id = f.id"""

_UNSETTLED = """
SELECT EXISTS (SELECT 1 FROM commissions_commission WHERE state = 'confirmed' AND release_due_at <= %(at)s)
    OR EXISTS (SELECT 1 FROM orders_order WHERE expires_at <= %(at)s)"""


class Booked(NamedTuple):
    """A commission in the database, and the cents that the ledger carries for it."""

    id: str
    state: str
    amount: int
    reason: str
    ledger: int


@dataclass(slots=True)
class Report:
    """The outcome of a run. No difference: what was answered is what is booked."""

    tally: Tally
    seconds: float
    differences: list[str] = field(default_factory=list)
    # By state: how many commissions, and cents.
    states: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)
    answered_amount: int = 0
    ledger_amount: int = 0
    moved_on: Counter[str] = field(default_factory=Counter)
    stored_events: int = 0

    def lines(self) -> Iterator[str]:
        """The report as text."""
        tally, events = self.tally, sum(self.tally.statuses.values())
        rate = f", {events / self.seconds:,.0f} events/s" if self.seconds else ""
        yield f"{tally.placed:,} orders, {events:,} events in {self.seconds:.1f} s{rate}"
        yield f"requests: {tally.requests:,}, of these retried: {tally.retries:,}"
        yield "answers: " + ", ".join(
            f"{status} {tally.statuses[status]:,}"
            for status in ("applied", "parked", "duplicate", "rejected")
        )
        if tally.unanswered:
            yield f"unanswered when stopped, their orders left out: {tally.unanswered:,} events"
        yield f"events stored: {self.stored_events:,} of {len(tally.event_ids):,}"
        for state in State.values:
            if self.states[state]:
                yield f"  {state:17} {self.states[state]:7,}  {_dollars(self.amounts[state]):>14}"
        for step, number in sorted(self.moved_on.items()):
            yield f"  since the last answer: {step} {number:,}"
        yield f"answered {_dollars(self.answered_amount)}, ledger {_dollars(self.ledger_amount)}"
        for difference in self.differences[:SHOWN]:
            yield f"DIFFERENCE {difference}"
        if len(self.differences) > SHOWN:
            yield f"… and {len(self.differences) - SHOWN:,} more"
        yield f"{len(self.differences):,} differences" if self.differences else "The answers match the books."


def settle(*, seconds: float) -> bool:
    """Wait until the timer has nothing left that is due, at most so long; whether it got there.

    The database may have been restarted since it was last asked: a broken connection is made anew.
    """
    until = time.monotonic() + seconds
    while True:
        settled = False
        try:
            with connection.cursor() as cursor:
                cursor.execute(_UNSETTLED, {"at": timezone.now()})
                settled = not cursor.fetchone()[0]
        except (OperationalError, InterfaceError):
            if time.monotonic() >= until:
                raise
            connection.close()
        if settled or time.monotonic() >= until:
            return settled
        time.sleep(0.2)


def compare(tally: Tally, *, source: str, seconds: float) -> Report:
    """Compare what the API answered with the database. Reads only."""
    report = Report(tally, seconds, differences=list(tally.surprises))
    for keys in _chunks(list(tally.orders)):
        booked = _read(keys)
        for key in keys:
            _compare_order(report, key, tally.orders[key], booked.get(key))
    for ids in _chunks(list(tally.event_ids)):
        report.stored_events += OrderEvent.objects.filter(source__code=source, event_id__in=ids).count()
    if report.stored_events != len(tally.event_ids):
        report.differences.append(
            f"{len(tally.event_ids) - report.stored_events} answered events are not stored"
        )
    if report.answered_amount != report.ledger_amount:
        report.differences.append(
            f"answered {_dollars(report.answered_amount)}, but the ledger has {_dollars(report.ledger_amount)}"
        )
    report.differences.extend(str(finding) for finding in check_books(at=timezone.now()))
    return report


def _compare_order(
    report: Report, key: tuple[str, str], told: Told | None, booked: list[Booked] | None
) -> None:
    name = f"order {key[1]} at {key[0]}"
    if booked is None:
        report.differences.append(f"{name}: answered, but not in the database")
        return
    for commission in booked:
        report.states[commission.state] += 1
        report.amounts[commission.state] += commission.amount
        report.ledger_amount += commission.ledger
        if commission.amount != commission.ledger:
            report.differences.append(
                f"{name}: carries {commission.amount} cents, its transfers make {commission.ledger}"
            )
    if told is None:
        if any(commission.amount for commission in booked):
            report.differences.append(f"{name}: no commission was answered, but one is booked")
        return
    mine = next((commission for commission in booked if commission.id == told.id), None)
    if mine is None:
        report.differences.append(f"{name}: the commission answered is not in the database")
        return
    expired = _may_expire(told) and (mine.state, mine.reason) == (State.VOID, "unpaid_expired")
    report.answered_amount += 0 if expired else told.amount
    if mine.state != told.state and (expired or _may_follow(told, mine.state)):
        report.moved_on[f"{told.state} → {mine.state}"] += 1
    elif mine.state != told.state:
        report.differences.append(f"{name}: answered {told.state}, but is {mine.state}")
    if mine.amount != (0 if expired else told.amount):
        report.differences.append(f"{name}: answered {told.amount} cents, but is {mine.amount}")


def _may_expire(told: Told) -> bool:
    return told.state in (State.LOCKED, State.AWAITING_PAYMENT)


def _may_follow(told: Told, state: str) -> bool:
    """Whether the timer takes a commission from what was answered to `state` (LIFE-3, LIFE-11)."""
    if told.state == State.CONFIRMED:
        return state in (State.RELEASED, State.HELD)
    if told.state == State.HELD and told.reason != "dispute_open":
        return state in (State.CONFIRMED, State.RELEASED)
    return False


def _read(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Booked]]:
    found: dict[tuple[str, str], list[Booked]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _BOOKED,
            {
                "codes": [code for code, _ in keys],
                "orders": [order_id for _, order_id in keys],
                "kinds": list(LEDGER_KINDS),
            },
        )
        for code, order_id, public_id, state, amount, reason, ledger in cursor.fetchall():
            commissions = found.setdefault((code, order_id), [])
            if public_id is not None:
                commissions.append(Booked(public_id, state, amount, reason, int(ledger)))
    return found


def _chunks(values: list[Key]) -> Iterator[list[Key]]:
    remaining = iter(values)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _dollars(cents: int) -> str:
    return str(Money(cents, COMMISSION_CURRENCY))
