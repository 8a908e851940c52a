"""The product beside the reference model: the same world in both, the same events into both, then compared.

Everything that a property test does to the product goes through the real intake and the real sweep, on the real
database. `rolled_back` undoes one example, after the deferred constraints have had their say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import Any

from django.db import connection, transaction

from affiliates.models import Affiliate, CommissionPreference
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.intake import Result, take_in
from commissions.ledger import account_ids
from commissions.models import Account, Commission
from commissions.release import sweep
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import make_terms
from commissions.tests.reference_model import Context, Event, Outcome, World
from orders.models import AttributionWindow, Click, Merchant, Order
from orders.tests.factories import make_click, make_merchant, make_source


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo everything at the end, but let constraints that wait for the commit speak first."""
    with transaction.atomic():
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        transaction.set_rollback(True)


class Mirror:
    """One world twice: in the database, and in the reference model."""

    def __init__(self, *contexts: Context) -> None:
        self.world = World(*contexts)
        self.affiliates: dict[str, Affiliate] = {}
        self.merchants: dict[str, Merchant] = {}
        clicks = {click.click_id: click for context in contexts for click in context.clicks}
        for name in sorted({click.affiliate for click in clicks.values()}):
            self.affiliates[name] = make_affiliate(name)
        for name in sorted({c.merchant for c in contexts} | {click.merchant for click in clicks.values()}):
            self.merchants[name] = make_merchant(name)
        self.source = make_source(*(self.merchants[context.merchant] for context in contexts))
        pids = {name: make_pid(affiliate) for name, affiliate in self.affiliates.items()}
        for click in clicks.values():
            make_click(
                self.merchants[click.merchant],
                pids[click.affiliate],
                at=click.clicked_at,
                click_id=click.click_id,
                invalid_reason="" if click.valid else Click.Invalid.BOT,
            )
        for context in contexts:
            self._settle(context)

    def _settle(self, context: Context) -> None:
        """The terms, windows and preferences of one merchant's context."""
        merchant = self.merchants[context.merchant]
        for version in sorted(context.terms, key=lambda terms: terms.starts_at):
            make_terms(
                merchant,
                rate_bps=version.default_rate_bps,
                threshold=version.threshold,
                mode=version.mode,
                completion_days=version.completion_days,
                starts_at=version.starts_at,
                rules=tuple(
                    {
                        "position": rule.position,
                        "rate_bps": rule.rate_bps,
                        "product_id": rule.product or "",
                        "affiliate": self.affiliates[rule.affiliate] if rule.affiliate else None,
                        "category_id": rule.category or "",
                        "country": rule.country or "",
                        "window_start": rule.window[0] if rule.window else None,
                        "window_end": rule.window[1] if rule.window else None,
                    }
                    for rule in version.rules
                ),
            )
        for effective_at, days in context.windows:
            AttributionWindow.objects.create(merchant=merchant, effective_at=effective_at, days=days)
        for name, choices in context.preferences.items():
            for effective_at, unit in choices:
                CommissionPreference.objects.get_or_create(
                    affiliate=self.affiliates[name],
                    effective_at=effective_at,
                    defaults={"minimum_unit": unit},
                )

    # --- doing things to both ---

    def send(self, *events: Event, at: datetime) -> list[Result]:
        results = take_in(self.source, list(events), at=at)
        for event, result in zip(events, results, strict=True):
            assert result.status != "rejected", (event, result.error)
        self.world.take_in(*events, at=at)
        return results

    def sweep(self, *, at: datetime) -> None:
        sweep(at=at)
        self.world.sweep(at=at)

    # --- comparing both ---

    def compare(self) -> None:
        """Every order and every balance is what the model says."""
        for merchant, order_id in self.world.histories:
            self.compare_order(merchant, order_id)
        for name, affiliate in self.affiliates.items():
            assert balances(affiliates=[affiliate.pk]) == self.world.balances(affiliate=name), name
        for name, merchant in self.merchants.items():
            assert balances(merchants=[merchant.pk]) == self.world.balances(merchant=name), name

    def compare_order(self, merchant: str, order_id: str) -> None:
        expected = self.world.outcome(merchant, order_id)
        order = Order.objects.get(merchant=self.merchants[merchant], order_id=order_id)
        for commission in Commission.objects.filter(order=order).select_related("affiliate"):
            if commission.affiliate.code != expected.affiliate:
                # It was somebody's until better evidence came (LIFE-8).
                assert (commission.state, commission.amount, commission.held_amount) == ("void", 0, 0)
        if expected.affiliate is None:
            return
        commission = Commission.objects.get(order=order, affiliate=self.affiliates[expected.affiliate])
        assert told(commission) == wanted(expected), order_id
        if expected.flags or order.flags:
            assert set(order.flags) == expected.flags, order_id

    def end(self, *, at: datetime) -> None:
        assert_books_balance(at=at)


def balances(**owners: list[int]) -> dict[str, int]:
    accounts = Account.objects.filter(pk__in=account_ids(**owners).values())
    return {account.kind: account.balance for account in accounts if account.balance}


def told(commission: Commission) -> dict[str, Any]:
    """What the product says of a commission, in the model's words."""
    sheet = commission.sheet
    remaining = sheet["reductions"]["remaining"] if "reductions" in sheet else sheet["paid"]
    return {
        "state": commission.state,
        "reason": commission.reason,
        "amount": commission.amount,
        "held": commission.held_amount,
        "priced": commission.priced_amount,
        "forgone": commission.forgone_amount,
        "paid_at": commission.paid_at,
        "due_at": commission.release_due_at,
        "released_at": commission.released_at,
        "base": sheet["base"],
        "actual_payment": sheet["actual_payment"],
        "freight_deduction": sheet["freight"]["deduction"],
        "rates": [line["rate_bps"] for line in sheet["lines"]],
        "remaining": Fraction(remaining),
    }


def wanted(expected: Outcome) -> dict[str, Any]:
    """The same, as the model has it."""
    worth = expected.price
    assert worth is not None
    return {
        "state": expected.state,
        "reason": expected.reason,
        "amount": expected.amount,
        "held": expected.held,
        "priced": expected.priced,
        "forgone": expected.forgone,
        "paid_at": expected.paid_at,
        "due_at": expected.due_at,
        "released_at": expected.released_at,
        "base": worth.base,
        "actual_payment": worth.actual_payment,
        "freight_deduction": worth.freight_deduction,
        "rates": [rate for _, _, rate in worth.lines if rate is not None],
        "remaining": expected.remaining,
    }


def under_another_number(events: list[Event], order_id: str) -> list[Event]:
    """The same history as another order's, with event ids of its own that sort the same."""
    return [
        {**event, "order_id": order_id, "event_id": f"{event['event_id']}/{order_id}"} for event in events
    ]
