"""The one door to a merchant: who is no member is told the same as if it didn't exist."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import Http404, HttpRequest
from django.urls import reverse

from orders.models import Merchant, MerchantMember
from portal.navigation import Workspace, choose_workspace, current_workspace

KIND = "merchant"


def merchant_for(request: HttpRequest, code: str) -> Merchant:
    """The merchant `code` if the signed-in person is a member of it; makes it the current workspace.

    Raises: Http404 for a non-member and for a code that nobody has.
    """
    membership = (
        MerchantMember.objects.select_related("merchant")
        .filter(merchant__code=code, user_id=request.user.pk or 0)
        .first()
    )
    if membership is None:
        raise Http404
    key = f"{KIND}:{membership.merchant_id}"
    current = current_workspace(request)
    if current is None or current.key != key:
        choose_workspace(request, key)
    return membership.merchant


def workspaces(request: HttpRequest) -> Iterable[Workspace]:
    """The merchants that the signed-in person may stand in."""
    memberships = (
        MerchantMember.objects.select_related("merchant")
        .filter(user_id=request.user.pk or 0)
        .order_by("merchant__name")
    )
    for membership in memberships:
        merchant = membership.merchant
        yield Workspace(
            key=f"{KIND}:{merchant.pk}",
            kind=KIND,
            label=merchant.name,
            role=membership.get_role_display(),
            home=reverse("commissions:merchant_home", args=[merchant.code]),
            object_id=merchant.pk,
            code=merchant.code,
        )
