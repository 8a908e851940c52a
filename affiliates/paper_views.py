"""Papers in the browser: looking at pages, saving files, revealing numbers, uploading (ONB-2, ONB-9).

Whoever has nothing to do with a case gets 404; who knows of it but lacks the permission, 403. Pages and files are
answered by a redirect to an address that dies within a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from affiliates import papers, retention_policy
from affiliates.models import Case, Document, DocumentFile, DocumentPage, LivenessCheck
from affiliates.paper_fields import paper_field
from portal.errors import DomainError

NUMBER_LABELS = {"id_number": _("ID number"), "account_number": _("account number")}


def guard(request: HttpRequest, case: Case, allowed: Callable[[Case, Any], bool]) -> None:
    """Let through whom `allowed` lets. Raises: PermissionDenied, Http404 for strangers."""
    if allowed(case, request.user):
        return
    if request.user.is_staff or papers.is_member(case, request.user):
        raise PermissionDenied
    raise Http404


def to_link(url: str) -> HttpResponse:
    """Send the browser to a link that dies; nobody keeps or passes on where."""
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


@login_required
@require_safe
def page_image(request: HttpRequest, pk: int) -> HttpResponse:
    """The image of a page, for `<img>`; each view leaves its row."""
    page = get_object_or_404(pages(), pk=pk)
    guard(request, page.document.case, papers.may_see)
    try:
        return to_link(papers.page_link(page, by=request.user, at=timezone.now()))
    except papers.Erased as refusal:
        return HttpResponse(str(refusal.message), status=410, content_type="text/plain; charset=utf-8")


@login_required
@require_safe
def liveness_frame(request: HttpRequest, pk: int) -> HttpResponse:
    """The best frame of a liveness check, for reviewers; each view leaves its row."""
    check = get_object_or_404(LivenessCheck.objects.select_related("case__affiliate"), pk=pk)
    guard(request, check.case, papers.may_see_frame)
    try:
        return to_link(papers.frame_link(check, by=request.user, at=timezone.now()))
    except papers.Erased as refusal:
        return HttpResponse(str(refusal.message), status=410, content_type="text/plain; charset=utf-8")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def file(request: HttpRequest, pk: int) -> HttpResponse:
    """Save a kept file: asks for the reason first."""
    wanted = get_object_or_404(DocumentFile.objects.select_related("document__case__affiliate"), pk=pk)
    case = wanted.document.case
    guard(request, case, papers.may_reveal)
    context: dict[str, Any] = {"case": case, "document": wanted.document, "file": wanted}
    status = 200
    if request.method == "POST":
        reason = request.POST.get("reason", "").strip()
        # A page with the link, not a redirect: the policy lets no form lead to the bucket's host.
        try:
            context["link"] = papers.file_link(wanted, by=request.user, reason=reason, at=timezone.now())
        except DomainError as refusal:
            context["error"], status = refusal.message, refusal.status
    return render(request, "affiliates/paper_download.html", context, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def reveal(request: HttpRequest, pk: int, number: str) -> HttpResponse:
    """A masked number in clear, in the answer to the POST that says why, and nowhere else."""
    case = get_object_or_404(cases(), pk=pk)
    guard(request, case, papers.may_reveal)
    if number not in papers.NUMBERS:
        raise Http404
    context: dict[str, Any] = {"case": case, "number": number, "label": NUMBER_LABELS[number]}
    status = 200
    if request.method == "POST":
        reason = request.POST.get("reason", "").strip()
        try:
            context["plain"] = papers.reveal(
                case, number=number, by=request.user, reason=reason, at=timezone.now()
            )
        except DomainError as refusal:
            context["error"], status = refusal.message, refusal.status
    template = "affiliates/reveal_panel.html" if request.htmx else "affiliates/reveal.html"
    return render(request, template, context, status=status)


@login_required
@require_POST
def upload(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Take files as a new version of a paper, or with `add` beside the pages that are there."""
    case = get_object_or_404(cases(), pk=pk)
    guard(request, case, papers.may_provide)
    if kind not in Document.Kind.values:
        raise Http404
    files, at = request.FILES.getlist("files"), timezone.now()
    beside = None
    if request.POST.get("add"):
        beside = get_object_or_404(case.documents.filter(kind=kind), pk=number_in(request, "add"))

    def change() -> Any:
        if beside is not None:
            return papers.add_pages(beside, uploads=files, by=request.user, at=at)
        return papers.take(case, kind=kind, uploads=files, by=request.user, at=at)

    return changed(request, case, kind, change)


@login_required
@require_POST
def remove_page(request: HttpRequest, pk: int) -> HttpResponse:
    page = get_object_or_404(pages(), pk=pk)
    case = page.document.case
    guard(request, case, papers.may_provide)
    return changed(
        request,
        case,
        page.document.kind,
        lambda: papers.remove_page(page, by=request.user, at=timezone.now()),
    )


@login_required
@require_POST
def rotate_page(request: HttpRequest, pk: int) -> HttpResponse:
    page = get_object_or_404(pages(), pk=pk)
    case = page.document.case
    guard(request, case, papers.may_see)
    return changed(
        request,
        case,
        page.document.kind,
        lambda: papers.rotate(page, by=request.user, at=timezone.now()),
    )


@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    """How papers are protected and how long they are kept: for everybody to read."""
    return render(request, "affiliates/paper_policy.html", {"periods": retention_policy.PERIODS})


def changed(request: HttpRequest, case: Case, kind: str, change: Callable[[], Any]) -> HttpResponse:
    """Do it; answer htmx with the field anew, others with a redirect to where they were."""
    error = ""
    try:
        change()
    except DomainError as refusal:
        error = str(refusal.message)
    back = next_url(request, case)
    if request.htmx:
        context = {
            "field": paper_field(case, kind, user=request.user, error=error),
            "next_url": back,
            "swapped": True,
        }
        return render(request, "affiliates/paper_field.html", context, status=422 if error else 200)
    if error:
        messages.error(request, error)
    return redirect(f"{back}#paper-{kind}")


def next_url(request: HttpRequest, case: Case) -> str:
    """The page that the form was on; never somebody else's."""
    wanted = request.POST.get("next", "")
    if wanted and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("home")


def number_in(request: HttpRequest, name: str) -> int:
    """A database id from the form. Raises: Http404."""
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)


def pages() -> Any:
    return DocumentPage.objects.select_related("file", "document__case__affiliate")


def cases() -> Any:
    return Case.objects.select_related("affiliate")
