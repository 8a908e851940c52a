"""`manage.py reset`: begin anew. Throws the embedded database and what else is in `var/` away."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.supervisor import CannotServe, Output, Supervisor


class Command(BaseCommand):
    help = "Throw the embedded database and everything else in var/ away. A database by URL is never touched."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DATABASE_IS_EMBEDDED:
            raise CommandError(
                "DATABASE_URL is set: a database that isn't ours alone is not thrown away here."
            )
        if not options["yes"] and not self._is_sure():
            raise CommandError("Nothing was done.")
        try:
            Supervisor(settings.VAR_DIR / "run", Output(prefix=False, colour=False)).claim()
        except CannotServe as refusal:
            raise CommandError(str(refusal)) from refusal
        settings.EMBEDDED_DATABASE.remove()
        for path in settings.VAR_DIR.iterdir():
            if path.name == "run":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.stdout.write(f"{settings.VAR_DIR} is empty. `make run` begins anew.")

    def _is_sure(self) -> bool:
        try:
            answer = input(f"Throw away everything in {settings.VAR_DIR}? Type yes: ")
        except EOFError:
            return False
        return answer.strip().lower() == "yes"
