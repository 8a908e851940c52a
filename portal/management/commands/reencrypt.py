"""`manage.py reencrypt`: after a new key was put in front of `SECRETS_KEYS`, write everything with it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.encryption import UndecryptableValue
from portal.reencryption import BATCH, reencrypt, unreadable


class Command(BaseCommand):
    help = "Encrypt every secret at rest with the newest of SECRETS_KEYS. Then the older ones can go."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help="rows in one transaction")
        parser.add_argument("--check", action="store_true", help="only say whether the keys open everything")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch takes 1 or more.")
        try:
            if options["check"]:
                if missing := unreadable():
                    raise UndecryptableValue(missing)
                self.stdout.write("SECRETS_KEYS opens every secret.")
                return
            count = reencrypt(batch=options["batch"])
        except UndecryptableValue as error:
            raise CommandError(f"SECRETS_KEYS lacks a key that is still in use ({error}).") from error
        self.stdout.write(f"{count} rows encrypted anew")
