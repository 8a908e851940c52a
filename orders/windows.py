"""Choosing a merchant's attribution window (RATE-5)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from orders.models import AttributionWindow, Merchant
from portal import audit
from portal.errors import DomainError
from portal.models import User


class WindowOutOfRange(DomainError):
    code = "window_out_of_range"


class WindowInThePast(DomainError):
    """A window can't be changed for orders that are placed already."""

    code = "window_in_the_past"


class WindowExists(DomainError):
    code = "window_exists"


@transaction.atomic
def choose_window(
    merchant: Merchant, *, days: int, by: User | None, at: datetime, effective_at: datetime | None = None
) -> AttributionWindow:
    """Orders placed from `effective_at` on (None: at once) count for `days` after their click.

    Adds to the merchant's history, which is append-only. Locks the merchant's row.
    Raises: WindowOutOfRange, WindowInThePast, WindowExists.
    Source: SPEC RATE-5.
    """
    effective_at = effective_at or at
    Merchant.objects.select_for_update().get(pk=merchant.pk)
    if not 1 <= days <= 90:
        raise WindowOutOfRange(_("An attribution window has 1 to 90 days."), field="days")
    if effective_at < at:
        raise WindowInThePast(_("A window can't begin in the past."), field="effective_at")
    if merchant.attribution_windows.filter(effective_at=effective_at).exists():
        raise WindowExists(_("A window begins at that very moment already."), field="effective_at")
    window = AttributionWindow.objects.create(merchant=merchant, days=days, effective_at=effective_at)
    audit.record(
        "merchant.choose_window",
        by=by,
        target=merchant,
        at=at,
        days=days,
        effective_at=effective_at.isoformat(),
    )
    return window
