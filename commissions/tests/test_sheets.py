"""The calculation sheet in words (PRICE-6): every term with its numbers, whatever the order was like."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from commissions.pricing import Line, OrderAmounts, Reductions, Refund, Rule, Subsidy, Terms, price_order
from commissions.sheets import Row, exact_money, explain
from orders.tests.factories import NOON


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def amounts(**fields: Any) -> OrderAmounts:
    """The worked example of SPEC §4."""
    return OrderAmounts(
        **{
            "currency": "USD",
            "paid": 3500,
            "platform_fee": 250,
            "cashback": 100,
            "subsidies": (Subsidy("Super Deals", 200, False),),
            "freight_line": "standard",
            "freight_base": 300,
            "freight_actual": 420,
            "lines": (),
            **fields,
        }
    )


def rows(
    order: OrderAmounts | None = None, *, rules: tuple[Rule, ...] = (), **pricing: Any
) -> dict[str, Row]:
    """The explained rows by label; of labels that come twice, the last."""
    terms = pricing.pop("terms", Terms(1, 4, "pre_payment", 700, pricing.pop("threshold", 0), 7, rules))
    sheet = price_order(
        order or amounts(),
        terms=terms,
        affiliate_id=7,
        country="RU",
        ordered_at=NOON,
        **{"minimum_unit": 10, **pricing},
    )
    return {row.label: row for part in explain(sheet.body) for row in part.rows}


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_worked_example_reads_as_the_rule_book_has_it():
    found = rows()
    assert found["Actual payment of the buyer"].value == "US$32.00"
    assert found["Platform fee"].value == "−US$2.50"
    assert found["Freight, standard line"][1:3] == (
        "−US$3.00",
        "its base fee; the actual fee of US$4.20 doesn't count",
    )
    assert found["Subsidy: Super Deals"][1:3] == ("−US$2.00", "no commission is paid on it")
    assert found["Commission base"].value == "US$26.50"
    exact = found["Exactly"]
    assert (exact.value, plain(exact.note)) == ("US$1.855", "US$26.50 ÷ US$35.00 × (US$35.00 × 7 %)")
    assert found["Rounded down to the cent"].value == "US$1.85"
    assert found["Commission of the order"] == Row("Commission of the order", "US$1.85", total=True)


def test_another_freight_line_counts_its_actual_fee_and_a_commissionable_subsidy_stays_in():
    found = rows(amounts(freight_line="express", subsidies=(Subsidy("Coupon", 200, True),)))
    assert found["Freight, line express"].value == "−US$4.20"
    assert found["Subsidy: Coupon"][1:3] == ("US$0.00", "US$2.00 stays in: commission is paid on it")


def test_each_line_names_its_share_its_rate_and_the_rule_that_won_only():
    rules = (
        Rule(1, 1, "", 7, "", "", None, None, 900),
        Rule(2, 2, "p9", None, "", "RU", None, None, 1250),
        Rule(3, 3, "", 8, "", "", None, None, 2000),
    )
    order = amounts(lines=(Line("1", "p9", "toys", 2000), Line("2", "p1", "", 1500)))
    found = rows(order, rules=rules)
    first, second = found["Line 1"], found["Line 2"]
    assert plain(first.value) == "12.5 %"
    assert first.note == "p9 · toys · share US$20.00 · rule 2, made for: product, buyer country"
    assert plain(second.value) == "9 %"
    assert second.note == "p1 · share US$15.00 · rule 1, made for: affiliate"
    assert "20" not in plain(" ".join(row.value for row in (first, second)))


@pytest.mark.parametrize(
    ("order", "pricing", "label", "value", "note"),
    [
        (
            amounts(paid=2850, platform_fee=0, cashback=0, subsidies=()),
            {"threshold": 3000},
            "Minimum order of the merchant",
            "US$30.00",
            "not reached: the order earns nothing",
        ),
        (
            amounts(paid=400, platform_fee=0, cashback=0, subsidies=()),
            {},
            "Minimum unit in force when ordered",
            "US$0.10",
            "not reached: US$0.07 is forgone",
        ),
        (
            amounts(paid=400, platform_fee=0, cashback=0, subsidies=()),
            {"minimum_unit": 1},
            "Commission of the order",
            "US$0.07",
            "",
        ),
        (
            amounts(platform_fee=3500),
            {},
            "Commission of the order",
            "US$0.00",
            "nothing to pay commission on",
        ),
        (amounts(), {"terms": None}, "Commission of the order", "US$0.00", "no terms in force"),
        (
            amounts(paid=0, cashback=0, subsidies=()),
            {},
            "Commission of the order",
            "US$0.00",
            "nothing to pay commission on",
        ),
    ],
)
def test_what_zeroes_an_order_is_said(order, pricing, label, value, note):
    assert rows(order, **pricing)[label][1:3] == (value, note)


def test_refunds_and_compensations_are_listed_with_what_remains():
    order = amounts(
        paid=1000,
        platform_fee=0,
        cashback=0,
        subsidies=(),
        freight_base=0,
        lines=(Line("1", "", "", 600), Line("2", "", "", 400)),
    )
    reductions = Reductions(
        refunds=(
            Refund("r1", 300, False, "paid", "", (("1", 300),)),
            Refund("r2", 100, False, "cash", "d1", ()),
        ),
        compensations=(("d1", 150),),
    )
    found = rows(order, reductions=reductions)
    assert found["Refund r1"][1:3] == ("−US$3.00", "line 1: US$3.00")
    assert found["Refund r2"].note == (
        "stated in cash, scaled to what was paid at checkout · carries out dispute d1"
    )
    assert found["Compensation of dispute d1"].value == "−US$1.50"
    assert found["What is left of the order"].value == "US$5.50"
    left = found["Commission on what is left"]
    assert left.value == "US$0.38"
    assert found["Taken back"].value == "−US$0.32"


def test_a_full_refund_a_cancellation_and_too_much_are_said():
    everything = Refund("r1", None, True, "paid", "", ())
    assert rows(reductions=Reductions(refunds=(everything,)))["Refund r1"].value == "everything"
    assert rows(reductions=Reductions(cancelled=True))["Cancelled after payment"].value == "everything"
    much = Refund("r1", 9000, False, "paid", "", ())
    found = rows(reductions=Reductions(refunds=(much,)))
    assert found["What is left of the order"][1:3] == ("US$0.00", "more was refunded than paid")


def test_a_commission_that_never_had_a_sheet_has_nothing_to_explain():
    assert explain({}) == []


def test_it_speaks_chinese():
    with translation.override("zh-hans"):
        assert rows()["计佣基数"].value == "US$26.50"


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        ("371/2", "US$1.855"),
        ("185", "US$1.85"),
        ("100", "US$1.00"),
        ("1/3", "US$0.003333…"),
        ("0", "US$0.00"),
        ("123456789", "US$1,234,567.89"),
    ],
)
def test_exact_amounts_say_when_digits_are_left_out(exact, shown):
    assert exact_money(exact, "USD") == shown
