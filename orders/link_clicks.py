"""What links brought: clicks of many links for a list, clicks of one by day (ATTR-3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate

from orders.models import Click, Link

DAYS = 30


@dataclass(frozen=True)
class Clicks:
    """How often a link was clicked, and when it was last clicked validly."""

    valid: int = 0
    invalid: int = 0
    last_valid_at: datetime | None = None


NONE = Clicks()


def clicks_of(links: Iterable[Link]) -> dict[int, Clicks]:
    """The clicks of each of `links`, by its key; a link without any is left out. One query, from the index alone."""
    is_valid = Q(invalid_reason="")
    found = (
        Click.objects.filter(link__in=[link.pk for link in links])
        .values("link")
        .annotate(
            valid=Count("clicked_at", filter=is_valid),
            invalid=Count("clicked_at", filter=~is_valid),
            last=Max("clicked_at", filter=is_valid),
        )
        .order_by()
    )
    return {row["link"]: Clicks(row["valid"], row["invalid"], row["last"]) for row in found}


@dataclass
class Day:
    """One Shanghai day of a link: valid clicks, and invalid ones by reason."""

    day: date
    valid: int = 0
    invalid: dict[str, int] = field(default_factory=dict)

    @property
    def invalid_total(self) -> int:
        return sum(self.invalid.values())


def days_of(link: Link, *, at: datetime, days: int = DAYS) -> list[Day]:
    """The link's last `days` Shanghai days up to and with that of `at`, the oldest first, empty ones too."""
    zone = ZoneInfo(settings.TIME_ZONE)
    last = at.astimezone(zone).date()
    first = last - timedelta(days=days - 1)
    rows = (
        Click.objects.filter(link=link, clicked_at__gte=datetime.combine(first, time.min, zone))
        .annotate(day=TruncDate("clicked_at", tzinfo=zone))
        .values_list("day", "invalid_reason")
        .annotate(clicks=Count("clicked_at"))
        .order_by()
    )
    found = {first + timedelta(days=number): Day(first + timedelta(days=number)) for number in range(days)}
    for day, reason, clicks in rows:
        if day not in found:  # a clock that runs ahead
            continue
        if reason:
            found[day].invalid[reason] = clicks
        else:
            found[day].valid = clicks
    return list(found.values())
