"""What the worker does for onboarding on a schedule. Tasks only trigger; the database is the truth."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from affiliates import expiry


@shared_task(name="affiliates.warn_of_expiring_papers", ignore_result=True)
def warn_of_expiring_papers() -> int:
    """Warn the owners of papers that run out within 30 days; returns how many (ONB-10)."""
    return expiry.warn(at=timezone.now())
