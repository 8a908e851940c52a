"""What one order is worth, to the cent (PRICE-1…8, RATE-1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commissions.pricing import (
    CalculationSheet,
    Line,
    OrderAmounts,
    Reductions,
    Refund,
    Rule,
    Subsidy,
    Terms,
    price_order,
)
from orders.tests.factories import NOON

AFFILIATE = 7


def order(paid: int = 1000, *, lines: tuple[Line, ...] = (), **fields: Any) -> OrderAmounts:
    return OrderAmounts(
        **{
            "currency": "USD",
            "paid": paid,
            "platform_fee": 0,
            "cashback": 0,
            "subsidies": (),
            "freight_line": "standard",
            "freight_base": 0,
            "freight_actual": 0,
            "lines": lines,
            **fields,
        }
    )


def terms(rate_bps: int = 790, *, threshold: int = 0, rules: tuple[Rule, ...] = ()) -> Terms:
    return Terms(1, 1, "pre_payment", rate_bps, threshold, 7, rules)


def rule(
    position: int,
    rate_bps: int,
    *,
    product: str = "",
    affiliate: int | None = None,
    category: str = "",
    country: str = "",
    window: tuple[Any, Any] = (None, None),
) -> Rule:
    return Rule(position, position, product, affiliate, category, country, *window, rate_bps)


def price(amounts: OrderAmounts, by: Terms | None, *reductions: Any, **given_: Any) -> CalculationSheet:
    """The sheet after `reductions` (refunds, and (dispute id, compensation) pairs)."""
    return price_order(
        amounts,
        terms=by,
        reductions=Reductions(
            refunds=tuple(entry for entry in reductions if isinstance(entry, Refund)),
            compensations=tuple(entry for entry in reductions if not isinstance(entry, Refund)),
        ),
        **{
            "affiliate_id": AFFILIATE,
            "country": "RU",
            "ordered_at": NOON,
            "minimum_unit": 10,
            **given_,
        },
    )


def refund(
    amount: int | None,
    refund_id: str = "r1",
    *,
    basis: str = "paid",
    dispute: str = "",
    lines: tuple[tuple[str, int], ...] = (),
) -> Refund:
    return Refund(refund_id, amount, amount is None, basis, dispute, lines)


WORKED = order(
    3500,
    platform_fee=250,
    cashback=100,
    subsidies=(Subsidy("Super Deals", 200, False),),
    freight_base=300,
    freight_actual=420,
)


def test_the_worked_example():
    sheet = price(WORKED, terms(700, threshold=3200))
    assert (sheet.amount, sheet.priced, sheet.reason) == (185, 185, "")
    assert sheet.body["actual_payment"] == 3200
    assert sheet.body["base"] == 2650
    assert sheet.body["exact"] == "371/2"


def test_below_the_threshold_nothing_is_earned_and_refunds_change_nothing():
    small = order(2850)
    sheet = price(small, terms(threshold=3000))
    assert (sheet.amount, sheet.reason, sheet.forgone) == (0, "below_order_threshold", 0)
    refunded = price(small, terms(threshold=3000), refund(100))
    assert (refunded.amount, refunded.priced, refunded.reason) == (0, 0, "below_order_threshold")


def test_the_threshold_is_compared_with_the_actual_payment_and_met_when_equal():
    assert price(WORKED, terms(700, threshold=3200)).amount == 185
    assert price(WORKED, terms(700, threshold=3201)).reason == "below_order_threshold"


def test_a_refund_below_the_threshold_or_the_minimum_unit_is_not_asked_again():
    assert price(order(3000), terms(threshold=3000), refund(100)).amount == 229
    sheet = price(order(1000), terms(), refund(990))
    assert (sheet.amount, sheet.reason) == (0, "")
    assert price(order(1000), terms(), refund(900)).amount == 7


def test_refunds_reprice_the_order():
    assert price(order(), terms()).amount == 79
    assert price(order(), terms(), refund(400)).amount == 47
    assert price(order(), terms(), refund(400), refund(600, "r2")).amount == 0


def test_refunds_on_lines_go_first_in_whatever_order_they_came():
    lines = (Line("1", "dear", "", 600), Line("2", "cheap", "", 400))
    by = terms(50, rules=(rule(1, 2000, product="dear"),))
    assert price(order(lines=lines), by).amount == 122
    both = [refund(600, "r1", lines=(("1", 600),)), refund(200, "r2")]
    for arranged in permutations(both):
        sheet = price(order(lines=lines), by, *arranged)
        assert (sheet.amount, sheet.over_refunded) == (1, False)
        assert [entry["remaining"] for entry in sheet.body["lines"]] == ["0", "200"]


def test_what_a_refund_does_not_put_on_a_line_is_spread_in_exact_fractions():
    lines = (Line("1", "", "", 700), Line("2", "", "", 300))
    sheet = price(order(lines=lines), terms(), refund(333, lines=(("2", 100),)))
    # 900 remain after the line's 100; of these 233 go in proportion.
    assert [entry["remaining"] for entry in sheet.body["lines"]] == ["4669/9", "1334/9"]
    assert sheet.amount == 52


def test_a_line_refund_is_capped_at_its_line_and_flagged():
    lines = (Line("1", "", "", 600), Line("2", "", "", 400))
    sheet = price(order(lines=lines), terms(), refund(700, lines=(("1", 700),)))
    assert (sheet.amount, sheet.over_refunded) == (31, True)


def test_a_refund_of_an_unknown_line_is_spread():
    lines = (Line("1", "", "", 600), Line("2", "", "", 400))
    assert price(order(lines=lines), terms(), refund(400, lines=(("9", 400),))).amount == 47


def test_more_refunded_than_paid_is_flagged_and_takes_no_more_than_all():
    assert not price(order(), terms(), refund(1000)).over_refunded
    sheet = price(order(), terms(), refund(600), refund(401, "r2"))
    assert (sheet.amount, sheet.over_refunded) == (0, True)


def test_a_dispute_and_the_refund_that_carries_it_out_count_once():
    big = order(2000)
    assert price(big, terms(), ("d1", 1000), refund(1000, dispute="d1")).amount == 79
    assert price(big, terms(), ("d1", 1000), refund(400, dispute="d1")).amount == 79
    assert price(big, terms(), ("d1", 400), refund(1000, dispute="d1")).amount == 79
    assert price(big, terms(), ("d1", 1000), refund(1000)).amount == 0
    assert price(big, terms(), ("d1", 500), ("d2", 500), refund(500, dispute="d2")).amount == 79


def test_a_refund_that_carries_out_a_dispute_says_on_which_line():
    lines = (Line("1", "dear", "", 600), Line("2", "cheap", "", 400))
    by = terms(50, rules=(rule(1, 2000, product="dear"),))
    # 400 spread leave 360 and 240; all of it on the cheap line leaves the dear one whole.
    assert price(order(lines=lines), by, ("d1", 400)).amount == 73
    on_cheap = refund(400, dispute="d1", lines=(("2", 400),))
    assert price(order(lines=lines), by, ("d1", 400), on_cheap).amount == 120


def test_a_refund_in_cash_is_scaled_to_what_was_paid():
    deal = order(1000, cashback=200)
    # 400 of the 800 that the buyer paid in cash is one half.
    assert price(deal, terms(1000)).amount == 80
    assert price(deal, terms(1000), refund(400, basis="cash")).amount == 40
    assert price(deal, terms(1000), refund(400)).amount == 48
    assert price(deal, terms(1000), refund(800, basis="cash")).amount == 0
    thirds = order(1000, cashback=700)
    sheet = price(thirds, terms(1000), refund(100, basis="cash"))
    assert sheet.body["reductions"]["remaining"] == "2000/3"
    assert sheet.amount == 20


def test_a_refund_in_cash_of_an_order_without_cash_is_all_of_it():
    gift = order(1000, subsidies=(Subsidy("gift", 1000, True),))
    assert price(gift, terms()).amount == 79
    assert price(gift, terms(), refund(1, basis="cash")).amount == 0
    assert price(gift, terms(), refund(0, basis="cash")).amount == 79


def test_a_full_refund_and_a_cancellation_leave_nothing():
    assert price(order(), terms(), refund(None)).amount == 0
    cancelled = price_order(
        order(),
        terms=terms(),
        affiliate_id=AFFILIATE,
        country="",
        ordered_at=NOON,
        minimum_unit=10,
        reductions=Reductions(cancelled=True),
    )
    assert (cancelled.amount, cancelled.priced) == (0, 79)


@pytest.mark.parametrize(
    ("line", "deducted"), [("standard", 300), ("", 300), ("third_party", 420), ("Standard", 420)]
)
def test_the_standard_line_deducts_its_base_and_any_other_its_actual_freight(line, deducted):
    sheet = price(order(freight_line=line, freight_base=300, freight_actual=420), terms())
    assert sheet.body["freight"]["deduction"] == deducted
    assert sheet.body["base"] == 1000 - deducted


def test_a_commissionable_subsidy_lowers_the_actual_payment_but_not_the_base():
    sheet = price(order(subsidies=(Subsidy("a", 100, True), Subsidy("b", 50, False))), terms())
    assert (sheet.body["actual_payment"], sheet.body["base"]) == (850, 950)


@pytest.mark.parametrize("fields", [{"platform_fee": 1000}, {"platform_fee": 5000}, {"cashback": 1000}])
def test_a_base_of_nothing_earns_nothing(fields):
    sheet = price(order(**fields), terms())
    assert (sheet.amount, sheet.reason, sheet.body["base"]) == (0, "zero_base", 0)


def test_nothing_paid_earns_nothing():
    sheet = price(order(0), terms(), refund(5))
    assert (sheet.amount, sheet.reason, sheet.over_refunded) == (0, "zero_base", True)


def test_without_terms_there_is_no_rate():
    assert (price(order(), None).amount, price(order(), None).reason) == (0, "no_rate")


@pytest.mark.parametrize(
    ("paid", "minimum", "amount", "reason", "forgone"),
    [
        (127, 10, 10, "", 0),
        (126, 10, 0, "below_minimum_unit", 9),
        (126, 1, 9, "", 0),
        (13, 1, 1, "", 0),
        (12, 1, 0, "below_minimum_unit", 0),
    ],
)
def test_below_the_minimum_unit_the_cents_are_forgone(paid, minimum, amount, reason, forgone):
    sheet = price(order(paid), terms(), minimum_unit=minimum)
    assert (sheet.amount, sheet.reason, sheet.forgone) == (amount, reason, forgone)


def test_huge_amounts_are_exact():
    trillion = 10**12
    assert price(order(trillion), terms(2000)).amount == 2 * 10**11
    lines = (Line("1", "a", "", trillion - 1), Line("2", "b", "", 1))
    by = terms(50, rules=(rule(1, 1999, product="a"),))
    sheet = price(order(trillion, lines=lines, platform_fee=1), by)
    numerator = (trillion - 1) * ((trillion - 1) * 1999 + 50)
    assert sheet.amount == numerator // (trillion * 10_000) == 199_899_999_999
    assert Fraction(sheet.body["exact"]) == Fraction(numerator, trillion * 10_000)


# --- which rule wins (RATE-1) ----------------------------------------------------------------------------------

WINDOW = (NOON - timedelta(days=1), NOON + timedelta(days=1))
CRITERIA = {
    "product": "p1",
    "affiliate": AFFILIATE,
    "category": "c1",
    "country": "RU",
    "window": WINDOW,
}
SETS = sorted(product((False, True), repeat=5), reverse=True)
"""All 32 ways to set or leave unset the criteria, the strongest first."""


def made(chosen: tuple[bool, ...], position: int, rate: int, **other: Any) -> Rule:
    given_ = {name: value for (name, value), is_set in zip(CRITERIA.items(), chosen, strict=True) if is_set}
    return rule(
        position, rate, **{**given_, **{name: value for name, value in other.items() if name in given_}}
    )


def winning_rate(*rules: Rule, at: Any = NOON) -> int:
    amounts = order(lines=(Line("1", "p1", "c1", 1000),))
    return price(amounts, terms(50, rules=rules), ordered_at=at).body["lines"][0]["rate_bps"]


def test_of_any_two_rules_the_one_set_further_left_wins_whatever_their_positions():
    for strong, first in enumerate(SETS):
        for second in SETS[strong + 1 :]:
            assert winning_rate(made(first, 9, 111), made(second, 1, 222)) == 111
            assert winning_rate(made(second, 9, 222), made(first, 1, 111)) == 111


def test_with_all_32_the_strongest_wins_and_without_it_the_next():
    rules = [made(chosen, len(SETS) - rank, 100 + rank) for rank, chosen in enumerate(SETS)]
    for rank in range(len(SETS)):
        assert winning_rate(*rules[rank:]) == 100 + rank


@pytest.mark.parametrize("chosen", SETS[:-1])
def test_a_rule_for_something_else_never_applies(chosen):
    other = {
        "product": "p2",
        "affiliate": AFFILIATE + 1,
        "category": "c2",
        "country": "KZ",
        "window": (NOON + timedelta(days=1), NOON + timedelta(days=2)),
    }
    for name, is_set in zip(CRITERIA, chosen, strict=True):
        if is_set:
            assert winning_rate(made(chosen, 1, 999, **{name: other[name]})) == 50


@pytest.mark.parametrize("chosen", SETS)
def test_between_equals_the_position_decides(chosen):
    assert winning_rate(made(chosen, 2, 222), made(chosen, 1, 111)) == 111


def test_a_campaign_includes_its_first_instant_and_excludes_its_end():
    campaign = rule(1, 999, window=WINDOW)
    instant = timedelta(microseconds=1)
    start, end = WINDOW
    rates = [winning_rate(campaign, at=at) for at in (start - instant, start, end - instant, end)]
    assert rates == [50, 999, 999, 50]


def test_the_sheet_names_the_criteria_of_the_rule_not_the_others():
    lines = (Line("1", "p1", "c1", 400), Line("2", "", "", 600))
    by = terms(rules=(rule(4, 1000, product="p1", country="RU"), rule(5, 2000, affiliate=AFFILIATE + 1)))
    sheet = price(order(lines=lines), by)
    assert [entry["rule"] for entry in sheet.body["lines"]] == [
        {"position": 4, "by": ["product", "country"]},
        None,
    ]


# --- what holds of every order ---------------------------------------------------------------------------------

amount = st.integers(0, 10**12)
small = st.integers(0, 5000)
rates = st.integers(50, 2000)


@st.composite
def orders(draw: Any) -> tuple[OrderAmounts, Terms]:
    shares = draw(st.lists(draw(st.sampled_from([small, amount])), max_size=4))
    if sum(shares) > 10**12:
        shares = [share // 4 for share in shares]
    paid = sum(shares) if shares else draw(amount)
    lines = tuple(Line(str(n), f"p{n}", "", share) for n, share in enumerate(shares))
    cashback = draw(st.integers(0, paid))
    subsidy = draw(st.integers(0, paid - cashback))
    amounts = order(
        paid,
        lines=lines,
        platform_fee=draw(st.integers(0, paid)) // draw(st.integers(1, 50)),
        cashback=cashback // draw(st.integers(1, 50)),
        subsidies=(Subsidy("", subsidy, draw(st.booleans())),),
        freight_line=draw(st.sampled_from(["standard", "third_party"])),
        freight_base=draw(small),
        freight_actual=draw(small),
    )
    rules = tuple(rule(n, draw(rates), product=f"p{n}") for n in draw(st.sets(st.integers(0, 3))))
    return amounts, terms(draw(rates), threshold=draw(small), rules=rules)


@st.composite
def refunds(draw: Any, refund_id: str = "r") -> Refund:
    if draw(st.integers(0, 9)) == 0:
        return refund(None, refund_id)
    parts = draw(st.lists(st.tuples(st.sampled_from("0123"), small), max_size=2))
    return refund(
        sum(part for _, part in parts) + draw(st.one_of(small, amount)),
        refund_id,
        basis=draw(st.sampled_from(["paid", "cash"])),
        dispute=draw(st.sampled_from(["", "", "d1"])),
        lines=tuple(parts),
    )


reductions = st.lists(refunds(), max_size=4)


def recomputed(body: dict[str, Any]) -> int:
    """PRICE-1…7 worked out again from nothing but what the sheet says."""
    subsidies = body["subsidies"]
    actual = body["paid"] - body["cashback"] - sum(entry["amount"] for entry in subsidies)
    freight = body["freight"]
    deduction = freight["base"] if freight["line"] == "standard" else freight["actual"]
    excluded = sum(entry["amount"] for entry in subsidies if not entry["commissionable"])
    base = max(0, body["paid"] - body["platform_fee"] - deduction - body["cashback"] - excluded)
    assert (actual, base, deduction) == (body["actual_payment"], body["base"], freight["deduction"])
    if not base or body["terms"] is None or actual < body["terms"]["threshold"]:
        return 0

    def earned(share: str) -> Fraction:
        weighted = sum(Fraction(entry[share]) * entry["rate_bps"] for entry in body["lines"])
        return Fraction(base, body["paid"]) * weighted / 10_000

    exact = earned("paid")
    assert exact == Fraction(body["exact"])
    assert int(exact) == body["rounded"]
    if int(exact) < body["minimum_unit"]:
        assert body["forgone"] == int(exact)
        return 0
    assert body["priced"] == int(exact)
    return min(int(exact), int(earned("remaining"))) if "reductions" in body else int(exact)


@settings(max_examples=300, deadline=None)
@given(orders(), reductions, st.integers(0, 10**6), st.sampled_from([1, 10]))
def test_every_amount_is_explained_by_its_own_sheet(one, taken, compensation, minimum):
    amounts, by = one
    sheet = price(amounts, by, *taken, ("d1", compensation), minimum_unit=minimum)
    assert sheet.amount == sheet.body["amount"] == recomputed(sheet.body)


@settings(max_examples=300, deadline=None)
@given(orders(), reductions)
def test_no_commission_is_negative_or_beyond_the_highest_rate(one, taken):
    amounts, by = one
    sheet = price(amounts, by, *taken)
    highest = max([by.default_rate_bps, *(entry.rate_bps for entry in by.rules)])
    assert 0 <= sheet.amount <= sheet.priced
    assert sheet.priced * 10_000 <= amounts.base * highest <= amounts.paid * highest
    assert (sheet.reason == "") == (sheet.priced > 0)


@settings(max_examples=300, deadline=None)
@given(orders(), reductions, refunds("more"), st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_refund_or_more_compensation_never_raises_a_commission(one, taken, more, low, extra):
    amounts, by = one
    # One that carries out the dispute may: it says on which lines what was spread over all of them so far.
    more = replace(more, dispute_id="")
    before = price(amounts, by, *taken, ("d1", low)).amount
    assert price(amounts, by, *taken, more, ("d1", low)).amount <= before
    assert price(amounts, by, *taken, ("d1", low + extra)).amount <= before


@settings(max_examples=200, deadline=None)
@given(orders(), reductions, st.randoms(use_true_random=False))
def test_the_order_of_refunds_does_not_matter(one, taken, random):
    amounts, by = one
    named_refunds = [replace(entry, refund_id=str(n)) for n, entry in enumerate(taken)]
    shuffled = random.sample(named_refunds, len(named_refunds))
    first, second = price(amounts, by, *named_refunds), price(amounts, by, *shuffled)
    assert (first.amount, first.over_refunded) == (second.amount, second.over_refunded)
    remaining = [entry.get("remaining") for entry in first.body["lines"]]
    assert remaining == [entry.get("remaining") for entry in second.body["lines"]]
