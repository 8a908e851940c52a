"""Holding a commission back for a reason of ours, letting it go on, and forfeiting it (LIFE-11).

Each operation locks the order's row first, as everything does that changes what a commission must be, then
records its fact with a guarded UPDATE or an INSERT, and lets `recompute` draw the consequence: state, timeline
and postings. Forfeiting gives the money back to the merchant for good, so it takes two persons, here and by a
constraint of the database.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from commissions.models import Commission, Hold, State
from commissions.recompute import lock_orders, recompute
from portal import audit
from portal.errors import DomainError
from portal.models import User

# Placed and lifted by people. The others come and go with the suspension and the credit limit themselves.
BY_PEOPLE = frozenset({Hold.Reason.RISK_HOLD.value, Hold.Reason.SELF_PURCHASE.value})
FORFEITABLE = BY_PEOPLE | {Hold.Reason.AFFILIATE_SUSPENDED.value}
ENDED = frozenset({State.VOID.value, State.CLAWED_BACK.value})


class NotHoldable(DomainError):
    """The commission has ended, or the reason isn't one that people place."""

    code = "not_holdable"


class AlreadyHeld(DomainError):
    code = "already_held"


class HoldEnded(DomainError):
    """The hold is lifted or forfeited already."""

    code = "hold_ended"


class NotLiftable(DomainError):
    """The hold ends by itself, with its cause."""

    code = "not_liftable"


class NotForfeitable(DomainError):
    """The commission isn't held, or is held for a reason that nobody forfeits for."""

    code = "not_forfeitable"


class ForfeitNotProposed(DomainError):
    code = "forfeit_not_proposed"


class ForfeitAlreadyProposed(DomainError):
    code = "forfeit_already_proposed"


class SecondPersonNeeded(DomainError):
    """Who proposed a forfeiture can't approve it."""

    code = "second_person_needed"


@transaction.atomic
def hold(commission: Commission, *, reason: str, by: User, at: datetime, note: str = "") -> Hold:
    """Hold `commission` back; an unpaid one is held as soon as its order is paid.

    Locks the order, then as `recompute`. Posts affiliate.pending (or what is available of a released one)
    → affiliate.held.
    Raises: NotHoldable, AlreadyHeld.
    Source: SPEC LIFE-11, LEDGER-5.
    """
    orders = lock_orders([commission.order_id])
    current = Commission.objects.get(pk=commission.pk)
    if reason not in BY_PEOPLE:
        raise NotHoldable(_("Nobody places this hold by hand."), field="reason")
    if current.state in ENDED:
        raise NotHoldable(_("This commission has ended; there is nothing to hold."))
    if current.holds.filter(reason=reason, lifted_at__isnull=True).exists():
        raise AlreadyHeld(_("This commission is held for that reason already."))
    placed = current.holds.create(reason=reason, note=note, placed_at=at, placed_by=by)
    recompute(orders, at=at, by=by)
    audit.record("commission.hold", by=by, target=commission, at=at, reason=note, hold=placed.pk, kind=reason)
    return placed


@transaction.atomic
def resume(hold: Hold, *, by: User, at: datetime, note: str = "") -> None:
    """Lift a hold that a person may lift; the commission goes on where its other facts say.

    Locks the order, then as `recompute`. Posts affiliate.held → where it came from.
    Raises: NotLiftable, HoldEnded.
    Source: SPEC LIFE-11, LEDGER-5.
    """
    orders = lock_orders([hold.commission.order_id])
    if hold.reason not in BY_PEOPLE:
        raise NotLiftable(_("This hold ends by itself, with what caused it."))
    lifted = Hold.objects.filter(pk=hold.pk, lifted_at__isnull=True, forfeited_at__isnull=True).update(
        lifted_at=at, lifted_by=by
    )
    if not lifted:
        raise HoldEnded(_("This hold has ended already."))
    recompute(orders, at=at, by=by)
    audit.record(
        "commission.resume", by=by, target=hold.commission, at=at, reason=note, hold=hold.pk, kind=hold.reason
    )


@transaction.atomic
def propose_forfeit(hold: Hold, *, by: User, at: datetime, note: str = "") -> None:
    """The first person's half of a forfeiture: nothing moves until a second one approves.

    Locks the order. Raises: NotForfeitable, ForfeitAlreadyProposed, HoldEnded.
    Source: SPEC LIFE-11.
    """
    lock_orders([hold.commission.order_id])
    _must_be_forfeitable(hold)
    proposed = Hold.objects.filter(
        pk=hold.pk, lifted_at__isnull=True, forfeited_at__isnull=True, forfeit_proposed_by__isnull=True
    ).update(forfeit_proposed_at=at, forfeit_proposed_by=by)
    if not proposed:
        current = Hold.objects.get(pk=hold.pk)
        if current.lifted_at is not None or current.forfeited_at is not None:
            raise HoldEnded(_("This hold has ended already."))
        raise ForfeitAlreadyProposed(_("Forfeiting is proposed already; another person approves it."))
    audit.record(
        "commission.propose_forfeit", by=by, target=hold.commission, at=at, reason=note, hold=hold.pk
    )


@transaction.atomic
def claw_back(hold: Hold, *, by: User, at: datetime, note: str = "") -> None:
    """The second person's half: the commission is forfeited and its money goes back to the merchant.

    Locks the order, then as `recompute`. Posts affiliate.held (then available, then debt) →
    merchant.committed before its release, merchant.receivable after.
    Raises: ForfeitNotProposed, SecondPersonNeeded, NotForfeitable, HoldEnded.
    Source: SPEC LIFE-11, LEDGER-5.
    """
    orders = lock_orders([hold.commission.order_id])
    current = Hold.objects.get(pk=hold.pk)
    if current.lifted_at is not None or current.forfeited_at is not None:
        raise HoldEnded(_("This hold has ended already."))
    if current.forfeit_proposed_by_id is None:
        raise ForfeitNotProposed(_("Somebody has to propose this first."))
    if current.forfeit_proposed_by_id == by.pk:
        raise SecondPersonNeeded(_("You proposed this yourself. Another person has to approve it."))
    _must_be_forfeitable(current)
    forfeited = (
        Hold.objects.filter(pk=hold.pk, lifted_at__isnull=True, forfeited_at__isnull=True)
        .exclude(forfeit_proposed_by=by)
        .update(forfeited_at=at, forfeited_by=by)
    )
    if not forfeited:
        raise HoldEnded(_("This hold has ended already."))
    recompute(orders, at=at, by=by)
    audit.record("commission.forfeit", by=by, target=hold.commission, at=at, reason=note, hold=hold.pk)


def _must_be_forfeitable(hold: Hold) -> None:
    state = Commission.objects.values_list("state", flat=True).get(pk=hold.commission_id)
    if hold.reason not in FORFEITABLE:
        raise NotForfeitable(_("Nothing is forfeited for this reason."))
    if state != State.HELD:
        raise NotForfeitable(_("Only a commission that is held right now can be forfeited."))
