"""What the declared fields and the pictures of a case themselves give away: hints, never decisions (ONB-1).

`examine` is a pure rule over what was declared; `hints` reads a case for it. A hint says of one field whether it
agrees with the others. Applicants see those that they can mend, reviewers all of them, mismatches first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates.identifiers import birth_date, cnaps_problem, id_number_problem, normalised, uscc_problem
from affiliates.models import (
    AccountKind,
    Affiliate,
    Case,
    CompanyDeclaration,
    Document,
    DocumentPage,
    RepresentativeDeclaration,
    SettlementDeclaration,
    TaxDeclaration,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
MISMATCH, WARNING, OK = "mismatch", "warning", "ok"
_ORDER = {MISMATCH: 0, WARNING: 1, OK: 2}
MONTHS_TO_COVER = 3
SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Hint:
    """One finding: `level` is mismatch, warning or ok; `subject` names the field, as `step.field`."""

    code: str
    level: str
    subject: str
    message: str | Promise


@dataclass(frozen=True, slots=True)
class Declared:
    """What a case says, as far as it goes: None for a step that is not saved yet.

    `on` is the Shanghai day of the first submission, or today before it. `pages` are the picture hints by paper.
    """

    on: date
    company: CompanyDeclaration | None = None
    representative: RepresentativeDeclaration | None = None
    settlement: SettlementDeclaration | None = None
    tax: TaxDeclaration | None = None
    pages: dict[str, set[str]] = field(default_factory=dict)
    same_company: int = 0


_PROBLEMS: dict[str, tuple[str, str | Promise]] = {
    "old_licence_number": (
        MISMATCH,
        _("15 digits are the old licence number; the unified code has 18 characters."),
    ),
    "uscc_length": (MISMATCH, _("A unified social credit code has 18 characters.")),
    "uscc_checksum": (MISMATCH, _("The check digit of the unified social credit code is wrong.")),
    "uscc_organisation": (WARNING, _("The organisation code inside has an unusual check digit.")),
    "id_length": (MISMATCH, _("An ID number has 18 characters.")),
    "id_checksum": (MISMATCH, _("The ID number's check digit, date or region is wrong.")),
    "cnaps_length": (WARNING, _("A CNAPS code has 12 digits.")),
    "cnaps_checksum": (WARNING, _("The CNAPS code's check digit is wrong.")),
}
_PICTURES: dict[str, str | Promise] = {
    "too_small": _("The picture is small; its text may be unreadable."),
    "blurred": _("The picture looks blurred."),
    "grey": _("The picture has no colour; an ID card must be in colour."),
}


def months_before(day: date, count: int) -> list[date]:
    """The first days of the `count` full months before the month of `day`, oldest first."""
    months = [day.year * 12 + day.month - 1 - back for back in range(count, 0, -1)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def examine(declared: Declared) -> list[Hint]:
    """Everything that can be told without looking at a paper: mismatches first, then warnings, then what agrees.

    Source: SPEC ONB-1.
    """
    found = [
        *_company(declared),
        *_representative(declared),
        *_settlement(declared),
        *_tax(declared),
        *_pictures(declared),
    ]
    return sorted(found, key=lambda hint: _ORDER[hint.level])


def _number(problem: str, subject: str) -> Hint:
    if problem:
        level, message = _PROBLEMS[problem]
        return Hint(problem, level, subject, message)
    return Hint("number_holds", OK, subject, _("The number's check digits hold."))


def _agreement(
    code: str, subject: str, one: str, other: str, same: str | Promise, differs: str | Promise
) -> Hint:
    if normalised(one) == normalised(other):
        return Hint(code, OK, subject, same)
    return Hint(code, MISMATCH, subject, differs)


def _validity(subject: str, until: date | None, on: date) -> Hint:
    if until is None:
        return Hint("long_term", OK, subject, _("Valid for the long term."))
    if until < on:
        return Hint("expired", MISMATCH, subject, _("The paper has expired."))
    if (until - on).days < SOON_DAYS:
        return Hint("expires_soon", WARNING, subject, _("The paper expires within 30 days."))
    return Hint("valid", OK, subject, _("The paper is valid."))


def _company(declared: Declared) -> Iterator[Hint]:
    company = declared.company
    if company is None:
        return
    yield _number(uscc_problem(company.uscc), "company.uscc")
    yield _validity("company.valid_until", company.valid_until, declared.on)
    if declared.same_company:
        yield Hint(
            "duplicate_company",
            MISMATCH,
            "company.uscc",
            _("Another affiliate or open application has the same unified code."),
        )


def _representative(declared: Declared) -> Iterator[Hint]:
    person, company = declared.representative, declared.company
    if person is None:
        return
    yield _number(id_number_problem(person.id_number), "representative.id_number")
    yield _validity("representative.valid_until", person.valid_until, declared.on)
    born = birth_date(person.id_number)
    if (
        born is not None
        and (declared.on.year - born.year) - ((declared.on.month, declared.on.day) < (born.month, born.day))
        < 18
    ):
        yield Hint("under_age", MISMATCH, "representative.id_number", _("The person is not of age."))
    if company is not None and company.representative_name:
        yield _agreement(
            "representative_name",
            "representative.name",
            company.representative_name,
            person.name,
            _("The licence names the same person."),
            _("The licence names another legal representative."),
        )


def _settlement(declared: Declared) -> Iterator[Hint]:
    account, company = declared.settlement, declared.company
    if account is None:
        return
    if account.alipay_kind == SettlementDeclaration.AlipayKind.PERSONAL:
        yield Hint(
            "personal_alipay",
            MISMATCH,
            "settlement.alipay_kind",
            _("Personal Alipay accounts can't be paid to."),
        )
    if company is not None:
        yield _agreement(
            "account_name",
            "settlement.account_name",
            account.account_name,
            company.name,
            _("The account is in the name on the licence."),
            _("The account is not in the name on the licence."),
        )
    if account.kind == AccountKind.BANK and account.cnaps_code:
        yield _number(cnaps_problem(account.cnaps_code), "settlement.cnaps_code")


def _tax(declared: Declared) -> Iterator[Hint]:
    tax, company = declared.tax, declared.company
    if tax is None:
        return
    if company is not None:
        same_name = normalised(tax.taxpayer_name) == normalised(company.name)
        same_number = normalised(tax.taxpayer_number) == normalised(company.uscc)
        agrees = same_name and same_number
        yield Hint(
            "taxpayer",
            OK if agrees else MISMATCH,
            "tax.taxpayer_name" if not same_name else "tax.taxpayer_number",
            _("The taxpayer is the company of the licence.")
            if agrees
            else _("The taxpayer is not the company of the licence."),
        )
    if tax.first_month is not None and tax.last_month is not None:
        wanted = months_before(declared.on, MONTHS_TO_COVER)
        covered = tax.first_month <= wanted[0] and tax.last_month >= wanted[-1]
        yield Hint(
            "months_covered",
            OK if covered else MISMATCH,
            "tax.first_month",
            _("The three full months before the application are covered.")
            if covered
            else _("The three full months before the application are not all covered."),
        )


def _pictures(declared: Declared) -> Iterator[Hint]:
    for kind, codes in declared.pages.items():
        for code in sorted(codes & _PICTURES.keys()):
            yield Hint(code, WARNING, f"document.{kind}", _PICTURES[code])


def hints(case: Case, *, at: datetime) -> list[Hint]:
    """The hints of a case as it stands at `at`. A fixed number of queries."""
    day = (case.first_submitted_at or at).astimezone(SHANGHAI).date()
    company = _step(case, "company")
    pages: dict[str, set[str]] = {}
    current = DocumentPage.objects.filter(document__case=case).exclude(
        document__verdict=Document.Verdict.SUPERSEDED
    )
    for kind, codes in current.values_list("document__kind", "hints"):
        pages.setdefault(kind, set()).update(codes)
    return examine(
        Declared(
            on=day,
            company=company,
            representative=_step(case, "representative"),
            settlement=_step(case, "settlement"),
            tax=_step(case, "tax"),
            pages=pages,
            same_company=_others_of(case, company.uscc) if company else 0,
        )
    )


def _step(case: Case, name: str):  # type: ignore[no-untyped-def]
    try:
        return getattr(case, name)
    except ObjectDoesNotExist:
        return None


def _others_of(case: Case, uscc: str) -> int:
    """How many other affiliates are of this company, or have an application for it that still counts."""
    approved = Affiliate.objects.filter(company__uscc=uscc).exclude(pk=case.affiliate_id).values("pk")
    applied = (
        CompanyDeclaration.objects.filter(uscc=uscc)
        .exclude(case__affiliate_id=case.affiliate_id)
        .exclude(case__state__in=[Case.State.REJECTED, Case.State.WITHDRAWN])
        .values("case__affiliate_id")
    )
    return approved.union(applied).count()
