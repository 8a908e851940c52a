"""What one order earns, read straight off the rule book: slow, plain and independent of the product.

The product's pricing, fold and books are compared with this. It shares no code with them and knows nothing of
Django: events are the dicts that machines send (SPEC §10, valid ones), money is integer cents, and everything
in between is an exact `Fraction`. Beside each step stands the rule that it follows. Where the rule book leaves a
choice, the comment says which reading was decided on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

Event = dict[str, Any]
DAY = timedelta(days=1)
BPS = 10_000

# --- what surrounds an order ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A rate for some of the lines (RATE-1). What is None matches anything."""

    position: int
    rate_bps: int
    product: str | None = None
    affiliate: str | None = None
    category: str | None = None
    country: str | None = None
    window: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Terms:
    """One published version of a merchant's terms (RATE-3)."""

    starts_at: datetime
    default_rate_bps: int
    threshold: int = 0
    mode: str = "pre_payment"
    completion_days: int = 7
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Click:
    click_id: str
    affiliate: str
    merchant: str
    clicked_at: datetime
    valid: bool = True


@dataclass
class Context:
    """Everything that an order's worth depends on beside its own events."""

    merchant: str
    terms: list[Terms] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    # (effective_at, minimum unit in cents) of each affiliate, (effective_at, days) of the merchant.
    preferences: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)
    windows: list[tuple[datetime, int]] = field(default_factory=list)
    pre_release_delay: timedelta = timedelta(minutes=30)
    unpaid_expiry: timedelta = timedelta(hours=24)


# --- what comes out ------------------------------------------------------------------------------------------


@dataclass
class Price:
    """PRICE-1…5 for one order: the figures of its calculation sheet."""

    amount: int
    reason: str
    forgone: int
    base: int
    actual_payment: int
    freight_deduction: int
    paid: int
    # (line id, paid, rate in basis points or None) of each line.
    lines: list[tuple[str | None, int, int | None]]


@dataclass
class Outcome:
    """What one order comes to: state, amount, sheet and what the books carry for it."""

    affiliate: str | None
    state: str | None
    reason: str = ""
    amount: int = 0
    held: int = 0
    priced: int = 0
    forgone: int = 0
    price: Price | None = None
    remaining: Fraction = Fraction(0)
    flags: frozenset[str] = frozenset()
    due_at: datetime | None = None
    released_at: datetime | None = None
    paid_at: datetime | None = None

    @property
    def balances(self) -> dict[str, int]:
        """The non-zero balances by account (LEDGER-5), as long as nothing was ever paid out."""
        figures = {
            "affiliate.held": self.held,
            # Before release the merchant has committed it; from release on it owes it, held or not.
            "affiliate.pending": 0 if self.released_at else self.amount - self.held,
            "affiliate.available": self.amount - self.held if self.released_at else 0,
            "merchant.committed": 0 if self.released_at else self.amount,
            "merchant.receivable": self.amount if self.released_at else 0,
        }
        return {kind: amount for kind, amount in figures.items() if amount}


# --- reading events ------------------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def turn(event: Event) -> tuple[datetime, str]:
    """The order among facts: when it happened, then the event's id (LIFE-5)."""
    return moment(event["occurred_at"]), event["event_id"]


def of_type(events: list[Event], type_: str) -> list[Event]:
    return sorted((event for event in events if event["type"] == f"order.{type_}"), key=turn)


def distinct(events: list[Event]) -> list[Event]:
    """LIFE-7: an event twice is one fact."""
    return list({event["event_id"]: event for event in events}.values())


def pricing_event(events: list[Event]) -> Event | None:
    """LIFE-7: the earliest payment counts; while unpaid, the latest announcement.

    Decided: everything that an order is priced by (amounts, lines, `ordered_at`) is this event's own.
    """
    paid, awaiting = of_type(events, "paid"), of_type(events, "awaiting_payment")
    if paid:
        return paid[0]
    return awaiting[-1] if awaiting else None


# --- PRICE-1…5, 8: pricing -----------------------------------------------------------------------------------


def terms_at(terms: list[Terms], at: datetime) -> Terms | None:
    """RATE-3: the version in force when the order was placed."""
    started = [version for version in terms if version.starts_at <= at]
    return max(started, key=lambda version: version.starts_at) if started else None


