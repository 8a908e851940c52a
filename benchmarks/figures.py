"""What a benchmark reports: a ratio measured in this very run, and what it must reach."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """`ratio` must be at least `wanted`; `detail` says from which absolute figures it came."""

    name: str
    ratio: float
    wanted: float
    detail: str

    @property
    def reached(self) -> bool:
        return self.ratio >= self.wanted

    def __str__(self) -> str:
        mark = "ok " if self.reached else "LOW"
        return f"{mark} {self.name}: {self.ratio:.2f} (wanted ≥ {self.wanted:g})   {self.detail}"
