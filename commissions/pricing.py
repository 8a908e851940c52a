"""The one function that prices orders, and the calculation sheet it leaves (PRICE-1…8).

Pure: no database, no clock, no settings. The order intake, the simulator and every screen that explains an
amount call `price_order`; there is no second place where a commission is computed. Amounts are whole minor
units; everything between them is exact, and there is one rounding, downwards, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

BPS = 10_000


class Subsidy(NamedTuple):
    name: str
    amount: int
    commissionable: bool


class Line(NamedTuple):
    """A share of `paid`."""

    line_id: str
    product_id: str
    category_id: str
    paid: int


@dataclass(frozen=True, slots=True)
class OrderAmounts:
    """What checkout charged and what it was made of, in minor units of `currency`."""

    currency: str
    paid: int
    platform_fee: int
    cashback: int
    subsidies: tuple[Subsidy, ...]
    freight_line: str
    freight_base: int
    freight_actual: int
    lines: tuple[Line, ...]

    @property
    def actual_payment(self) -> int:
        """PRICE-1."""
        return self.paid - self.cashback - sum(subsidy.amount for subsidy in self.subsidies)

    @property
    def freight_deduction(self) -> int:
        """PRICE-2: the standard line's base, any other line's actual freight."""
        return self.freight_base if self.freight_line in ("standard", "") else self.freight_actual

    @property
    def base(self) -> int:
        """PRICE-2, never below 0."""
        excluded = sum(subsidy.amount for subsidy in self.subsidies if not subsidy.commissionable)
        return max(0, self.paid - self.platform_fee - self.freight_deduction - self.cashback - excluded)


class Rule(NamedTuple):
    """A rate rule. What is empty or None matches anything (RATE-1)."""

    rule_id: int
    position: int
    product_id: str
    affiliate_id: int | None
    category_id: str
    country: str
    window_start: datetime | None
    window_end: datetime | None
    rate_bps: int

    def covers(self, at: datetime) -> bool:
        return self.window_start is None or (
            self.window_end is not None and self.window_start <= at < self.window_end
        )

    def criteria(self) -> list[str]:
        """The names of what this rule asks for, in order of precedence."""
        named = {
            "product": self.product_id,
            "affiliate": self.affiliate_id,
            "category": self.category_id,
            "country": self.country,
            "window": self.window_start,
        }
        return [name for name, value in named.items() if value]


@dataclass(slots=True)
class Terms:
    """One published version of a merchant's terms, its rules indexed by what they ask for."""

    version_id: int
    number: int
    mode: str
    default_rate_bps: int
    threshold_amount: int
    completion_days: int
    rules: tuple[Rule, ...] = ()
    _by_criteria: dict[tuple[str, int | None, str, str], list[Rule]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_criteria = {}
        # Within a bucket a rule with a window precedes one without, then the position counts.
        for rule in sorted(self.rules, key=lambda rule: (rule.window_start is None, rule.position)):
            key = (rule.product_id, rule.affiliate_id, rule.category_id, rule.country)
            self._by_criteria.setdefault(key, []).append(rule)

    def winning_rule(
        self, line: Line, *, affiliate_id: int, country: str, ordered_at: datetime
    ) -> Rule | None:
        """The rule that sets this line's rate, or None for the default rate (RATE-1).

        Compares (product, affiliate, category, country, window) left to right, set beats unset; then the
        position in the version.
        """
        if not self._by_criteria:
            return None
        for product in dict.fromkeys((line.product_id, "")):
            for affiliate in (affiliate_id, None):
                for category in dict.fromkeys((line.category_id, "")):
                    for place in dict.fromkeys((country, "")):
                        for rule in self._by_criteria.get((product, affiliate, category, place), ()):
                            if rule.covers(ordered_at):
                                return rule
        return None


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund, the latest word on its `refund_id`. Amounts are in the basis it names (PRICE-7)."""

    refund_id: str
    amount: int | None
    full: bool
    basis: str
    dispute_id: str
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Reductions:
    """Everything that takes away from an order: its refunds, its disputes' compensations, a late cancellation."""

    refunds: tuple[Refund, ...] = ()
    compensations: tuple[tuple[str, int], ...] = ()
    cancelled: bool = False

    def __bool__(self) -> bool:
        return bool(self.refunds or self.cancelled or any(amount for _, amount in self.compensations))


NO_REDUCTIONS = Reductions()


@dataclass(frozen=True, slots=True)
class CalculationSheet:
    """How an amount came to be (PRICE-6). `amount` is what the books must carry, in cents of the dollar.

    `priced` is PRICE-4's cents before anything was refunded; `reason` says why the commission is nothing,
    `forgone` what the minimum unit costs. `body` is the whole sheet as JSON for screens, API and storage.
    """

    amount: int
    priced: int
    reason: str
    forgone: int
    reduced: bool
    over_refunded: bool
    body: dict[str, Any]


def exact(value: Fraction | int) -> str:
    """An exact number as text: `"371/2"`, or `"185"` when it is whole."""
    return str(value)


def price_order(
    amounts: OrderAmounts,
    *,
    terms: Terms | None,
    affiliate_id: int,
    country: str,
    ordered_at: datetime,
    minimum_unit: int,
    reductions: Reductions = NO_REDUCTIONS,
) -> CalculationSheet:
    """Price one order for one affiliate under `terms` (None: the merchant had none in force).

    `minimum_unit` is in cents (PRICE-5). Reductions re-price the order as a set (PRICE-7): what PRICE-3 and
    PRICE-5 zeroed stays 0, and neither is asked again.

    Source: SPEC PRICE-1 to PRICE-8, RATE-1.
    """
    lines = amounts.lines or (Line("", "", "", amounts.paid),)
    rated: list[tuple[Line, Rule | None, int]] = []
    if terms is not None:
        for line in lines:
            rule = terms.winning_rule(line, affiliate_id=affiliate_id, country=country, ordered_at=ordered_at)
            rated.append((line, rule, rule.rate_bps if rule else terms.default_rate_bps))

    base, paid, actual_payment = amounts.base, amounts.paid, amounts.actual_payment
    weighted = sum(line.paid * rate for line, _, rate in rated)
    numerator, denominator = base * weighted, paid * BPS
    rounded = numerator // denominator if denominator else 0

    reason, forgone = "", 0
    if base == 0 or paid == 0:
        reason = "zero_base"
    elif terms is None:
        reason = "no_rate"
    elif actual_payment < terms.threshold_amount:
        reason = "below_order_threshold"
    elif rounded < minimum_unit:
        reason, forgone = "below_minimum_unit", rounded
    priced = 0 if reason else rounded

    amount, remaining, over_refunded = priced, None, False
    if reductions:
        remaining, over_refunded = remaining_of_lines(lines, actual_payment, paid, reductions)
        if priced:
            left = sum(remaining[index] * rate for index, (_, _, rate) in enumerate(rated))
            amount = min(priced, int(base * left // denominator))

    rows: list[dict[str, Any]] = [
        {
            "line_id": line.line_id,
            "product_id": line.product_id,
            "category_id": line.category_id,
            "paid": line.paid,
            "rate_bps": rate,
            "rule": rule and {"position": rule.position, "by": rule.criteria()},
        }
        for line, rule, rate in rated
    ]
    body: dict[str, Any] = {
        "currency": amounts.currency,
        "paid": paid,
        "platform_fee": amounts.platform_fee,
        "cashback": amounts.cashback,
        "subsidies": [subsidy._asdict() for subsidy in amounts.subsidies],
        "freight": {
            "line": amounts.freight_line,
            "base": amounts.freight_base,
            "actual": amounts.freight_actual,
            "deduction": amounts.freight_deduction,
        },
        "actual_payment": actual_payment,
        "base": base,
        "terms": terms and {"version": terms.number, "mode": terms.mode, "threshold": terms.threshold_amount},
        "lines": rows,
        "exact": exact(Fraction(numerator, denominator))
        if numerator and numerator % denominator
        else str(rounded),
        "rounded": rounded,
        "minimum_unit": minimum_unit,
        "reason": reason,
        "forgone": forgone,
        "priced": priced,
        "amount": amount,
    }
    if remaining is not None:
        for entry, rest in zip(rows, remaining, strict=False):
            entry["remaining"] = exact(rest)
        body["reductions"] = {
            "refunds": [
                {
                    "refund_id": refund.refund_id,
                    "amount": refund.amount,
                    "full": refund.full,
                    "basis": refund.basis,
                    "dispute_id": refund.dispute_id,
                    "lines": [list(part) for part in refund.lines],
                }
                for refund in reductions.refunds
            ],
            "compensations": [list(entry) for entry in reductions.compensations],
            "cancelled": reductions.cancelled,
            "remaining": exact(sum(remaining, Fraction(0))),
            "over_refunded": over_refunded,
        }
    return CalculationSheet(
        amount=amount,
        priced=priced,
        reason=reason,
        forgone=forgone,
        reduced=bool(reductions),
        over_refunded=over_refunded,
        body=body,
    )


def remaining_of_lines(
    lines: Iterable[Line], actual_payment: int, paid: int, reductions: Reductions
) -> tuple[list[Fraction], bool]:
    """What is left of each line's share after all reductions, exactly, and whether more was refunded than paid.

    Line refunds come first, each capped at its line; the unlined rest is spread in proportion over what
    remains, capped at the order. A dispute takes the larger of its compensation and the refunds that carry it
    out. A refund of a line that the order doesn't have is unlined.

    Source: SPEC PRICE-7.
    """
    lines = tuple(lines)
    index_of = {line.line_id: index for index, line in enumerate(lines)}
    # A cancellation takes what is left; whether the refunds came to more than was paid is still asked.
    everything = reductions.cancelled
    lined = [Fraction(0)] * len(lines)
    unlined = Fraction(0)
    compensation_of = dict(reductions.compensations)
    refunded_of: dict[str, Fraction] = {}
    for refund in reductions.refunds:
        if refund.full or (refund.basis == "cash" and actual_payment == 0 and refund.amount):
            everything = True
            continue
        scale = Fraction(paid, actual_payment) if refund.basis == "cash" and actual_payment else Fraction(1)
        amount = scale * (refund.amount or 0)
        on_lines = Fraction(0)
        for line_id, part in refund.lines:
            if line_id in index_of:
                lined[index_of[line_id]] += scale * part
                on_lines += scale * part
        unlined += amount - on_lines
        if refund.dispute_id:
            refunded_of[refund.dispute_id] = refunded_of.get(refund.dispute_id, Fraction(0)) + amount
    for dispute_id, compensation in compensation_of.items():
        unlined += max(Fraction(0), compensation - refunded_of.get(dispute_id, Fraction(0)))

    over = sum(lined) + unlined > paid or any(
        part > line.paid for part, line in zip(lined, lines, strict=True)
    )
    if everything:
        return [Fraction(0)] * len(lines), over
    rest = [max(Fraction(0), line.paid - part) for line, part in zip(lines, lined, strict=True)]
    total = sum(rest, Fraction(0))
    if total == 0:
        return rest, over
    share = (total - min(unlined, total)) / total
    return [part * share for part in rest], over
