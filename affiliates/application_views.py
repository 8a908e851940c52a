"""The applicant's pages: the checklist, its steps, and what has become of the application (ONB-1, ONB-2).

Each step is a page with a form of its own, and the upload fields of its papers below. Everything works without
JavaScript. Members who are no owners see how far it is, but no paper and no form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from allauth.account.decorators import reauthentication_required
from django import forms as django_forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from affiliates import cases, checks, declarations, forms, liveness
from affiliates.case_steps import Incomplete
from affiliates.doors import membership_for, owns
from affiliates.models import Affiliate, Case, LivenessCheck
from affiliates.refusals import REASONS
from affiliates.steps import (
    CONSENT_VERSION,
    CONSENTS,
    LICENCE,
    PAPERS_OF,
    PROFILE,
    REPRESENTATIVE,
    SETTLEMENT,
    TAX,
    Step,
    checklist,
    current_papers,
    may_edit,
    steps_of,
)
from portal.errors import DomainError
from portal.models import MemberRole

View = Callable[..., HttpResponse]
FORMS: dict[str, type[django_forms.Form]] = {
    PROFILE: forms.ProfileForm,
    LICENCE: forms.LicenceForm,
    REPRESENTATIVE: forms.RepresentativeForm,
    SETTLEMENT: forms.SettlementForm,
    TAX: forms.TaxForm,
    CONSENTS: forms.ConsentForm,
}
SAVE: dict[str, Callable[..., Any]] = {
    LICENCE: declarations.save_company,
    REPRESENTATIVE: declarations.save_representative,
    SETTLEMENT: declarations.save_settlement,
    TAX: declarations.save_tax,
}
# Which hints a step shows its applicant: those about its own fields and papers.
HINTED = {
    LICENCE: ("company.",),
    REPRESENTATIVE: ("representative.",),
    SETTLEMENT: ("settlement.",),
    TAX: ("tax.",),
}
TOLD = ("open", "submit", "request_changes", "approve", "reject", "withdraw")
"""What applicants read of their case's history. Who reviews, and what they note, is not theirs to see."""


@dataclass(frozen=True)
class Room:
    """Where a request stands: the affiliate, one of its cases, and whether the person may act on it."""

    affiliate: Affiliate
    case: Case
    is_owner: bool


def application_page(view: View) -> View:
    """A page about one case of the affiliate in the address: for its members; 404 for everybody else."""

    @login_required
    @never_cache
    @wraps(view)
    def page(request: HttpRequest, code: str, pk: int, *args: Any, **kwargs: Any) -> HttpResponse:
        membership = membership_for(request, code)
        found = Case.objects.select_related("affiliate", "verified_company")
        case = get_object_or_404(found, pk=pk, affiliate=membership.affiliate)
        return view(request, Room(membership.affiliate, case, owns(membership)), *args, **kwargs)

    return page


def owners_only(view: View) -> View:
    """Other members are told that they may not."""

    @wraps(view)
    def page(request: HttpRequest, room: Room, *args: Any, **kwargs: Any) -> HttpResponse:
        if not room.is_owner:
            raise PermissionDenied
        return view(request, room, *args, **kwargs)

    return page


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest) -> HttpResponse:
    """Begin an application: who applies. An unfinished one is gone on with instead."""
    unfinished = (
        Affiliate.objects.filter(
            members__user=request.user, members__role=MemberRole.OWNER, approved_at__isnull=True
        )
        .order_by("pk")
        .first()
    )
    if unfinished is not None:
        return redirect("affiliates:applications", code=unfinished.code)
    form = forms.ApplyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        case = cases.open_onboarding(
            user=request.user,
            kind_of_affiliate=form.cleaned_data["kind"],
            name=form.cleaned_data["name"],
            at=timezone.now(),
        )
        return redirect("affiliates:application", code=case.affiliate.code, pk=case.pk)
    return render(request, "affiliates/apply.html", {"form": form})


@login_required
@never_cache
@require_safe
def applications(request: HttpRequest, code: str) -> HttpResponse:
    """The affiliate's cases. While it isn't approved there is one that matters, which opens by itself."""
    membership = membership_for(request, code)
    affiliate = membership.affiliate
    found = list(affiliate.cases.order_by("-pk"))
    if affiliate.approved_at is None and found:
        return redirect("affiliates:application", code=code, pk=found[0].pk)
    context = {
        "affiliate": affiliate,
        "cases": found,
        "is_owner": owns(membership),
        "account": affiliate.settlement_accounts.filter(replaced_at__isnull=True).first(),
        "papers": list(affiliate.paper_expiries.order_by("valid_until")),
        "open_kinds": {case.kind for case in found if case.is_open},
    }
    return render(request, "affiliates/applications.html", context)


