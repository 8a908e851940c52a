"""`manage.py install_broker`: the message queue's schema in the database, where that is the broker."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal import broker


class Command(BaseCommand):
    help = (
        "Lay down the message queue in the database (only for CELERY_BROKER_URL=pgmq://; does nothing twice)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        version = broker.install()
        if options["verbosity"]:
            self.stdout.write(f"PGMQ {version} installed" if version else "nothing to do")
