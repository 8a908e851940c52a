"""An attribution path in words: what each hop is called, what its evidence says, the cause and fix of a break.

Pure but for the language. The pages of affiliates, merchants and ops and the API say the same thing because
it is said here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from commissions.diagnosis import Diagnosis
from commissions.diagnosis_codes import CAUSES
from commissions.diagnosis_path import Hop, Path, Step, StepState
from orders.models import Click
from portal.templatetags.shell import bps, money, span, when

TITLES: dict[Hop, str | Promise] = {
    Hop.LINK: gettext_lazy("Link"),
    Hop.PID: "PID",
    Hop.CLICK: gettext_lazy("Click"),
    Hop.IN_APP: gettext_lazy("In-app browser"),
    Hop.LANDING: gettext_lazy("Landing in the shop"),
    Hop.COOKIE: gettext_lazy("First-party cookie"),
    Hop.ORDER: gettext_lazy("Order"),
    Hop.S2S: gettext_lazy("S2S callback"),
    Hop.MATCH: gettext_lazy("Match"),
    Hop.RATE: gettext_lazy("Rate"),
    Hop.THRESHOLD: gettext_lazy("Thresholds"),
    Hop.LOCK: gettext_lazy("Lock"),
    Hop.PAYMENT: gettext_lazy("Payment"),
    Hop.RELEASE: gettext_lazy("Release"),
    Hop.PAYOUT: gettext_lazy("Payout"),
}

STATES: dict[StepState, tuple[str | Promise, str, str]] = {
    StepState.PASSED: (gettext_lazy("passed"), "check-lg", "good"),
    StepState.BROKEN: (gettext_lazy("broken"), "x-lg", "bad"),
    StepState.WAITING: (gettext_lazy("waiting"), "hourglass-split", "info"),
    StepState.NOT_NEEDED: (gettext_lazy("not needed"), "dash", "neutral"),
}

NOTES: dict[str, str | Promise] = {
    "no_trace": gettext_lazy("Nothing that came with the order tells of it."),
    "not_yet": gettext_lazy("Not reached yet."),
    "unreached": gettext_lazy("Not reached, because the path broke before."),
    "link_made": gettext_lazy("The link was made."),
    "link_not_kept": gettext_lazy("The click is older than our record of links."),
    "pid_good": gettext_lazy("The PID could earn when the link was clicked."),
    "pid_at_click": gettext_lazy("This is how the PID stood when the link was clicked."),
    "pid_named": gettext_lazy("The link carries this PID."),
    "pid_bare": gettext_lazy("The order came with a PID where a click id belongs."),
    "nothing_said": gettext_lazy("The shop's order system said nothing about clicks."),
    "click_recorded": gettext_lazy("The click was recorded."),
    "no_click_yet": gettext_lazy("Nobody has clicked the link yet."),
    "ids_unknown": gettext_lazy("The order came with click ids that we don't know."),
    "ordinary_browser": gettext_lazy("It was opened in an ordinary browser."),
    "left_the_app": gettext_lazy("It was opened inside an app and went on in a real browser."),
    "stayed_in_app": gettext_lazy("It was opened inside an app and never left it."),
    "shop_knew_click": gettext_lazy("The shop told us this click's id, so the visit arrived there."),
    "shop_silent": gettext_lazy("The shop has not told us of this click."),
    "cookie_carried": gettext_lazy("The signed order carried the click id from the shop's own cookie."),
    "cookie_carried_other": gettext_lazy("The signed order carried ids from the shop's own cookie."),
    "cookie_empty": gettext_lazy("The signed order came without the id of this visit."),
    "no_order_yet": gettext_lazy("No order has come with this click."),
    "order_parked": gettext_lazy(
        "Something happened to this order, but the order itself hasn't been told yet."
    ),
    "order_placed": gettext_lazy("The order was placed."),
    "s2s_came": gettext_lazy("The merchant's server confirmed the click with a signed callback."),
    "s2s_came_other": gettext_lazy("The merchant's server sent a signed callback, but not for this click."),
    "s2s_refused": gettext_lazy("A callback was refused."),
    "s2s_awaited": gettext_lazy("The merchant's server has until then to confirm."),
    "s2s_missed": gettext_lazy("The time for the merchant's server to confirm is over."),
    "s2s_not_used": gettext_lazy("No callback was awaited for this order."),
    "matched": gettext_lazy("The order is attributed to this click."),
    "matched_elsewhere": gettext_lazy("The order is attributed to another click."),
    "not_matched": gettext_lazy("No click of this order counts."),
    "rate": gettext_lazy("The merchant's terms in force when the order was placed."),
    "threshold": gettext_lazy("The merchant's minimum order and the affiliate's minimum unit."),
    "locked": gettext_lazy("The commission was reserved."),
    "locked_when_paid": gettext_lazy("Under this merchant's terms it is locked once the order is paid."),
    "never_locked": gettext_lazy("There was nothing to lock."),
    "paid": gettext_lazy("The buyer has paid."),
    "unpaid": gettext_lazy("The order was not paid."),
    "payment_awaited": gettext_lazy("The buyer has until then to pay."),
    "released": gettext_lazy("The commission is part of the available balance."),
    "release_due": gettext_lazy("It is released by itself at that time."),
    "completion_awaited": gettext_lazy("It is released some days after the order is completed."),
    "held": gettext_lazy("The commission is held."),
    "will_be_held": gettext_lazy("It will be held once the order is paid."),
    "taken_back": gettext_lazy("The commission was taken back."),
    "in_balance": gettext_lazy("The money waits in the available balance for the next payout."),
    "payout_failed": gettext_lazy("The payout failed."),
    "paid_out": gettext_lazy("The money was paid out."),
    "payout_under_way": gettext_lazy("The payout is under way."),
}

KINDS: dict[str, str | Promise] = {
    "dual": gettext_lazy("dual: cookie and callback agree"),
    "first_party": gettext_lazy("first-party cookie alone"),
    "s2s": gettext_lazy("S2S callback alone"),
}
APPS = {"wechat": gettext_lazy("WeChat"), "qq": "QQ"}


class Row(NamedTuple):
    """One piece of evidence; `mono` for what is copied letter by letter."""

    label: str
    value: str
    mono: bool = False


class SaidStep(NamedTuple):
    """A step ready to be drawn."""

    hop: str
    number: int
    title: str
    state: str
    word: str
    icon: str
    tone: str
    at: Any
    note: str
    rows: list[Row]
    code: str
    label: str
    cause: str
    fix: str
    bridged: bool
    is_break: bool


class Said(NamedTuple):
    """A whole path ready to be drawn, with its headline."""

    steps: list[SaidStep]
    outcome: str
    icon: str
    tone: str
    headline: str
    text: str
    code: str
    passed: int
    others: list[dict[str, Any]]
    diagnosis: Diagnosis


def say(diagnosis: Diagnosis, *, merchant: bool = False) -> Said:
    """`diagnosis` in the language in force; `merchant`: the fixes are those in a merchant's hands.

    Source: SPEC DIAG-1, DIAG-2.
    """
    path = diagnosis.path
    steps = [_step(step, number, path, merchant) for number, step in enumerate(path.steps, start=1)]
    _word, icon, tone = STATES[path.outcome]
    return Said(
        steps=steps,
        outcome=path.outcome.value,
        icon=icon,
        tone=tone,
        headline=_headline(path),
        text=_summary(path),
        code=path.code,
        passed=sum(step.state == StepState.PASSED for step in path.steps),
        others=[_other(other) for other in diagnosis.others],
        diagnosis=diagnosis,
    )


def _step(step: Step, number: int, path: Path, merchant: bool) -> SaidStep:
    word, icon, tone = STATES[step.state]
    cause = CAUSES.get(step.code)
    if step.bridged:
        icon = "exclamation-triangle-fill"
    return SaidStep(
        hop=step.hop.value,
        number=number,
        title=str(TITLES[step.hop]),
        state=step.state.value,
        word=str(word),
        icon=icon,
        tone=tone,
        at=step.at,
        note=str(NOTES[step.note]),
        rows=[row for name, value in step.facts.items() if value for row in _rows(name, value)],
        code=step.code,
        label=str(cause.label) if cause else "",
        cause=str(cause.cause) if cause else "",
        fix=cause.fix(merchant=merchant) if cause else "",
        bridged=step.bridged,
        is_break=step is path.broken_at,
    )


def _headline(path: Path) -> str:
    broken, waits = path.broken_at, path.waits_at
    if broken:
        return _("Broken at “%(hop)s”: %(cause)s") % {
            "hop": TITLES[broken.hop],
            "cause": CAUSES[broken.code].label,
        }
    if waits:
        return _("Waiting at “%(hop)s”") % {"hop": TITLES[waits.hop]}
    return _("The path is whole")


def _summary(path: Path) -> str:
    texts = []
    if path.broken_at:
        texts.append(str(CAUSES[path.broken_at.code].cause))
    elif path.waits_at:
        texts.append(str(NOTES[path.waits_at.note]))
    else:
        texts.append(_("Every hop left its evidence, and the commission is released."))
    for step in path.bridged:
        texts.append(
            _("One proof is missing (%(cause)s); the other one carried the order across.")
            % {"cause": CAUSES[step.code].label}
        )
    return " ".join(texts)


def _other(other: Any) -> dict[str, Any]:
    cause = CAUSES.get(other.code)
    return {
        "click_id": other.click.click_id,
        "clicked_at": other.click.clicked_at,
        "pid": other.click.pid,
        "link": other.click.link_code,
        "code": other.code,
        "label": str(cause.label) if cause else _("would count"),
        "cause": str(cause.cause) if cause else "",
    }


# --- evidence by name -----------------------------------------------------------------------------------------


def _rows(name: str, value: Any) -> list[Row]:
    return _WRITERS[name](value)


def _plain(label: str | Promise, *, mono: bool = False) -> Callable[[Any], list[Row]]:
    return lambda value: [Row(str(label), str(value), mono)]


def _amount(label: str | Promise) -> Callable[[tuple[int, str]], list[Row]]:
    return lambda value: [Row(str(label), money(*value))]


def _cents(label: str | Promise) -> Callable[[Any], list[Row]]:
    return lambda value: [Row(str(label), money(value))]


def _days(value: int) -> list[Row]:
    said = ngettext("%(count)d day", "%(count)d days", value) % {"count": value}
    return [Row(_("Attribution window"), said)]


def _invalid(value: str) -> list[Row]:
    return [Row(_("Not valid because"), str(dict(Click.Invalid.choices).get(value, value)))]


_WRITERS: dict[str, Callable[[Any], list[Row]]] = {
    "link": _plain(gettext_lazy("Link code"), mono=True),
    "label": _plain(gettext_lazy("Label")),
    "target": _plain(gettext_lazy("Target"), mono=True),
    "pid": _plain("PID", mono=True),
    "click_id": _plain(gettext_lazy("Click id"), mono=True),
    "click_ids": lambda value: [Row(_("Click id"), one, True) for one in value],
    "invalid_reason": _invalid,
    "app": lambda value: [Row(_("App"), str(APPS.get(value, value)))],
    "order": _plain(gettext_lazy("Order number"), mono=True),
    "merchant": _plain(gettext_lazy("Merchant")),
    "hints": _plain(gettext_lazy("Unsigned hints")),
    "window_days": _days,
    "took": lambda value: [Row(_("From click to order"), span(value))],
    "evidence": lambda value: [Row(_("Evidence"), str(KINDS.get(value, value)))],
    "terms": lambda value: [Row(_("Terms"), _("version %(number)d") % {"number": value})],
    "rates": lambda value: [Row(_("Rate"), " · ".join(bps(rate) for rate in value))],
    "base": _amount(gettext_lazy("Base of the commission")),
    "actual_payment": _amount(gettext_lazy("Really paid")),
    "threshold": lambda value: _amount(_("Minimum order"))(value) if value[0] else [],
    "rounded": _cents(gettext_lazy("Commission before the minimum unit")),
    "minimum_unit": _cents(gettext_lazy("Minimum unit")),
    "amount": _cents(gettext_lazy("Amount")),
    "released_at": lambda value: [Row(_("Released"), when(value, "seconds"))],
    "payout": _plain(gettext_lazy("Payout"), mono=True),
}