def rate_of(line: dict[str, Any], terms: Terms, *, affiliate: str, country: str, at: datetime) -> int:
    """RATE-1: the rule that wins for a line, else the default rate."""

    def matches(rule: Rule) -> bool:
        return (
            rule.product in (None, line.get("product_id"))
            and rule.affiliate in (None, affiliate)
            and rule.category in (None, line.get("category_id"))
            and rule.country in (None, country)
            and (rule.window is None or rule.window[0] <= at < rule.window[1])  # decided: [start, end)
        )

    def rank(rule: Rule) -> tuple[Any, ...]:
        # Set beats unset, compared from left to right; then the lower position.
        asked = (rule.product, rule.affiliate, rule.category, rule.country, rule.window)
        return (*(value is None for value in asked), rule.position)

    winners = sorted((rule for rule in terms.rules if matches(rule)), key=rank)
    return winners[0].rate_bps if winners else terms.default_rate_bps


def minimum_unit(preferences: list[tuple[datetime, int]], at: datetime) -> int:
    """PRICE-5: ten cents unless the affiliate had chosen otherwise by the time of the order."""
    chosen = sorted((one for one in preferences if one[0] <= at), key=lambda one: one[0])
    return chosen[-1][1] if chosen else 10


def lines_of(event: Event) -> list[dict[str, Any]]:
    """§4: the order's lines; none means one line that is all of `paid`."""
    return event.get("lines") or [{"line_id": None, "paid": event["amounts"]["paid"]}]


def price(event: Event, terms: Terms | None, *, affiliate: str, unit: int) -> Price:
    """What the order is worth before refunds."""
    at = moment(event["ordered_at"])
    country = (event.get("buyer") or {}).get("country") or ""
    amounts = event["amounts"]
    paid, cashback = amounts["paid"], amounts.get("cashback") or 0
    subsidies = amounts.get("subsidies") or []
    freight = amounts.get("freight")
    # PRICE-1
    actual_payment = paid - cashback - sum(subsidy["amount"] for subsidy in subsidies)
    # PRICE-2
    freight_deduction = 0
    if freight:
        freight_deduction = freight["base"] if freight["line"] == "standard" else freight["actual"]
    not_commissionable = sum(subsidy["amount"] for subsidy in subsidies if not subsidy["commissionable"])
    base = paid - (amounts.get("platform_fee") or 0) - freight_deduction - cashback - not_commissionable
    base = max(base, 0)
    # RATE-1
    lines = [
        (
            line["line_id"],
            line["paid"],
            rate_of(line, terms, affiliate=affiliate, country=country, at=at) if terms else None,
        )
        for line in lines_of(event)
    ]

    def worth(amount: int, reason: str = "", forgone: int = 0) -> Price:
        return Price(amount, reason, forgone, base, actual_payment, freight_deduction, paid, lines)

    # Decided: the reasons are asked in this order.
    if base == 0 or paid == 0:  # PRICE-8
        return worth(0, "zero_base")
    if terms is None:
        return worth(0, "no_rate")
    if actual_payment < terms.threshold:  # PRICE-3
        return worth(0, "below_order_threshold")
    # PRICE-4: exact, rounded once, downwards
    commission = floor(Fraction(base, paid) * sum(Fraction(share * rate, BPS) for _, share, rate in lines))
    if commission < unit:  # PRICE-5
        return worth(0, "below_minimum_unit", forgone=commission)
    return worth(commission)


# --- PRICE-7: refunds and compensations ----------------------------------------------------------------------


@dataclass
class Refund:
    """One refund in the basis of `paid`: what it takes from lines, and what from the order as a whole."""

    dispute_id: str | None
    amount: Fraction
    lines: list[tuple[str, Fraction]]

    @property
    def unlined(self) -> Fraction:
        return self.amount - sum(amount for _, amount in self.lines)


def latest_by(events: list[Event], key: Any) -> dict[str, Event]:
    """Decided: the same refund or dispute told twice is one fact; the latest word counts."""
    words: dict[str, Event] = {}
    for event in sorted(events, key=turn):
        words[key(event)] = event
    return words


def refunds_of(events: list[Event], worth: Price) -> tuple[list[Refund], bool]:
    """The order's refunds, and whether one of them refunds everything."""
    refunds, everything = [], False
    words = latest_by(of_type(events, "refunded"), lambda event: event["refund"]["refund_id"])
    for event in words.values():
        refund = event["refund"]
        if refund.get("full"):
            everything = True
            continue
        scale = Fraction(1)
        if refund.get("basis") == "cash":
            if worth.actual_payment == 0:
                # Decided: nothing was paid in cash, so any cash handed back is all of it.
                everything = everything or refund["amount"] > 0
                continue
            scale = Fraction(worth.paid, worth.actual_payment)
        refunds.append(
            Refund(
                refund.get("dispute_id"),
                refund["amount"] * scale,
                [(line["line_id"], line["amount"] * scale) for line in refund.get("lines") or []],
            )
        )
    if of_type(events, "cancelled") and of_type(events, "paid"):  # LIFE-4
        everything = True
    return refunds, everything


