"""PIDs: making them, how long they have been quiet, freezing the idle ones and taking them back (ATTR-1, ATTR-4).

A PID counts from its making or its last reactivation. Thirty days without a valid click freeze it; five days
before, its affiliate is warned, once for each quiet period. Clicks are kept by the orders app, which writes what it
knows of them into `last_valid_click_at` just ahead of a sweep (`orders.pid_clicks`): no click ever writes a PID.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates import notices
from affiliates.models import Affiliate, Channel, FreezeWarning, Pid, PidFreeze
from portal import audit
from portal.errors import DomainError
from portal.models import User

FREEZES_AFTER = timedelta(days=30)
WARNS_AHEAD = timedelta(days=5)


class NotApproved(DomainError):
    """The affiliate's application isn't approved yet (ONB-7)."""

    code = "not_approved"


class AffiliateSuspended(DomainError):
    """A suspended affiliate makes nothing new; what it has goes on redirecting (ATTR-3)."""

    code = "affiliate_suspended"


class PidLimitReached(DomainError):
    """An affiliate on probation asked for a second PID (ONB-7)."""

    code = "pid_limit_reached"


class PidExists(DomainError):
    code = "pid_exists"


class NotFrozen(DomainError):
    code = "not_frozen"


def require_active(affiliate: Affiliate) -> None:
    """Refuse an affiliate that may not make PIDs and links. Its row should be locked.

    Raises: NotApproved, AffiliateSuspended.
    """
    if affiliate.approved_at is None:
        raise NotApproved(_("Your application isn't approved yet. PIDs and links come with the approval."))
    if affiliate.suspensions.filter(reinstated_at__isnull=True).exists():
        raise AffiliateSuspended(_("Your account is suspended, so nothing new can be made for now."))


@transaction.atomic
def create_pid(
    channel: Channel, *, placement: str, by: User | None = None, at: datetime | None = None
) -> Pid:
    """Make the PID `mm_<affiliate>_<channel>_<placement>`; `at` None leaves the time to the database.

    Locks the affiliate's row, so that two requests can't both be the one PID of a probation.

    Raises: NotApproved, AffiliateSuspended, PidLimitReached, PidExists.
    Source: SPEC ATTR-1, ONB-7.
    """
    affiliate = Affiliate.objects.select_for_update().get(pk=channel.affiliate_id)
    require_active(affiliate)
    if affiliate.on_probation and affiliate.pids.exists():
        raise PidLimitReached(
            _(
                "Until your first promoted order is paid you can have one PID. It unlocks by itself after that."
            )
        )
    if channel.pids.filter(placement=placement).exists():
        raise PidExists(_("This channel already has a PID for that placement."), field="placement")
    times = {"created_at": at, "active_since": at} if at else {}
    pid = Pid.objects.create(
        channel=channel,
        affiliate=affiliate,
        placement=placement,
        value=f"mm_{affiliate.code}_{channel.code}_{placement}",
        **times,
    )
    if at:
        audit.record("pid.create", by=by, target=pid, at=at, value=pid.value)
    return pid


# --- health ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Health:
    """How a PID stands at a moment. `freezes_at` is None once it is frozen."""

    state: str  # active | freezing | frozen
    last_valid_click_at: datetime | None
    quiet_since: datetime
    freezes_at: datetime | None
    days_left: int


def health(
    *,
    active_since: datetime,
    last_valid_click_at: datetime | None,
    frozen_at: datetime | None,
    at: datetime,
) -> Health:
    """A PID's health: pure. A day that has begun counts as left. Source: SPEC ATTR-4."""
    quiet_since = max(active_since, last_valid_click_at or active_since)
    if frozen_at is not None:
        return Health("frozen", last_valid_click_at, quiet_since, None, 0)
    freezes_at = quiet_since + FREEZES_AFTER
    left = max(freezes_at - at, timedelta(0))
    state = "freezing" if left <= WARNS_AHEAD else "active"
    return Health(state, last_valid_click_at, quiet_since, freezes_at, -(-left // timedelta(days=1)))


# --- the sweep ------------------------------------------------------------------------------------------------


@transaction.atomic
def warn_quiet(*, at: datetime) -> list[FreezeWarning]:
    """Record a warning for each PID that freezes within five days, once for its quiet period, and mail its owners.

    Locks the PIDs by id, leaving out those that another sweep has, so that each is warned of by one of them.
    Returns what this call recorded. Source: SPEC ATTR-4.
    """
    quiet = (
        Pid.objects.quiet(before=at - FREEZES_AFTER + WARNS_AHEAD)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("affiliate")
        .order_by("pk")
    )
    warnings = [
        FreezeWarning(
            pid=pid, quiet_since=pid.quiet_since, freezes_at=pid.quiet_since + FREEZES_AFTER, warned_at=at
        )
        for pid in quiet
        if pid.quiet_since + FREEZES_AFTER > at
    ]
    known = set(
        FreezeWarning.objects.filter(pid__in=[warning.pid_id for warning in warnings]).values_list(
            "pid_id", "quiet_since"
        )
    )
    new = [warning for warning in warnings if (warning.pid_id, warning.quiet_since) not in known]
    FreezeWarning.objects.bulk_create(new)
    for _affiliate, of_one in groupby(sorted(new, key=_urgency), key=_whose):
        told = list(of_one)
        notices.announce_freezing(told[0].pid.affiliate, told, at=at)
    return new


def _whose(warning: FreezeWarning) -> int:
    return warning.pid.affiliate_id


def _urgency(warning: FreezeWarning) -> tuple[int, datetime, int]:
    return _whose(warning), warning.freezes_at, warning.pid_id


@transaction.atomic
def freeze_quiet(*, at: datetime) -> list[Pid]:
    """Freeze each PID that has had no valid click for thirty days. Returns those that this call froze.

    Locks the rows by id, leaving out those that somebody is just reactivating or sweeping; a handful of
    statements however many there are. One audit row for each. Source: SPEC ATTR-4.
    """
    quiet = Pid.objects.quiet(before=at - FREEZES_AFTER).select_for_update(skip_locked=True).order_by("pk")
    frozen = list(quiet)
    if not frozen:
        return []
    Pid.objects.filter(pk__in=[pid.pk for pid in frozen]).update(frozen_at=at)
    PidFreeze.objects.bulk_create([PidFreeze(pid=pid, frozen_at=at) for pid in frozen])
    audit.record_many("pid.freeze", by=None, targets=frozen, at=at)
    return frozen


@transaction.atomic
def reactivate(pid: Pid, *, by: User, at: datetime) -> None:
    """Take a frozen PID back; its thirty days begin anew. Clicks made while it was frozen stay invalid.

    Locks the PID's row. Raises: NotFrozen. Source: SPEC ATTR-4.
    """
    reactivated = Pid.objects.filter(pk=pid.pk, frozen_at__isnull=False).update(
        frozen_at=None, active_since=at
    )
    if not reactivated:
        raise NotFrozen(_("This PID isn't frozen."))
    PidFreeze.objects.filter(pid=pid, reactivated_at__isnull=True).update(
        reactivated_at=at, reactivated_by=by
    )
    audit.record("pid.reactivate", by=by, target=pid, at=at)


def freezing_soon(affiliate: Affiliate | int, *, at: datetime) -> list[FreezeWarning]:
    """The warnings of an affiliate's PIDs that still hold: not frozen yet, no valid click since, soonest first."""
    open_ones = FreezeWarning.objects.filter(
        pid__affiliate=affiliate, pid__frozen_at__isnull=True, freezes_at__gt=at
    ).select_related("pid")
    return [
        warning
        for warning in open_ones.order_by("freezes_at", "pk")
        if warning.quiet_since >= warning.pid.quiet_since
    ]
