"""Where orders and clicks broke, day by day: by cause, merchant and PID (DIAG-4, REP-6).

Counted by the Shanghai day of the order (or of the click), from what was stored when it happened. An order counts
once for each cause. Its code is the one that its path shows; the statement below and `diagnosis_path` are held
equal by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Q

from affiliates.models import Pid
from commissions.diagnosis import PID_PREFIX, Viewer
from commissions.diagnosis_path import CLICK_CODES
from commissions.models import Commission
from commissions.reports import start_of
from orders.models import Link, Merchant

ORDERS, CLICKS = "orders", "clicks"
MOST_PLACES = 200
MOST_CHOICES = 500


class Scope(NamedTuple):
    """What the summary is narrowed to. Empty values don't narrow; both days are included."""

    first: date
    last: date
    of: str = ORDERS
    merchant: int | None = None
    pid: int | None = None
    cause: str = ""


class Place(NamedTuple):
    """A merchant and a PID (or none, where nothing that came names one) with one cause."""

    merchant: str
    pid: str
    code: str
    number: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a scope: by day and cause, by place and cause, and how many orders or clicks in all."""

    by_day: dict[date, dict[str, int]]
    places: list[Place]
    total: int

    @property
    def by_cause(self) -> dict[str, int]:
        """The causes, most frequent first."""
        sums: dict[str, int] = {}
        for causes in self.by_day.values():
            for code, count in causes.items():
                sums[code] = sums.get(code, 0) + count
        return dict(sorted(sums.items(), key=lambda entry: (-entry[1], entry[0])))


_CLICK_CODE = (
    "CASE k.invalid_reason "
    + " ".join(f"WHEN '{reason}' THEN '{code}'" for reason, code in CLICK_CODES.items())
    + " ELSE 'click_invalid' END"
)

# What an order's commissions say; a commission belongs to its click's affiliate and PID.
_EARNED = """
    SELECT o.id, o.ordered_at AS at, o.merchant_id, k.affiliate_id, k.pid_id, c.reason AS code
      FROM commissions_commission c
      JOIN orders_order o ON o.id = c.order_id
      JOIN orders_click k ON k.id = c.click_id
     WHERE c.reason <> '' AND c.ordered_at >= %(start)s AND c.ordered_at < %(end)s"""

# An order that nobody was found for, with the newest of the clicks that came with it. What is wrong with that one
# is read off the click itself: valid and at its own merchant, it can only lie outside the window.
_UNATTRIBUTED = f"""
    SELECT o.id, o.ordered_at, o.merchant_id,
           coalesce(k.affiliate_id, said.owner), coalesce(k.pid_id, said.pid),
           CASE WHEN k.invalid_reason <> '' THEN {_CLICK_CODE}
                WHEN k.merchant_id <> o.merchant_id THEN 'click_other_merchant'
                WHEN k.id IS NOT NULL THEN 'click_expired'
                WHEN NOT said.tracked THEN 'pid_missing'
                WHEN said.ids IS NULL THEN 'cookie_lost'
                WHEN said.bare > 0 AND said.pid IS NULL THEN 'pid_unknown'
                ELSE 'click_not_found' END
      FROM orders_order o
      CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(coalesce((e.facts->>'tracked')::boolean, true)), true) AS tracked,
               array_agg(named.id) FILTER (WHERE named.id IS NOT NULL) AS ids,
               count(*) FILTER (WHERE starts_with(named.id, '{PID_PREFIX}')) AS bare,
               min(p.id) AS pid,
               min(p.affiliate_id) AS owner
          FROM orders_orderevent e
          LEFT JOIN LATERAL jsonb_array_elements_text(e.facts->'click_ids') AS named(id) ON true
          LEFT JOIN affiliates_pid p ON starts_with(named.id, '{PID_PREFIX}') AND p.value = named.id
         WHERE e.order_id = o.id AND e.type IN ('order.awaiting_payment', 'order.paid')) said
      LEFT JOIN LATERAL (
        SELECT k.* FROM orders_click k
         WHERE k.click_id = ANY(said.ids) {{mine}}
         ORDER BY k.clicked_at DESC, k.click_id DESC LIMIT 1) k ON true
     WHERE o.click_id IS NULL AND o.attribution_code <> ''
       AND o.ordered_at >= %(start)s AND o.ordered_at < %(end)s"""

_INVALID_CLICKS = f"""
    SELECT k.id, k.clicked_at AS at, k.merchant_id, k.affiliate_id, k.pid_id, {_CLICK_CODE} AS code
      FROM orders_click k
     WHERE k.invalid_reason <> '' AND k.clicked_at >= %(start)s AND k.clicked_at < %(end)s"""

_COUNTED = """
WITH broken AS ({breaks}), scoped AS (
    SELECT b.*, (b.at AT TIME ZONE %(zone)s)::date AS day FROM broken b
     WHERE (%(affiliate)s::bigint IS NULL OR b.affiliate_id = %(affiliate)s)
       AND (%(of_merchant)s::bigint IS NULL OR b.merchant_id = %(of_merchant)s)
       AND (%(merchant)s::bigint IS NULL OR b.merchant_id = %(merchant)s)
       AND (%(pid)s::bigint IS NULL OR b.pid_id = %(pid)s)
       AND (%(cause)s = '' OR b.code = %(cause)s)
), counted AS (
    SELECT GROUPING(day, merchant_id, pid_id, code) AS kind, day, merchant_id, pid_id, code,
           count(DISTINCT id) AS count
      FROM scoped GROUP BY GROUPING SETS ((day, code), (merchant_id, pid_id, code), ()))
