"""The default broker: PGMQ, a message queue in the product's own database (ADR 0011).

The queue's SQL comes with the `pgmq` package. It is laid down by `manage.py install_broker` and not by a migration,
because it belongs to whoever picks that broker: with Redis or RabbitMQ the database has no queue.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction
from pgmq.install import get_embedded_install_sql, get_embedded_sql_version

# Two processes that install at once: the second one waits, then finds it done.
INSTALL_LOCK = 7_206_881


def is_installed() -> bool:
    """Whether the database has the queue's tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def install() -> str | None:
    """Lay down the queue's schema; its version, or None where there is nothing to do."""
    if not settings.BROKER_IS_THE_DATABASE:
        return None
    version = get_embedded_sql_version()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
        if is_installed():
            return None
        cursor.execute(get_embedded_install_sql())
        cursor.execute(f"COMMENT ON SCHEMA pgmq IS 'pgmq {version}'")
    return version
