"""The Celery application and its schedule. Tasks only trigger; the database is the truth."""

from __future__ import annotations

import logging.config
import os
from datetime import timedelta
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab
from django.conf import settings

from portal.logs import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def schedule(sender: Celery, **_: Any) -> None:
    """What beat starts, and how often.

    `expires` lets a round that waited for a whole interval fall away: after an outage one sweep does it all.
    """
    sweep = settings.RELEASE_SWEEP_SECONDS
    sender.conf.beat_schedule = {
        "sweep releases": {
            "task": "commissions.sweep_releases",
            "schedule": timedelta(seconds=sweep),
            "options": {"expires": max(sweep, 5)},
        },
        "freeze idle PIDs": {
            "task": "orders.sweep_pids",
            "schedule": crontab(minute=17),
            "options": {"expires": 3000},
        },
        "erase papers whose time is over": {
            "task": "affiliates.erase_what_is_due",
            "schedule": crontab(hour=3, minute=40),
            "options": {"expires": 3600},
        },
        "send waiting mail": {
            "task": "portal.send_mail",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 60},
        },
        "warn of expiring papers": {
            "task": "affiliates.warn_of_expiring_papers",
            "schedule": crontab(hour=1, minute=10),
            "options": {"expires": 3600},
        },
        "forget old sessions": {
            "task": "portal.forget_old_sessions",
            "schedule": crontab(hour=4, minute=20),
            "options": {"expires": 3600},
        },
    }


@signals.worker_init.connect
@signals.beat_init.connect
def bring_up_the_database(**_: Any) -> None:
    """The broker's own connections start no embedded server, so one that is down is started here."""
    if settings.DATABASE_IS_EMBEDDED:
        settings.EMBEDDED_DATABASE.ensure_running()


@signals.setup_logging.connect
def log_like_the_rest(**_: Any) -> None:
    """Celery leaves logging to us if somebody answers this signal."""
    logging.config.dictConfig(settings.LOGGING)


@signals.before_task_publish.connect
def send_the_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and request_id.get():
        headers["request_id"] = request_id.get()


@signals.task_prerun.connect
def take_the_request_id(task: Any = None, task_id: str = "", **_: Any) -> None:
    """A task logs under the id of the request that asked for it; one from the schedule under its own."""
    request_id.set(getattr(task.request, "request_id", None) or task_id)


@signals.task_postrun.connect
def forget_the_request_id(**_: Any) -> None:
    request_id.set("")
