"""A merchant's pages: what it owes, its orders with their commissions, and its terms."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from commissions import reports
from commissions.forms import MerchantCommissionFilter
from commissions.models import Commission, RateRule, TermsVersion
from commissions.standing import next_step
from commissions.views import commission_context
from orders.doors import merchant_for
from orders.models import Merchant
from portal.paging import PAGE_SIZE, read_mark

LATEST = 6

View = Callable[..., HttpResponse]


def merchant_page(view: View) -> View:
    """A read-only page of the merchant in the address: for its members; 404 for everybody else."""

    @login_required
    @require_safe
    @never_cache
    @wraps(view)
    def page(request: HttpRequest, code: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, merchant_for(request, code), *args, **kwargs)

    return page


@merchant_page
def merchant_home(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """What is committed and owed, what moved today, and the last orders."""
    at = timezone.now()
    latest = Commission.objects.filter(merchant=merchant).select_related("order", "affiliate")
    context = {
        "merchant": merchant,
        "balances": {
            kind.partition(".")[2]: cents for kind, cents in reports.merchant_balances(merchant).items()
        },
        "today": reports.today(merchant, at=at),
        "terms": TermsVersion.objects.filter(merchant=merchant).in_force(at),
        "latest": list(latest.order_by("-created_at", "-pk")[:LATEST]),
    }
    return render(request, "merchant/home.html", context)


@merchant_page
def merchant_commissions(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """The orders that affiliates brought, with what each costs."""
    form = MerchantCommissionFilter(request.GET)
    found = Commission.objects.filter(merchant=merchant)
    if form.is_valid():
        if number := form.cleaned_data["order"].strip():
            found = found.filter(order__order_id=number)
        if state := form.cleaned_data["state"]:
            found = found.filter(state=state)
    page, following = found.select_related("order", "affiliate", "click__pid").page_after(
        read_mark(request.GET.get("after", "")), PAGE_SIZE
    )
    context = {
        "merchant": merchant,
        "form": form,
        "rows": [{"commission": one, "next": next_step(one)} for one in page],
        "filtered": form.is_valid() and any(form.cleaned_data.values()),
        "next_page": str(following or ""),
        "is_first_page": not request.GET.get("after"),
    }
    return render(request, "merchant/commissions.html", context)


@merchant_page
def merchant_commission(request: HttpRequest, merchant: Merchant, public_id: UUID) -> HttpResponse:
    """One commission as its merchant sees it: the sheet, the steps, the lines on the merchant's accounts."""
    found = (
        Commission.objects.select_related("order", "merchant", "affiliate", "click__pid")
        .filter(merchant=merchant, public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404
    context = {"merchant": merchant, **commission_context(found, owner="merchant")}
    return render(request, "merchant/commission.html", context)


@merchant_page
def merchant_terms(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """The version in force with its rules in the order in which they win, and the versions before and after."""
    at = timezone.now()
    published = TermsVersion.objects.filter(merchant=merchant, published_at__isnull=False)
    live = published.in_force(at)
    rules = list(RateRule.objects.filter(terms=live).select_related("affiliate")) if live else []
    context = {
        "merchant": merchant,
        "live": live,
        "rules": sorted(rules, key=precedence),
        "versions": list(published.order_by("-number")),
        "now": at,
    }
    return render(request, "merchant/terms.html", context)


def precedence(rule: RateRule) -> tuple[bool, bool, bool, bool, bool, int]:
    """Sorts rules as the calculator prefers them: set beats unset, left to right, then the position (RATE-1)."""
    return (
        not rule.product_id,
        rule.affiliate_id is None,
        not rule.category_id,
        not rule.country,
        rule.window_start is None,
        rule.position,
    )
