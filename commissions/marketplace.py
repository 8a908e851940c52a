"""How orders on a marketplace go: what is bought, what it costs, and what happens to it afterwards.

Pure, and random only by the generator it is given, so that the same seed plays the same orders. The demo's
history and the simulator both tell their orders with it; they differ in pace and in how events are delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from orders.facts import AWAITING, CANCELLED, COMPLETED, DISPUTE_OPENED, DISPUTE_RESOLVED, PAID, REFUNDED

PHONE = "phone-accessories"
BEAUTY = "beauty-tools"
HOME = "small-home-goods"


class Product(NamedTuple):
    """Something to buy; prices in US cents."""

    product_id: str
    category_id: str
    lowest: int
    highest: int


CATALOGUE = (
    Product("magsafe-case-15", PHONE, 1590, 2490),
    Product("gan-charger-65w", PHONE, 2290, 3990),
    Product("power-bank-20k", PHONE, 2990, 4890),
    Product("car-mount-pro", PHONE, 1690, 2590),
    Product("earbuds-air4", PHONE, 1990, 4590),
    Product("cable-braided-2m", PHONE, 790, 1290),
    Product("ionic-hair-brush", BEAUTY, 1890, 3290),
    Product("facial-steamer", BEAUTY, 2490, 4490),
    Product("led-makeup-mirror", BEAUTY, 1990, 3890),
    Product("nail-lamp-48w", BEAUTY, 1790, 2990),
    Product("gua-sha-set", BEAUTY, 990, 1690),
    Product("mini-humidifier", HOME, 1590, 2690),
    Product("magnetic-spice-rack", HOME, 1890, 3190),
    Product("motion-night-light", HOME, 890, 1590),
    Product("vacuum-sealer", HOME, 2790, 4990),
    Product("foldable-storage", HOME, 1690, 3490),
)
COUNTRIES = {"RU": 34, "KZ": 15, "ES": 14, "MX": 14, "SA": 12, "AE": 11}

# What becomes of a hundred orders.
PLOTS = {
    "paid": 58,
    "unpaid": 9,
    "cancelled": 4,
    "late_payment": 3,
    "coupon_at_payment": 3,
    "partial_refund": 6,
    "line_refund": 3,
    "full_refund": 3,
    "cancelled_after_payment": 2,
    "dispute_dismissed": 3,
    "dispute_compensated": 2,
    "dispute_refunded": 2,
    "dispute_open": 2,
}


class Pace(NamedTuple):
    """How long things take: seconds, (shortest, longest)."""

    pay: tuple[float, float]
    pay_late: tuple[float, float]
    cancel: tuple[float, float]
    refund: tuple[float, float]
    dispute: tuple[float, float]
    resolve: tuple[float, float]
    complete: tuple[float, float]


_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
REAL = Pace(
    pay=(45, 2 * _HOUR),
    pay_late=(25 * _HOUR, 40 * _HOUR),
    cancel=(10 * _MINUTE, 10 * _HOUR),
    refund=(_DAY, 14 * _DAY),
    dispute=(3 * _HOUR, 10 * _DAY),
    resolve=(_DAY, 5 * _DAY),
    complete=(6 * _DAY, 18 * _DAY),
)
BRISK = Pace(
    pay=(20, 20 * _MINUTE),
    pay_late=(25 * _HOUR, 27 * _HOUR),
    cancel=(_MINUTE, 30 * _MINUTE),
    refund=(5 * _MINUTE, 40 * _MINUTE),
    dispute=(2 * _MINUTE, 20 * _MINUTE),
    resolve=(5 * _MINUTE, 20 * _MINUTE),
    complete=(10 * _MINUTE, 40 * _MINUTE),
)
GENTLE = Pace(
    pay=(4, 20),
    pay_late=(45, 80),
    cancel=(8, 25),
    refund=(20, 70),
    dispute=(8, 40),
    resolve=(15, 45),
    complete=(30, 70),
)


@dataclass(slots=True)
class Step:
    """One event of an order to be: `after` seconds from the order's placing."""

    type: str
    after: float
    body: dict[str, Any]


@dataclass(slots=True)
class Story:
    """One order from its placing on, its steps in the order in which they occur."""

    plot: str
    merchant: str
    order_id: str
    steps: list[Step] = field(default_factory=list)

    def event(self, step: Step, *, ordered_at: datetime, event_id: str) -> dict[str, Any]:
        """The step as an order event of SPEC §10."""
        event = {
            "event_id": event_id,
            "type": step.type,
            "occurred_at": iso(ordered_at + timedelta(seconds=step.after)),
            "merchant": self.merchant,
            "order_id": self.order_id,
            **step.body,
        }
        if step.type in (AWAITING, PAID):
            event["ordered_at"] = iso(ordered_at)
        return event


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def tell(
    random: Random,
    *,
    merchant: str,
    order_id: str,
    click_ids: Sequence[str],
    pace: Pace,
    products: Sequence[Product] = CATALOGUE,
) -> Story:
    """Make up one order with all that will happen to it.

    Subsidies, cash-back, third-party freight, baskets below a merchant's minimum and cents below the minimum
    unit occur about as often as they do on a marketplace.
    """
    plot = random.choices(list(PLOTS), list(PLOTS.values()))[0]
    story = Story(plot, merchant, order_id)
    lines = _basket(random, products)
    pricing = {
        "currency": "USD",
        "attribution": {"click_ids": list(click_ids)},
        "buyer": {
            "ref": f"buyer-{random.randrange(10**9):09d}",
            "country": random.choices(list(COUNTRIES), list(COUNTRIES.values()))[0],
        },
        "amounts": _amounts(random, sum(line["paid"] for line in lines)),
        "lines": lines,
    }
    story.steps.append(Step(AWAITING, random.uniform(1, 3), pricing))
    if plot == "unpaid":
        return story
    if plot == "cancelled":
        story.steps.append(Step(CANCELLED, random.uniform(*pace.cancel), {}))
        return story
    paid_after = random.uniform(*(pace.pay_late if plot == "late_payment" else pace.pay))
    final = _with_coupon(random, pricing) if plot == "coupon_at_payment" else pricing
    story.steps.append(Step(PAID, paid_after, final))
    _aftermath(random, story, final, paid_after, pace)
    return story


