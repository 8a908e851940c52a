"""Two merchants' orders live side by side, step by random step, in the product and in the reference model.

One merchant pays before the risk is gone, the other in the traditional mode. Events are sent at once, late, before
their order is known, and again; the clock jumps; the timer sweeps when it pleases. After each step every
commission and every balance must be what the model works out from all facts (LIFE-1…11), and at the end the
books must balance.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from commissions.tests.mirror import Mirror, rolled_back
from commissions.tests.reference_model import Click, Context, Event, Terms
from commissions.tests.reference_model import Rule as RateRule
from commissions.tests.strategies import NOON, START, THOROUGH, examples, iso

SHOPS = ("fast", "slow")
KEYS = [(shop, number) for shop in SHOPS for number in ("1", "2")]
PAID = st.sampled_from([1000, 1000, 3500, 120, 126, 127])
CLICKS = tuple(
    Click(f"{name}-{shop}", name, shop, NOON - timedelta(hours=hours))
    for shop in SHOPS
    for name, hours in (("alice", 2), ("bob", 1))
)

orders = st.sampled_from(KEYS)
lateness = st.sampled_from([0, 0, 0, 0, 1, 31, 1440]).map(lambda minutes: timedelta(minutes=minutes))
refund_ids, dispute_ids = st.sampled_from(["r1", "r2"]), st.sampled_from(["d1", "d2"])


def context_of(shop: str) -> Context:
    return Context(
        merchant=shop,
        terms=[
            Terms(
                START,
                default_rate_bps=790,
                mode="pre_payment" if shop == "fast" else "traditional",
                completion_days=1,
                rules=(RateRule(1, 2000, product="p1"), RateRule(2, 50, affiliate="bob")),
            )
        ],
        clicks=[click for click in CLICKS if click.merchant == shop],
        preferences={"bob": [(START, 1)]},
    )


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.undo = rolled_back()
        self.undo.__enter__()
        self.mirror = Mirror(*(context_of(shop) for shop in SHOPS))
        self.now = NOON
        self.sent: list[Event] = []
        self.compared = True

    def teardown(self) -> None:
        try:
            self.mirror.sweep(at=self.now)
            self.mirror.compare()
            self.mirror.end(at=self.now)
        finally:
            self.undo.__exit__(None, None, None)

    def tell(self, key: tuple[str, str], type_: str, late: timedelta, **body: Any) -> None:
        merchant, order_id = key
        event = {
            "event_id": f"e{len(self.sent)}",
            "type": f"order.{type_}",
            "occurred_at": iso(max(self.now - late, NOON)),
            "merchant": merchant,
            "order_id": order_id,
            **body,
        }
        self.sent.append(event)
        self.mirror.send(event, at=self.now)
        self.compared = False

    def bought(self, paid: int, lined: bool, affiliates: list[str]) -> dict[str, Any]:
        first = paid * 3 // 5
        lines = [
            {"line_id": "1", "product_id": "p1", "category_id": "toys", "paid": first},
            {"line_id": "2", "product_id": "p2", "category_id": "toys", "paid": paid - first},
        ]
        return {
            "ordered_at": iso(NOON),
            "currency": "USD",
            "amounts": {"paid": paid},
            "lines": lines if lined else [],
            "attribution": {"click_ids": [f"{name}-{shop}" for name in affiliates for shop in SHOPS]},
        }

    clicks = st.sampled_from([["alice"], ["alice"], ["bob"], ["alice", "bob"], []])

    @initialize(affiliates=clicks)
    def open_with_an_order(self, affiliates: list[str]) -> None:
        self.tell(("fast", "1"), "awaiting_payment", timedelta(0), **self.bought(1000, False, ["alice"]))
        self.tell(("slow", "1"), "awaiting_payment", timedelta(0), **self.bought(1000, True, affiliates))

    @rule(key=orders, paid=PAID, lined=st.booleans(), affiliates=clicks, late=lateness)
    def announce(self, key, paid, lined, affiliates, late) -> None:
        self.tell(key, "awaiting_payment", late, **self.bought(paid, lined, affiliates))

    @rule(key=orders, paid=PAID, lined=st.booleans(), affiliates=clicks, late=lateness)
    def pay(self, key, paid, lined, affiliates, late) -> None:
        self.tell(key, "paid", late, **self.bought(paid, lined, affiliates))

    @rule(key=orders, late=lateness)
    def pay_again(self, key, late) -> None:
        self.tell(key, "paid", late, **self.bought(1000, True, ["alice"]))

    @rule(key=orders, late=lateness, often=st.integers(0, 2))
    def cancel(self, key, late, often) -> None:
        if not often:
            self.tell(key, "cancelled", late)

    @rule(key=orders, late=lateness)
    def complete(self, key, late) -> None:
        self.tell(key, "completed", late)

    @rule(key=orders, late=lateness, dispute_id=dispute_ids)
    def dispute(self, key, late, dispute_id) -> None:
        self.tell(key, "dispute_opened", late, dispute={"dispute_id": dispute_id})

    @rule(
        key=orders,
        late=lateness,
        dispute_id=dispute_ids,
        compensation=st.sampled_from([0, 0, 100, 400, 1000]),
    )
    def resolve(self, key, late, dispute_id, compensation) -> None:
        body = {"dispute_id": dispute_id, "compensation": compensation}
        self.tell(key, "dispute_resolved", late, dispute=body)

    @rule(
        key=orders,
        late=lateness,
        refund_id=refund_ids,
        amount=st.sampled_from([0, 1, 100, 400, 600, 1000]),
        line=st.sampled_from(["", "", "1", "2", "unknown"]),
        more=st.sampled_from([{}, {}, {"dispute_id": "d1"}, {"basis": "cash"}, {"full": True}]),
    )
    def refund(self, key, late, refund_id, amount, line, more) -> None:
        body: dict[str, Any] = {"refund_id": refund_id, "amount": amount, **more}
        if line:
            body["lines"] = [{"line_id": line, "amount": amount // 2}]
        if body.get("full"):
            del body["amount"]
        self.tell(key, "refunded", late, refund=body)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def replay(self, data) -> None:
        again = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3), label="replayed")
        results = self.mirror.send(*again, at=self.now)
        assert {result.status for result in results} == {"duplicate"}
        self.compared = False

    @rule(minutes=st.sampled_from([1, 29, 30, 31, 60, 1439, 1440, 10_000]))
    def wait(self, minutes) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        self.mirror.sweep(at=self.now)
        self.compared = False

    @rule(minutes=st.sampled_from([30, 31, 1440]))
    def wait_and_sweep(self, minutes) -> None:
        self.wait(minutes)
        self.sweep()

    @invariant()
    def the_product_agrees_with_the_model(self) -> None:
        if not self.compared:
            self.mirror.compare()
            self.compared = True


@pytest.mark.django_db
@pytest.mark.slow
def test_the_life_of_many_commissions_is_what_the_model_says():
    run_state_machine_as_test(Life, settings=examples(40, stateful_step_count=60 if THOROUGH else 25))
