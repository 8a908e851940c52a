"""The page that makes a tracking link: it checks the merchant's page and shows the terms in force (ATTR-2, RATE-1).

It shows tracking and money side by side, so it stands here; making the link is the orders app's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate, Pid
from affiliates.pages import affiliate_form, affiliate_page
from commissions.pricing import Rule, Terms
from commissions.terms import in_force
from orders.attribution import window_at
from orders.link_forms import SUBS, LinkForm
from orders.links import UTM, check_merchant, links_left, make_link, utm_preset
from orders.models import Link, Merchant
from portal.errors import DomainError

RULES_SHOWN = 6


@dataclass(frozen=True)
class Check:
    """What is known of a page that a link shall lead to: the refusal, or whose it is and what it earns."""

    refusal: DomainError | None = None
    merchant: Merchant | None = None
    terms: Terms | None = None
    rules: tuple[Rule, ...] = ()
    more_rules: int = 0
    top_rate_bps: int = 0
    window_days: int = 0
    known: Link | None = None


def check(affiliate: Affiliate, target: str, *, at: datetime) -> Check:
    """Whose page `target` is and the terms in force there now, with the rules that can apply to this affiliate."""
    try:
        merchant = check_merchant(target)
    except DomainError as refusal:
        return Check(refusal=refusal)
    terms = in_force([(merchant.pk, at)])[(merchant.pk, at)]
    own = tuple(
        rule
        for rule in (terms.rules if terms else ())
        if rule.affiliate_id in (None, affiliate.pk) and (rule.window_end is None or rule.window_end > at)
    )
    windows = list(merchant.attribution_windows.values_list("effective_at", "days"))
    rates = [rule.rate_bps for rule in own if rule.covers(at)]
    return Check(
        merchant=merchant,
        terms=terms,
        rules=own[:RULES_SHOWN],
        more_rules=max(0, len(own) - RULES_SHOWN),
        top_rate_bps=max([terms.default_rate_bps, *rates]) if terms else 0,
        window_days=window_at(windows, at),
        known=Link.objects.filter(
            affiliate=affiliate, merchant=merchant, target=target.strip(), archived_at__isnull=True
        )
        .order_by("-pk")
        .first(),
    )


@affiliate_page
def link_check(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The check alone, as a fragment for htmx."""
    return render(request, "affiliate/link_check.html", _checked(request, affiliate))


def _checked(request: HttpRequest, affiliate: Affiliate) -> dict[str, Any]:
    target = (request.POST if request.method == "POST" else request.GET).get("target", "").strip()
    found = check(affiliate, target, at=timezone.now()) if target else None
    return {"affiliate": affiliate, "check": found}


@affiliate_page
def link_utm(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The UTM fields after another PID was chosen: its remembered values, unless something was typed in."""
    pids = _pids(affiliate)
    before = utm_preset(affiliate, _chosen(pids, request.GET.get("utm_of", "")))
    typed = {name: request.GET.get(name, "") for name in UTM}
    chosen = _chosen(pids, request.GET.get("pid", ""))
    values = utm_preset(affiliate, chosen) if typed == before else typed
    form = LinkForm(pids=pids, initial=values)
    context = {"form": form, "utm_of": chosen.value if chosen else ""}
    return render(request, "affiliate/link_utm.html", context)


@affiliate_form
def link_new(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """Make a link. Without JavaScript the check is a button that comes back to this page."""
    pids = _pids(affiliate)
    if request.method == "POST":
        form = LinkForm(request.POST, pids=pids)
        if form.is_valid():
            made = _make(request, affiliate, form)
            if made is not None:
                return redirect(f"{reverse('orders:link', args=[affiliate.code, made.code])}")
    else:
        chosen = _chosen(pids, request.GET.get("pid", "")) or _last_used(affiliate, pids)
        given = {name: request.GET[name] for name in LinkForm.base_fields if request.GET.get(name)}
        start = {"pid": chosen.value if chosen else "", **utm_preset(affiliate, chosen)}
        form = LinkForm(pids=pids, initial={**start, **given})
    chosen_value = str(form["pid"].value() or "")
    context = {
        **_checked(request, affiliate),
        "form": form,
        "pids": pids,
        "utm_of": chosen_value,
        "utm_filled": any(form[name].value() for name in UTM),
        "subs_filled": any(form[name].value() for name in SUBS),
        "left": links_left(affiliate),
        "approved": affiliate.approved_at is not None,
    }
    return render(request, "affiliate/link_new.html", context)


def _make(request: HttpRequest, affiliate: Affiliate, form: LinkForm) -> Link | None:
    """The link that the form asks for, made or known; None after putting the refusal into the form."""
    try:
        outcome = make_link(affiliate, form.wish(), by=request.user, at=timezone.now())
    except DomainError as refusal:
        field = {"sub_ids": "sub1"}.get(refusal.field or "", refusal.field)
        form.add_error(field if field in form.fields else None, refusal.message)
        return None
    if outcome.made:
        messages.success(request, _("Your link is ready."))
    else:
        messages.info(request, _("You have this link already. Here it is."))
    return outcome.link


def _pids(affiliate: Affiliate) -> list[Pid]:
    """The PIDs that a new link may carry: those that aren't frozen."""
    return list(affiliate.pids.filter(frozen_at__isnull=True).select_related("channel").order_by("pk"))


def _last_used(affiliate: Affiliate, pids: list[Pid]) -> Pid | None:
    """The PID of the latest link, or the first one."""
    latest = Link.objects.filter(affiliate=affiliate, pid__in=pids).order_by("-pk").first()
    return next((pid for pid in pids if latest and pid.pk == latest.pid_id), pids[0] if pids else None)


def _chosen(pids: list[Pid], value: str) -> Pid | None:
    return next((pid for pid in pids if pid.value == value), None)
