"""The life of one commission through the real intake and the real books (LIFE-1…11)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commissions.models import State, Transition
from commissions.tests.factories import Shop
from orders.tests.factories import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return Shop()


def test_an_unpaid_order_locks_its_commission(shop):
    (result,) = shop.send(shop.awaiting())
    assert result.status == "applied"
    assert result.commission["state"] == "locked"
    assert result.commission["amount"] == 79
    assert shop.balances() == {"affiliate.pending": 79, "merchant.committed": 79}


def test_payment_confirms_and_the_timer_releases(shop):
    shop.send(shop.awaiting())
    shop.send(shop.paid())
    commission = shop.commission()
    assert (commission.state, commission.amount) == (State.CONFIRMED, 79)
    assert commission.release_due_at == NOON + timedelta(minutes=35)
    shop.sweep(at=NOON + timedelta(minutes=34, seconds=59))
    assert shop.commission().state == State.CONFIRMED
    shop.sweep(at=NOON + timedelta(minutes=35))
    assert shop.commission().state == State.RELEASED
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert list(Transition.objects.values_list("verb", flat=True).order_by("id")) == [
        "lock",
        "confirm",
        "release",
    ]


def test_refunds_claw_back_after_release(shop):
    shop.send(shop.awaiting())
    shop.send(shop.paid())
    shop.sweep()
    shop.send(shop.refund(400))
    assert shop.commission().amount == 47
    assert shop.balances() == {"affiliate.available": 47, "merchant.receivable": 47}
    shop.send(shop.refund(600, refund_id="r2"))
    assert (shop.commission().state, shop.commission().amount) == (State.CLAWED_BACK, 0)
    assert shop.balances() == {}


def test_a_dispute_holds_and_its_resolution_resumes(shop):
    shop.send(shop.paid())
    shop.send(shop.dispute())
    assert shop.balances() == {"affiliate.held": 79, "merchant.committed": 79}
    shop.sweep(at=NOON + timedelta(hours=2))
    assert shop.commission().state == State.HELD
    shop.send(shop.resolution(400))
    assert (shop.commission().state, shop.commission().amount) == (State.CONFIRMED, 47)
    shop.sweep(at=NOON + timedelta(hours=3))
    assert shop.balances() == {"affiliate.available": 47, "merchant.receivable": 47}
    shop.send(shop.dispute("d2", at=NOON + timedelta(hours=4)))
    assert shop.balances() == {"affiliate.held": 47, "merchant.receivable": 47}


def test_an_unpaid_order_expires_and_payment_revives_it(shop):
    shop.send(shop.awaiting())
    shop.sweep(at=NOON + timedelta(hours=24))
    assert (shop.commission().state, shop.commission().reason) == (State.VOID, "unpaid_expired")
    assert shop.balances() == {}
    shop.send(shop.paid(at=NOON + timedelta(hours=25)))
    assert (shop.commission().state, shop.commission().amount) == (State.CONFIRMED, 79)


def test_a_refund_that_comes_before_its_order_is_parked(shop):
    (result,) = shop.send(shop.refund(400))
    assert (result.status, result.commission) == ("parked", None)
    (result,) = shop.send(shop.paid())
    assert result.commission["amount"] == 47


def test_a_repeat_is_answered_as_the_first_time(shop):
    awaiting = shop.awaiting()
    (first,) = shop.send(awaiting)
    shop.send(shop.paid())
    (again,) = shop.send(awaiting)
    assert (again.status, again.commission) == ("duplicate", first.commission)
    (conflict,) = shop.send({**awaiting, "extra": 1})
    assert (conflict.status, conflict.error["code"]) == ("rejected", "event_id_conflict")
