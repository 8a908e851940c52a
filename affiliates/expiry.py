"""Papers that run out: their owner is warned in time, and payouts wait once they have (ONB-10)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from affiliates import notices
from affiliates.models import Affiliate, PaperExpiry
from affiliates.working_time import SHANGHAI

WARN_DAYS = 30


def today_in_shanghai(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def payouts_wait(affiliate: Affiliate, *, at: datetime) -> bool:
    """Whether a paper of the affiliate has expired. It is valid on its last day. Earning goes on."""
    return PaperExpiry.objects.filter(affiliate=affiliate, valid_until__lt=today_in_shanghai(at)).exists()


def expiring(affiliate: Affiliate, *, at: datetime) -> list[PaperExpiry]:
    """The papers that have expired or will within the time of warning, the most urgent first."""
    horizon = today_in_shanghai(at) + timedelta(days=WARN_DAYS)
    return list(affiliate.paper_expiries.filter(valid_until__lte=horizon).order_by("valid_until"))


def warn(*, at: datetime) -> int:
    """Warn the owners of papers that expire within 30 days, each paper once; returns how many. Source: ONB-10."""
    horizon = today_in_shanghai(at) + timedelta(days=WARN_DAYS)
    warned = 0
    due = PaperExpiry.objects.filter(valid_until__lte=horizon, warned_at__isnull=True)
    for pk in due.values_list("pk", flat=True):
        with transaction.atomic():
            paper = (
                due.select_for_update(skip_locked=True, of=("self",))
                .select_related("affiliate")
                .filter(pk=pk)
                .first()
            )
            if paper is None:
                continue
            PaperExpiry.objects.filter(pk=pk).update(warned_at=at)
            notices.announce_expiry(paper.affiliate, paper=paper.paper, valid_until=paper.valid_until, at=at)
            warned += 1
    return warned
