"""The life of a review case: every step from the draft to two people's decision (ONB-2…5).

    draft ─submit─▶ submitted ─claim─▶ in_review ─approve/reject─▶ awaiting_second_review ─▶ approved | rejected
                        ▲                  │  ▲                          │
                        └─ submit ─ changes_requested        send_back, void_decision
    withdrawn: by the applicant, from any open state.

Each operation locks the case's row, asks whether the step is allowed, writes the state with a guard, and leaves a
`CaseEvent` with the working time used up by then. Locks: the case, then its affiliate.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates import approvals
from affiliates.calendar import working_calendar
from affiliates.case_steps import (
    DECIDE,
    FREE,
    LEASE,
    UNDECIDED,
    EvidenceChanged,
    IllegalTransition,
    Incomplete,
    NotAllAccepted,
    NothingToChange,
    NotYours,
    OpenAlready,
    OutcomeDiffers,
    State,
    UnknownReason,
    check_lease,
    check_not_own,
    check_reviewer,
    lock,
    move,
    stopped,
    write_event,
)
from affiliates.evidence_digest import digest as digest_of
from affiliates.models import Affiliate, AffiliateMember, Case, CaseEvent, Company, Document
from affiliates.refusals import of_case, of_paper
from affiliates.steps import STEP_OF_PAPER, TAX_FILING_SINCE, checklist, current_papers, papers_of, steps_of
from affiliates.working_time import SHANGHAI, TARGET_SECONDS
from portal import audit
from portal.models import MemberRole, User

# --- opening --------------------------------------------------------------------------------------------------


@transaction.atomic
def open_onboarding(*, user: User, kind_of_affiliate: str = "koc", name: str = "", at: datetime) -> Case:
    """A new affiliate with `user` as its owner, and its onboarding case as a draft. Source: SPEC ONB-1, ONB-8."""
    affiliate = Affiliate.objects.create(code=approvals.free_code(), name=name, kind=kind_of_affiliate)
    AffiliateMember.objects.create(affiliate=affiliate, user=user, role=MemberRole.OWNER)
    audit.record("affiliate.apply", by=user, target=affiliate, at=at)
    return open_case(affiliate, kind=Case.Kind.ONBOARDING, by=user, at=at)


@transaction.atomic
def open_case(
    affiliate: Affiliate, *, kind: str, by: User, at: datetime, verified_company: Company | None = None
) -> Case:
    """A draft of this kind for the affiliate. Locks its row.

    Raises: OpenAlready when one is open; IllegalTransition when it comes too early or too late for this kind.
    """
    affiliate = Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    if Case.objects.open().filter(affiliate=affiliate, kind=kind).exists():
        raise OpenAlready(_("There is an open case of this kind already."))
    approved = affiliate.approved_at is not None
    if approved == (kind == Case.Kind.ONBOARDING):
        raise IllegalTransition(
            _("This affiliate is approved already.") if approved else _("Finish your application first.")
        )
    case = Case.objects.create(
        affiliate=affiliate, kind=kind, opened_by=by, opened_at=at, verified_company=verified_company
    )
    write_event(case, "open", before="", by=by, at=at)
    return case


# --- the applicant's verbs -------------------------------------------------------------------------------------


@transaction.atomic
def submit(case: Case, *, by: User, at: datetime) -> Case:
    """Hand the case to the reviewers: their clock starts, or goes on. Raises: IllegalTransition, Incomplete.

    Source: SPEC ONB-2, ONB-3.
    """
    case = lock(case, "submit")
    missing = [str(text) for step in checklist(case) for text in step.missing]
    if missing:
        raise Incomplete(missing)
    return move(
        case,
        "submit",
        State.SUBMITTED,
        by=by,
        at=at,
        first_submitted_at=case.first_submitted_at or at,
        submitted_at=at,
        clock_started_at=at,
        due_at=working_calendar().add(at, max(0, TARGET_SECONDS - case.worked_seconds)),
        reopened=[],
    )


@transaction.atomic
def withdraw(case: Case, *, by: User, at: datetime) -> Case:
    """The applicant takes the case back for good. Raises: IllegalTransition. Source: SPEC ONB-2."""
    case = lock(case, "withdraw")
    return move(
        case,
        "withdraw",
        State.WITHDRAWN,
        by=by,
        at=at,
        closed_at=at,
        **stopped(case, at),
        **UNDECIDED,
        **FREE,
    )


# --- working on a case -----------------------------------------------------------------------------------------


@transaction.atomic
def claim(case: Case, *, by: User, at: datetime) -> Case:
    """Take the case for half an hour, or longer if one has it already.

    Raises: IllegalTransition, NotAllowed, OwnCompany, SamePerson, NotYours while somebody else's lease runs.
    """
    case = lock(case, "claim")
    if case.claimed_by_id not in (None, by.pk) and case.lease_expires_at and case.lease_expires_at > at:
        raise NotYours(_("Somebody else is working on this case."))
    check_reviewer(case, by)
    mine = case.claimed_by_id == by.pk
    after = State.IN_REVIEW if case.state == State.SUBMITTED else case.state
    changes: dict[str, Any] = {"claimed_by": by, "lease_expires_at": at + LEASE}
    if mine and after == case.state:
        Case.objects.filter(pk=case.pk).update(**changes)
        case.lease_expires_at = at + LEASE
        return case
    return move(case, "claim", after, by=by, at=at, **changes)


def claim_next(*, by: User, at: datetime) -> Case | None:
    """Claim the case that is due soonest of those that nobody works on and that `by` may decide; None if none.

    Reviewers who ask at the same moment are given different cases: rows that are being taken are skipped.
    """
    mine = list(Company.objects.filter(affiliates__members__user=by).values_list("uscc", flat=True))
    with transaction.atomic():
        waiting = (
            Case.objects.claimable(at)
            .exclude(affiliate__members__user=by)
            .exclude(company__uscc__in=mine)
            .exclude(verified_company__uscc__in=mine)
            .exclude(first_by=by)
        )
        if not by.has_perm(DECIDE):
            waiting = waiting.exclude(state=State.AWAITING_SECOND_REVIEW)
        # One row only: the others must stay free for whoever asks at the same moment.
        case = waiting.select_for_update(skip_locked=True, of=("self",)).first()
        return claim(case, by=by, at=at) if case is not None else None


@transaction.atomic
def extend_lease(case: Case, *, by: User, at: datetime) -> Case:
    """Go on working: another half hour. Raises: NotYours."""
    case = lock(case, "claim")
    check_lease(case, by, at)
    case.lease_expires_at = at + LEASE
    case.save(update_fields=["lease_expires_at"])
    return case


@transaction.atomic
def give_back(case: Case, *, by: User, at: datetime) -> Case:
    """Stop working on the case; the next may have it. Raises: IllegalTransition, NotYours."""
    case = lock(case, "give_back")
    if case.claimed_by_id != by.pk:
        raise NotYours(_("You have not claimed this case."))
    return move(case, "give_back", case.state, by=by, at=at, **FREE)


@transaction.atomic
def note(case: Case, *, text: str, by: User, at: datetime) -> CaseEvent:
    """Add an internal note, which the applicant never sees (ONB-5)."""
    case = Case.objects.select_for_update().get(pk=case.pk)
    check_not_own(case, by)
    return write_event(case, "note", before=case.state, by=by, at=at, internal_note=text)


# --- verdicts on papers ----------------------------------------------------------------------------------------


@transaction.atomic
def accept_document(document: Document, *, by: User, at: datetime, internal_note: str = "") -> Document:
    """The paper is good. Raises: IllegalTransition, NotYours, EvidenceChanged if there is a newer version."""
    return _judge(document, "accept", Document.Verdict.ACCEPTED, "", internal_note, by=by, at=at)


@transaction.atomic
def refuse_document(
    document: Document,
    *,
    verdict: str = Document.Verdict.RESUBMIT,
    reason_code: str,
    internal_note: str = "",
    by: User,
    at: datetime,
) -> Document:
    """The paper must be submitted again, or is rejected, for a reason that the applicant reads (ONB-5).

    Raises: UnknownReason, and as `accept_document`.
    """
    if reason_code not in {reason.code for reason in of_paper(document.kind)}:
        raise UnknownReason(_("Choose a reason for this paper."), field="reason_code")
    if verdict not in (Document.Verdict.RESUBMIT, Document.Verdict.REJECTED):
        raise UnknownReason(_("Choose a verdict for this paper."), field="verdict")
    return _judge(document, "refuse", verdict, reason_code, internal_note, by=by, at=at)


def _judge(
    document: Document,
    verb: str,
    verdict: str,
    reason_code: str,
    internal_note: str,
    *,
    by: User,
    at: datetime,
) -> Document:
    case = lock(document.case, verb)
    check_reviewer(case, by)
    check_lease(case, by, at)
    current = case.documents.exclude(verdict=Document.Verdict.SUPERSEDED)
    judged = current.filter(pk=document.pk).update(
        verdict=verdict, reason_code=reason_code, internal_note=internal_note, decided_by=by, decided_at=at
    )
    if not judged:
        raise EvidenceChanged(_("The applicant has uploaded a newer version. Look at that one."))
    write_event(
        case,
        verb,
        before=case.state,
        by=by,
        at=at,
        reason_code=reason_code,
        internal_note=internal_note,
        data={
            "document": document.pk,
            "kind": document.kind,
            "version": document.version,
            "verdict": verdict,
        },
    )
    document.refresh_from_db()
    return document


# --- decisions -------------------------------------------------------------------------------------------------


@transaction.atomic
def request_changes(
    case: Case, *, by: User, at: datetime, internal_note: str = "", steps: Iterable[str] = ()
) -> Case:
    """Give the case back to the applicant: the parts that were refused, and `steps`, open again; the clock stops.

    A first decision that was pending is void. Raises: IllegalTransition, NotYours, NothingToChange.
    Source: SPEC ONB-2, ONB-3.
    """
    case = lock(case, "request_changes")
    check_reviewer(case, by)
    check_lease(case, by, at)
    refused = {
        STEP_OF_PAPER[kind]
        for kind, document in current_papers(case).items()
        if document.verdict in (Document.Verdict.RESUBMIT, Document.Verdict.REJECTED)
    }
    reopened = [step for step in steps_of(case) if step in refused or step in set(steps)]
    if not reopened:
        raise NothingToChange(_("Refuse a paper or mark a step first: there is nothing to change yet."))
    return move(
        case,
        "request_changes",
        State.CHANGES_REQUESTED,
        by=by,
        at=at,
        internal_note=internal_note,
        data={"steps": reopened},
        reopened=reopened,
        **stopped(case, at),
        **UNDECIDED,
        **FREE,
    )


@transaction.atomic
def approve(case: Case, *, by: User, at: datetime, digest: str, internal_note: str = "") -> Case:
    """Say yes: the first person's decision waits for a second, the second's is final and takes effect.

    `digest` is of the evidence that the person saw. If it is not what the first person saw, that decision is void
    and the case is returned in review again: ask its state.
    Raises: IllegalTransition, NotYours, NotAllowed, OwnCompany, SamePerson, NotAllAccepted, EvidenceChanged,
    OutcomeDiffers. Source: SPEC ONB-4.
    """
    case = lock(case, "approve")
    _check_decision(case, Case.Outcome.APPROVE, by=by, at=at, digest=digest)
    _check_accepted(case)
    return _decide(case, Case.Outcome.APPROVE, "", by=by, at=at, digest=digest, internal_note=internal_note)


@transaction.atomic
def reject(
    case: Case, *, reason_code: str, by: User, at: datetime, digest: str, internal_note: str = ""
) -> Case:
    """Say no, for a reason that the applicant reads. As `approve`. Raises: UnknownReason, and as `approve`."""
    if reason_code not in {reason.code for reason in of_case()}:
        raise UnknownReason(_("Choose a reason for rejecting the case."), field="reason_code")
    case = lock(case, "reject")
    _check_decision(case, Case.Outcome.REJECT, by=by, at=at, digest=digest)
    return _decide(
        case, Case.Outcome.REJECT, reason_code, by=by, at=at, digest=digest, internal_note=internal_note
    )


@transaction.atomic
def send_back(case: Case, *, by: User, at: datetime, internal_note: str = "") -> Case:
    """The second person disagrees: the first decision is void, and the case is in review again, theirs to work on.

    Raises: IllegalTransition, NotYours, NotAllowed.
    """
    case = lock(case, "send_back")
    check_reviewer(case, by)
    check_lease(case, by, at)
    return move(case, "send_back", State.IN_REVIEW, by=by, at=at, internal_note=internal_note, **UNDECIDED)


def evidence_changed(case: Case, *, by: User, at: datetime) -> None:
    """The applicant has changed something: a decision that waits for its second is void (ONB-4).

    Called by whoever stores new evidence, in the same transaction, with the case's row locked.
    """
    if case.state == State.AWAITING_SECOND_REVIEW:
        move(case, "void_decision", State.IN_REVIEW, by=by, at=at, **UNDECIDED, **FREE)


def _check_decision(case: Case, outcome: str, *, by: User, at: datetime, digest: str) -> None:
    check_reviewer(case, by)
    check_lease(case, by, at)
    if case.state == State.AWAITING_SECOND_REVIEW and case.outcome != outcome:
        raise OutcomeDiffers(_("The first reviewer decided the other way. Send the case back instead."))
    if digest_of(case) != digest:
        raise EvidenceChanged(_("The case has changed while you looked at it. Look again, then decide."))


def _decide(
    case: Case, outcome: str, reason_code: str, *, by: User, at: datetime, digest: str, internal_note: str
) -> Case:
    verb = "approve" if outcome == Case.Outcome.APPROVE else "reject"
    if case.state == State.IN_REVIEW:
        return move(
            case,
            verb,
            State.AWAITING_SECOND_REVIEW,
            by=by,
            at=at,
            reason=reason_code,
            internal_note=internal_note,
            outcome=outcome,
            reason_code=reason_code,
            first_by=by,
            first_at=at,
            first_digest=digest,
            **FREE,
        )
    if case.first_digest != digest:
        # No refusal by exception: it would take the voiding back.
        return move(case, "void_decision", State.IN_REVIEW, by=by, at=at, **UNDECIDED)
    final = State.APPROVED if outcome == Case.Outcome.APPROVE else State.REJECTED
    case = move(
        case,
        verb,
        final,
        by=by,
        at=at,
        reason=case.reason_code,
        internal_note=internal_note,
        second_by=by,
        second_at=at,
        second_digest=digest,
        closed_at=at,
        **stopped(case, at),
        **FREE,
    )
    if final == State.APPROVED:
        approvals.take_effect(case, by=by, at=at)
    return case


def _check_accepted(case: Case) -> None:
    papers = current_papers(case)
    lacking = [
        kind
        for kind in papers_of(case)
        if kind not in papers or papers[kind].verdict != Document.Verdict.ACCEPTED
    ]
    if _before_tax_policy(case):
        lacking = [kind for kind in lacking if kind != Document.Kind.TAX_PROOF]
    if lacking:
        names = ", ".join(str(Document.Kind(kind).label) for kind in lacking)
        raise NotAllAccepted(_("These papers are not accepted yet: %(papers)s.") % {"papers": names})


def _before_tax_policy(case: Case) -> bool:
    submitted = case.first_submitted_at
    return submitted is not None and submitted.astimezone(SHANGHAI).date() < TAX_FILING_SINCE
