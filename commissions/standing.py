"""Where a commission stands, in a sentence, and what happens to it next (REP-2, LIFE-11).

Pure but for the language. The pages of affiliates and merchants say the same thing because it is said here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from affiliates.models import DEFAULT_MINIMUM_UNIT
from commissions.models import Commission, Mode, Reason, State, Transition
from portal.badges import badge
from portal.templatetags.shell import money

WHY: dict[str, str | Promise] = {
    Reason.NO_RATE: gettext_lazy("The merchant had no terms in force when the order was placed."),
    Reason.ZERO_BASE: gettext_lazy(
        "After fees, freight and subsidies there is nothing to pay commission on."
    ),
    Reason.BELOW_ORDER_THRESHOLD: gettext_lazy("The order is below the merchant's minimum order."),
    Reason.BELOW_MINIMUM_UNIT: gettext_lazy("The commission is below the minimum unit chosen for that time."),
    Reason.UNPAID_EXPIRED: gettext_lazy("The buyer didn't pay in time. A late payment would revive it."),
    Reason.ORDER_CANCELLED: gettext_lazy("The order was cancelled."),
    Reason.REFUNDED: gettext_lazy("A refund has taken its share back."),
    Reason.DISPUTE_OPEN: gettext_lazy("A dispute about the order is open. It waits for the outcome."),
    Reason.SELF_PURCHASE: gettext_lazy(
        "The buyer seems to be the affiliate itself. Own purchases aren't paid."
    ),
    Reason.RISK_HOLD: gettext_lazy("Our risk team is checking this order."),
    Reason.AFFILIATE_SUSPENDED: gettext_lazy("The affiliate is suspended."),
    Reason.MERCHANT_LIMIT: gettext_lazy("The merchant has reached its credit limit. It waits for a payment."),
    Reason.EVIDENCE_CONFLICT: gettext_lazy("Better evidence shows that the order came from elsewhere."),
    Reason.CLICK_NOT_FOUND: gettext_lazy("No click of a tracking link was found for the order."),
    Reason.CLICK_INVALID: gettext_lazy("The click before the order was not valid."),
    Reason.CLICK_EXPIRED: gettext_lazy("The click before the order was too long ago."),
    Reason.CLICK_OTHER_MERCHANT: gettext_lazy("The click before the order led to another merchant."),
    Reason.PID_FROZEN: gettext_lazy("The PID was frozen when the link was clicked."),
}


class Next(NamedTuple):
    """What happens next and when; `at` is None when no clock decides."""

    label: str
    at: datetime | None


def next_step(commission: Commission) -> Next | None:
    """What this commission waits for; None when it waits for nothing. Needs its order."""
    state = commission.state
    if state in (State.LOCKED, State.AWAITING_PAYMENT):
        expires_at = commission.order.expires_at
        return Next(_("payment expected until") if expires_at else _("waits for payment"), expires_at)
    if state == State.CONFIRMED:
        if commission.release_due_at is None:
            return Next(_("waits until the order is completed"), None)
        return Next(_("release due"), commission.release_due_at)
    if state == State.HELD:
        if commission.reason == Reason.DISPUTE_OPEN:
            return Next(_("waits for the dispute"), None)
        if commission.reason == Reason.MERCHANT_LIMIT:
            return Next(_("waits for the merchant's payment"), None)
        return Next(_("waits for our decision"), None)
    return None


def why(reason: str) -> str:
    """The reason as a sentence; empty for none."""
    return str(WHY[reason]) if reason else ""


def explanation(commission: Commission) -> str:
    """A sentence or two on where this commission stands and why."""
    traditional = commission.mode == Mode.TRADITIONAL
    amount, reason = money(commission.amount), why(commission.reason)
    if commission.state == State.AWAITING_PAYMENT:
        text = _("The order awaits payment. Under this merchant's terms it is locked once it is paid.")
    elif commission.state == State.LOCKED:
        text = _("The order awaits payment; %(amount)s is reserved for it.") % {"amount": amount}
    elif commission.state == State.CONFIRMED:
        text = (
            _("The order is paid. %(amount)s is released some days after the order is completed.")
            if traditional
            else _("The order is paid. %(amount)s is released by itself when the time is up.")
        ) % {"amount": amount}
    elif commission.state == State.HELD:
        text = _("%(amount)s is held for now.") % {"amount": amount}
    elif commission.state == State.RELEASED:
        text = _("%(amount)s is released and part of the available balance.") % {"amount": amount}
    elif commission.state == State.CLAWED_BACK:
        text = _("All of it was taken back.")
    else:
        text = _("It earns nothing.")
    return f"{text} {reason}".strip()


def zeroed_by_default(commission: Commission) -> bool:
    """Whether it is paid only thanks to the "$0.01起佣" switch (REP-2, PRICE-5)."""
    return 0 < commission.priced_amount < DEFAULT_MINIMUM_UNIT


def timeline(transitions: list[Transition]) -> list[dict[str, Any]]:
    """The steps of a commission's life for `components/timeline.html`. Needs their events."""
    entries = []
    for step in transitions:
        shown = badge(step.state_after)
        texts = []
        if step.amount_before != step.amount_after:
            texts.append(f"{money(step.amount_before)} → {money(step.amount_after)}")
        elif step.amount_after:
            texts.append(money(step.amount_after))
        if step.event is not None:
            texts.append(_("order %(event)s") % {"event": step.event.get_type_display()})
        elif step.reason:
            texts.append(step.get_reason_display())
        entries.append(
            {
                "title": step.get_verb_display(),
                "at": step.at,
                "text": " · ".join(texts),
                "icon": shown.icon,
                "tone": shown.tone,
            }
        )
    return entries
