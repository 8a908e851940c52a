"""What applicants and affiliates are told by e-mail, in their own language, at each turn (ONB-2, ONB-5, ONB-10).

Mails are written into the outbox in the transaction of what they tell of. None holds a number of anybody.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from affiliates.models import Affiliate, Case, CaseEvent, Document, FreezeWarning
from affiliates.refusals import REASONS
from affiliates.working_time import SHANGHAI
from portal import mail
from portal.models import MemberRole, User

_TURNS: dict[tuple[str, str], str] = {
    ("submit", Case.State.SUBMITTED): "submitted",
    ("request_changes", Case.State.CHANGES_REQUESTED): "changes_requested",
    ("approve", Case.State.APPROVED): "approved",
    ("reject", Case.State.REJECTED): "rejected",
    ("withdraw", Case.State.WITHDRAWN): "withdrawn",
}
"""The steps that the applicant hears of. A first decision is none: nothing has been decided yet."""


def owners(affiliate: Affiliate) -> list[User]:
    """Who is told: the affiliate's owners."""
    return list(
        User.objects.filter(
            affiliate_memberships__affiliate=affiliate,
            affiliate_memberships__role=MemberRole.OWNER,
            is_active=True,
        ).order_by("pk")
    )


def announce(case: Case, event: CaseEvent, *, at: datetime) -> None:
    """Tell the owners of a step in their case's life."""
    turn = _TURNS.get((event.verb, case.state))
    if turn is None:
        return
    context: dict[str, Any] = {
        "affiliate": case.affiliate.name,
        "code": case.affiliate.code,
        "case": case.pk,
        "kind": case.kind,
        "due_at": case.due_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if case.due_at else "",
        "reason_code": case.reason_code if turn == "rejected" else "",
        "refused": _refused(case) if turn == "changes_requested" else [],
    }
    for owner in owners(case.affiliate):
        mail.post(owner, f"affiliates/mail/{turn}", at=at, **context)


def _refused(case: Case) -> list[list[str]]:
    """The papers that must come again, as (kind, reason code)."""
    refused = case.documents.filter(verdict__in=[Document.Verdict.RESUBMIT, Document.Verdict.REJECTED])
    return [[document.kind, document.reason_code] for document in refused.order_by("pk")]


def announce_account(affiliate: Affiliate, *, at: datetime) -> None:
    """Tell the owners that money goes to another account from now on."""
    for owner in owners(affiliate):
        mail.post(
            owner, "affiliates/mail/account_changed", at=at, affiliate=affiliate.name, code=affiliate.code
        )


def announce_account_request(affiliate: Affiliate, *, by: User, at: datetime) -> None:
    """Tell the owners, at the addresses that they have, that a change of account has been asked for."""
    for owner in owners(affiliate):
        mail.post(
            owner,
            "affiliates/mail/account_change_requested",
            at=at,
            affiliate=affiliate.name,
            code=affiliate.code,
            by=by.get_full_name(),
        )


def announce_expiry(affiliate: Affiliate, *, paper: str, valid_until: date, at: datetime) -> None:
    """Tell the owners that a paper runs out soon (ONB-10)."""
    for owner in owners(affiliate):
        mail.post(
            owner,
            "affiliates/mail/paper_expiring",
            at=at,
            affiliate=affiliate.name,
            code=affiliate.code,
            paper=paper,
            valid_until=valid_until.isoformat(),
        )


def reason_text(code: str) -> str:
    """A refusal's text in the language in force; "" for none."""
    return str(REASONS[code].text) if code in REASONS else ""


def announce_freezing(affiliate: Affiliate, warnings: list[FreezeWarning], *, at: datetime) -> None:
    """Tell the owners which PIDs freeze soon: one mail for all of them (ATTR-4)."""
    freezing = [
        [warning.pid.value, warning.freezes_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")]
        for warning in warnings
    ]
    for owner in owners(affiliate):
        mail.post(
            owner,
            "affiliates/mail/pids_freezing",
            at=at,
            affiliate=affiliate.name,
            code=affiliate.code,
            pids=freezing,
        )
