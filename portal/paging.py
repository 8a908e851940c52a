"""Paging by key: a page begins after a row, not after a count, so new rows neither shift nor repeat any.

A `Mark` is that row's (time, number). Lists are newest first.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

PAGE_SIZE = 25


class Mark(NamedTuple):
    """The last row of the page before: what the next page begins after."""

    at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.pk}"


def read_mark(text: str) -> Mark | None:
    """The mark that `str` wrote into an address; None for nothing and for what is no mark."""
    moment, _separator, number = text.partition("~")
    # In an address typed by hand the plus of the offset reads as a blank.
    try:
        at = datetime.fromisoformat(moment.replace(" ", "+"))
        pk = int(number)
    except ValueError:
        return None
    return Mark(at, pk) if at.tzinfo is not None and 0 <= pk < 2**63 else None
