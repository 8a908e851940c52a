"""Links by the file: the upload, what became of each row, and both as files (ATTR-2)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate
from affiliates.pages import affiliate_form, affiliate_page
from orders import link_files
from orders.link_forms import UploadForm
from orders.links import links_left
from orders.models import Link, LinkUpload
from orders.tracking.addresses import link_url
from portal.errors import DomainError
from portal.exports import csv_response, text_cell

LATEST = 10
ROWS_A_PAGE = 100
STATUSES = ("made", "known", "refused")


@affiliate_form
def upload(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """Take a file of links in; what became of its rows is on a page of its own."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST" and form.is_valid():
        taken = _take_in(request, affiliate, form)
        if taken is not None:
            return redirect("orders:link_upload", code=affiliate.code, public_id=taken.public_id)
    latest = (
        affiliate.link_uploads.defer("rows").select_related("uploaded_by").order_by("-uploaded_at", "-pk")
    )
    context = {
        "affiliate": affiliate,
        "form": form,
        "columns": link_files.COLUMNS,
        "left": links_left(affiliate),
        "latest": list(latest[:LATEST]),
    }
    return render(request, "affiliate/links_upload.html", context)


def _take_in(request: HttpRequest, affiliate: Affiliate, form: UploadForm) -> LinkUpload | None:
    given = form.upload()
    try:
        # One byte more than allowed is enough to be refused; no larger file is read.
        content = given.read(link_files.MAX_BYTES + 1)
        return link_files.take_in(
            affiliate, file_name=given.name or "", content=content, by=request.user, at=timezone.now()
        )
    except DomainError as refusal:
        form.add_error("file", refusal.message)
        return None


def _upload_of(affiliate: Affiliate, public_id: UUID) -> LinkUpload:
    found = affiliate.link_uploads.select_related("uploaded_by").filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


@affiliate_page
def upload_report(request: HttpRequest, affiliate: Affiliate, public_id: UUID) -> HttpResponse:
    """What became of each row of a file, all or by outcome."""
    found = _upload_of(affiliate, public_id)
    chosen = request.GET.get("status", "")
    rows = [row for row in found.rows if chosen not in STATUSES or row["status"] == chosen]
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    urls = _urls(affiliate, list(page))
    context = {
        "affiliate": affiliate,
        "upload": found,
        "counts": [(status, sum(row["status"] == status for row in found.rows)) for status in STATUSES],
        "chosen": chosen if chosen in STATUSES else "",
        "page": page,
        "rows": [{**row, "url": urls.get(row.get("link"), "")} for row in page],
    }
    return render(request, "affiliate/links_uploaded.html", context)


@affiliate_page
def upload_result(request: HttpRequest, affiliate: Affiliate, public_id: UUID) -> HttpResponseBase:
    """The file's rows with the links that were made, or why not, as a file."""
    found = _upload_of(affiliate, public_id)
    urls = _urls(affiliate, found.rows)
    names = {"made": _("made"), "known": _("known already"), "refused": _("refused")}
    header = [_("Line"), _("Outcome"), _("Short link"), _("Reason"), _("Message"), *link_files.COLUMNS]
    table = (
        [
            row["line"],
            names[row["status"]],
            urls.get(row.get("link"), ""),
            row.get("code", ""),
            text_cell(row.get("message", "")),
            *(text_cell(row["cells"].get(name, "")) for name in link_files.COLUMNS),
        ]
        for row in found.rows
    )
    return csv_response(f"links-{affiliate.code}-{found.uploaded_at:%Y%m%d-%H%M%S}.csv", header, table)


def _urls(affiliate: Affiliate, rows: list[dict[str, Any]]) -> dict[str | None, str]:
    """The addresses of the links that `rows` name, by their code."""
    codes = [row["link"] for row in rows if "link" in row]
    links = Link.objects.filter(affiliate=affiliate, code__in=codes)
    return {link.code: link_url(link) for link in links}


@affiliate_page
def upload_template(request: HttpRequest, affiliate: Affiliate) -> HttpResponseBase:
    """An empty file with the right columns, and one row to show what goes where."""
    pid = affiliate.pids.filter(frozen_at__isnull=True).order_by("pk").first()
    example = {
        "target": "https://shop.example.com/product/123",
        "pid": pid.value if pid else f"mm_{affiliate.code}_channel_placement",
        "label": _("example, replace it"),
        "utm_source": affiliate.code,
        "utm_campaign": "double11",
        "sub1": "video-07",
    }
    row = [example.get(name, "") for name in link_files.COLUMNS]
    return csv_response("links-template.csv", list(link_files.COLUMNS), [row])
