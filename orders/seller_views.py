"""A merchant's page about promoting others' goods itself (ONB-6)."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders import sellers
from orders.doors import merchant_for
from orders.models import SellerAffiliate
from portal.errors import DomainError
from portal.models import MemberRole


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def promote(request: HttpRequest, code: str) -> HttpResponse:
    """What it takes, whether it is on, and the button that turns it on; for owners."""
    merchant = merchant_for(request, code)
    is_owner = merchant.members.filter(user_id=request.user.pk, role=MemberRole.OWNER).exists()
    if request.method == "POST":
        if not is_owner:
            raise PermissionDenied
        try:
            case = sellers.enable(merchant, by=request.user, at=timezone.now())
        except DomainError as error:
            messages.error(request, str(error.message))
            return redirect("orders:promote", code=merchant.code)
        return redirect("affiliates:application", code=case.affiliate.code, pk=case.pk)
    refused = sellers.refusal(merchant)
    context = {
        "merchant": merchant,
        "is_owner": is_owner,
        "seller": SellerAffiliate.objects.filter(merchant=merchant).select_related("affiliate").first(),
        "refusal": refused.message if refused else "",
        "rated_low": merchant.store_rating in sellers.SUSPENDED_RATINGS,
    }
    return render(request, "merchant/promote.html", context)
