"""The workbench: everything about one case on one screen, and the small steps taken there.

Papers on the left, what was declared with the result of each check on the right, a verdict for each paper, notes,
history and who looked at what. A plain page with plain forms; a script makes it smooth (static/js/workbench.js).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from affiliates import case_steps, cases, checks, papers
from affiliates.admin import evidence
from affiliates.admin.chips import clock_chip, count_chip, level_chip, state_chip
from affiliates.admin.ways import bench_url
from affiliates.calendar import working_calendar
from affiliates.evidence_digest import digest as digest_of
from affiliates.models import Case, CaseEvent, Document
from affiliates.refusals import REASONS, of_paper
from affiliates.review_queue import seconds_left
from portal.errors import DomainError
from portal.models import User

ACCEPT, RESUBMIT, REJECT = Document.Verdict.ACCEPTED, Document.Verdict.RESUBMIT, Document.Verdict.REJECTED
LOG_ROWS = 100
VERBS = {
    "open": _("opened"),
    "save": _("saved"),
    "submit": _("submitted"),
    "claim": _("claimed"),
    "give_back": _("given back"),
    "accept": _("paper accepted"),
    "refuse": _("paper refused"),
    "request_changes": _("changes requested"),
    "approve": _("approved"),
    "reject": _("rejected"),
    "send_back": _("sent back to review"),
    "withdraw": _("withdrawn"),
    "void_decision": _("first decision void"),
    "upload": _("paper uploaded"),
    "note": _("note"),
}
LOOKS = {
    papers.VIEWED: _("looked at"),
    papers.DOWNLOADED: _("downloaded"),
    papers.REVEALED: _("revealed"),
}
THINGS = {
    "liveness_frame": _("liveness picture"),
    "id_number": _("ID number"),
    "account_number": _("account number"),
    **dict(Document.Kind.choices),
}


class VerdictForm(forms.Form):
    """A verdict on one paper: the button that is pressed says which."""

    verdict = forms.ChoiceField(choices=[(one.value, one.label) for one in (ACCEPT, RESUBMIT, REJECT)])
    reason_code = forms.ChoiceField(label=_("Reason for the applicant"), required=False)
    internal_note = forms.CharField(
        label=_("Internal note"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("The applicant never sees it."),
    )

    def __init__(self, document: Document, data: Any = None) -> None:
        initial = {"reason_code": document.reason_code, "internal_note": document.internal_note}
        super().__init__(data, initial=initial, auto_id=f"id_paper{document.pk}_%s")
        reasons = [(reason.code, reason.text) for reason in of_paper(document.kind)]
        self.fields["reason_code"].choices = [("", _("Choose a reason…")), *reasons]  # type: ignore[attr-defined]


class NoteForm(forms.Form):
    text = forms.CharField(label=_("Add a note"), max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


def find(pk: Any) -> Case | None:
    """The case with everything of one row about it, or None. The applicant's drafts are nobody's business yet."""
    related = ("affiliate__company", "verified_company", "company", "representative", "settlement", "tax")
    people = ("claimed_by", "first_by", "second_by", "opened_by")
    if not str(pk).isdigit() or len(str(pk)) > 18:
        return None
    found = Case.objects.exclude(state=Case.State.DRAFT).select_related(*related, *people)
    return found.filter(pk=pk).first()


check_not_own = case_steps.check_not_own


def context(
    case: Case,
    *,
    user: User,
    at: datetime,
    verdict: tuple[int, VerdictForm] | None = None,
    note: NoteForm | None = None,
    revealed: dict[str, str] | None = None,
    reveal_error: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Everything the page shows. A fixed number of queries, however many papers, events and looks there are."""
    is_mine = _is_mine(case, user, at)
    hints = checks.hints(case, at=at)
    steps = evidence.steps(case, hints)
    for paper in (paper for step in steps for paper in step.papers if paper.current):
        document = paper.current.document  # type: ignore[union-attr]
        typed = verdict[1] if verdict and verdict[0] == document.pk else None
        if is_mine or typed:
            paper.form = typed or VerdictForm(document)
    for field in (field for step in steps for field in step.fields if field.number):
        field.revealed = (revealed or {}).get(field.number, "")
    events = list(case.events.select_related("by").order_by("pk"))
    left = seconds_left(case, at=at, calendar=working_calendar())
    clock = clock_chip(case, left)
    obstacle = _obstacle(case, user)
    return {
        "case": case,
        "company_name": _company_name(case),
        "at": at,
        "digest": digest_of(case),
        "chips": [state_chip(case), *([clock] if clock else [])],
        "is_mine": is_mine,
        "is_others": case.lease_expires_at is not None and case.lease_expires_at > at and not is_mine,
        "obstacle": obstacle,
        "may_claim": case.state in Case.REVIEWERS_TURN and not obstacle,
        "may_reveal": papers.may_reveal(case, user),
        "may_rotate": papers.may_see(case, user),
        "steps": steps,
        "findings": [(level_chip(hint.level), hint) for hint in hints if hint.level != checks.OK],
        "finding_counts": [
            count_chip(level, count)
            for level in (checks.MISMATCH, checks.WARNING, checks.OK)
            if (count := sum(hint.level == level for hint in hints))
        ],
        "all_accepted": all(
            paper.current and paper.current.document.verdict == ACCEPT
            for step in steps
            for paper in step.papers
        ),
        "is_second": case.state == Case.State.AWAITING_SECOND_REVIEW,
        "first_note": next((e.internal_note for e in reversed(events) if _is_first_decision(e)), ""),
        "case_reason": REASONS.get(case.reason_code),
        "history": [_told(event) for event in events],
        "notes": [_told(event) for event in events if event.internal_note],
        "note_form": note or NoteForm(auto_id="id_note_%s"),
        "access_log": [_looked(entry) for entry in papers.access_log(case)[:LOG_ROWS]],
        "reveal_error": reveal_error or {},
    }


