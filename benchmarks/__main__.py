"""`make bench`: every ratio in one run, against baselines that the run measures itself."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")

import django

django.setup()

from benchmarks import books, order_events, release_sweep, review_queue, world
from benchmarks.figures import Figure


def main() -> int:
    with world.database() as address:
        world.people(affiliates=2000, merchants=20)
        figures: list[Figure] = []
        for name, measure in (
            ("order events", lambda: order_events.run(address)),
            ("release sweep", release_sweep.run),
            ("books", books.run),
            ("review queue", review_queue.run),
        ):
            print(f"measuring {name} …", flush=True)
            figures += measure()
        for figure in figures:
            print(figure)
    return 0 if all(figure.reached for figure in figures) else 1


sys.exit(main())
