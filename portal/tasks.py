"""The house's own chores."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command


@shared_task(name="portal.forget_old_sessions", ignore_result=True)
def forget_old_sessions() -> None:
    """Delete the sessions that have run out."""
    call_command("clearsessions")
