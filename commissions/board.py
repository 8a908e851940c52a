"""What the timer board shows beside `release.timer_board`: how long releases took, and what comes next (LIFE-3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from commissions.models import Commission, Mode, State

SPAN = timedelta(hours=24)
SHOWN = 20


class ReleaseTimes(NamedTuple):
    """How long the releases of a span took; None where there were none.

    The promise to affiliates is counted from payment. What the timer itself can be blamed for is counted from
    `ready_at`: the later of the due time and our receipt of what made the commission releasable.
    """

    released: int
    mean_from_payment: timedelta | None
    p95_from_payment: timedelta | None
    mean_from_ready: timedelta | None
    p95_from_ready: timedelta | None


def release_times(*, at: datetime, span: timedelta = SPAN) -> ReleaseTimes:
    """The figures of the pre-payment mode's releases in the `span` before `at` (LIFE-3, REP-6)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*),
                   avg(released_at - paid_at),
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY released_at - paid_at),
                   avg(greatest(released_at - ready_at, interval '0')),
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(released_at - ready_at, interval '0'))
              FROM commissions_commission
             WHERE released_at > %(since)s AND released_at <= %(at)s AND mode = %(mode)s""",
            {"since": at - span, "at": at, "mode": Mode.PRE_PAYMENT.value},
        )
        return ReleaseTimes(*cursor.fetchone())


def coming_releases(*, limit: int = SHOWN) -> list[Commission]:
    """The confirmed commissions that fall due next, those due already first."""
    return list(
        Commission.objects.filter(state=State.CONFIRMED, release_due_at__isnull=False)
        .select_related("order", "affiliate", "merchant")
        .defer("sheet")
        .order_by("release_due_at", "pk")[:limit]
    )
