"""An affiliate's balance, and the ledger lines behind each number (REP-4)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from affiliates.models import Affiliate
from affiliates.pages import affiliate_page
from commissions import balances
from commissions.models import JournalKind
from portal.paging import read_mark

KINDS = dict(JournalKind.choices)


@affiliate_page
def balance(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The six numbers, each opening its ledger lines."""
    context = {"affiliate": affiliate, "balances": balances.balances(affiliate)}
    return render(request, "affiliate/balance.html", context)


@affiliate_page
def balance_lines(request: HttpRequest, affiliate: Affiliate, account: str) -> HttpResponse:
    """The lines that make up one number, newest first, with the balance after each."""
    tile = balances.BY_SLUG.get(account)
    if tile is None:
        raise Http404
    lines, following = balances.lines(affiliate, tile, after=read_mark(request.GET.get("after", "")))
    context = {
        "affiliate": affiliate,
        "tile": tile,
        "tiles": balances.TILES,
        "amount": balances.balance(affiliate, tile),
        "lines": [(line, KINDS[line.kind]) for line in lines],
        "next_page": str(following or ""),
        "is_first_page": not request.GET.get("after"),
    }
    return render(request, "affiliate/balance_lines.html", context)