@application_page
@require_safe
def application(request: HttpRequest, room: Room) -> HttpResponse:
    """The checklist while the case is the applicant's, its standing while it is the reviewers', and its end."""
    case = room.case
    steps = checklist(case)
    events = case.events.filter(verb__in=TOLD).order_by("pk")
    # A first decision is none yet: only the one that ended the case is told.
    told = [
        event
        for event in events
        if event.verb not in ("approve", "reject") or event.state_after in Case.CLOSED
    ]
    context = {
        "affiliate": room.affiliate,
        "case": case,
        "is_owner": room.is_owner,
        "steps": steps,
        "done": sum(step.state == "done" for step in steps),
        "ready": all(step.state == "done" for step in steps),
        "next_step": next((step for step in steps if step.state != "done" and step.is_open), None),
        "refused": refused(case) if case.state == Case.State.CHANGES_REQUESTED else [],
        "reason": REASONS.get(case.reason_code) if case.state == Case.State.REJECTED else None,
        "entries": [_entry(event) for event in told],
        "exchangeable": case.state in Case.REVIEWERS_TURN,
    }
    return render(request, "affiliates/application.html", context)


def refused(case: Case) -> list[dict[str, Any]]:
    """The papers that must come again, each with its reason."""
    return [
        {"paper": document.get_kind_display(), "reason": REASONS.get(document.reason_code)}
        for document in current_papers(case).values()
        if document.verdict in ("resubmit", "rejected")
    ]


def _entry(event: Any) -> dict[str, Any]:
    titles = {
        "open": (_("Begun"), "pencil", "neutral"),
        "submit": (_("Submitted"), "send", "info"),
        "request_changes": (_("Changes requested"), "arrow-counterclockwise", "warn"),
        "approve": (_("Approved"), "check-lg", "good"),
        "reject": (_("Not approved"), "x-lg", "bad"),
        "withdraw": (_("Withdrawn"), "slash-circle", "neutral"),
    }
    title, icon, tone = titles[event.verb]
    return {"title": title, "at": event.at, "icon": icon, "tone": tone}


@application_page
@owners_only
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, room: Room, key: str) -> HttpResponse:
    """One step: its form, its papers, and the hints about them."""
    case = room.case
    if key not in steps_of(case):
        raise Http404
    is_open = may_edit(case, key)
    form, channels = _forms(request, case, key)
    if request.method == "POST" and is_open and form.is_valid() and (channels is None or channels.is_valid()):
        try:
            _save(request, case, key, form, channels)
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal.message))
        else:
            messages.success(request, _("Saved."))
            return redirect(_after(room, key, stays=bool(PAPERS_OF.get(key))))
    if request.method == "POST" and not is_open:
        messages.error(request, _("This step can't be changed now."))
        return redirect("affiliates:application", code=room.affiliate.code, pk=case.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "affiliates/step.html", _step_context(room, key, form, channels), status=status)


def _forms(request: HttpRequest, case: Case, key: str) -> tuple[Any, Any]:
    data = request.POST if request.method == "POST" else None
    kind = FORMS[key]
    if key == CONSENTS:
        given = case.consents.filter(text_version=CONSENT_VERSION).values_list("kind", flat=True)
        return kind(data, initial=dict.fromkeys(given, True)), None
    kept = kind.kept_of(case) if hasattr(kind, "kept_of") else {}
    form = kind(data, initial=kind.initial_of(case), **kept)  # type: ignore[attr-defined]
    channels = None
    if key == PROFILE:
        known = case.affiliate.channels.order_by("pk").values("pk", "platform", "handle", "audience")
        channels = forms.ChannelFormSet(data, initial=list(known), prefix="channels")
    return form, channels


def _save(request: HttpRequest, case: Case, key: str, form: Any, channels: Any) -> None:
    at = timezone.now()
    if key == PROFILE:
        plans = [
            declarations.ChannelPlan(row.get("pk"), row["platform"], row["handle"], row.get("audience"))
            for row in channels.cleaned_data
            if row.get("handle")
        ]
        declarations.save_profile(case, by=request.user, at=at, channels=plans, **form.cleaned_data)
    elif key == CONSENTS:
        declarations.give_consents(case, kinds=form.kinds(), by=request.user, at=at)
    else:
        SAVE[key](case, by=request.user, at=at, **form.cleaned_data)


def _after(room: Room, key: str, *, stays: bool) -> str:
    """Where to go on: a step with papers goes on to them, another to the next that is open."""
    code, case = room.affiliate.code, room.case
    if stays:
        return reverse("affiliates:step", args=[code, case.pk, key]) + "#papers"
    keys = steps_of(case)
    for later in keys[keys.index(key) + 1 :]:
        if may_edit(case, later):
            return reverse("affiliates:step", args=[code, case.pk, later])
    return reverse("affiliates:application", args=[code, case.pk])


