"""An affiliate's links: the list, one link with its clicks and its QR code, putting away and taking back.

The page that makes a link shows the merchant's terms too, so it stands in `commissions.link_builder`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate
from affiliates.pages import affiliate_action, affiliate_page
from affiliates.pids import freezing_soon
from orders import qr_codes
from orders.link_clicks import NONE, Day, clicks_of, days_of
from orders.link_forms import LinkFilter
from orders.links import archive_link, links_left, restore_link
from orders.models import Click, Link
from orders.tracking.addresses import link_url
from portal.errors import DomainError
from portal.paging import PAGE_SIZE, Mark, read_mark

REASONS = dict(Click.Invalid.choices)


def link_of(affiliate: Affiliate, link_code: str) -> Link:
    """The affiliate's link of that code. Raises: Http404 for another's and for none."""
    found = Link.objects.select_related("pid", "merchant").filter(affiliate=affiliate, code=link_code).first()
    if found is None:
        raise Http404
    return found


def page_of_links(links: QuerySet[Link], mark: Mark | None, size: int) -> tuple[list[Link], Mark | None]:
    """A page of `size`, the newest first, that begins after `mark`, and where the next one begins."""
    page = links.select_related("pid", "merchant").order_by("-pk")
    if mark is not None:
        page = page.filter(pk__lt=mark.pk)
    found = list(page[: size + 1])
    last = found[size - 1] if len(found) > size else None
    return found[:size], Mark(last.created_at, last.pk) if last else None


def matching(links: QuerySet[Link], text: str) -> QuerySet[Link]:
    """Those whose label, code, target or one sub-id has `text` in it; a sub-id as a whole."""
    return links.filter(
        Q(label__icontains=text)
        | Q(code=text)
        | Q(target__icontains=text)
        | Q(utm_campaign__icontains=text)
        | Q(sub_ids__contains=[text])
    )


def filtered(affiliate: Affiliate, form: LinkFilter) -> QuerySet[Link]:
    """The affiliate's links that the filters ask for. The form must be valid."""
    asked = form.cleaned_data
    links = Link.objects.filter(affiliate=affiliate, archived_at__isnull=asked["shown"] != "archived")
    if asked["merchant"]:
        links = links.filter(merchant__code=asked["merchant"])
    if asked["pid"]:
        links = links.filter(pid__value=asked["pid"])
    return matching(links, asked["q"]) if asked["q"] else links


@affiliate_page
def link_list(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The links in use, or the archived ones, with their clicks."""
    form = LinkFilter(request.GET, affiliate=affiliate)
    page, following = (
        page_of_links(filtered(affiliate, form), read_mark(request.GET.get("after", "")), PAGE_SIZE)
        if form.is_valid()
        else ([], None)
    )
    clicks = clicks_of(page)
    undo = request.GET.get("undo", "")
    context = {
        "affiliate": affiliate,
        "form": form,
        "filtered": any(request.GET.get(name) for name in form.fields),
        "rows": [{"link": link, "url": link_url(link), "clicks": clicks.get(link.pk, NONE)} for link in page],
        "undo": Link.objects.filter(affiliate=affiliate, code=undo, archived_at__isnull=False).first()
        if undo
        else None,
        "left": links_left(affiliate),
        "freezing": freezing_soon(affiliate, at=timezone.now()),
        "next_page": str(following or ""),
        "is_first_page": not request.GET.get("after"),
    }
    return render(request, "affiliate/links.html", context)


@affiliate_page
def link_detail(request: HttpRequest, affiliate: Affiliate, link_code: str) -> HttpResponse:
    """One link: its short form to copy, its QR code, what it says, its clicks by day."""
    link = link_of(affiliate, link_code)
    days = days_of(link, at=timezone.now())
    context = {
        "affiliate": affiliate,
        "link": link,
        "url": link_url(link),
        "subs": [(f"sub{number}", sub) for number, sub in enumerate(link.sub_ids, start=1) if sub],
        "utm": [
            (name, getattr(link, name))
            for name in ("utm_source", "utm_campaign", "utm_content", "utm_term")
            if getattr(link, name)
        ],
        "clicks": clicks_of([link]).get(link.pk, NONE),
        "days": [
            {"day": day, "reasons": [(REASONS.get(code, code), day.invalid[code]) for code in day.invalid]}
            for day in reversed(days)
            if day.valid or day.invalid
        ],
        "chart": _chart(days),
    }
    return render(request, "affiliate/link.html", context)


def _chart(days: list[Day]) -> dict[str, Any]:
    """The table's numbers as bars; static/js/charts.js draws them."""
    return {
        "labels": [day.day.isoformat() for day in days],
        "counts": True,
        "series": [
            {"label": _("Valid clicks"), "tone": "good", "values": [day.valid for day in days]},
            {"label": _("Invalid clicks"), "tone": "bad", "values": [day.invalid_total for day in days]},
        ],
    }


@affiliate_page
def link_qr(request: HttpRequest, affiliate: Affiliate, link_code: str) -> HttpResponse:
    """The link as a QR code, to look at or with `?download=1` as a file."""
    link = link_of(affiliate, link_code)
    response = HttpResponse(qr_codes.svg(link_url(link)), content_type="image/svg+xml")
    if request.GET.get("download"):
        response["Content-Disposition"] = f'attachment; filename="link-{link.code}.svg"'
    return response


@affiliate_action
def link_archive(request: HttpRequest, affiliate: Affiliate, link_code: str) -> HttpResponse:
    """Take a link off the list, and say how to undo it."""
    link = link_of(affiliate, link_code)
    archive_link(link, by=request.user, at=timezone.now())
    return redirect(f"{reverse('orders:links', args=[affiliate.code])}?undo={link.code}")


@affiliate_action
def link_restore(request: HttpRequest, affiliate: Affiliate, link_code: str) -> HttpResponse:
    """Put an archived link back on the list."""
    link = link_of(affiliate, link_code)
    try:
        restore_link(link, by=request.user, at=timezone.now())
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The link is back on your list."))
    return redirect("orders:link", code=affiliate.code, link_code=link.code)
