"""Suspending an affiliate and taking it back.

Both only record the dated fact. The commissions app reads it: it holds what is not yet released (LIFE-11) and
clicks made meanwhile are not valid (ATTR-3).
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Suspension
from portal import audit
from portal.errors import DomainError
from portal.models import User


class AlreadySuspended(DomainError):
    code = "already_suspended"


class NotSuspended(DomainError):
    code = "not_suspended"


@transaction.atomic
def suspend(affiliate: Affiliate, *, by: User, at: datetime, reason: str) -> Suspension:
    """Suspend `affiliate` from `at` on. Locks its row. Raises: AlreadySuspended. Source: SPEC LIFE-11."""
    Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    if affiliate.suspensions.filter(reinstated_at__isnull=True).exists():
        raise AlreadySuspended(_("This affiliate is suspended already."))
    suspension = affiliate.suspensions.create(reason=reason, suspended_at=at, suspended_by=by)
    audit.record("affiliate.suspend", by=by, target=affiliate, at=at, reason=reason)
    return suspension


@transaction.atomic
def reinstate(affiliate: Affiliate, *, by: User, at: datetime, reason: str) -> None:
    """End the open suspension. Locks the affiliate's row. Raises: NotSuspended. Source: SPEC LIFE-11."""
    Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    ended = affiliate.suspensions.filter(reinstated_at__isnull=True).update(
        reinstated_at=at, reinstated_by=by
    )
    if not ended:
        raise NotSuspended(_("This affiliate is not suspended."))
    audit.record("affiliate.reinstate", by=by, target=affiliate, at=at, reason=reason)
