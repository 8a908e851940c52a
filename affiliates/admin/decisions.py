"""Deciding a case: a page that shows once more what was seen, then one verb of the case's life (ONB-4).

The form carries the digest of the evidence as the workbench showed it, so nothing is decided on what nobody has
looked at. A refusal leaves the typed note where it is; after a decision the next case opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from affiliates import cases
from affiliates.admin import evidence, workbench
from affiliates.admin.ways import bench_url, go_on, keep_note, kept_note
from affiliates.case_steps import EvidenceChanged, NotYours
from affiliates.evidence_digest import digest as digest_of
from affiliates.models import Case
from affiliates.refusals import of_case
from affiliates.steps import TITLES, steps_of
from portal.errors import DomainError

Text = str | Promise


class DecisionForm(forms.Form):
    """A note, and the digest of what was seen."""

    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)
    internal_note = forms.CharField(
        label=_("Internal note"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("The applicant never sees it. The second reviewer does."),
    )


class RejectionForm(DecisionForm):
    reason_code = forms.ChoiceField(label=_("Reason for the applicant"))
    field_order = ("reason_code", "internal_note", "digest")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reasons = [(reason.code, reason.text) for reason in of_case()]
        self.fields["reason_code"].choices = [("", _("Choose a reason…")), *reasons]  # type: ignore[attr-defined]


class ChangesForm(DecisionForm):
    steps = forms.MultipleChoiceField(
        label=_("Open these steps as well"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The steps of refused papers open in any case."),
    )
    field_order = ("steps", "internal_note", "digest")


@dataclass(frozen=True)
class Decision:
    """One way to decide: what the page asks, and the verb. `when` says in which states it is offered."""

    label: Text
    question: Text
    second_question: Text
    button: Text
    form: type[DecisionForm]
    perform: Callable[[Case, dict[str, Any], Any], Case]
    is_danger: bool = False
    states: Iterable[str] = (Case.State.IN_REVIEW, Case.State.AWAITING_SECOND_REVIEW)


def _approve(case: Case, data: dict[str, Any], who: Any) -> Case:
    return cases.approve(case, digest=data["digest"], internal_note=data["internal_note"], **who)


def _reject(case: Case, data: dict[str, Any], who: Any) -> Case:
    return cases.reject(
        case,
        reason_code=data["reason_code"],
        digest=data["digest"],
        internal_note=data["internal_note"],
        **who,
    )


def _request_changes(case: Case, data: dict[str, Any], who: Any) -> Case:
    return cases.request_changes(case, steps=data["steps"], internal_note=data["internal_note"], **who)


def _send_back(case: Case, data: dict[str, Any], who: Any) -> Case:
    return cases.send_back(case, internal_note=data["internal_note"], **who)


DECISIONS = {
    "approve": Decision(
        label=_("Approve"),
        question=_("You decide first. A second person then decides on exactly what you have seen."),
        second_question=_("You are the second person: this is final and takes effect at once."),
        button=_("Approve"),
        form=DecisionForm,
        perform=_approve,
    ),
    "request-changes": Decision(
        label=_("Request changes"),
        question=_("The refused parts go back to the applicant, and the clock stands still meanwhile."),
        second_question=_("The first decision becomes void, and the refused parts go back to the applicant."),
        button=_("Send to the applicant"),
        form=ChangesForm,
        perform=_request_changes,
    ),
    "reject": Decision(
        label=_("Reject"),
        question=_("You decide first. A second person then decides on exactly what you have seen."),
        second_question=_("You are the second person: this is final, and the applicant is told the reason."),
        button=_("Reject the case"),
        form=RejectionForm,
        perform=_reject,
        is_danger=True,
    ),
    "send-back": Decision(
        label=_("Send back to review"),
        question="",
        second_question=_("You disagree: the first decision becomes void, and the case is yours to review."),
        button=_("Send back"),
        form=DecisionForm,
        perform=_send_back,
        states=(Case.State.AWAITING_SECOND_REVIEW,),
    ),
}


def view(page: Any, request: HttpRequest, case: Case, name: str) -> HttpResponse:
    """Ask (GET), then decide (POST)."""
    decision = DECISIONS.get(name)
    if decision is None:
        raise Http404
    if request.method == "POST":
        form = _form(decision, case, request.POST)
        if form.is_valid():
            return _decide(page, request, case, name, decision, form)
        return _ask(page, request, case, name, decision, form, status=422)
    seen = request.GET.get("seen", "")
    if seen != digest_of(case):
        messages.error(
            request,
            gettext("The case has changed since you opened it. Look at it as it is now, then decide."),
        )
        return HttpResponseRedirect(bench_url(case))
    initial = {"digest": seen, "internal_note": kept_note(request, case), "reason_code": case.reason_code}
    return _ask(page, request, case, name, decision, _form(decision, case, None, initial))


def _form(decision: Decision, case: Case, data: Any, initial: dict[str, Any] | None = None) -> DecisionForm:
    form = decision.form(data, initial=initial)
    if "steps" in form.fields:
        form.fields["steps"].choices = [(key, TITLES[key]) for key in steps_of(case)]  # type: ignore[attr-defined]
    return form


def _decide(
    page: Any, request: HttpRequest, case: Case, name: str, decision: Decision, form: DecisionForm
) -> HttpResponse:
    who = {"by": request.user, "at": timezone.now()}
    note = form.cleaned_data["internal_note"]
    try:
        if request.POST.get("claim_again"):
            cases.claim(case, **who)
        decided = decision.perform(case, form.cleaned_data, who)
    except DomainError as refusal:
        keep_note(request, case, note)
        known = refusal.field in form.fields
        form.add_error(refusal.field if known else None, str(refusal.message))
        fresh = workbench.find(case.pk) or case
        return _ask(page, request, fresh, name, decision, form, status=refusal.status, refusal=refusal)
    if name in ("approve", "reject") and decided.state == Case.State.IN_REVIEW:
        keep_note(request, case, note)
        messages.error(
            request,
            gettext(
                "The evidence is not what the first reviewer saw: that decision is void. Review the case anew."
            ),
        )
        return HttpResponseRedirect(bench_url(case))
    keep_note(request, case, "")
    messages.success(
        request,
        gettext("Case %(number)s is now: %(state)s.")
        % {"number": case.pk, "state": decided.get_state_display()},
    )
    if decided.state == Case.State.IN_REVIEW:
        return HttpResponseRedirect(bench_url(case))
    return go_on(request)


def _ask(
    page: Any,
    request: HttpRequest,
    case: Case,
    name: str,
    decision: Decision,
    form: DecisionForm,
    *,
    status: int = 200,
    refusal: DomainError | None = None,
) -> HttpResponse:
    at = timezone.now()
    shown = workbench.context(case, user=request.user, at=at)
    is_second = case.state == Case.State.AWAITING_SECOND_REVIEW
    context = {
        **page.admin_site.each_context(request),
        **shown,
        "opts": page.opts,
        "title": decision.label,
        "subtitle": str(case),
        "name": name,
        "decision": decision,
        "is_offered": case.state in tuple(decision.states),
        "question": decision.second_question if is_second else decision.question,
        "form": form,
        "reasons": evidence.case_wordings() if isinstance(form, RejectionForm) else [],
        "seen": form["digest"].value() or "",
        "lost_lease": isinstance(refusal, NotYours),
        "has_changed": isinstance(refusal, EvidenceChanged),
        "back": bench_url(case),
    }
    return TemplateResponse(request, "admin/affiliates/decide.html", context, status=status)
