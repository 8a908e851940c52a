"""The one door to an affiliate: who is no member is told the same as if it didn't exist."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import Http404, HttpRequest
from django.urls import reverse

from affiliates.models import Affiliate, AffiliateMember
from portal.models import MemberRole
from portal.navigation import Workspace, choose_workspace, current_workspace

KIND = "affiliate"


def membership_for(request: HttpRequest, code: str) -> AffiliateMember:
    """The signed-in person's membership of the affiliate `code`, its affiliate loaded; makes it current.

    Raises: Http404 for a non-member and for a code that nobody has.
    """
    membership = (
        AffiliateMember.objects.select_related("affiliate")
        .filter(affiliate__code=code, user_id=request.user.pk or 0)
        .first()
    )
    if membership is None:
        raise Http404
    key = f"{KIND}:{membership.affiliate_id}"
    current = current_workspace(request)
    if current is None or current.key != key:
        choose_workspace(request, key)
    return membership


def affiliate_for(request: HttpRequest, code: str) -> Affiliate:
    """The affiliate `code` if the signed-in person is a member of it. Raises: Http404 otherwise."""
    return membership_for(request, code).affiliate


def owns(membership: AffiliateMember) -> bool:
    """Whether this member may change what the affiliate has chosen."""
    return membership.role == MemberRole.OWNER


def workspaces(request: HttpRequest) -> Iterable[Workspace]:
    """The affiliates that the signed-in person may stand in."""
    memberships = (
        AffiliateMember.objects.select_related("affiliate")
        .filter(user_id=request.user.pk or 0)
        .order_by("affiliate__name")
    )
    for membership in memberships:
        affiliate = membership.affiliate
        yield Workspace(
            key=f"{KIND}:{affiliate.pk}",
            kind=KIND,
            label=affiliate.name,
            role=membership.get_role_display(),
            # Until it is approved there is one thing to do.
            home=reverse(
                "commissions:affiliate_home" if affiliate.approved_at else "affiliates:applications",
                args=[affiliate.code],
            ),
            object_id=affiliate.pk,
            code=affiliate.code,
        )
