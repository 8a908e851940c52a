"""The production calculator against the reference model, over orders drawn at random (PRICE-1…8, RATE-1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import event as note
from hypothesis import given

from commissions.life import amounts_of, reductions_of
from commissions.pricing import CalculationSheet, Rule, Terms, price_order
from commissions.tests import reference_model as model
from commissions.tests.strategies import AFFILIATES, NOON, contexts, examples, histories
from orders.facts import KnownEvent, read_event, read_order

LATER = NOON + timedelta(days=30)


def product_terms(terms: model.Terms | None) -> Terms | None:
    if terms is None:
        return None
    return Terms(
        version_id=1,
        number=1,
        mode=terms.mode,
        default_rate_bps=terms.default_rate_bps,
        threshold_amount=terms.threshold,
        completion_days=terms.completion_days,
        rules=tuple(
            Rule(
                rule_id=rule.position,
                position=rule.position,
                product_id=rule.product or "",
                affiliate_id=AFFILIATES.index(rule.affiliate) + 1 if rule.affiliate else None,
                category_id=rule.category or "",
                country=rule.country or "",
                window_start=rule.window[0] if rule.window else None,
                window_end=rule.window[1] if rule.window else None,
                rate_bps=rule.rate_bps,
            )
            for rule in terms.rules
        ),
    )


def product_sheet(
    events: list[dict[str, Any]], terms: model.Terms | None, affiliate: str, unit: int
) -> CalculationSheet:
    """The events through the product's own reader into its calculator."""
    read = [read_event(event, at=LATER) for event in events]
    facts = read_order(KnownEvent(one.event_id, one.type, one.occurred_at, one.facts) for one in read)
    assert facts.pricing is not None
    assert facts.ordered_at is not None
    return price_order(
        amounts_of(facts.pricing.facts),
        terms=product_terms(terms),
        affiliate_id=AFFILIATES.index(affiliate) + 1,
        country=facts.pricing.facts["country"],
        ordered_at=facts.ordered_at,
        minimum_unit=unit,
        reductions=reductions_of(facts),
    )


@examples(500)
@given(context=contexts(), events=histories())
def test_the_calculator_agrees_with_the_model(context, events):
    pricing = model.pricing_event(events)
    assert pricing is not None
    ordered_at = datetime.fromisoformat(pricing["ordered_at"])
    for affiliate in AFFILIATES:
        terms = model.terms_at(context.terms, ordered_at)
        unit = model.minimum_unit(context.preferences[affiliate], ordered_at)
        expected = model.price(pricing, terms, affiliate=affiliate, unit=unit)
        amount, remaining, over = model.reduce(events, expected)

        sheet = product_sheet(events, terms, affiliate, unit)

        assert (sheet.amount, sheet.priced, sheet.reason, sheet.forgone, sheet.over_refunded) == (
            amount,
            expected.amount,
            expected.reason,
            expected.forgone,
            over,
        )
        body = sheet.body
        assert (body["base"], body["actual_payment"], body["freight"]["deduction"]) == (
            expected.base,
            expected.actual_payment,
            expected.freight_deduction,
        )
        if terms is not None:
            assert [line["rate_bps"] for line in body["lines"]] == [rate for _, _, rate in expected.lines]
        if "reductions" in body:
            assert Fraction(body["reductions"]["remaining"]) == remaining
        else:
            assert remaining == expected.paid
        note(f"reason {expected.reason or 'none'}, {'reduced' if amount < expected.amount else 'whole'}")
