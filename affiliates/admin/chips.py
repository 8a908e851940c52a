"""The small labelled signs of a case: its state, how long it has left, who works on it. Icon, word and tone each."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from affiliates.checks import MISMATCH, OK, WARNING
from affiliates.models import Case, Document
from affiliates.review_queue import QueueRow
from affiliates.working_time import DAY_SECONDS
from portal.models import User

State, Verdict = Case.State, Document.Verdict
SHORT_SECONDS = DAY_SECONDS // 2


class Chip(NamedTuple):
    text: str | Promise
    icon: str
    tone: str = "neutral"


_STATES: dict[str, tuple[str, str]] = {
    State.DRAFT: ("pencil", "neutral"),
    State.SUBMITTED: ("inbox", "info"),
    State.IN_REVIEW: ("eye", "accent"),
    State.AWAITING_SECOND_REVIEW: ("people", "warn"),
    State.CHANGES_REQUESTED: ("pause-circle-fill", "neutral"),
    State.APPROVED: ("check-circle-fill", "good"),
    State.REJECTED: ("x-circle-fill", "bad"),
    State.WITHDRAWN: ("slash-circle", "neutral"),
}
_VERDICTS: dict[str, tuple[str, str]] = {
    Verdict.PENDING: ("hourglass-split", "neutral"),
    Verdict.ACCEPTED: ("check-circle-fill", "good"),
    Verdict.RESUBMIT: ("arrow-counterclockwise", "warn"),
    Verdict.REJECTED: ("x-circle-fill", "bad"),
    Verdict.SUPERSEDED: ("layers", "neutral"),
}
_LEVELS: dict[str, tuple[str | Promise, str, str]] = {
    MISMATCH: (_("mismatch"), "x-circle-fill", "bad"),
    WARNING: (_("look closely"), "exclamation-triangle-fill", "warn"),
    OK: (_("agrees"), "check-circle-fill", "good"),
}


def state_chip(case: Case) -> Chip:
    return Chip(case.get_state_display(), *_STATES[State(case.state)])


def verdict_chip(document: Document) -> Chip:
    return Chip(document.get_verdict_display(), *_VERDICTS[Verdict(document.verdict)])


def level_chip(level: str) -> Chip:
    return Chip(*_LEVELS[level])


def working_span(seconds: int) -> str:
    """Working time in hours and minutes: `3 h 20 min`; never in days, which would be taken for 24 hours."""
    minutes = abs(seconds) // 60
    if minutes < 60:
        return gettext("%(minutes)d min") % {"minutes": minutes}
    return gettext("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}


def clock_chip(case: Case, seconds_left: int | None) -> Chip | None:
    """The working time left, or that it is over, or that the clock stands still; None once the case is closed."""
    if seconds_left is None:
        return Chip(gettext("clock paused"), "pause-circle-fill") if case.clock_is_paused else None
    shown = working_span(seconds_left)
    if seconds_left < 0 or (seconds_left == 0 and case.due_at is not None):
        return Chip(gettext("overdue by %(time)s") % {"time": shown}, "alarm", "bad")
    tone = "warn" if seconds_left < SHORT_SECONDS else "good"
    return Chip(gettext("%(time)s of working time left") % {"time": shown}, "clock", tone)


def row_chips(row: QueueRow, user: User) -> list[Chip]:
    """Everything worth knowing of a case before it is opened."""
    case = row.case
    clock = clock_chip(case, row.seconds_left)
    chips = [state_chip(case), *([clock] if clock else [])]
    if case.state == State.AWAITING_SECOND_REVIEW and case.first_by_id == user.pk:
        chips.append(Chip(gettext("you decided first"), "person-check"))
    if row.is_mine:
        chips.append(Chip(gettext("yours"), "person-check", "accent"))
    elif row.is_leased:
        chips.append(
            Chip(
                gettext("claimed by %(name)s") % {"name": case.claimed_by.get_full_name()},
                "lock-fill",
                "info",
            )
        )
    elif row.is_lapsed:
        chips.append(
            Chip(gettext("lease of %(name)s is over") % {"name": case.claimed_by.get_full_name()}, "unlock")
        )
    return chips


def count_chip(level: str, count: int) -> Chip:
    """How many findings of a level there are."""
    text = {
        MISMATCH: ngettext("%(count)d mismatch", "%(count)d mismatches", count),
        WARNING: ngettext("%(count)d warning", "%(count)d warnings", count),
        OK: ngettext("%(count)d check holds", "%(count)d checks hold", count),
    }[level]
    return Chip(text % {"count": count}, *_LEVELS[level][1:])
