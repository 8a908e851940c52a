"""What an approval causes: a company, an affiliate that may begin, an account to be paid to (ONB-2, ONB-7, ONB-10).

Called by `cases` in the transaction of the second decision, with the case and its affiliate locked.
"""

from __future__ import annotations

import secrets
import string
from datetime import date, datetime

from affiliates import notices
from affiliates.identifiers import normalised
from affiliates.models import Affiliate, Case, Company, PaperExpiry, SettlementAccount
from affiliates.steps import LICENCE, REPRESENTATIVE, steps_of
from portal import audit
from portal.models import User

CODE_ALPHABET = string.ascii_lowercase + string.digits
CODE_LENGTH = 8


def free_code() -> str:
    """A code for a new affiliate: eight random letters and digits, the first a letter."""
    while True:
        code = secrets.choice(string.ascii_lowercase) + "".join(
            secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH - 1)
        )
        if not Affiliate.objects.filter(code=code).exists():
            return code


def take_effect(case: Case, *, by: User, at: datetime) -> None:
    """Do what the approved case asks for. Locks the affiliate's row."""
    affiliate = Affiliate.objects.select_for_update().get(pk=case.affiliate_id)
    steps = steps_of(case)
    if case.kind == Case.Kind.ONBOARDING:
        affiliate.company = case.verified_company or _company(case, at=at)
        affiliate.approved_at = at
        affiliate.save(update_fields=["company", "approved_at"])
        audit.record("affiliate.approve", by=by, target=affiliate, at=at, case=case.pk)
    if case.kind != Case.Kind.RENEWAL:
        _replace_account(case, affiliate, by=by, at=at)
    if LICENCE in steps or REPRESENTATIVE in steps:
        _renew_expiries(case, affiliate, steps)


def _company(case: Case, *, at: datetime) -> Company:
    """The company of the licence, made anew or brought up to date; found by its unified code."""
    declared, person = case.company, case.representative
    company, _ = Company.objects.update_or_create(
        uscc=normalised(declared.uscc),
        defaults={
            "name": declared.name,
            "entity": declared.entity,
            "representative_name": person.name,
            "representative_id_number": person.id_number,
            "licence_valid_until": declared.valid_until,
            "id_valid_until": person.valid_until,
            "verified_at": at,
        },
    )
    return company


def _replace_account(case: Case, affiliate: Affiliate, *, by: User, at: datetime) -> None:
    """The declared account becomes the one that is paid to; the one before is kept as replaced (PAY-2)."""
    declared = case.settlement
    replaced = SettlementAccount.objects.filter(affiliate=affiliate, replaced_at__isnull=True).update(
        replaced_at=at
    )
    account = SettlementAccount.objects.create(
        affiliate=affiliate,
        case=case,
        kind=declared.kind,
        account_name=declared.account_name,
        account_number=declared.account_number,
        bank_name=declared.bank_name,
        branch_name=declared.branch_name,
        cnaps_code=declared.cnaps_code,
        approved_at=at,
    )
    audit.record("settlement_account.approve", by=by, target=account, at=at, case=case.pk, replaced=replaced)
    if replaced:
        notices.announce_account(affiliate, at=at)


def _renew_expiries(case: Case, affiliate: Affiliate, steps: tuple[str, ...]) -> None:
    """Remember when the approved papers run out; a new date is warned of anew (ONB-10)."""
    company = affiliate.company
    dates: dict[str, date | None] = {}
    if LICENCE in steps:
        licence = getattr(case, "company", None)
        known = company.licence_valid_until if company else None
        dates[PaperExpiry.Paper.BUSINESS_LICENCE] = licence.valid_until if licence else known
    if REPRESENTATIVE in steps:
        person = getattr(case, "representative", None)
        known = company.id_valid_until if company else None
        dates[PaperExpiry.Paper.ID_CARD] = person.valid_until if person else known
    for paper, until in dates.items():
        if until is None:
            PaperExpiry.objects.filter(affiliate=affiliate, paper=paper).delete()
        else:
            PaperExpiry.objects.update_or_create(
                affiliate=affiliate, paper=paper, defaults={"valid_until": until, "warned_at": None}
            )
