"""Hints: what declared fields give away before anybody looks at a paper (ONB-1)."""

from __future__ import annotations

from datetime import date

import pytest

from affiliates.checks import Declared, Hint, examine, months_before
from affiliates.models import (
    CompanyDeclaration,
    Document,
    RepresentativeDeclaration,
    SettlementDeclaration,
    TaxDeclaration,
)
from affiliates.refusals import EVERY_PAPER, REASONS, of_case, of_paper

ON = date(2026, 3, 15)


def company(**changed) -> CompanyDeclaration:
    fields = {
        "entity": "company",
        "name": "深圳前海云选科技有限公司",
        "uscc": "914403001922038216",
        "representative_name": "王晓明",
        "valid_until": None,
    }
    return CompanyDeclaration(**fields | changed)


def representative(**changed) -> RepresentativeDeclaration:
    fields = {"name": "王晓明", "id_number": "11010519491231002X", "valid_until": date(2030, 1, 1)}
    return RepresentativeDeclaration(**fields | changed)


def settlement(**changed) -> SettlementDeclaration:
    fields = {
        "kind": "bank",
        "account_name": "深圳前海云选科技有限公司",
        "account_number": "6222020200112233445",
        "cnaps_code": "102100099996",
    }
    return SettlementDeclaration(**fields | changed)


def tax(**changed) -> TaxDeclaration:
    fields = {
        "proof": "certificates",
        "taxpayer_name": "深圳前海云选科技有限公司",
        "taxpayer_number": "914403001922038216",
        "first_month": date(2025, 12, 1),
        "last_month": date(2026, 2, 1),
    }
    return TaxDeclaration(**fields | changed)


def declared(**changed) -> Declared:
    fields = {
        "on": ON,
        "company": company(),
        "representative": representative(),
        "settlement": settlement(),
        "tax": tax(),
    }
    return Declared(**fields | changed)


def bad(hints: list[Hint]) -> list[tuple[str, str]]:
    return [(hint.code, hint.subject) for hint in hints if hint.level != "ok"]


def test_a_flawless_case_has_nothing_but_agreements():
    found = examine(declared())
    assert bad(found) == []
    assert {hint.code for hint in found} == {
        "number_holds", "long_term", "valid", "representative_name", "account_name", "taxpayer", "months_covered"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"company": company(uscc="440301103097413")}, ("old_licence_number", "company.uscc")),
        ({"company": company(valid_until=date(2026, 3, 14))}, ("expired", "company.valid_until")),
        ({"company": company(valid_until=date(2026, 4, 13))}, ("expires_soon", "company.valid_until")),
        ({"representative": representative(name="李四")}, ("representative_name", "representative.name")),
        ({"representative": representative(id_number="1")}, ("id_length", "representative.id_number")),
        ({"settlement": settlement(account_name="王晓明")}, ("account_name", "settlement.account_name")),
        ({"settlement": settlement(cnaps_code="102100099997")}, ("cnaps_checksum", "settlement.cnaps_code")),
        (
            {"settlement": settlement(kind="alipay", alipay_kind="personal", cnaps_code="")},
            ("personal_alipay", "settlement.alipay_kind"),
        ),
        ({"tax": tax(taxpayer_name="另一家公司")}, ("taxpayer", "tax.taxpayer_name")),
        ({"tax": tax(taxpayer_number="91350100M000100Y43")}, ("taxpayer", "tax.taxpayer_number")),
        ({"tax": tax(first_month=date(2026, 1, 1))}, ("months_covered", "tax.first_month")),
        ({"tax": tax(last_month=date(2026, 1, 1))}, ("months_covered", "tax.first_month")),
        ({"same_company": 1}, ("duplicate_company", "company.uscc")),
        ({"pages": {"id_front": {"grey"}}}, ("grey", "document.id_front")),
        ({"pages": {"tax_proof": {"blurred"}}}, ("blurred", "document.tax_proof")),
    ],
)
def test_each_thing_that_does_not_fit_is_named_with_its_field(changed, expected):
    assert expected in bad(examine(declared(**changed)))


def test_a_paper_is_valid_on_its_last_day():
    assert ("expired", "company.valid_until") not in bad(examine(declared(company=company(valid_until=ON))))


def test_a_child_can_represent_no_company():
    on_the_birthday, a_day_before = date(1967, 12, 31), date(1967, 12, 30)
    assert ("under_age", "representative.id_number") in bad(examine(declared(on=a_day_before)))
    assert ("under_age", "representative.id_number") not in bad(examine(declared(on=on_the_birthday)))


def test_mismatches_come_first_and_agreements_last():
    found = examine(declared(representative=representative(name="李四"), pages={"id_back": {"blurred"}}))
    levels = [hint.level for hint in found]
    assert levels == sorted(levels, key=["mismatch", "warning", "ok"].index)
    assert levels[0] == "mismatch"


def test_nothing_is_said_of_steps_that_are_not_saved_yet():
    assert examine(Declared(on=ON)) == []


@pytest.mark.parametrize(
    ("day", "months"),
    [
        (date(2026, 3, 1), [(2025, 12), (2026, 1), (2026, 2)]),
        (date(2026, 1, 31), [(2025, 10), (2025, 11), (2025, 12)]),
        (date(2026, 12, 31), [(2026, 9), (2026, 10), (2026, 11)]),
    ],
)
def test_the_three_full_months_before_cross_the_year(day, months):
    assert months_before(day, 3) == [date(year, month, 1) for year, month in months]


def test_every_paper_can_be_refused_and_a_case_rejected_with_a_reason_and_a_hint():
    assert set(EVERY_PAPER) == set(Document.Kind.values)
    for kind in Document.Kind.values:
        assert len(of_paper(kind)) >= 4
    assert of_case()
    assert all(str(refusal.text) and str(refusal.hint) for refusal in REASONS.values())
    assert set(REASONS) == {r.code for kind in EVERY_PAPER for r in of_paper(kind)} | {
        r.code for r in of_case()
    }
