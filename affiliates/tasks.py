"""What the worker does for onboarding on a schedule. Tasks only trigger; the database is the truth."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from affiliates import expiry, retention

logger = logging.getLogger(__name__)


@shared_task(name="affiliates.warn_of_expiring_papers", ignore_result=True)
def warn_of_expiring_papers() -> int:
    """Warn the owners of papers that run out within 30 days; returns how many (ONB-10)."""
    return expiry.warn(at=timezone.now())


@shared_task(name="affiliates.erase_what_is_due", ignore_result=True)
def erase_what_is_due() -> int:
    """The nightly run of the retention job; returns how many documents it erased (ONB-9)."""
    report = retention.erase(timezone.now())
    counts = {
        name: getattr(report, name) for name in ("documents", "frames", "numbers", "strays", "failures")
    }
    logger.log(logging.WARNING if report.failures else logging.INFO, "retention", extra=counts)
    return report.documents
