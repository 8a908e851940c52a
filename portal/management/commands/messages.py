"""`manage.py messages extract|compile|check`: the catalogue without gettext tools (portal.catalogue)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import catalogue


class Command(BaseCommand):
    help = "Extract texts into the catalogue, compile it, or check that it is complete."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["extract", "compile", "check"])

    def handle(self, *args: Any, **options: Any) -> None:
        root, action = settings.BASE_DIR, options["action"]
        if action == "extract":
            new, gone = catalogue.merge(root)
            self.stdout.write(f"{new} new, {gone} gone: {catalogue.po_path(root).relative_to(root)}")
        elif action == "compile":
            count = catalogue.compile_catalogues([catalogue.po_path(root)])
            self.stdout.write(f"{count} compiled")
        else:
            found = catalogue.check(root)
            for problem in found:
                self.stderr.write(str(problem))
            if found:
                raise CommandError(
                    f"{len(found)} problems in the catalogue; run `manage.py messages extract`."
                )
            self.stdout.write("The catalogue is complete.")
