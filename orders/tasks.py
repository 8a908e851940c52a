"""What the worker does about tracking on a schedule. Tasks only trigger; the database is the truth."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from orders import pid_clicks

logger = logging.getLogger(__name__)


@shared_task(name="orders.sweep_pids", ignore_result=True)
def sweep_pids() -> int:
    """One round of freezing idle PIDs and warning of it; returns how many were frozen (ATTR-4)."""
    swept = pid_clicks.sweep(at=timezone.now())
    if swept.frozen or swept.warned:
        logger.info("PIDs swept", extra={"frozen": len(swept.frozen), "warned": len(swept.warned)})
    return len(swept.frozen)
