"""What the worker does on a schedule or on a nudge. Tasks only trigger; the database is the truth."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from commissions import release

logger = logging.getLogger(__name__)


@shared_task(name="commissions.sweep_releases", ignore_result=True)
def sweep_releases() -> int:
    """One round of the release timer; returns how many commissions were released (LIFE-3)."""
    released = release.sweep(at=timezone.now())
    if released.commissions:
        logger.info("released", extra={"commissions": released.commissions, "cents": released.amount})
    return released.commissions


def nudge() -> None:
    """Ask for a sweep right away if something is due. Losing the nudge only means waiting for the next sweep."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM commissions_commission"
            " WHERE state = 'confirmed' AND release_due_at <= %s)",
            [timezone.now()],
        )
        due = cursor.fetchone()[0]
    if due:
        try:
            sweep_releases.apply_async(expires=60, retry=False)
        except (OperationalError, OSError):
            logger.warning("no broker to nudge the release timer; its sweep will find what is due")
