"""What every money test ends with."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from commissions.books import check_books


def assert_books_balance(*, at: datetime | None = None) -> None:
    """Fail with every row that differs (LEDGER-6). `at` is the test's clock; lateness is judged by it."""
    findings = check_books(at=at or timezone.now())
    assert not findings, "\n".join(str(finding) for finding in findings)
