"""Affiliates for tests: Alice's is unlocked, whoever is made with `on_probation=True` is not."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

from affiliates.models import Affiliate, Channel, Pid

_numbers = count(1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def make_affiliate(code: str = "", *, on_probation: bool = False, **fields) -> Affiliate:
    code = code or f"a{next(_numbers)}"
    return Affiliate.objects.create(
        **{
            "code": code,
            "name": code.title(),
            "kind": Affiliate.Kind.KOC,
            "approved_at": LONG_AGO,
            "unlocked_at": None if on_probation else LONG_AGO,
            **fields,
        }
    )


def make_pid(affiliate: Affiliate | None = None, *, channel: str = "blog", placement: str = "top") -> Pid:
    affiliate = affiliate or make_affiliate()
    place, _ = Channel.objects.get_or_create(
        affiliate=affiliate,
        code=channel,
        defaults={"platform": Channel.Platform.WEBSITE, "handle": f"https://{affiliate.code}.example"},
    )
    return Pid.objects.create(
        channel=place,
        affiliate=affiliate,
        placement=placement,
        value=f"mm_{affiliate.code}_{channel}_{placement}",
    )
