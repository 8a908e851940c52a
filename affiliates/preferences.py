"""The "$0.01起佣" switch and its history (PRICE-5, REP-3)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from affiliates.models import Affiliate, CommissionPreference
from portal.models import User


@transaction.atomic
def choose_minimum_unit(
    affiliate: Affiliate, *, minimum_unit: int, by: User | None, at: datetime
) -> CommissionPreference:
    """Choose the minimum unit (1 or 10 cents) for orders placed from `at` on.

    Orders placed before keep what was in force then. Choosing what is already in force records the decision
    all the same, so that the prompt to decide goes away.

    Source: SPEC PRICE-5, REP-3.
    """
    Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    return CommissionPreference.objects.create(
        affiliate=affiliate, minimum_unit=minimum_unit, effective_at=at, chosen_by=by
    )
