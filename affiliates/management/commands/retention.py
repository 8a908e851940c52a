"""`manage.py retention`: what is due to be erased; `--erase` erases it (ONB-9)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from affiliates import retention


class Command(BaseCommand):
    help = "Say which papers, faces and numbers have been kept long enough. Erases nothing without --erase."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--dry-run", action="store_true", help="only say what would go (the default)")
        which.add_argument("--erase", action="store_true", help="erase it for good, and keep a report")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        if options["erase"]:
            report = retention.erase(at)
            self.stdout.write(
                f"erased: {report.documents} documents, {report.frames} frames, numbers of {report.numbers} cases, "
                f"{report.strays} stray files (report {report.pk})"
            )
            if report.failures:
                raise CommandError(f"{report.failures} steps failed; they are due again next time.")
            return
        found = retention.due(at)
        for rule, ids in found.documents.items():
            self.stdout.write(f"{rule}: {len(ids)} documents: {' '.join(map(str, ids))}")
        self.stdout.write(
            f"frames: {len(found.frames)}; numbers of cases: {len(found.numbers)}; stray files: {len(found.strays)}"
        )
        self.stdout.write(f"{found.count} in all. Nothing was erased; --erase does it.")
