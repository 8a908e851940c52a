"""Making PIDs (ATTR-1, ONB-7)."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Channel, Pid
from portal.errors import DomainError


class PidLimitReached(DomainError):
    """An affiliate on probation asked for a second PID (ONB-7)."""

    code = "pid_limit_reached"


class PidExists(DomainError):
    code = "pid_exists"


@transaction.atomic
def create_pid(channel: Channel, *, placement: str) -> Pid:
    """Make the PID `mm_<affiliate>_<channel>_<placement>`.

    Locks the affiliate's row, so that two requests can't both be the one PID of a probation.

    Raises: PidLimitReached, PidExists.
    Source: SPEC ATTR-1, ONB-7.
    """
    affiliate = Affiliate.objects.select_for_update().get(pk=channel.affiliate_id)
    if affiliate.on_probation and affiliate.pids.exists():
        raise PidLimitReached(
            _(
                "Until your first promoted order is paid you can have one PID. It unlocks by itself after that."
            )
        )
    if channel.pids.filter(placement=placement).exists():
        raise PidExists(_("This channel already has a PID for that placement."), field="placement")
    return Pid.objects.create(
        channel=channel,
        affiliate=affiliate,
        placement=placement,
        value=f"mm_{affiliate.code}_{channel.code}_{placement}",
    )
