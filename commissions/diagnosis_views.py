"""The Diagnostic Center's pages for affiliates and merchants: one search, and the path that it finds (DIAG-1)."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate
from affiliates.pages import affiliate_page
from commissions import breakpoints
from commissions.breakpoints import Summary
from commissions.diagnosis import Viewer, examples, search
from commissions.diagnosis_codes import CAUSES
from commissions.diagnosis_words import TITLES, say
from commissions.forms import BreakpointFilter
from commissions.merchant_views import merchant_page
from commissions.reports import shanghai_day
from orders.models import Merchant

MAX_QUERY = 200


@affiliate_page
def affiliate_diagnosis(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """What became of an order, a click or a link, by the affiliate's own evidence alone (DIAG-3)."""
    context = {"affiliate": affiliate, **found(request, Viewer(affiliate_id=affiliate.pk))}
    return render(request, "affiliate/diagnosis.html", context)


@affiliate_page
def affiliate_breakpoints(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """Where the affiliate's orders and clicks broke, day by day (DIAG-4)."""
    context = {"affiliate": affiliate, **summed(request, Viewer(affiliate_id=affiliate.pk))}
    return render(request, "affiliate/breakpoints.html", context)


@merchant_page
def merchant_diagnosis(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """The same path for the merchant's own orders, with all that came with them (DIAG-4)."""
    context = {"merchant": merchant, **found(request, Viewer(merchant_id=merchant.pk))}
    return render(request, "merchant/diagnosis.html", context)


@merchant_page
def merchant_breakpoints(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """Where the merchant's orders and its links' clicks broke, day by day (DIAG-4)."""
    context = {"merchant": merchant, **summed(request, Viewer(merchant_id=merchant.pk))}
    return render(request, "merchant/breakpoints.html", context)


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


# The chart's bars, most frequent cause first; what comes after the fifth is one bar.
TONES = ("bad", "warn", "info", "accent", "good", "ink-3")


def summed(request: HttpRequest, viewer: Viewer) -> dict[str, Any]:
    """What a page of breakpoints shows for the filters in the address."""
    today = shanghai_day(timezone.now())
    form = BreakpointFilter(request.GET, places=breakpoints.places(viewer), today=today)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        scope = form.scope()
        found = breakpoints.summary(scope, viewer=viewer)
        shown = list(found.by_cause)[: len(TONES) - 1]
        days = breakpoints.zero_filled(found, scope, shown)
        context |= {
            "scope": scope,
            "total": found.total,
            "causes": [(CAUSES[code], count) for code, count in found.by_cause.items()],
            "heads": [CAUSES[code].label for code in shown],
            "days": [
                (day, counts, sum(found.by_day[day].values()))
                for day, counts in reversed(days)
                if day in found.by_day
            ],
            "places": [(place, CAUSES[place.code]) for place in found.places],
            "chart": _chart(found, days, shown),
        }
    return context


def _chart(found: Summary, days: list[tuple[date, list[int]]], codes: list[str]) -> dict[str, Any]:
    """The counts as stacked bars; static/js/charts.js draws them."""
    series = [
        {"label": str(CAUSES[code].label), "tone": tone, "values": [counts[place] for _day, counts in days]}
        for place, (code, tone) in enumerate(zip(codes, TONES, strict=False))
    ]
    if len(found.by_cause) > len(codes):
        rest = [sum(found.by_day.get(day, {}).values()) - sum(counts) for day, counts in days]
        series.append({"label": _("Other causes"), "tone": TONES[-1], "values": rest})
    return {"labels": [day.isoformat() for day, _counts in days], "counts": True, "series": series}