def reduce(events: list[Event], worth: Price) -> tuple[int, Fraction, bool]:
    """The commission after refunds, what remains of `paid`, and whether more was refunded than paid.

    Decided: reductions apply whether or not the payment is known yet.
    """
    refunds, everything = refunds_of(events, worth)
    left = [[line_id, Fraction(share), rate] for line_id, share, rate in worth.lines]
    known = {line_id for line_id, _, _ in worth.lines if line_id is not None}
    asked = sum((refund.amount for refund in refunds), Fraction(0))
    unlined = Fraction(0)
    # Line refunds first, each capped at its line; decided: what goes beyond the line is dropped, and a line that
    # the order doesn't have counts as unlined.
    for refund in refunds:
        unlined += refund.unlined
        for line_id, amount in refund.lines:
            if line_id not in known:
                unlined += amount
                continue
            for line in left:
                if line[0] == line_id:
                    line[1] = max(line[1] - amount, Fraction(0))
    # A dispute's compensation counts only so far as its refunds don't carry it out: per dispute the larger one.
    # Decided: the refunds keep their lines, the rest of the compensation has none and is in the basis of `paid`.
    verdicts = latest_by(of_type(events, "dispute_resolved"), lambda event: event["dispute"]["dispute_id"])
    for dispute_id, verdict in verdicts.items():
        carried_out = sum((r.amount for r in refunds if r.dispute_id == dispute_id), Fraction(0))
        rest = max(verdict["dispute"]["compensation"] - carried_out, Fraction(0))
        unlined += rest
        asked += rest
    over = asked > worth.paid
    # The unlined rest is spread in proportion over what remains of each line, capped at the order.
    before = sum((line[1] for line in left), Fraction(0))
    after = Fraction(0) if everything else max(before - unlined, Fraction(0))
    ratio = after / before if before else Fraction(0)
    left = [[line_id, amount * ratio, rate] for line_id, amount, rate in left]
    # Decided: more than paid on a line is over-refunded too; "everything" takes what is left, and no more.
    for line_id, share, _ in worth.lines:
        of_line = [amount for refund in refunds for name, amount in refund.lines if name == line_id]
        over = over or sum(of_line, Fraction(0)) > share
    if worth.amount == 0:  # what was zeroed stays 0
        return 0, after, over
    exact = Fraction(worth.base, worth.paid) * sum(amount * rate / BPS for _, amount, rate in left)
    return min(worth.amount, floor(exact)), after, over


# --- ATTR-7, RATE-5: whose order it is -----------------------------------------------------------------------


def winning_click(events: list[Event], context: Context) -> Click | None:
    """The newest valid click inside the window, at the merchant that it was made for."""
    event = pricing_event(events)
    if event is None:
        return None
    ordered_at = moment(event["ordered_at"])
    dated = sorted((one for one in context.windows if one[0] <= ordered_at), key=lambda one: one[0])
    window = (dated[-1][1] if dated else 30) * DAY
    # Decided: the click ids of all announcements and payments are one set.
    named = {
        click_id
        for event in of_type(events, "awaiting_payment") + of_type(events, "paid")
        for click_id in (event.get("attribution") or {}).get("click_ids") or []
    }
    candidates = [
        click
        for click in context.clicks
        if click.click_id in named
        and click.valid
        and click.merchant == context.merchant
        and timedelta(0) <= ordered_at - click.clicked_at <= window
    ]
    return max(candidates, key=lambda click: (click.clicked_at, click.click_id), default=None)


# --- LIFE-1…11: the state ------------------------------------------------------------------------------------


def disputed(events: list[Event]) -> bool:
    """LIFE-5: held until every dispute that was opened is resolved, in whichever order we hear of it."""
    opened = {event["dispute"]["dispute_id"] for event in of_type(events, "dispute_opened")}
    resolved = {event["dispute"]["dispute_id"] for event in of_type(events, "dispute_resolved")}
    return bool(opened - resolved)


