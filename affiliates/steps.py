"""The steps of an application: what each kind of case asks for, and what is still missing (ONB-1).

A step is a declaration, the papers that prove it, or both. Nothing here is stored: what is done follows from what
has been saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates.models import Case, Consent, Document, LivenessCheck, PaperExpiry
from affiliates.working_time import SHANGHAI

PROFILE, LICENCE, REPRESENTATIVE, SETTLEMENT, TAX, CONSENTS = (
    "profile",
    "licence",
    "representative",
    "settlement",
    "tax",
    "consents",
)
TITLES: dict[str, str | Promise] = {
    PROFILE: _("Company and channels"),
    LICENCE: _("Business licence"),
    REPRESENTATIVE: _("Legal representative"),
    SETTLEMENT: _("Settlement account"),
    TAX: _("Tax filing"),
    CONSENTS: _("Consents"),
}
STEPS_OF = {
    Case.Kind.ONBOARDING: tuple(TITLES),
    Case.Kind.SETTLEMENT_CHANGE: (SETTLEMENT,),
    Case.Kind.RENEWAL: (LICENCE, REPRESENTATIVE),
}
PAPERS_OF: dict[str, tuple[str, ...]] = {
    LICENCE: (Document.Kind.BUSINESS_LICENCE,),
    REPRESENTATIVE: (Document.Kind.ID_FRONT, Document.Kind.ID_BACK),
    SETTLEMENT: (Document.Kind.SETTLEMENT_PROOF,),
    TAX: (Document.Kind.TAX_PROOF,),
}
STEP_OF_PAPER = {paper: step for step, papers in PAPERS_OF.items() for paper in papers}
DECLARATION_OF = {
    LICENCE: "company",
    REPRESENTATIVE: "representative",
    SETTLEMENT: "settlement",
    TAX: "tax",
}
CONSENT_VERSION = "2026-11"
"""The wording in force; whoever agreed to another is asked again."""
RENEWAL_DAYS = 60
TAX_FILING_SINCE = date(2024, 7, 1)
"""Cases first submitted from this day on need the tax filing for final approval (policy v3.2 §4.1)."""

DONE, TODO, WRONG = "done", "todo", "wrong"


@dataclass(frozen=True)
class Step:
    """One line of the checklist. `state` is done, todo or wrong; `missing` says in words what to do."""

    key: str
    title: str | Promise
    state: str
    missing: Sequence[str | Promise] = field(default_factory=tuple)
    # May be worked on now.
    is_open: bool = False
    # Taken over from a verified company: nothing to be done.
    is_verified: bool = False


def steps_of(case: Case) -> tuple[str, ...]:
    """The steps that a case has. For a renewal those whose paper has expired or soon will; both if neither."""
    steps = STEPS_OF[Case.Kind(case.kind)]
    if case.kind != Case.Kind.RENEWAL:
        return steps
    horizon = case.opened_at.astimezone(SHANGHAI).date() + timedelta(days=RENEWAL_DAYS)
    due = set(
        PaperExpiry.objects.filter(affiliate_id=case.affiliate_id, valid_until__lte=horizon).values_list(
            "paper", flat=True
        )
    )
    of_paper = {PaperExpiry.Paper.BUSINESS_LICENCE: LICENCE, PaperExpiry.Paper.ID_CARD: REPRESENTATIVE}
    return tuple(of_paper[PaperExpiry.Paper(paper)] for paper in sorted(due)) or steps


def is_verified(case: Case, step: str) -> bool:
    """Whether the step was verified before and isn't asked again (ONB-6)."""
    return case.verified_company_id is not None and step in (LICENCE, REPRESENTATIVE)


def papers_of(case: Case) -> list[str]:
    """The kinds of papers that the case needs, in the order of its steps."""
    return [
        paper for step in steps_of(case) if not is_verified(case, step) for paper in PAPERS_OF.get(step, ())
    ]


def may_edit(case: Case, step: str) -> bool:
    """Whether the applicant may change a step now: all of a draft, of a change request what it reopened."""
    if step not in steps_of(case) or is_verified(case, step):
        return False
    if case.state == Case.State.CHANGES_REQUESTED:
        return step in case.reopened
    return case.state == Case.State.DRAFT


def may_upload(case: Case, kind: str) -> bool:
    """Whether a paper may be uploaded now.

    While reviewers have the case an applicant who notices a wrong scan may still exchange it; a decision that is
    pending is void then (ONB-4).
    """
    if kind not in papers_of(case):
        return False
    return case.state in Case.REVIEWERS_TURN or may_edit(case, STEP_OF_PAPER[kind])


def current_papers(case: Case) -> dict[str, Document]:
    """The current version of each paper by kind."""
    return {
        document.kind: document
        for document in case.documents.exclude(verdict=Document.Verdict.SUPERSEDED).order_by("pk")
    }


def passed_liveness(case: Case, subject_digest: str) -> LivenessCheck | None:
    """The latest check that the person of this name and ID number has passed, or None."""
    return (
        case.liveness_checks.filter(state=LivenessCheck.State.PASSED, subject_digest=subject_digest)
        .order_by("-started_at")
        .first()
    )


def checklist(case: Case) -> list[Step]:
    """The steps in their order, each with what is missing. A fixed number of queries."""
    papers = current_papers(case)
    return [_step(case, key, papers) for key in steps_of(case)]


def _step(case: Case, key: str, papers: dict[str, Document]) -> Step:
    is_open = may_edit(case, key)
    if is_verified(case, key):
        return Step(key, TITLES[key], DONE, is_verified=True)
    missing = [*_missing_declaration(case, key)]
    wrong = False
    for kind in PAPERS_OF.get(key, ()):
        document = papers.get(kind)
        if document is None:
            missing.append(_("Upload: %(paper)s") % {"paper": Document.Kind(kind).label})
        elif document.verdict in (Document.Verdict.RESUBMIT, Document.Verdict.REJECTED):
            wrong = True
            missing.append(_("Upload again: %(paper)s") % {"paper": Document.Kind(kind).label})
    state = WRONG if wrong else TODO if missing else DONE
    return Step(key, TITLES[key], state, tuple(missing), is_open=is_open)


def _missing_declaration(case: Case, key: str) -> list[str | Promise]:
    if key == PROFILE:
        affiliate = case.affiliate
        missing: list[str | Promise] = []
        if not affiliate.name:
            missing.append(_("Enter the name that merchants will see."))
        if not affiliate.channels.exists():
            missing.append(_("Add at least one channel."))
        return missing
    if key == CONSENTS:
        given = set(case.consents.filter(text_version=CONSENT_VERSION).values_list("kind", flat=True))
        return [] if given >= set(Consent.Kind.values) else [_("Give the consents, one by one.")]
    if not hasattr(case, DECLARATION_OF[key]):
        return [_("Fill in the form.")]
    if key == REPRESENTATIVE and case.kind == Case.Kind.ONBOARDING:
        from affiliates.evidence_digest import subject_digest

        person = case.representative
        if passed_liveness(case, subject_digest(person.name, person.id_number)) is None:
            return [_("Pass the liveness check.")]
    return []
