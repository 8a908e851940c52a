"""Is it alive, and is it ready? `/healthz` asks the process alone, `/readyz` everything that it needs.

A readiness check is a callable named in `READINESS_CHECKS`. It returns what is wrong in a few words, without any
secret, or an empty text. Higher apps bring theirs by the setting, so nothing here looks downstream.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal import broker as queue
from portal.celery import app
from portal.reencryption import as_stored, encrypted_fields, fits

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check is content, else 503; each check by name with `ok` or what is wrong."""
    checks = {name: _ask(name, path) for name, path in settings.READINESS_CHECKS.items()}
    ready = all(answer == "ok" for answer in checks.values())
    body = {"status": "ok" if ready else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


def _ask(name: str, path: str) -> str:
    try:
        return import_string(path)() or "ok"
    except Exception as error:
        # The text of a driver's error may name hosts and users: that is for the log, not for whoever asks.
        logger.warning("readiness check %s failed", name, exc_info=True)
        return f"failed ({type(error).__name__})"


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def migrations() -> str:
    """Whether the database has every migration that this code brings."""
    loader = MigrationLoader(connection)
    missing = set(loader.graph.nodes) - set(loader.applied_migrations)
    return f"{len(missing)} migrations are not applied" if missing else ""


def broker() -> str:
    if settings.BROKER_IS_THE_DATABASE:
        return "" if queue.is_installed() else "the queue is not installed"
    with app.connection_for_write(connect_timeout=2) as broker_connection:
        broker_connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    return ""


def secrets() -> str:
    """Whether the keys open the oldest and the latest value of every encrypted field."""
    for model, names in encrypted_fields():
        for order in ("pk", "-pk"):
            row = model._default_manager.order_by(order).values_list(*map(as_stored, names)).first()
            if row and not all(fits(token) for token in row if token is not None):
                return "SECRETS_KEYS lacks a key that is in use"
    return ""