def outcome(
    events: list[Event],
    context: Context,
    *,
    now: datetime,
    released_at: datetime | None = None,
    frozen_affiliate: str | None = None,
) -> Outcome:
    """What the order comes to at `now`, from all of its facts.

    `released_at` and `frozen_affiliate` are the two things that the facts alone don't say: whether the timer has
    let the money go, and to whom (LIFE-8: evidence that comes after release changes nothing).
    """
    events = distinct(events)
    event = pricing_event(events)
    if event is None:
        return Outcome(None, None)  # parked (LIFE-7)
    paid, awaiting = of_type(events, "paid"), of_type(events, "awaiting_payment")
    flags = {"paid_twice"} if len(paid) > 1 else set()
    affiliate = frozen_affiliate
    if affiliate is None:
        click = winning_click(events, context)
        if click is None:
            return Outcome(None, None, flags=frozenset(flags))  # LIFE-8: earns nothing
        affiliate = click.affiliate
    ordered_at = moment(event["ordered_at"])
    terms = terms_at(context.terms, ordered_at)
    unit = minimum_unit(context.preferences.get(affiliate, []), ordered_at)
    worth = price(event, terms, affiliate=affiliate, unit=unit)
    amount, remaining, over = reduce(events, worth)
    if over:
        flags.add("over_refunded")
    traditional = terms is not None and terms.mode == "traditional"
    due_at = None
    if paid and not traditional:  # LIFE-2
        due_at = moment(paid[0]["occurred_at"]) + context.pre_release_delay
    elif (
        paid and terms is not None and of_type(events, "completed")
    ):  # LIFE-10: the earliest completion counts
        completed_at = moment(of_type(events, "completed")[0]["occurred_at"])
        due_at = completed_at + terms.completion_days * DAY

    def comes_to(state: str, reason: str = "", *, on_books: bool = True, held: bool = False) -> Outcome:
        carried = amount if on_books else 0
        return Outcome(
            affiliate=affiliate,
            state=state,
            reason=reason,
            amount=carried,
            held=carried if held else 0,
            priced=worth.amount,
            forgone=worth.forgone,
            price=worth,
            remaining=remaining,
            flags=frozenset(flags),
            due_at=due_at,
            released_at=released_at,
            paid_at=moment(paid[0]["occurred_at"]) if paid else None,
        )

    cancelled = of_type(events, "cancelled")
    # LIFE-11: the first that matches.
    if not paid and cancelled:
        return comes_to("void", "order_cancelled", on_books=False)  # LIFE-4
    if not paid and now >= moment(awaiting[-1]["occurred_at"]) + context.unpaid_expiry:
        return comes_to("void", "unpaid_expired", on_books=False)  # LIFE-4
    if not paid and traditional:
        return comes_to("awaiting_payment", worth.reason, on_books=False)  # LIFE-10
    # Decided: a commission that stands but was reduced says so.
    partly = "refunded" if amount < worth.amount else ""
    if not paid:
        return comes_to("locked", worth.reason or partly)  # LIFE-1
    if worth.amount == 0:
        return comes_to("void", worth.reason)
    if amount == 0:
        return comes_to("clawed_back", "order_cancelled" if cancelled else "refunded")
    if disputed(events):
        return comes_to("held", "dispute_open", held=True)  # LIFE-5
    if released_at is not None:
        return comes_to("released", partly)
    return comes_to("confirmed", partly)


# --- many orders ---------------------------------------------------------------------------------------------


@dataclass
class History:
    """All that is remembered of one order: its events, and what the timer did."""

    events: list[Event] = field(default_factory=list)
    looked_at: datetime | None = None
    released_at: datetime | None = None
    released_to: str | None = None


class World:
    """Several merchants' orders and a clock; everything is worked out anew from all facts, whenever asked."""

    def __init__(self, *contexts: Context) -> None:
        self.contexts = {context.merchant: context for context in contexts}
        self.histories: dict[tuple[str, str], History] = {}

    def take_in(self, *events: Event, at: datetime) -> None:
        """LIFE-7: keep each event once. An order is looked at only when there is something new about it."""
        for event in events:
            history = self.histories.setdefault((event["merchant"], event["order_id"]), History())
            if all(known["event_id"] != event["event_id"] for known in history.events):
                history.events.append(event)
                history.looked_at = at

    def sweep(self, *, at: datetime) -> None:
        """LIFE-3: every confirmed commission that is due is released; LIFE-4: time makes orders expire."""
        for key, history in self.histories.items():
            history.looked_at = at
            result = self.outcome(*key)
            if result.state == "confirmed" and result.due_at is not None and result.due_at <= at:
                history.released_at, history.released_to = at, result.affiliate

    def outcome(self, merchant: str, order_id: str) -> Outcome:
        history = self.histories[merchant, order_id]
        assert history.looked_at is not None
        return outcome(
            history.events,
            self.contexts[merchant],
            now=history.looked_at,
            released_at=history.released_at,
            frozen_affiliate=history.released_to,
        )

    def balances(self, *, affiliate: str = "", merchant: str = "") -> dict[str, int]:
        """The non-zero balances of one affiliate or one merchant, over all orders."""
        prefix, total = ("affiliate." if affiliate else "merchant."), dict[str, int]()
        for key in self.histories:
            result = self.outcome(*key)
            if (affiliate and result.affiliate == affiliate) or (merchant and key[0] == merchant):
                for kind, amount in result.balances.items():
                    if kind.startswith(prefix):
                        total[kind] = total.get(kind, 0) + amount
        return total