def _company_name(case: Case) -> str:
    """As declared in this case, or as it was verified before; an affiliate's own name without either."""
    company = getattr(case, "company", None) or case.verified_company or case.affiliate.company
    return company.name if company else case.affiliate.name


def _is_mine(case: Case, user: User, at: datetime) -> bool:
    leased = case.lease_expires_at is not None and case.lease_expires_at > at
    return leased and case.claimed_by_id == user.pk and case.state in Case.REVIEWERS_TURN


def _obstacle(case: Case, user: User) -> str:
    """Why this person may not work on the case as it is; empty if they may."""
    try:
        case_steps.check_reviewer(case, user)
    except DomainError as refusal:
        return str(refusal.message)
    return ""


def _is_first_decision(event: CaseEvent) -> bool:
    return event.verb in ("approve", "reject") and event.state_after == Case.State.AWAITING_SECOND_REVIEW


def _told(event: CaseEvent) -> dict[str, Any]:
    kind, version = event.data.get("kind"), event.data.get("version")
    reason = REASONS.get(event.reason_code)
    return {
        "event": event,
        "what": VERBS.get(event.verb, event.verb),
        "paper": f"{THINGS.get(kind, kind)} v{version}" if kind else "",
        "reason": reason.text if reason else "",
    }


def _looked(entry: Any) -> dict[str, Any]:
    thing = entry.data.get("number") or entry.data.get("kind", "")
    version = entry.data.get("version")
    return {
        "entry": entry,
        "what": LOOKS[entry.action],
        "thing": THINGS.get(thing, thing),
        "version": f"v{version}" if version else "",
        "page": entry.data.get("page") or entry.data.get("file") or "",
    }


# --- steps taken here -------------------------------------------------------------------------------------------


def judge(page: Any, request: HttpRequest, case: Case, document_id: int) -> HttpResponse:
    """The verdict of the button that was pressed; what was typed stays if it is refused."""
    document = case.documents.filter(pk=document_id).first()
    if document is None:
        raise Http404
    form = VerdictForm(document, request.POST)
    if form.is_valid():
        data, at = form.cleaned_data, timezone.now()
        try:
            _judge(document, data, by=request.user, at=at)
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal.message))
            return _kept(page, request, case, document, form, status=refusal.status)
        told = gettext("%(paper)s: %(verdict)s.")
        label = document.get_kind_display()
        messages.success(
            request,
            told % {"paper": label[:1].upper() + label[1:], "verdict": document.get_verdict_display()},
        )
        return HttpResponseRedirect(f"{bench_url(case)}#judge-{document.kind}")
    return _kept(page, request, case, document, form, status=422)


def _judge(document: Document, data: dict[str, Any], *, by: User, at: datetime) -> None:
    if data["verdict"] == ACCEPT:
        cases.accept_document(document, by=by, at=at, internal_note=data["internal_note"])
        return
    cases.refuse_document(
        document,
        verdict=data["verdict"],
        reason_code=data["reason_code"],
        internal_note=data["internal_note"],
        by=by,
        at=at,
    )


def _kept(
    page: Any, request: HttpRequest, case: Case, document: Document, form: VerdictForm, *, status: int
) -> HttpResponse:
    """The workbench anew with what was typed. The paper may have a newer version: then the text stands at that."""
    fresh = find(case.pk) or case
    current = fresh.documents.filter(kind=document.kind).exclude(verdict=Document.Verdict.SUPERSEDED).first()
    shown = current.pk if current else document.pk
    return page.bench(request, fresh, status=status, verdict=(shown, form))


def add_note(page: Any, request: HttpRequest, case: Case) -> HttpResponse:
    """An internal note. Whoever reviews may leave one, with or without having claimed the case."""
    form = NoteForm(request.POST, auto_id="id_note_%s")
    if form.is_valid():
        try:
            cases.note(case, text=form.cleaned_data["text"], by=request.user, at=timezone.now())
        except DomainError as refusal:
            form.add_error("text", str(refusal.message))
            return page.bench(request, case, status=refusal.status, note=form)
        messages.success(request, gettext("The note is kept."))
        return HttpResponseRedirect(f"{bench_url(case)}#wb-notes")
    return page.bench(request, case, status=422, note=form)


def reveal(page: Any, request: HttpRequest, case: Case, number: str) -> HttpResponse:
    """A masked number in clear, in the answer to the POST that says why, and nowhere else (ONB-9)."""
    if number not in papers.NUMBERS:
        raise Http404
    reason = request.POST.get("reason", "").strip()[:500]
    try:
        plain = papers.reveal(case, number=number, by=request.user, reason=reason, at=timezone.now())
    except DomainError as refusal:
        return page.bench(request, case, status=refusal.status, reveal_error={number: str(refusal.message)})
    return page.bench(request, case, revealed={number: plain})
