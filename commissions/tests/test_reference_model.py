"""The reference model itself, against the figures that the rule book works out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from commissions.tests.reference_model import Click, Context, Outcome, Rule, Terms, outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
_numbers = count(1)


def event(type_: str, minutes: int = 0, **body: Any) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minutes)
    return {
        "event_id": f"e{next(_numbers)}",
        "type": f"order.{type_}",
        "occurred_at": at.isoformat(),
        "ordered_at": NOON.isoformat(),
        "attribution": {"click_ids": ["c1"]},
        **body,
    }


def paid(amount: int = 1000, minutes: int = 5, *, lines: Any = (), **amounts: Any) -> dict[str, Any]:
    return event("paid", minutes, amounts={"paid": amount, **amounts}, lines=list(lines))


def awaiting(amount: int = 1000, minutes: int = 0) -> dict[str, Any]:
    return event("awaiting_payment", minutes, amounts={"paid": amount})


def refund(amount: int, refund_id: str = "r1", **more: Any) -> dict[str, Any]:
    return event("refunded", 60, refund={"refund_id": refund_id, "amount": amount, **more})


def worth(*events: dict[str, Any], now: datetime = NOON + timedelta(hours=2), **terms: Any) -> Outcome:
    context = Context(
        "shop",
        terms=[Terms(START, **{"default_rate_bps": 790, **terms})],
        clicks=[Click("c1", "alice", "shop", NOON - timedelta(hours=1))],
    )
    return outcome(list(events), context, now=now)


def test_the_worked_example_earns_185():
    result = worth(
        paid(
            3500,
            platform_fee=250,
            freight={"line": "standard", "base": 300, "actual": 420},
            subsidies=[{"name": "Super Deals", "amount": 200, "commissionable": False}],
            cashback=100,
        ),
        default_rate_bps=700,
    )
    assert result.price is not None
    assert (result.amount, result.price.base, result.price.actual_payment) == (185, 2650, 3200)
    assert result.price.freight_deduction == 300


def test_refunds_reprice_79_to_47_to_0():
    order = [paid()]
    assert worth(*order).amount == 79
    order.append(refund(400))
    assert worth(*order).amount == 47
    order.append(refund(600, "r2"))
    assert (worth(*order).amount, worth(*order).state, worth(*order).reason) == (0, "clawed_back", "refunded")


def test_an_order_below_the_threshold_earns_nothing_and_a_refund_changes_nothing():
    for events in ([paid(2850)], [paid(2850), refund(100)]):
        result = worth(*events, threshold=3000)
        assert (result.state, result.reason, result.amount) == ("void", "below_order_threshold", 0)
    assert worth(paid(3000), threshold=3000).amount == 237
    assert worth(paid(3000), refund(100), threshold=3000).amount == 229


def test_lined_and_unlined_refunds_come_to_the_same_in_either_order():
    lines = [
        {"line_id": "1", "product_id": "p1", "category_id": "x", "paid": 600},
        {"line_id": "2", "product_id": "p2", "category_id": "x", "paid": 400},
    ]
    rules = (Rule(1, 2000, product="p1"), Rule(2, 50, product="p2"))
    order = paid(1000, lines=lines)
    # ⌊600·20 % + 400·0.5 %⌋ = 122; with line 1 gone and half of line 2: ⌊200·0.5 %⌋ = 1
    assert worth(order, rules=rules).amount == 122
    lined = refund(600, "r1", lines=[{"line_id": "1", "amount": 600}])
    for refunds in ((lined, refund(200, "r2")), (refund(200, "r2"), lined)):
        result = worth(order, *refunds, rules=rules)
        assert (result.amount, result.remaining) == (1, 200)


def test_a_dispute_and_the_refund_that_carries_it_out_count_once():
    opened = event("dispute_opened", 30, dispute={"dispute_id": "d1"})
    resolved = event("dispute_resolved", 90, dispute={"dispute_id": "d1", "compensation": 1000})
    assert worth(paid(2000), opened).state == "held"
    assert worth(paid(2000), opened).balances == {"affiliate.held": 158, "merchant.committed": 158}
    assert worth(paid(2000), opened, resolved).amount == 79
    result = worth(paid(2000), opened, resolved, refund(1000, dispute_id="d1"))
    assert (result.amount, result.state) == (79, "confirmed")
    assert worth(paid(2000), opened, resolved, refund(1000)).amount == 0


@pytest.mark.parametrize(
    ("events", "hours", "expected"),
    [
        ([awaiting()], 1, ("locked", "", 79)),
        ([awaiting()], 24, ("void", "unpaid_expired", 0)),
        ([awaiting(), event("cancelled", 10)], 24, ("void", "order_cancelled", 0)),
        ([awaiting(), paid(minutes=1500)], 26, ("confirmed", "", 79)),
        ([paid(), event("cancelled", 10)], 1, ("clawed_back", "order_cancelled", 0)),
        ([awaiting(120)], 1, ("locked", "below_minimum_unit", 0)),
        ([paid(120)], 1, ("void", "below_minimum_unit", 0)),
    ],
)
def test_the_state_is_a_function_of_the_facts(events, hours, expected):
    result = worth(*events, now=NOON + timedelta(hours=hours))
    assert (result.state, result.reason, result.amount) == expected


def test_a_traditional_order_is_on_the_books_from_payment_and_due_after_completion():
    terms = {"mode": "traditional", "completion_days": 7}
    assert worth(awaiting(), **terms).state == "awaiting_payment"
    assert worth(awaiting(), **terms).balances == {}
    assert worth(paid(), **terms).due_at is None
    done = event("completed", 600)
    assert worth(paid(), done, **terms).due_at == NOON + timedelta(days=7, minutes=600)
