"""The house's own chores."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone


@shared_task(name="portal.forget_old_sessions", ignore_result=True)
def forget_old_sessions() -> None:
    """Delete the sessions that have run out."""
    call_command("clearsessions")


@shared_task(name="portal.send_mail", ignore_result=True)
def send_mail() -> int:
    """Send what waits in the outbox; returns how many mails went out."""
    from portal import mail

    return mail.send_waiting(at=timezone.now())