def _step_context(room: Room, key: str, form: Any, channels: Any) -> dict[str, Any]:
    case = Case.objects.select_related("affiliate", "verified_company").get(pk=room.case.pk)
    steps: list[Step] = checklist(case)
    now = timezone.now()
    papers = PAPERS_OF.get(key, ())
    subjects = (*HINTED.get(key, ()), *(f"document.{kind}" for kind in papers))
    found = (
        [
            hint
            for hint in checks.hints(case, at=now)
            if hint.level != checks.OK and hint.subject.startswith(subjects)
        ]
        if subjects
        else []
    )
    keys = [one.key for one in steps]
    following = next((one for one in steps[keys.index(key) + 1 :] if one.is_open), None)
    return {
        "affiliate": room.affiliate,
        "case": case,
        "steps": steps,
        "step": steps[keys.index(key)],
        "number": keys.index(key) + 1,
        "form": form,
        "channels": channels,
        "papers": papers,
        # Duplicates are for reviewers: an applicant learns nothing of other companies.
        "hints": [hint for hint in found if hint.code != "duplicate_company"],
        "following": following,
        "wants_liveness": key == REPRESENTATIVE and case.kind == Case.Kind.ONBOARDING,
        "liveness_check": case.liveness_checks.order_by("-started_at").first(),
        "has_person": hasattr(case, "representative"),
    }


@application_page
@owners_only
@require_POST
def submit(request: HttpRequest, room: Room) -> HttpResponse:
    """Hand the case in."""
    try:
        case = cases.submit(room.case, by=request.user, at=timezone.now())
    except Incomplete as refusal:
        messages.error(request, " ".join([str(refusal.message), *refusal.missing]))
    except DomainError as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("Submitted. We will write to you at each turn."))
        room = Room(room.affiliate, case, room.is_owner)
    return redirect("affiliates:application", code=room.affiliate.code, pk=room.case.pk)


@application_page
@owners_only
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, room: Room) -> HttpResponse:
    """Take the case back, after a question."""
    if request.method == "POST":
        try:
            cases.withdraw(room.case, by=request.user, at=timezone.now())
            messages.success(request, _("Withdrawn."))
        except DomainError as refusal:
            messages.error(request, str(refusal.message))
        return redirect("affiliates:application", code=room.affiliate.code, pk=room.case.pk)
    return render(request, "affiliates/withdraw.html", {"affiliate": room.affiliate, "case": room.case})


@login_required
@require_POST
def open_case(request: HttpRequest, code: str, kind: str) -> HttpResponse:
    """Begin another case. A change of account asks for the password first."""
    membership = membership_for(request, code)
    if not owns(membership):
        raise PermissionDenied
    if kind not in Case.Kind.values:
        raise Http404
    if kind == Case.Kind.SETTLEMENT_CHANGE:
        return redirect("affiliates:change_account", code=code)
    return _open(request, membership.affiliate, kind)


@login_required
@reauthentication_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_account(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for another settlement account: only with a password given just now (ONB-4)."""
    membership = membership_for(request, code)
    if not owns(membership):
        raise PermissionDenied
    if request.method == "POST":
        return _open(request, membership.affiliate, Case.Kind.SETTLEMENT_CHANGE)
    return render(request, "affiliates/change_account.html", {"affiliate": membership.affiliate})


def _open(request: HttpRequest, affiliate: Affiliate, kind: str) -> HttpResponse:
    try:
        case = cases.open_case(affiliate, kind=kind, by=request.user, at=timezone.now())
    except DomainError as refusal:
        messages.error(request, str(refusal.message))
        return redirect("affiliates:applications", code=affiliate.code)
    return redirect("affiliates:application", code=affiliate.code, pk=case.pk)


# --- the liveness check -----------------------------------------------------------------------------------------


@application_page
@owners_only
@require_POST
def start_liveness(request: HttpRequest, room: Room) -> HttpResponse:
    """Begin a check. A page with the vendor's address and not a redirect: our policy lets no form lead elsewhere."""
    back = request.build_absolute_uri(
        reverse("affiliates:finish_liveness", args=[room.affiliate.code, room.case.pk])
    )
    try:
        url = liveness.start(room.case, by=request.user, at=timezone.now(), return_url=back)
    except liveness.ConsentNeeded as refusal:
        messages.error(request, str(refusal.message))
        return redirect("affiliates:step", code=room.affiliate.code, pk=room.case.pk, key=CONSENTS)
    except DomainError as refusal:
        messages.error(request, str(refusal.message))
        return redirect("affiliates:step", code=room.affiliate.code, pk=room.case.pk, key=REPRESENTATIVE)
    return render(
        request, "affiliates/liveness.html", {"affiliate": room.affiliate, "case": room.case, "url": url}
    )


@application_page
@owners_only
@require_safe
def finish_liveness(request: HttpRequest, room: Room) -> HttpResponse:
    """Back from the vendor: ask it for the result. What the address says beyond that counts for nothing."""
    check = room.case.liveness_checks.order_by("-started_at").first()
    if check is not None:
        try:
            check = liveness.finish(check, at=timezone.now())
        except DomainError as refusal:
            messages.error(request, str(refusal.message))
        else:
            if check.state == LivenessCheck.State.PASSED:
                messages.success(request, _("The liveness check is passed."))
            elif check.state == LivenessCheck.State.STARTED:
                messages.info(request, _("The liveness check isn't finished yet."))
            else:
                messages.error(request, _("The liveness check was not passed. You can try again."))
    return redirect("affiliates:step", code=room.affiliate.code, pk=room.case.pk, key=REPRESENTATIVE)
