"""Holding, resuming and forfeiting by people (LIFE-11)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from affiliates.suspension import suspend
from commissions import holds
from commissions.models import Hold
from commissions.release import sweep
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from orders.tests.factories import NOON
from portal.models import AuditEntry
from portal.tests.factories import make_staff

pytestmark = pytest.mark.django_db

PAID = NOON + timedelta(minutes=5)
LATER = NOON + timedelta(minutes=10)
DUE = NOON + timedelta(minutes=36)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def rita():
    return make_staff("Rita", groups=("risk",))


@pytest.fixture
def ruth():
    return make_staff("Ruth", groups=("risk",))


def confirmed(shop: Shop):
    shop.send(shop.awaiting(), shop.paid())
    return shop.commission()


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_a_confirmed_commission_is_held_and_its_timer_stops(shop, rita):
    commission = confirmed(shop)
    before = actions()
    holds.hold(commission, reason="risk_hold", by=rita, at=LATER, note="odd traffic")
    commission = shop.commission()
    assert (commission.state, commission.reason, commission.held_amount) == ("held", "risk_hold", 79)
    assert shop.balances() == {"affiliate.held": 79, "merchant.committed": 79}
    step = commission.transitions.last()
    assert (step.verb, step.by) == ("hold", rita)
    assert actions() == [*before, "commission.hold"]
    entry = AuditEntry.objects.last()
    assert (entry.by, entry.reason, entry.at) == (rita, "odd traffic", LATER)
    sweep(at=DUE)
    assert shop.commission().state == "held"
    assert_books_balance(at=DUE)


def test_lifted_before_it_is_due_it_waits_for_the_timer_and_after_it_is_released_by_the_next_sweep(
    shop, rita
):
    commission = confirmed(shop)
    placed = holds.hold(commission, reason="risk_hold", by=rita, at=LATER)
    holds.resume(placed, by=rita, at=LATER, note="checked")
    assert shop.commission().state == "confirmed"
    assert shop.balances() == {"affiliate.pending": 79, "merchant.committed": 79}
    placed = holds.hold(commission, reason="risk_hold", by=rita, at=LATER)
    holds.resume(placed, by=rita, at=DUE, note="checked again")
    sweep(at=DUE)
    assert shop.commission().state == "released"
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert_books_balance(at=DUE)


def test_of_a_released_one_what_is_available_moves_to_held_and_comes_back(shop, rita):
    confirmed(shop)
    sweep(at=DUE)
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=DUE)
    assert shop.commission().state == "held"
    assert shop.balances() == {"affiliate.held": 79, "merchant.receivable": 79}
    holds.resume(placed, by=rita, at=DUE)
    assert shop.commission().state == "released"
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert_books_balance(at=DUE)


def test_an_unpaid_one_is_held_as_soon_as_it_is_paid(shop, rita):
    shop.send(shop.awaiting())
    holds.hold(shop.commission(), reason="self_purchase", by=rita, at=NOON)
    assert shop.commission().state == "locked"
    shop.send(shop.paid())
    assert (shop.commission().state, shop.commission().reason) == ("held", "self_purchase")
    assert_books_balance(at=LATER)


@pytest.mark.parametrize("reason", ["affiliate_suspended", "merchant_limit", "dispute_open"])
def test_nobody_places_what_the_system_places(shop, rita, reason):
    commission = confirmed(shop)
    with pytest.raises(holds.NotHoldable):
        holds.hold(commission, reason=reason, by=rita, at=LATER)
    assert not Hold.objects.exists()
    assert shop.commission().state == "confirmed"


def test_what_has_ended_is_not_held(shop, rita):
    shop.send(shop.awaiting(), shop.event("cancelled", at=LATER))
    with pytest.raises(holds.NotHoldable):
        holds.hold(shop.commission(), reason="risk_hold", by=rita, at=LATER)
    assert not Hold.objects.exists()
    assert "commission.hold" not in actions()


def test_it_is_held_once_for_one_reason_and_lifted_once(shop, rita):
    commission = confirmed(shop)
    placed = holds.hold(commission, reason="risk_hold", by=rita, at=LATER)
    with pytest.raises(holds.AlreadyHeld):
        holds.hold(commission, reason="risk_hold", by=rita, at=LATER)
    assert Hold.objects.count() == 1
    holds.resume(placed, by=rita, at=LATER)
    told = actions()
    with pytest.raises(holds.HoldEnded):
        holds.resume(placed, by=rita, at=LATER)
    assert actions() == told
    assert list(shop.commission().transitions.values_list("verb", flat=True)) == ["confirm", "hold", "resume"]


def test_a_suspensions_hold_is_not_lifted_by_hand(shop, rita):
    confirmed(shop)
    suspend(shop.affiliate, by=rita, at=LATER, reason="fraud")
    sweep(at=LATER)
    with pytest.raises(holds.NotLiftable):
        holds.resume(Hold.objects.get(), by=rita, at=LATER)
    assert shop.commission().state == "held"


def test_two_holds_are_both_needed_to_go(shop, rita):
    commission = confirmed(shop)
    risk = holds.hold(commission, reason="risk_hold", by=rita, at=LATER)
    own = holds.hold(commission, reason="self_purchase", by=rita, at=LATER)
    holds.resume(own, by=rita, at=LATER)
    assert (shop.commission().state, shop.commission().reason) == ("held", "risk_hold")
    holds.resume(risk, by=rita, at=LATER)
    assert shop.commission().state == "confirmed"


@pytest.mark.parametrize("reason", ["risk_hold", "self_purchase"])
@pytest.mark.parametrize("released", [False, True])
def test_two_persons_forfeit_and_the_merchant_owes_nothing(shop, rita, ruth, released, reason):
    confirmed(shop)
    if released:
        sweep(at=DUE)
    placed = holds.hold(shop.commission(), reason=reason, by=rita, at=DUE)
    holds.propose_forfeit(placed, by=rita, at=DUE, note="click farm")
    assert (shop.commission().state, shop.commission().amount) == ("held", 79)
    holds.claw_back(placed, by=ruth, at=DUE, note="seen the logs")
    commission = shop.commission()
    assert (commission.state, commission.amount, commission.reason) == ("clawed_back", 0, reason)
    assert commission.transitions.last().by == ruth
    assert shop.balances() == {}
    assert actions()[-3:] == ["commission.hold", "commission.propose_forfeit", "commission.forfeit"]
    sweep(at=DUE + timedelta(hours=1))
    assert shop.commission().state == "clawed_back"
    assert_books_balance(at=DUE)


def test_the_same_person_can_not_approve_nor_can_the_database_be_talked_into_it(shop, rita):
    placed = holds.hold(confirmed(shop), reason="risk_hold", by=rita, at=LATER)
    holds.propose_forfeit(placed, by=rita, at=LATER)
    told = actions()
    with pytest.raises(holds.SecondPersonNeeded):
        holds.claw_back(placed, by=rita, at=LATER)
    with pytest.raises(IntegrityError, match="hold_forfeited_by_two"), transaction.atomic():
        Hold.objects.filter(pk=placed.pk).update(forfeited_at=LATER, forfeited_by=rita)
    assert actions() == told
    assert (shop.commission().state, shop.commission().amount) == ("held", 79)


def test_what_nobody_proposed_is_not_forfeited(shop, rita, ruth):
    placed = holds.hold(confirmed(shop), reason="risk_hold", by=rita, at=LATER)
    with pytest.raises(holds.ForfeitNotProposed):
        holds.claw_back(placed, by=ruth, at=LATER)
    assert shop.commission().amount == 79


def test_it_is_proposed_once_and_neither_after_it_is_lifted(shop, rita, ruth):
    placed = holds.hold(confirmed(shop), reason="risk_hold", by=rita, at=LATER)
    holds.propose_forfeit(placed, by=rita, at=LATER)
    with pytest.raises(holds.ForfeitAlreadyProposed):
        holds.propose_forfeit(placed, by=ruth, at=LATER)
    holds.resume(placed, by=ruth, at=LATER)
    with pytest.raises(holds.HoldEnded):
        holds.claw_back(placed, by=ruth, at=LATER)
    placed.refresh_from_db()
    assert placed.forfeit_proposed_by == rita
    assert placed.forfeited_at is None
    assert shop.commission().state == "confirmed"


def test_what_is_not_held_right_now_is_not_forfeited(shop, rita):
    shop.send(shop.awaiting())
    placed = holds.hold(shop.commission(), reason="risk_hold", by=rita, at=NOON)
    with pytest.raises(holds.NotForfeitable):
        holds.propose_forfeit(placed, by=rita, at=NOON)
    placed.refresh_from_db()
    assert placed.forfeit_proposed_by is None


def test_a_suspended_affiliates_commission_is_forfeited_by_two(shop, rita, ruth):
    confirmed(shop)
    suspend(shop.affiliate, by=rita, at=LATER, reason="fraud")
    sweep(at=LATER)
    placed = Hold.objects.get()
    holds.propose_forfeit(placed, by=rita, at=LATER)
    holds.claw_back(placed, by=ruth, at=LATER)
    assert (shop.commission().state, shop.commission().reason) == ("clawed_back", "affiliate_suspended")
    assert shop.balances() == {}
    assert_books_balance(at=LATER)


def test_a_forfeited_hold_stays(shop, rita, ruth):
    placed = holds.hold(confirmed(shop), reason="risk_hold", by=rita, at=LATER)
    holds.propose_forfeit(placed, by=rita, at=LATER)
    holds.claw_back(placed, by=ruth, at=LATER)
    with pytest.raises(holds.HoldEnded):
        holds.resume(placed, by=rita, at=LATER)
    with pytest.raises(holds.HoldEnded):
        holds.claw_back(placed, by=ruth, at=LATER)
    assert shop.commission().state == "clawed_back"
