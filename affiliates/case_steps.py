"""What every step of a case's life stands on: which may be taken when, by whom, and how it is written down.

`cases` has the verbs. Here are the transition map, the refusals, the lock, the guarded write with its event, its
audit row and its mails, and the checks of the person (ONB-2, ONB-4).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from affiliates import notices
from affiliates.calendar import working_calendar
from affiliates.models import Affiliate, Case, CaseEvent
from portal import audit
from portal.errors import DomainError
from portal.models import User

LEASE = timedelta(minutes=30)
REVIEW, DECIDE = "affiliates.review_case", "affiliates.decide_case"
State = Case.State

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "submit": (State.DRAFT, State.CHANGES_REQUESTED),
    "claim": (State.SUBMITTED, State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "give_back": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "accept": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "refuse": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "request_changes": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "approve": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "reject": (State.IN_REVIEW, State.AWAITING_SECOND_REVIEW),
    "send_back": (State.AWAITING_SECOND_REVIEW,),
    "withdraw": (State.DRAFT, *Case.REVIEWERS_TURN, State.CHANGES_REQUESTED),
}
"""The states that each verb may be said in; every other is an `IllegalTransition`."""


class IllegalTransition(DomainError):
    """The case is not in a state in which this can be done."""

    code = "illegal_transition"


class OpenAlready(DomainError):
    code = "case_open_already"


class Incomplete(DomainError):
    """Something is missing; `missing` says what, step by step."""

    code = "case_incomplete"

    def __init__(self, missing: list[str]) -> None:
        super().__init__(_("Something is still missing. The checklist shows what."))
        self.missing = missing


class NotYours(DomainError):
    """Somebody else works on the case, or nobody has claimed it."""

    code = "not_claimed_by_you"


class NotAllowed(DomainError):
    code = "not_allowed"
    status = 403


class OwnCompany(DomainError):
    """No reviewer acts on a company that they belong to (ONB-4)."""

    code = "own_company"
    status = 403


class SamePerson(DomainError):
    """The second pair of eyes must be another person's (ONB-4)."""

    code = "same_person"


class EvidenceChanged(DomainError):
    """What the person decided on is not what is there now."""

    code = "evidence_changed"


class NotAllAccepted(DomainError):
    code = "not_all_accepted"


class NothingToChange(DomainError):
    code = "nothing_to_change"


class UnknownReason(DomainError):
    code = "unknown_reason"


class OutcomeDiffers(DomainError):
    """The second person decides the other way: the case goes back instead."""

    code = "outcome_differs"


FREE: dict[str, Any] = {"claimed_by": None, "lease_expires_at": None}
UNDECIDED: dict[str, Any] = {
    "outcome": "",
    "reason_code": "",
    "first_by": None,
    "first_at": None,
    "first_digest": "",
}


def lock(case: Case, verb: str) -> Case:
    """The case with its row locked, if this verb may be said of it now. Raises: IllegalTransition."""
    locked = (
        Case.objects.select_for_update(of=("self",))
        .select_related("affiliate", "verified_company")
        .get(pk=case.pk)
    )
    if locked.state not in TRANSITIONS[verb]:
        raise IllegalTransition(
            _("This can't be done now: the case is %(state)s.") % {"state": locked.get_state_display()}
        )
    return locked


def move(
    case: Case,
    verb: str,
    after: str,
    *,
    by: User,
    at: datetime,
    reason: str = "",
    internal_note: str = "",
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> Case:
    """Write the new state, guarded by the old, with its event, its audit row and its mails."""
    before = case.state
    moved = Case.objects.filter(pk=case.pk, state=before).update(state=after, **changes)
    if moved != 1:
        raise IllegalTransition(_("The case has changed meanwhile."))
    case.refresh_from_db()
    event = write_event(
        case,
        verb,
        before=before,
        by=by,
        at=at,
        reason_code=reason,
        internal_note=internal_note,
        data=data or {},
    )
    audit.record(f"case.{verb}", by=by, target=case, at=at, before=before, after=after, reason_code=reason)
    notices.announce(case, event, at=at)
    return case


def write_event(case: Case, verb: str, *, before: str, by: User, at: datetime, **fields: Any) -> CaseEvent:
    worked = case.worked_seconds
    if case.clock_started_at is not None:
        worked += working_calendar().between(case.clock_started_at, at)
    return CaseEvent.objects.create(
        case=case,
        verb=verb,
        state_before=before,
        state_after=case.state,
        by=by,
        at=at,
        worked_seconds=worked,
        **fields,
    )


def stopped(case: Case, at: datetime) -> dict[str, Any]:
    """The columns of a clock that stands still, with the working time used up until `at` (ONB-3)."""
    worked = case.worked_seconds
    if case.clock_started_at is not None:
        worked += working_calendar().between(case.clock_started_at, at)
    return {"clock_started_at": None, "due_at": None, "worked_seconds": worked}


def check_lease(case: Case, by: User, at: datetime) -> None:
    if case.claimed_by_id != by.pk or case.lease_expires_at is None or case.lease_expires_at <= at:
        raise NotYours(_("Claim the case first: your time with it is over, or somebody else has it."))


def check_reviewer(case: Case, by: User) -> None:
    check_not_own(case, by)
    if case.state == State.AWAITING_SECOND_REVIEW:
        if case.first_by_id == by.pk:
            raise SamePerson(_("You decided first. The second decision is another person's."))
        if not by.has_perm(DECIDE):
            raise NotAllowed(_("You may not make final decisions."))
    elif not by.has_perm(REVIEW):
        raise NotAllowed(_("You may not review cases."))


def check_not_own(case: Case, by: User) -> None:
    if belongs(case, by):
        raise OwnCompany(_("You belong to this company, so somebody else reviews its case."))


def belongs(case: Case, user: User) -> bool:
    """Whether the person is a member of the affiliate, or of another one of the same company."""
    mine = Affiliate.objects.filter(members__user=user)
    if mine.filter(pk=case.affiliate_id).exists():
        return True
    declared = getattr(case, "company", None)
    uscc = declared.uscc if declared else case.verified_company and case.verified_company.uscc
    return bool(uscc) and mine.filter(company__uscc=uscc).exists()
