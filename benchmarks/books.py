"""`check_books` over a million transfers."""

from __future__ import annotations

import time

from django.db import connection

from benchmarks import world
from benchmarks.figures import Figure
from commissions.books import check_books
from commissions.models import Transfer
from commissions.release import release_due

TRANSFERS = 1_000_000
SECONDS = 5


def run() -> list[Figure]:
    missing = TRANSFERS - Transfer.objects.count()
    if missing > 0:
        world.confirmed(missing // 3 + 1, prefix="books-")
        release_due(at=world.NOW, chunk=20_000)
    world.settle_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM commissions_transfer")
        count = cursor.fetchone()[0]
    began = time.perf_counter()
    findings = check_books(at=world.NOW)
    seconds = time.perf_counter() - began
    if findings:
        raise RuntimeError(f"the books do not balance: {findings[:3]}")
    return [
        Figure(
            f"check_books: millions of transfers in {SECONDS} s",
            count / seconds * SECONDS / 1_000_000,
            1,
            f"{count:,} transfers in {seconds:.2f} s",
        )
    ]
