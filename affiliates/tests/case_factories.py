"""Cases for tests in any state of their life, made by the operations themselves.

Alice applies; Rita reviews first, Sven second, Charlie is a reviewer with nothing to do with it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from itertools import count

from affiliates import cases, declarations
from affiliates.evidence_digest import digest, subject_digest
from affiliates.models import Case, Document, LivenessCheck
from affiliates.steps import papers_of
from portal.models import User
from portal.tests.factories import make_staff, make_user

# A Wednesday, 10:00 in Shanghai.
NOW = datetime(2026, 3, 11, 2, 0, tzinfo=UTC)
COMPANY = "深圳前海云选科技有限公司"
USCC = "914403001922038216"
PERSON = "王晓明"
ID_NUMBER = "11010519491231002X"
ACCOUNT = "6222020200112233445"
_numbers = count(1)


def make_reviewer(name: str = "Rita") -> User:
    return make_staff(name, groups=("kyc_reviewer",))


def make_senior(name: str = "Sven") -> User:
    return make_staff(name, groups=("kyc_senior",))


def put_document(case: Case, kind: str, *, by: User, at: datetime = NOW, content: str = "") -> Document:
    """The next version of a paper as rows, without bytes; a decision that waits is void, as with an upload."""
    case.documents.filter(kind=kind).exclude(verdict=Document.Verdict.SUPERSEDED).update(
        verdict=Document.Verdict.SUPERSEDED
    )
    document = case.documents.create(
        kind=kind,
        version=case.documents.filter(kind=kind).count() + 1,
        sha256=hashlib.sha256((content or f"{kind} {next(_numbers)}").encode()).hexdigest(),
        uploaded_by=by,
        uploaded_at=at,
    )
    cases.evidence_changed(Case.objects.get(pk=case.pk), by=by, at=at)
    return document


def fill(case: Case, *, by: User, at: datetime = NOW, uscc: str = USCC) -> Case:
    """Everything that the case asks for, complete and consistent."""
    if case.kind == Case.Kind.ONBOARDING:
        declarations.save_profile(
            case,
            by=by,
            at=at,
            name="云选好物",
            kind="koc",
            regions=["ES", "MX"],
            categories=["phone-accessories"],
            channels=[declarations.ChannelPlan(None, "wechat", "云选好物分享", 86000)],
        )
        declarations.save_company(
            case, by=by, at=at, entity="company", name=COMPANY, uscc=uscc, representative_name=PERSON
        )
        declarations.save_representative(
            case, by=by, at=at, name=PERSON, id_number=ID_NUMBER, valid_until=date(2030, 1, 1)
        )
        declarations.save_tax(
            case,
            by=by,
            at=at,
            proof="certificates",
            taxpayer_name=COMPANY,
            taxpayer_number=uscc,
            first_month=date(2025, 12, 1),
            last_month=date(2026, 2, 1),
        )
        declarations.give_consents(case, kinds=["terms", "identity", "face"], by=by, at=at)
        pass_liveness(case, by=by, at=at)
    if case.kind != Case.Kind.RENEWAL:
        declarations.save_settlement(
            case,
            by=by,
            at=at,
            kind="bank",
            account_name=COMPANY,
            account_number=ACCOUNT,
            bank_name="中国工商银行",
            branch_name="深圳前海支行",
            cnaps_code="102100099996",
        )
    for kind in papers_of(case):
        put_document(case, kind, by=by, at=at)
    return Case.objects.get(pk=case.pk)


def pass_liveness(case: Case, *, by: User, at: datetime = NOW, name: str = PERSON) -> LivenessCheck:
    return case.liveness_checks.create(
        vendor="simulator",
        reference=f"live-{next(_numbers)}",
        state=LivenessCheck.State.PASSED,
        subject_digest=subject_digest(name, ID_NUMBER),
        started_by=by,
        started_at=at,
        finished_at=at,
    )


def make_case(
    state: str = Case.State.DRAFT,
    *,
    alice: User | None = None,
    rita: User | None = None,
    sven: User | None = None,
    at: datetime = NOW,
    uscc: str = USCC,
) -> Case:
    """An onboarding case that has come as far as `state` by the operations, all of it at `at`."""
    alice = alice or make_user(f"Alice{next(_numbers)}")
    case = cases.open_onboarding(user=alice, at=at)
    if state == Case.State.DRAFT:
        return case
    case = cases.submit(fill(case, by=alice, at=at, uscc=uscc), by=alice, at=at)
    if state == Case.State.SUBMITTED:
        return case
    if state == Case.State.WITHDRAWN:
        return cases.withdraw(case, by=alice, at=at)
    rita = rita or make_reviewer(f"Rita{next(_numbers)}")
    case = cases.claim(case, by=rita, at=at)
    if state == Case.State.IN_REVIEW:
        return case
    if state == Case.State.CHANGES_REQUESTED:
        licence = case.documents.get(kind=Document.Kind.BUSINESS_LICENCE)
        cases.refuse_document(licence, reason_code="no_seal", by=rita, at=at)
        return cases.request_changes(case, by=rita, at=at)
    if state == Case.State.REJECTED:
        case = cases.reject(case, reason_code="not_eligible", by=rita, at=at, digest=digest(case))
    else:
        accept_all(case, by=rita, at=at)
        case = cases.approve(case, by=rita, at=at, digest=digest(case))
    if state == Case.State.AWAITING_SECOND_REVIEW:
        return case
    sven = sven or make_senior(f"Sven{next(_numbers)}")
    case = cases.claim(case, by=sven, at=at)
    if state == Case.State.REJECTED:
        return cases.reject(case, reason_code="not_eligible", by=sven, at=at, digest=digest(case))
    return cases.approve(case, by=sven, at=at, digest=digest(case))


def accept_all(case: Case, *, by: User, at: datetime = NOW) -> None:
    for document in case.documents.exclude(verdict=Document.Verdict.SUPERSEDED):
        if document.verdict != Document.Verdict.ACCEPTED:
            cases.accept_document(document, by=by, at=at)


def later(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)
