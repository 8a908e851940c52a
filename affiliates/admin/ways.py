"""Where a reviewer goes next: the queue, a case, or the case that waits longest."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from affiliates.models import Case
from affiliates.review_queue import next_for


def queue_url() -> str:
    return reverse("admin:affiliates_case_changelist")


def bench_url(case: Case) -> str:
    return reverse("admin:affiliates_case_change", args=[case.pk])


def go_on(request: HttpRequest) -> HttpResponse:
    """Open the next case to work on; back to the queue, with a word, when none waits."""
    case = next_for(request.user, at=timezone.now())
    if case is None:
        messages.info(request, gettext("Nothing else is waiting for you."))
        return HttpResponseRedirect(queue_url())
    return HttpResponseRedirect(bench_url(case))


def kept_note(request: HttpRequest, case: Case) -> str:
    """What the person had written when a step was refused; it stays until a step succeeds."""
    return request.session.get("case_notes", {}).get(str(case.pk), "")


def keep_note(request: HttpRequest, case: Case, text: str) -> None:
    """Remember, or with an empty text forget, what was written about the case."""
    notes = dict(request.session.get("case_notes", {}))
    if text:
        notes[str(case.pk)] = text
    else:
        notes.pop(str(case.pk), None)
    request.session["case_notes"] = notes
