"""`manage.py check_books`: recompute the books and name each row that differs (LEDGER-6)."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from commissions.books import check_books
from commissions.models import Transfer


class Command(BaseCommand):
    help = "Recompute the books from the transfers and name each row that differs. Exit code 1 if any does."

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        findings = check_books(at=timezone.now())
        seconds = time.monotonic() - began
        for finding in findings:
            self.stderr.write(str(finding))
        if findings:
            raise CommandError(f"{len(findings)} findings: the books do not balance")
        self.stdout.write(f"The books balance: {Transfer.objects.count():,} transfers in {seconds:.1f} s")
