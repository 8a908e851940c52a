"""The demo shop's pages: a shelf, a product, an order, and the switches to break tracking with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from orders.demo_shop import network, store
from orders.snippets import upfront

VISIT_COOKIE = "shop_visit"
REFUND_SHARE = 2
STEPS = {
    # step: (states it may be taken in, state after it, event)
    "pay": (("awaiting",), "paid", "order.paid"),
    "cancel": (("awaiting",), "cancelled", "order.cancelled"),
    "refund": (("paid",), "refunded", "order.refunded"),
}


def policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A strict content policy, as a careful shop has one: the tag must work under it."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.NETWORK_URL))

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; script-src {origin}; connect-src {origin};"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    return respond


def _visit(request: HttpRequest) -> store.Visit:
    """The visitor's session; a click that this request brings is remembered in it."""
    visit = store.Visit(request.COOKIES.get(VISIT_COOKIE, ""))
    fresh = upfront.click_ids(request)[:1] if upfront.PARAMETER in request.GET else []
    if fresh:
        visit.click_id = fresh[0]
    if visit.is_new or fresh:
        visit.save()
    return visit


def _page(request: HttpRequest, template: str, visit: store.Visit, **context: Any) -> HttpResponse:
    clicks = upfront.click_ids(request)
    context |= {
        "visit": visit,
        "clicks": clicks,
        "network": settings.NETWORK_URL,
        "merchant": settings.MERCHANT,
    }
    response = render(request, template, context)
    response.set_cookie(VISIT_COOKIE, visit.key, httponly=True, samesite="Lax", max_age=30 * 24 * 3600)
    return response


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@cache_control(max_age=300)
def stylesheet(request: HttpRequest) -> HttpResponse:
    path = settings.BASE_DIR / "templates" / "shop.css"
    return HttpResponse(path.read_text(), content_type="text/css; charset=utf-8")


@require_safe
def shelf(request: HttpRequest) -> HttpResponse:
    visit = _visit(request)
    return _page(request, "shelf.html", visit, products=store.SHELF, orders=store.orders_of(visit))


def product(request: HttpRequest, slug: str) -> HttpResponse:
    """A product; POST places an order that awaits payment."""
    found = store.BY_SLUG.get(slug)
    if found is None:
        raise Http404
    visit = _visit(request)
    if request.method != "POST":
        return _page(request, "product.html", visit, product=found)
    number = store.place(visit, found, upfront.click_ids(request))
    placed = store.find(visit, number)
    assert placed is not None  # noqa: S101  (placed a line above)
    network.tell(placed, "order.awaiting_payment")
    if visit.switches["s2s"]:
        network.report(placed, visit.click_id)
    return redirect("order", number=number)


@require_safe
def order(request: HttpRequest, number: str) -> HttpResponse:
    visit = _visit(request)
    found = store.find(visit, number)
    if found is None:
        raise Http404
    return _page(
        request,
        "order.html",
        visit,
        order=found,
        product=store.BY_SLUG[found["slug"]],
        messages=store.messages(number),
        beacon=visit.switches["beacon"],
    )


@require_POST
def step(request: HttpRequest, number: str, step: str) -> HttpResponse:
    """Pay, cancel or refund half of an order: moves it on once, and tells the network."""
    visit = _visit(request)
    found = store.find(visit, number)
    if found is None or step not in STEPS:
        raise Http404
    before, after, event_type = STEPS[step]
    refund = found["paid"] // REFUND_SHARE if step == "refund" else 0
    if store.advance(number, before=before, after=after, refund=refund):
        facts = {"refund": {"refund_id": f"r-{number}", "amount": refund}} if refund else {}
        network.tell(found, event_type, **facts)
    return redirect("order", number=number)


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Turn one of the switches; the cookie's takes the attribution cookie away at once."""
    visit = _visit(request)
    name = request.POST.get("name", "")
    if name not in store.SWITCHES:
        raise Http404
    response = redirect("shelf")
    if name == "cookie":
        response.delete_cookie(upfront.COOKIE)
    else:
        visit.switches[name] = not visit.switches[name]
        visit.save()
    return response
