"""The database backend for the embedded server. A class of this name and place is what Django asks for."""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL as Django knows it; a failed connection first sees to it that the server runs."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError:
            settings.EMBEDDED_DATABASE.ensure_running()
            return super().get_new_connection(conn_params)
