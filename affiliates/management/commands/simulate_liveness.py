"""`manage.py simulate_liveness`: the stand-in for the liveness vendor, on a port of its own."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serve the liveness simulator, which speaks the vendor's protocol. For demo mode only."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The liveness simulator is for demo mode only: set DEMO=1.")
        environment = {
            "DJANGO_SETTINGS_MODULE": "affiliates.liveness_simulator.settings",
            "LIVENESS_KEY_ID": settings.LIVENESS["key_id"],
            "LIVENESS_SECRET": settings.LIVENESS["secret"],
            "LIVENESS_ADDRESS": settings.LIVENESS["endpoint"].rstrip("/"),
        }
        command = [sys.executable, "-m", "gunicorn", "--threads=4", "--workers=1", "--log-level=warning"]
        command += ["-b", f"127.0.0.1:{settings.LIVENESS_PORT}", "affiliates.liveness_simulator.wsgi"]
        os.execve(sys.executable, command, os.environ | environment)  # noqa: S606
