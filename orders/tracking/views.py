"""`/go/<code>` and `/s/<code>`: the click, then on to the shop; out of an in-app browser by a page of its own."""

from __future__ import annotations

import base64

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from orders import qr_codes
from orders.tracking import following, visitors
from orders.tracking.addresses import link_url


@csrf_exempt
@require_safe
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """Record the click and answer 302 to the landing, never to a host that isn't the merchant's (ATTR-2)."""
    link = following.find(code)
    if link is None or not following.leads_somewhere(link):
        raise Http404
    user_agent = request.headers.get("User-Agent", "")[:1000]
    visit = following.Visit(
        robot=visitors.is_robot(user_agent),
        prefetch=visitors.is_prefetch(request.headers),
        head=request.method == "HEAD",
        in_app=visitors.in_app(user_agent),
        network=visitors.network_of(request.META.get("REMOTE_ADDR", "")),
    )
    click, address = following.record(link, visit, at=timezone.now())
    if click.invalid_reason == click.Invalid.IN_APP:
        url = link_url(link)
        context = {
            "app": visit.in_app,
            "url": url,
            "qr": base64.b64encode(qr_codes.svg(url)).decode(),
            "merchant": link.merchant,
        }
        response = render(request, "tracking/way_out.html", context)
    else:
        response = HttpResponse(status=302)
        response["Location"] = address
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