SELECT n.kind, n.day, m.name, coalesce(p.value, ''), n.code, n.count
  FROM counted n
  LEFT JOIN orders_merchant m ON m.id = n.merchant_id
  LEFT JOIN affiliates_pid p ON p.id = n.pid_id
 ORDER BY n.count DESC, m.name, p.value, n.code"""

# The bits of GROUPING: set where a column is summed over.
_BY_DAY, _BY_PLACE, _IN_ALL = 0b0110, 0b1000, 0b1111


class Places(NamedTuple):
    """What a viewer's summary can be narrowed to; no merchants for a merchant."""

    merchants: list[tuple[int, str]] | None
    pids: list[tuple[int, str]]


def places(viewer: Viewer) -> Places:
    """The merchants and PIDs that a viewer may choose from: an affiliate's own PIDs, a merchant's promoters'."""
    merchants = None if viewer.merchant_id is not None else Merchant.objects.order_by("name")
    pids = Pid.objects.order_by("value")
    if merchants is not None and viewer.affiliate_id is not None:
        brought = Link.objects.filter(affiliate_id=viewer.affiliate_id).values("merchant")
        earned = Commission.objects.filter(affiliate_id=viewer.affiliate_id).values("merchant")
        merchants = merchants.filter(Q(pk__in=brought) | Q(pk__in=earned))
        pids = pids.filter(affiliate_id=viewer.affiliate_id)
    elif viewer.merchant_id is not None:
        pids = pids.filter(
            pk__in=Commission.objects.filter(merchant_id=viewer.merchant_id).values("click__pid")
        )
    return Places(
        None if merchants is None else list(merchants.values_list("pk", "name")),
        list(pids.values_list("pk", "value")[:MOST_CHOICES]),
    )


def summary(scope: Scope, *, viewer: Viewer) -> Summary:
    """The breakpoints of `scope` that `viewer` may see; one statement, whatever the span.

    Source: SPEC DIAG-4.
    """
    if scope.of == CLICKS:
        breaks = _INVALID_CLICKS
    else:
        # An affiliate sees what its own newest click met with, not a stranger's that came after it.
        mine = "AND k.affiliate_id = %(affiliate)s" if viewer.affiliate_id is not None else ""
        breaks = f"{_EARNED} UNION ALL {_UNATTRIBUTED.format(mine=mine)}"
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(breaks=breaks), _parameters(scope, viewer))
        rows = cursor.fetchall()
    by_day: dict[date, dict[str, int]] = {}
    places: list[Place] = []
    total = 0
    for kind, day, merchant, pid, code, count in rows:
        if kind == _BY_DAY:
            by_day.setdefault(day, {})[code] = count
        elif kind == _BY_PLACE:
            places.append(Place(merchant, pid, code, count))
        elif kind == _IN_ALL:
            total = count
    return Summary(dict(sorted(by_day.items(), reverse=True)), places[:MOST_PLACES], total)


def _parameters(scope: Scope, viewer: Viewer) -> dict[str, Any]:
    return {
        "start": start_of(scope.first),
        "end": start_of(scope.last + timedelta(days=1)),
        "zone": settings.TIME_ZONE,
        "affiliate": viewer.affiliate_id,
        "of_merchant": viewer.merchant_id,
        "merchant": scope.merchant,
        "pid": scope.pid,
        "cause": scope.cause,
    }


def zero_filled(found: Summary, scope: Scope, codes: list[str]) -> list[tuple[date, list[int]]]:
    """Every day of `scope`, oldest first, with its count of each of `codes`: what a chart needs."""
    days = (scope.first + timedelta(days=offset) for offset in range((scope.last - scope.first).days + 1))
    return [(day, [found.by_day.get(day, {}).get(code, 0) for code in codes]) for day in days]
