"""An affiliate's pages: home, Pending Commission, one commission with its sheet, commission preferences.

The report and the balance have modules of their own. Each view goes through the door of its affiliate.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from affiliates.doors import membership_for, owns
from affiliates.models import Affiliate, CommissionPreference, minimum_unit_at
from affiliates.pages import affiliate_page
from affiliates.pids import freezing_soon
from affiliates.preferences import choose_minimum_unit
from commissions import balances, reports
from commissions.forms import MinimumUnitForm, PendingFilter
from commissions.models import Commission, State
from commissions.sheets import explain
from commissions.standing import explanation, next_step, timeline, zeroed_by_default
from portal.paging import PAGE_SIZE, read_mark

LATEST = 6


@affiliate_page
def affiliate_home(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """Today, what is pending and when the next of it is released, and what was earned last."""
    at = timezone.now()
    latest = Commission.objects.filter(affiliate=affiliate).select_related("order", "merchant")
    context = {
        "affiliate": affiliate,
        "today": reports.today(affiliate, at=at),
        "confirmed": reports.confirmed_today(affiliate, at=at),
        "pending": reports.pending_totals(affiliate),
        "available": balances.balance(affiliate, balances.BY_SLUG["available"]),
        "undecided": not affiliate.preferences.exists(),
        "latest": list(latest.order_by("-created_at", "-pk")[:LATEST]),
        "freezing": freezing_soon(affiliate, at=at),
        "now": at,
    }
    if affiliate.on_probation:
        brought, paid = reports.first_orders(affiliate)
        context["probation"] = {"brought": brought, "paid": paid}
    return render(request, "affiliate/home.html", context)


@affiliate_page
def pending(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """Every locked, confirmed and held commission, with what it waits for (REP-2)."""
    form = PendingFilter(request.GET)
    waiting = Commission.objects.filter(affiliate=affiliate).pending()
    if form.is_valid() and form.cleaned_data["state"]:
        waiting = waiting.filter(state=form.cleaned_data["state"])
    page, following = waiting.select_related("order", "merchant").page_after(
        read_mark(request.GET.get("after", "")), PAGE_SIZE
    )
    context = {
        "affiliate": affiliate,
        "totals": reports.pending_totals(affiliate),
        "chosen": form.cleaned_data.get("state", ""),
        "rows": [
            {"commission": one, "next": next_step(one), "zeroed": zeroed_by_default(one)} for one in page
        ],
        "next_page": str(following or ""),
        "is_first_page": not request.GET.get("after"),
    }
    return render(request, "affiliate/pending.html", context)


@affiliate_page
def commission(request: HttpRequest, affiliate: Affiliate, public_id: UUID) -> HttpResponse:
    """One commission: where it stands, how it was calculated, what happened to it, its ledger lines."""
    found = (
        Commission.objects.select_related("order", "merchant", "click__pid")
        .filter(affiliate=affiliate, public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404
    context = {"affiliate": affiliate, **commission_context(found, owner="affiliate")}
    return render(request, "affiliate/commission.html", context)


def commission_context(found: Commission, *, owner: str) -> dict[str, Any]:
    """What both parties' pages of one commission show; `owner` says whose ledger lines."""
    return {
        "commission": found,
        "explanation": explanation(found),
        "next": next_step(found),
        "parts": explain(found.sheet),
        "sheet_differs": bool(found.sheet) and found.sheet.get("amount") != found.amount,
        "zeroed": zeroed_by_default(found) and found.state not in (State.VOID, State.CLAWED_BACK),
        "timeline": timeline(list(found.transitions.select_related("event").order_by("pk"))),
        "postings": balances.postings_of(found, owner=owner),
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def preferences(request: HttpRequest, code: str) -> HttpResponse:
    """The "$0.01起佣" switch with its history; only an owner may turn it (REP-3, PRICE-5)."""
    membership = membership_for(request, code)
    affiliate, may_choose = membership.affiliate, owns(membership)
    at = timezone.now()
    history = list(affiliate.preferences.select_related("chosen_by").order_by("-effective_at"))
    unit = minimum_unit_at([(entry.effective_at, entry.minimum_unit) for entry in history], at)
    form = MinimumUnitForm(request.POST or None, initial={"minimum_unit": unit})
    if request.method == "POST":
        if not may_choose:
            raise PermissionDenied
        if form.is_valid():
            chosen = form.cleaned_data["minimum_unit"]
            choose_minimum_unit(affiliate, minimum_unit=chosen, by=request.user, at=at)
            if chosen == CommissionPreference.ONE_CENT:
                messages.success(request, _("Orders placed from now on earn from US$0.01."))
            else:
                messages.success(request, _("Orders placed from now on earn from US$0.10."))
            return redirect("commissions:preferences", code=affiliate.code)
    orders, cents = reports.forgone(affiliate)
    context = {
        "affiliate": affiliate,
        "form": form,
        "may_choose": may_choose,
        "history": history,
        "is_on": unit == CommissionPreference.ONE_CENT,
        "forgone": {"orders": orders, "cents": cents},
    }
    return render(request, "affiliate/preferences.html", context)
