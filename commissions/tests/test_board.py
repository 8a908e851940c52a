"""The figures of the timer board (LIFE-3)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commissions.board import coming_releases, release_times
from commissions.release import sweep
from commissions.tests.factories import Shop
from orders.tests.factories import NOON

pytestmark = pytest.mark.django_db


def test_both_figures_from_payment_and_from_the_later_of_due_and_receipt():
    shop = Shop()
    paid = NOON + timedelta(minutes=5)
    shop.send(shop.paid("in time", at=paid), at=paid)
    sweep(at=NOON + timedelta(minutes=36))  # due at 12:35
    # Told of an hour late: due long ago, so it is ready when we hear of it.
    shop.send(shop.paid("late news", at=paid), at=NOON + timedelta(minutes=65))
    sweep(at=NOON + timedelta(minutes=68))
    times = release_times(at=NOON + timedelta(hours=2))
    assert times.released == 2
    assert times.mean_from_payment == timedelta(minutes=47)
    assert times.mean_from_ready == timedelta(minutes=2)
    assert times.p95_from_payment == timedelta(minutes=31) + timedelta(minutes=32) * 0.95
    assert times.p95_from_ready == timedelta(minutes=1) + timedelta(minutes=2) * 0.95


def test_without_releases_there_are_no_figures():
    assert release_times(at=NOON) == (0, None, None, None, None)


def test_the_traditional_mode_and_older_releases_are_left_out():
    shop = Shop(mode="traditional", completion_days=0)
    shop.send(shop.paid("T"), shop.event("completed", "T", at=NOON + timedelta(hours=1)))
    sweep(at=NOON + timedelta(hours=1))
    assert shop.commission("T").state == "released"
    other = Shop()
    other.send(other.paid("P"))
    sweep(at=NOON + timedelta(minutes=40))
    assert release_times(at=NOON + timedelta(hours=2)).released == 1
    assert release_times(at=NOON + timedelta(hours=25)).released == 0


def test_what_is_due_first_comes_first():
    shop = Shop()
    for number in range(3):
        shop.send(shop.paid(f"P{number}", at=NOON + timedelta(minutes=10 - number)))
    assert [row.order.order_id for row in coming_releases(limit=2)] == ["P2", "P1"]
