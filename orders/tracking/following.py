"""Following a tracking link: one click recorded before the answer, valid or with the reason why not (ATTR-3)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from affiliates.models import Suspension
from orders.models import Click, Link, Merchant, SellerAffiliate, new_click_id
from orders.sellers import SUSPENDED_RATINGS
from orders.tracking.addresses import allowed_hosts, landing_url
from orders.tracking.targets import check_target
from portal.errors import DomainError

REPEATS, WITHIN_SECONDS, REMEMBERED = 30, 60, 20_000
"""Clicks of one PID from one network that count within a minute, and how many such pairs a process remembers."""


@dataclass(frozen=True)
class Visit:
    """What is known of a visitor; `network` is a truncated address."""

    robot: bool
    prefetch: bool
    head: bool
    in_app: str
    network: str


class Repeats:
    """How often one PID is clicked from one network, in this process, in windows of a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()

    def too_many(self, pid: int, network: str) -> bool:
        window = int(time.monotonic() // WITHIN_SECONDS)
        with self._lock:
            since, count = self._counted.pop((pid, network), (window, 0))
            count = count + 1 if since == window else 1
            self._counted[pid, network] = (window, count)
            if len(self._counted) > REMEMBERED:
                self._counted.popitem(last=False)
        return count > REPEATS

    def forget(self) -> None:
        with self._lock:
            self._counted.clear()


repeats = Repeats()


def find(code: str) -> Link | None:
    """The link with its PID, its merchant and whether its affiliate is suspended; archived ones go on leading."""
    suspended = Suspension.objects.filter(affiliate_id=OuterRef("affiliate_id"), reinstated_at__isnull=True)
    rated_low = SellerAffiliate.objects.filter(
        affiliate_id=OuterRef("affiliate_id"), merchant__store_rating__in=SUSPENDED_RATINGS
    )
    return (
        Link.objects.select_related("pid", "merchant")
        .annotate(is_suspended=Exists(suspended), is_rated_low=Exists(rated_low))
        .filter(code=code)
        .first()
    )


def leads_somewhere(link: Link) -> bool:
    """Whether the target is still on a verified host of its merchant: asked anew each time (ATTR-2)."""
    verified = link.merchant.domains.filter(verified_at__isnull=False).values_list("host", flat=True)
    try:
        check_target(link.target, allowed_hosts(verified))
    except DomainError:
        return False
    return True


def record(link: Link, visit: Visit, *, at: datetime) -> tuple[Click, str]:
    """Keep the click, committed before the answer, and give the address that the buyer goes to.

    The status of PID, affiliate and merchant at this moment counts. Source: SPEC ATTR-2, ATTR-3, ATTR-5.
    """
    click = Click.objects.create(
        click_id=new_click_id(),
        link=link,
        pid_id=link.pid_id,
        affiliate_id=link.affiliate_id,
        merchant_id=link.merchant_id,
        clicked_at=at,
        invalid_reason=_reason(link, visit),
    )
    return click, landing_url(link, click_id=click.click_id, pid=link.pid.value)


def _reason(link: Link, visit: Visit) -> str:
    reasons = Click.Invalid
    if visit.head:
        return reasons.HEAD
    if visit.prefetch:
        return reasons.PREFETCH
    if visit.robot:
        return reasons.BOT
    if link.pid.frozen_at is not None:
        return reasons.PID_FROZEN
    if link.is_suspended:  # type: ignore[attr-defined]  # annotated by `find`
        return reasons.AFFILIATE_SUSPENDED
    if link.is_rated_low:  # type: ignore[attr-defined]
        return reasons.SELLER_RATING
    if link.merchant.status != Merchant.Status.ACTIVE:
        return reasons.MERCHANT_INACTIVE
    if visit.in_app:
        return reasons.IN_APP
    if repeats.too_many(link.pid_id, visit.network):
        return reasons.RATE_LIMITED
    return ""
