"""The Diagnostic Center for ops: any order's path, and the summary of breakpoints over all merchants (DIAG-4)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commissions.diagnosis import OPS, of_order
from commissions.diagnosis_views import found, summed
from commissions.diagnosis_words import say
from orders.models import Order


class DiagnosisMixin(admin.ModelAdmin):
    """Two pages beside the list of orders, and the path on each order's page."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("diagnosis/", wrap(self.diagnosis_view), name="orders_order_diagnosis"),
            path("breakpoints/", wrap(self.breakpoints_view), name="orders_order_breakpoints"),
            *super().get_urls(),
        ]

    def diagnosis_view(self, request: HttpRequest) -> HttpResponse:
        """What became of an order, a click or a link, by everything that is known of it."""
        context = {"title": _("Diagnostic Center"), **found(request, OPS)}
        return self._page(request, "admin/orders/order/diagnosis.html", context)

    def breakpoints_view(self, request: HttpRequest) -> HttpResponse:
        """Where orders and clicks broke, over all merchants."""
        context = {"title": _("Breakpoints"), **summed(request, OPS)}
        return self._page(request, "admin/orders/order/breakpoints.html", context)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, template, context)


def path_of(order: Order) -> Any:
    """The order's path in words, as ops see it."""
    diagnosis = of_order(order, viewer=OPS, at=timezone.now())
    return say(diagnosis) if diagnosis else None
