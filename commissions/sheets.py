"""The calculation sheet in words: each term of PRICE-1…8 with its numbers, for every screen that shows one.

Pure but for the language: it reads the stored sheet (`pricing.price_order` wrote it) and computes nothing anew.
Affiliate, merchant and admin pages draw the result with `templates/components/sheet.html`. A sheet holds the
winning rules only, so there is nothing in it that was made for others (PRICE-6).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from commissions.models import Mode, Reason
from portal.money import COMMISSION_CURRENCY
from portal.templatetags.shell import MINUS, bps, money

MAX_TERMS = 3
"""How many lines a formula spells out before it says `Σ`."""
DIGITS = 6
"""How many decimals of a dollar an exact amount is shown with before `…` says that more follow."""


class Row(NamedTuple):
    """One term: what it is, its amount as text, how it came to be, and the rule of the programme behind it."""

    label: str
    value: str
    note: str = ""
    rule: str = ""
    total: bool = False


class Part(NamedTuple):
    """Terms that belong together, the last of them their result."""

    title: str
    rows: list[Row]


def explain(sheet: dict[str, Any]) -> list[Part]:
    """`sheet` as rows of text in the language in force; empty for a commission that never had a sheet.

    Source: SPEC PRICE-6.
    """
    if "paid" not in sheet:
        return []
    parts = [_payment(sheet), _base(sheet), _rates(sheet), _commission(sheet)]
    if "reductions" in sheet:
        parts.append(_reductions(sheet))
    return parts


def exact_money(text: str, currency: str) -> str:
    """Exact minor units (`"371/2"`) in major units: `US$1.855`; an ellipsis where digits are left out."""
    value = Fraction(text) / 100
    scaled = abs(value) * 10**DIGITS
    whole, rest = divmod(scaled.numerator // scaled.denominator, 10**DIGITS)
    fraction = f"{rest:0{DIGITS}d}".rstrip("0").ljust(2, "0")
    more = "…" if scaled.denominator != 1 else ""
    return f"{money(whole * 100, currency)[:-3]}.{fraction}{more}"


def _less(amount: int, currency: str) -> str:
    return money(-amount, currency) if amount else money(0, currency)


def _payment(sheet: dict[str, Any]) -> Part:
    """PRICE-1 and the threshold of PRICE-3."""
    currency, terms = sheet["currency"], sheet["terms"]
    rows = [
        Row(_("Paid at checkout"), money(sheet["paid"], currency), _("after coupons")),
        Row(_("Paid by a cash-back packet"), _less(sheet["cashback"], currency)),
    ]
    rows += [
        Row(
            _("Paid by a subsidy: %(name)s") % {"name": entry["name"] or "—"},
            _less(entry["amount"], currency),
        )
        for entry in sheet["subsidies"]
    ]
    rows.append(
        Row(
            _("Actual payment of the buyer"),
            money(sheet["actual_payment"], currency),
            rule="PRICE-1",
            total=True,
        )
    )
    if terms and terms["threshold"]:
        reached = sheet["actual_payment"] >= terms["threshold"]
        rows.append(
            Row(
                _("Minimum order of the merchant"),
                money(terms["threshold"], COMMISSION_CURRENCY),
                _("reached") if reached else _("not reached: the order earns nothing"),
                "PRICE-3",
            )
        )
    else:
        rows.append(Row(_("Minimum order of the merchant"), _("none"), rule="PRICE-3"))
    return Part(_("What the buyer paid"), rows)


def _base(sheet: dict[str, Any]) -> Part:
    """PRICE-2."""
    currency, freight = sheet["currency"], sheet["freight"]
    rows = [
        Row(_("Paid at checkout"), money(sheet["paid"], currency)),
        Row(_("Platform fee"), _less(sheet["platform_fee"], currency)),
    ]
    if freight["line"] in ("standard", ""):
        rows.append(
            Row(
                _("Freight, standard line"),
                _less(freight["deduction"], currency),
                _("its base fee; the actual fee of %(actual)s doesn't count")
                % {"actual": money(freight["actual"], currency)}
                if freight["actual"]
                else _("its base fee"),
            )
        )
    else:
        rows.append(
            Row(
                _("Freight, line %(line)s") % {"line": freight["line"]},
                _less(freight["deduction"], currency),
                _("the actual fee, as on every line but the standard one"),
            )
        )
    rows.append(Row(_("Cash-back packet"), _less(sheet["cashback"], currency)))
    for entry in sheet["subsidies"]:
        label = _("Subsidy: %(name)s") % {"name": entry["name"] or "—"}
        if entry["commissionable"]:
            note = _("%(amount)s stays in: commission is paid on it") % {
                "amount": money(entry["amount"], currency)
            }
            rows.append(Row(label, money(0, currency), note))
        else:
            rows.append(Row(label, _less(entry["amount"], currency), _("no commission is paid on it")))
    rows.append(
        Row(
            _("Commission base"),
            money(sheet["base"], currency),
            _("never below zero"),
            rule="PRICE-2",
            total=True,
        )
    )
    return Part(_("What commission is counted on"), rows)


def _asked_for(criteria: list[str]) -> str:
    names = {
        "product": _("product"),
        "affiliate": _("affiliate"),
        "category": _("category"),
        "country": _("buyer country"),
        "window": _("campaign"),
    }
    return ", ".join(names[name] for name in criteria)


def _line_name(line: dict[str, Any]) -> str:
    if not line["line_id"]:
        return _("The whole order")
    return _("Line %(line)s") % {"line": line["line_id"]}


def _rates(sheet: dict[str, Any]) -> Part:
    """RATE-1 for each line: its share, its rate, the rule that won."""
    currency, terms = sheet["currency"], sheet["terms"]
    if not terms:
        return Part(
            _("At which rate"), [Row(_("Terms in force when ordered"), _("none"), rule="RATE-3", total=True)]
        )
    rows = [
        Row(
            _("Terms in force when ordered"),
            _("version %(number)s") % {"number": terms["version"]},
            str(Mode(terms["mode"]).label),
            "RATE-3",
        )
    ]
    for line in sheet["lines"]:
        rule = line["rule"]
        if rule is None:
            won = _("default rate")
        elif rule["by"]:
            won = _("rule %(position)s, made for: %(criteria)s") % {
                "position": rule["position"],
                "criteria": _asked_for(rule["by"]),
            }
        else:
            won = _("rule %(position)s") % {"position": rule["position"]}
        about = [text for text in (line["product_id"], line["category_id"]) if text]
        note = " · ".join([*about, _("share %(paid)s") % {"paid": money(line["paid"], currency)}, won])
        rows.append(Row(_line_name(line), bps(line["rate_bps"]), note, "RATE-1"))
    return Part(_("At which rate"), rows)


def _formula(sheet: dict[str, Any], shares: list[str]) -> str:
    """Base ÷ paid × what the lines make, in numbers."""
    currency = sheet["currency"]
    rates = [bps(line["rate_bps"]) for line in sheet["lines"]]
    if len(rates) > MAX_TERMS:
        inner = _("sum of each line × its rate")
    else:
        inner = " + ".join(f"{share} × {rate}" for share, rate in zip(shares, rates, strict=True))
    return f"{money(sheet['base'], currency)} ÷ {money(sheet['paid'], currency)} × ({inner})"


def _commission(sheet: dict[str, Any]) -> Part:
    """PRICE-4, PRICE-5 and PRICE-8."""
    currency = sheet["currency"]
    rows = []
    if sheet["lines"] and sheet["paid"]:
        shares = [money(line["paid"], currency) for line in sheet["lines"]]
        rows += [
            Row(_("Exactly"), exact_money(sheet["exact"], currency), _formula(sheet, shares), "PRICE-4"),
            Row(
                _("Rounded down to the cent"),
                money(sheet["rounded"], COMMISSION_CURRENCY),
                _("the one rounding of the order"),
                "PRICE-4",
            ),
        ]
    unit = money(sheet["minimum_unit"], COMMISSION_CURRENCY)
    below = sheet["reason"] == Reason.BELOW_MINIMUM_UNIT
    if below and sheet["forgone"]:
        note = _("not reached: %(forgone)s is forgone") % {
            "forgone": money(sheet["forgone"], COMMISSION_CURRENCY)
        }
    elif below:
        note = _("not reached")
    elif sheet["reason"]:
        note = ""
    else:
        note = _("reached")
    rows.append(Row(_("Minimum unit in force when ordered"), unit, note, "PRICE-5"))
    why = str(Reason(sheet["reason"]).label) if sheet["reason"] else ""
    rule = {"zero_base": "PRICE-8", "no_rate": "RATE-3", "below_order_threshold": "PRICE-3"}.get(
        sheet["reason"], ""
    )
    rows.append(
        Row(_("Commission of the order"), money(sheet["priced"], COMMISSION_CURRENCY), why, rule, total=True)
    )
    return Part(_("What it comes to"), rows)


def _refund(refund: dict[str, Any], currency: str) -> Row:
    notes = []
    if refund["basis"] == "cash":
        notes.append(_("stated in cash, scaled to what was paid at checkout"))
    if refund["dispute_id"]:
        notes.append(_("carries out dispute %(dispute)s") % {"dispute": refund["dispute_id"]})
    notes += [
        _("line %(line)s: %(amount)s") % {"line": line, "amount": money(amount, currency)}
        for line, amount in refund["lines"]
    ]
    value = _("everything") if refund["full"] else _less(refund["amount"] or 0, currency)
    return Row(_("Refund %(refund)s") % {"refund": refund["refund_id"]}, value, " · ".join(notes), "PRICE-7")


def _reductions(sheet: dict[str, Any]) -> Part:
    """PRICE-7: everything that was given back, and what commission is left."""
    currency, reductions = sheet["currency"], sheet["reductions"]
    rows = []
    if reductions["cancelled"]:
        rows.append(
            Row(_("Cancelled after payment"), _("everything"), _("counts as a full refund"), "LIFE-4")
        )
    rows += [_refund(refund, currency) for refund in reductions["refunds"]]
    rows += [
        Row(
            _("Compensation of dispute %(dispute)s") % {"dispute": dispute},
            _less(amount, currency),
            _("less the refunds that carry it out"),
            "PRICE-7",
        )
        for dispute, amount in reductions["compensations"]
    ]
    over = _("more was refunded than paid") if reductions["over_refunded"] else ""
    rows.append(Row(_("What is left of the order"), exact_money(reductions["remaining"], currency), over))
    note = ""
    if sheet["priced"] and sheet["amount"]:
        shares = [exact_money(line["remaining"], currency) for line in sheet["lines"]]
        note = _("%(formula)s, rounded down") % {"formula": _formula(sheet, shares)}
    rows.append(
        Row(
            _("Commission on what is left"),
            money(sheet["amount"], COMMISSION_CURRENCY),
            note,
            "PRICE-7",
            total=True,
        )
    )
    taken = sheet["priced"] - sheet["amount"]
    if taken:
        rows.append(Row(_("Taken back"), f"{MINUS}{money(taken, COMMISSION_CURRENCY)}"))
    return Part(_("What was given back to the buyer"), rows)
