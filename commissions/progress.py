"""A progress bar for commands: drawn on a terminal, plain lines now and then anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# Seconds between plain lines: of a run that ends, and of one that doesn't.
PLAIN_EVERY = 5.0
PLAIN_EVERY_ENDLESS = 60.0


@contextmanager
def progress_bar(label: str, total: int | None, *, stream: TextIO) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many more are done. `total` None: nobody knows how many there are."""
    if stream.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(file=stream)) as bar:
            task = bar.add_task(label, total=total)
            yield lambda more: bar.advance(task, more)
        return
    every = PLAIN_EVERY if total else PLAIN_EVERY_ENDLESS
    done = 0
    told_at = time.monotonic()

    def advance(more: int) -> None:
        nonlocal done, told_at
        done += more
        if time.monotonic() - told_at >= every:
            told_at = time.monotonic()
            stream.write(f"{label}: {done:,}" + (f" of {total:,}\n" if total else "\n"))
            stream.flush()

    yield advance
