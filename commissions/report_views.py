"""The Commission Report: days, the orders of a day, and the same as CSV (REP-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Affiliate
from affiliates.pages import affiliate_page
from commissions import reports
from commissions.forms import ReportFilter
from commissions.reports import Figures, OrderRow, Scope
from portal.exports import csv_response, text_cell
from portal.money import Money
from portal.paging import PAGE_SIZE

EXPORT_CHUNK = 1000
NARROWING = ("pid", "merchant", "country", "category", "state")


@affiliate_page
def report(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """What was posted on each day of the span asked for: chart, table, and what rounding cost."""
    form = _filter(request, affiliate)
    context: dict[str, Any] = {"affiliate": affiliate, "form": form}
    if form.is_valid():
        scope = form.scope()
        rows = reports.days(affiliate, scope)
        lost_orders, lost_cents = reports.forgone(affiliate, scope)
        context |= {
            "scope": scope,
            "days": rows,
            "total": reports.total(rows),
            "forgone": {"orders": lost_orders, "cents": lost_cents},
            "chart": _chart(rows, scope),
            "query": form_query(form),
            "narrowing": form_query(form, NARROWING),
        }
    return render(request, "affiliate/report.html", context)


@affiliate_page
def report_csv(request: HttpRequest, affiliate: Affiliate) -> HttpResponse:
    """The report's table, as filtered, as a file."""
    form = _filter(request, affiliate)
    if not form.is_valid():
        address = reverse("commissions:report", args=[affiliate.code])
        return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}")
    scope = form.scope()
    header = [_("Day (Shanghai)"), _("Orders"), *_figure_names()]
    rows = reports.days(affiliate, scope)
    table = ([row.day.isoformat(), row.orders, *_amounts(row.figures)] for row in rows)
    return csv_response(f"report-{affiliate.code}-{scope.first}-{scope.last}.csv", header, table)


@affiliate_page
def report_day(request: HttpRequest, affiliate: Affiliate, day: str) -> HttpResponse:
    """The orders with postings on one day, each leading to its sheet; `?format=csv` for the file."""
    try:
        asked = date.fromisoformat(day)
    except ValueError as error:
        raise Http404 from error
    query = request.GET.copy()
    query["first"] = query["last"] = asked.isoformat()
    form = ReportFilter(query, places=reports.places(affiliate), today=reports.shanghai_day(timezone.now()))
    if not form.is_valid():
        raise Http404
    scope = form.scope()
    if request.GET.get("format") == "csv":
        return _day_csv(affiliate, scope)
    before = request.GET.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    rows = reports.orders_of_day(affiliate, scope, before=number, limit=PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    found = reports.days(affiliate, scope)
    context = {
        "affiliate": affiliate,
        "day": asked,
        "rows": shown,
        "total": reports.total(found),
        "orders": sum(row.orders for row in found),
        "next_page": shown[-1].commission_id if len(rows) > PAGE_SIZE else None,
        "is_first_page": number is None,
        "narrowing": form_query(form, NARROWING),
        "filters": _said(form),
    }
    return render(request, "affiliate/report_day.html", context)


def _filter(request: HttpRequest, affiliate: Affiliate) -> ReportFilter:
    today = reports.shanghai_day(timezone.now())
    return ReportFilter(request.GET, places=reports.places(affiliate), today=today)


def form_query(form: ReportFilter, names: tuple[str, ...] = Scope._fields) -> str:
    """The filters in force as they stand in an address."""
    return urlencode({name: form.cleaned_data[name] for name in names if form.cleaned_data[name]})


def _said(form: ReportFilter) -> list[tuple[str, str]]:
    """The narrowing filters in words."""
    said = []
    for name in NARROWING:
        value = form.cleaned_data[name]
        if value:
            choices = {str(key): str(label) for key, label in form.fields[name].choices}
            said.append((str(form.fields[name].label), choices[str(value)]))
    return said


def _chart(rows: list[reports.Day], scope: Scope) -> dict[str, Any]:
    """The table's numbers as bars; static/js/charts.js draws them."""
    filled = list(reports.zero_filled(rows, scope))
    return {
        "labels": [row.day.isoformat() for row in filled],
        "sign": "US$",
        "series": [
            {"label": _("Locked"), "tone": "info", "values": [row.figures.locked for row in filled]},
            {"label": _("Released"), "tone": "good", "values": [row.figures.released for row in filled]},
            {
                "label": _("Void and clawed back"),
                "tone": "bad",
                "values": [-(row.figures.void + row.figures.clawed_back) for row in filled],
            },
        ],
    }


# --- files ----------------------------------------------------------------------------------------------------


def _figure_names() -> list[str]:
    names = [_("Locked"), _("Released"), _("Void"), _("Clawed back"), _("Net")]
    return [f"{name} (USD)" for name in names]


def _amounts(figures: Figures) -> list[str]:
    return [Money(cents, "USD").decimal() for cents in (*figures, figures.net)]


def _day_csv(affiliate: Affiliate, scope: Scope) -> HttpResponse:
    header = [
        _("Order number"),
        _("Merchant"),
        "PID",
        _("Buyer country"),
        _("Category"),
        _("State now"),
        *_figure_names(),
        _("Commission"),
    ]
    table = (
        [
            text_cell(row.order_id),
            text_cell(row.merchant),
            row.pid,
            row.country,
            text_cell(row.category),
            row.state,
            *_amounts(row.figures),
            str(row.public_id),
        ]
        for row in _all_orders(affiliate, scope)
    )
    return csv_response(f"orders-{affiliate.code}-{scope.first}.csv", header, table)


def _all_orders(affiliate: Affiliate, scope: Scope) -> Iterator[OrderRow]:
    """All orders of a scope, a chunk at a time."""
    before = None
    while rows := reports.orders_of_day(affiliate, scope, before=before, limit=EXPORT_CHUNK):
        yield from rows
        before = rows[-1].commission_id
