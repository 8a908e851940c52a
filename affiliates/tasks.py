"""What the worker does for affiliates: writing to their owners. Tasks only trigger; the database is the truth."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from affiliates import freeze_mail

logger = logging.getLogger(__name__)


@shared_task(
    name="affiliates.mail_freeze_warnings",
    ignore_result=True,
    autoretry_for=(OSError,),  # the mail server is away
    retry_backoff=30,
    max_retries=3,
)
def mail_freeze_warnings(affiliate_id: int) -> int:
    """Write to an affiliate's owners which PIDs freeze soon; returns how many letters went out (ATTR-4)."""
    return freeze_mail.send(affiliate_id, at=timezone.now())


def write_unwritten() -> None:
    """Ask for a letter for each affiliate with warnings that nobody was written about.

    Every sweep asks again, so a message that is lost is late and no more.
    """
    for affiliate_id in freeze_mail.unwritten(at=timezone.now()):
        try:
            mail_freeze_warnings.apply_async([affiliate_id], expires=3600, retry=False)
        except (OperationalError, OSError):
            logger.warning("no broker to take freeze warnings; the next sweep asks again")
            return
