"""States as people see them: a word, an icon and a tone each, so that colour is never the only sign.

The keys are the states' names in code and JSON (SPEC LIFE-11). Apps with further states `register` theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Badge:
    """`tone` is one of neutral, info, accent, good, warn, bad (see static/css/site.css)."""

    label: str | Promise
    icon: str
    tone: str = "neutral"


_BADGES: dict[str, Badge] = {
    "awaiting_payment": Badge(_("awaiting payment"), "hourglass-split", "neutral"),
    "locked": Badge(_("locked"), "lock-fill", "info"),
    "confirmed": Badge(_("confirmed"), "check2-circle", "accent"),
    "released": Badge(_("released"), "check-circle-fill", "good"),
    "held": Badge(_("held"), "pause-circle-fill", "warn"),
    "void": Badge(_("void"), "slash-circle", "neutral"),
    "clawed_back": Badge(_("clawed back"), "arrow-counterclockwise", "bad"),
}


def register(state: str, badge: Badge) -> None:
    """Add a state; saying the same state differently is refused, one thing is said in one place."""
    known = _BADGES.setdefault(state, badge)
    if known != badge:
        raise ValueError(f"the badge {state!r} is already said otherwise")


def badge(state: str) -> Badge:
    """The badge of `state`; an unknown state is shown by its name, neutrally."""
    return _BADGES.get(state) or Badge(state.replace("_", " "), "circle", "neutral")


def icons() -> set[str]:
    """Every icon that badges use."""
    return {known.icon for known in _BADGES.values()}
