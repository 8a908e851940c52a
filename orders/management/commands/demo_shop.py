"""`manage.py demo_shop`: the demo shop on an origin of its own, with the secrets that the demo data gave it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orders.models import Merchant, OrderSourceSecret

CODE = "SHOP"


class Command(BaseCommand):
    help = "Serve the demo shop, a merchant's site on another origin. For demo mode only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.DEMO_SHOP_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo shop is for demo mode only: set DEMO=1.")
        if not Merchant.objects.filter(code=CODE).exists():
            raise CommandError("There is no demo shop in this database: run seed_demo on an empty one first.")
        secret = (
            OrderSourceSecret.objects.filter(source__merchants__code=CODE, source__code="demo-shop")
            .latest("created_at")
            .secret
        )
        environment = {
            "DJANGO_SETTINGS_MODULE": "orders.demo_shop.settings",
            "SHOP_NETWORK_URL": f"http://localhost:{settings.PORT}",
            "SHOP_MERCHANT": CODE,
            "SHOP_SOURCE_SECRET": secret,
            "SHOP_STORE": str(settings.VAR_DIR / "demo-shop.sqlite3"),
        }
        command = [sys.executable, "-m", "gunicorn", "--threads=4", "--workers=1", "--log-level=warning"]
        command += ["-b", f"127.0.0.1:{options['port']}", "orders.demo_shop.wsgi"]
        os.execve(sys.executable, command, os.environ | environment)  # noqa: S606
