"""Serves private files kept in the local folder. A bucket serves its own."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from portal import private_files


@require_safe
def private_file(request: HttpRequest) -> HttpResponse:
    """The bytes that a signed link names: for its person, for a minute; 404 otherwise (ONB-9)."""
    try:
        granted = private_files.grant(request.GET.get("token", ""), to=request.user, at=timezone.now())
        content = private_files.read(granted.key)
    except (private_files.BadLink, FileNotFoundError) as error:
        raise Http404 from error
    response = HttpResponse(content, content_type=granted.media_type)
    response["Content-Disposition"] = (
        content_disposition_header(bool(granted.filename), granted.filename) or "inline"
    )
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