def _basket(random: Random, products: Sequence[Product]) -> list[dict[str, Any]]:
    if random.random() < 0.02:
        # A sample for next to nothing: its commission stays below the default minimum unit (PRICE-5).
        chosen = [random.choice(products)]
        prices = [random.randrange(60, 220)]
    else:
        chosen = random.sample(list(products), min(len(products), random.choices((1, 2, 3), (70, 22, 8))[0]))
        prices = [random.randrange(product.lowest, product.highest + 1) for product in chosen]
    return [
        {
            "line_id": str(number),
            "product_id": product.product_id,
            "category_id": product.category_id,
            "paid": price,
        }
        for number, (product, price) in enumerate(zip(chosen, prices, strict=True), start=1)
    ]


def _amounts(random: Random, paid: int) -> dict[str, Any]:
    base = min(random.choice((180, 240, 300, 360, 450)), paid // 4)
    own_line = random.random() < 0.75
    return {
        "paid": paid,
        "platform_fee": paid * random.choice((5, 6, 8)) // 100,
        "cashback": paid * random.randrange(2, 6) // 100 if random.random() < 0.12 else 0,
        "freight": {
            "line": "standard" if own_line else random.choice(("cdek", "sf-international")),
            "base": base,
            "actual": base + (0 if own_line else random.randrange(20, 160)),
        },
        "subsidies": (
            [
                {
                    "name": "Super Deals",
                    "amount": paid * random.randrange(5, 13) // 100,
                    "commissionable": random.random() < 0.3,
                }
            ]
            if random.random() < 0.25
            else []
        ),
    }


def _with_coupon(random: Random, pricing: dict[str, Any]) -> dict[str, Any]:
    """The same order with a coupon taken off at payment: the commission is adjusted (LIFE-2)."""
    percent = random.randrange(85, 97)
    lines = [{**line, "paid": line["paid"] * percent // 100} for line in pricing["lines"]]
    amounts = {**pricing["amounts"], "paid": sum(line["paid"] for line in lines)}
    return {**pricing, "lines": lines, "amounts": amounts}


def _aftermath(random: Random, story: Story, pricing: dict[str, Any], paid_after: float, pace: Pace) -> None:
    """What happens to a paid order: completion, refunds, disputes, by its plot."""
    paid = pricing["amounts"]["paid"]

    def add(type_: str, after: float, **body: Any) -> None:
        story.steps.append(Step(type_, after, body))

    if story.plot == "cancelled_after_payment":
        add(CANCELLED, paid_after + random.uniform(*pace.cancel))
        return
    refund_after = paid_after + random.uniform(*pace.refund)
    refund_id = f"r-{story.order_id}"
    if story.plot == "partial_refund":
        amount = paid * random.randrange(10, 60) // 100
        basis = "cash" if random.random() < 0.2 else "paid"
        add(REFUNDED, refund_after, refund={"refund_id": refund_id, "amount": amount, "basis": basis})
    elif story.plot == "line_refund":
        line = random.choice(pricing["lines"])
        body = {"line_id": line["line_id"], "amount": line["paid"]}
        add(REFUNDED, refund_after, refund={"refund_id": refund_id, "amount": line["paid"], "lines": [body]})
    elif story.plot == "full_refund":
        add(REFUNDED, refund_after, refund={"refund_id": refund_id, "full": True})
    elif story.plot.startswith("dispute"):
        dispute_id = f"d-{story.order_id}"
        opened_after = paid_after + random.uniform(*pace.dispute)
        add(DISPUTE_OPENED, opened_after, dispute={"dispute_id": dispute_id})
        if story.plot == "dispute_open":
            return
        resolved_after = opened_after + random.uniform(*pace.resolve)
        compensation = 0 if story.plot == "dispute_dismissed" else paid * random.randrange(20, 101) // 100
        add(
            DISPUTE_RESOLVED, resolved_after, dispute={"dispute_id": dispute_id, "compensation": compensation}
        )
        if story.plot == "dispute_refunded":
            # The refund that carries the dispute out counts once with it (PRICE-7).
            refund = {"refund_id": refund_id, "amount": compensation, "dispute_id": dispute_id}
            add(REFUNDED, resolved_after + random.uniform(1, 10), refund=refund)
    add(COMPLETED, max(story.steps[-1].after, paid_after + random.uniform(*pace.complete)) + 1)
