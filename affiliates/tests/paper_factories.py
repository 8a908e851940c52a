"""Cases with papers for tests, and the people who look at them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Permission

from affiliates.models import (
    Affiliate,
    AffiliateMember,
    Case,
    RepresentativeDeclaration,
    SettlementDeclaration,
)
from affiliates.tests.factories import make_affiliate
from portal.models import MemberRole, User
from portal.tests.factories import make_user

ID_NUMBER = "11010519491231002X"
BANK_ACCOUNT = "6222021234567890123"


def make_draft(code: str = "alice", *, at: datetime, owner: User | None = None) -> Case:
    """An onboarding case in draft, with a representative and a bank account declared."""
    affiliate = make_affiliate(code, approved_at=None, unlocked_at=None)
    owner = owner or make_user(code.title())
    member_of(affiliate, owner)
    case = Case.objects.create(affiliate=affiliate, kind=Case.Kind.ONBOARDING, opened_by=owner, opened_at=at)
    RepresentativeDeclaration.objects.create(case=case, name="李雷", id_number=ID_NUMBER)
    SettlementDeclaration.objects.create(
        case=case, kind="bank", account_name="Alice Trading", account_number=BANK_ACCOUNT
    )
    return case


def member_of(affiliate: Affiliate, user: User, *, role: str = MemberRole.OWNER) -> AffiliateMember:
    return AffiliateMember.objects.create(affiliate=affiliate, user=user, role=role)


def reviewer(name: str = "Charlie", *, permissions: tuple[str, ...] = ("review_case",), **fields) -> User:
    user = make_user(name, **{"is_staff": True, **fields})
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def senior(name: str = "Sandra") -> User:
    return reviewer(name, permissions=("review_case", "decide_case", "reveal_papers"))


def close(case: Case, state: str, *, at: datetime) -> None:
    """The case at its end, with what the database asks of it."""
    decided = {}
    if state in (Case.State.APPROVED, Case.State.REJECTED):
        outcome = "approve" if state == Case.State.APPROVED else "reject"
        decided = {
            "outcome": outcome,
            "reason_code": "other" if outcome == "reject" else "",
            "first_by": reviewer(f"First{case.pk}"),
            "first_at": at,
            "first_digest": "d" * 64,
            "second_by": reviewer(f"Second{case.pk}"),
            "second_at": at,
            "second_digest": "d" * 64,
        }
    Case.objects.filter(pk=case.pk).update(state=state, closed_at=at, **decided)
    case.refresh_from_db()
