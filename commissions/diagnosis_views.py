"""The Diagnostic Center's pages for affiliates and merchants: one search, and the path that it finds (DIAG-1)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from affiliates.models import Affiliate
from affiliates.pages import affiliate_page
from commissions.diagnosis import Viewer, examples, search
from commissions.diagnosis_words import TITLES, say
from commissions.merchant_views import merchant_page
from orders.models import Merchant

MAX_QUERY = 200


@affiliate_page
def affiliate_diagnosis(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """What became of an order, a click or a link, by the affiliate's own evidence alone (DIAG-3)."""
    context = {"affiliate": affiliate, **found(request, Viewer(affiliate_id=affiliate.pk))}
    return render(request, "affiliate/diagnosis.html", context)


@merchant_page
def merchant_diagnosis(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """The same path for the merchant's own orders, with all that came with them (DIAG-4)."""
    context = {"merchant": merchant, **found(request, Viewer(merchant_id=merchant.pk))}
    return render(request, "merchant/diagnosis.html", context)


def found(request: HttpRequest, viewer: Viewer) -> dict[str, Any]:
    """What a search page shows for `?q=`: the paths found, or what one may ask for."""
    asked = request.GET.get("q", "")[:MAX_QUERY].strip()
    at = timezone.now()
    by_merchant = viewer.merchant_id is not None
    return {
        "asked": asked,
        "paths": [say(one, merchant=by_merchant) for one in search(asked, viewer=viewer, at=at)],
        "examples": [] if asked else examples(viewer),
        "hops": list(TITLES.values()),
    }
