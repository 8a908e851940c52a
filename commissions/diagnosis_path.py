"""An order's attribution path, hop by hop, as a pure function of stored evidence (DIAG-1, DIAG-3).

`commissions.diagnosis` reads the evidence, narrowed to what the viewer may see; here it becomes fifteen steps, each
passed, broken, waiting or not needed. Nothing is guessed: a hop that left no evidence is said to have left none.
The hops up to the callback are judged one by one, because an order may well be placed after a link with a frozen
PID. What comes after the match is reached only by a click that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class Hop(StrEnum):
    """The steps of DIAG-1, in their order."""

    LINK = "link"
    PID = "pid"
    CLICK = "click"
    IN_APP = "in_app"
    LANDING = "landing"
    COOKIE = "cookie"
    ORDER = "order"
    S2S = "s2s"
    MATCH = "match"
    RATE = "rate"
    THRESHOLD = "threshold"
    LOCK = "lock"
    PAYMENT = "payment"
    RELEASE = "release"
    PAYOUT = "payout"


class StepState(StrEnum):
    PASSED = "passed"
    BROKEN = "broken"
    WAITING = "waiting"
    NOT_NEEDED = "not_needed"


# --- the evidence ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeenClick:
    """A click as it was recorded, and who told of it in connection with the order."""

    click_id: str
    clicked_at: datetime
    pid: str
    link_code: str = ""
    link_label: str = ""
    link_made_at: datetime | None = None
    target: str = ""
    invalid_reason: str = ""
    # "" for an ordinary browser, else the app; `continued_at` when the visit went on in a real browser (ATTR-5).
    in_app: str = ""
    continued_at: datetime | None = None
    # What the rule of attribution says of it for this order (ATTR-7); "": it would count.
    verdict: str = ""
    carried: bool = False  # by the order event, from the shop's cookie
    called: bool = False  # by a signed callback of the shop's server
    hinted: bool = False  # by an unsigned callback or the browser's beacon: shown, never decisive
    pk: int = 0
    affiliate_id: int = 0


@dataclass(frozen=True, slots=True)
class SeenCallback:
    """A callback of the merchant's server for the order, accepted or refused."""

    received_at: datetime
    channel: str = "s2s"  # s2s, unsigned, beacon
    click_id: str = ""
    refusal: str = ""  # the code that it was answered with; empty for an accepted one


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """What the order's events say, as far as the path needs it."""

    number: str
    merchant: str
    ordered_at: datetime | None
    first_seen_at: datetime
    window_days: int | None = None
    # The shop said something about attribution, be it that there is nothing; it carried ids at all.
    said: bool = True
    carried: bool = False
    # Values it carried that are none of our click ids, and among them what reads like a PID, with whether we know it.
    unknown_ids: tuple[str, ...] = ()
    bare_pids: tuple[tuple[str, bool], ...] = ()
    expires_at: datetime | None = None
    cancelled_at: datetime | None = None
    # How it is attributed: dual, first_party, s2s; empty while nothing is known of callbacks.
    evidence: str = ""
    conflict: bool = False
    s2s_expected: bool = False
    s2s_until: datetime | None = None
    callbacks: tuple[SeenCallback, ...] = ()


class SeenHold(NamedTuple):
    """An open hold of ours."""

    reason: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class SeenPayout:
    """The payout that a released commission went into."""

    number: str
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenCommission:
    """What the order earned the click's affiliate."""

    public_id: str
    state: str
    reason: str
    amount: int
    currency: str
    traditional: bool
    sheet: Mapping[str, Any]
    locked_at: datetime | None = None
    locked_amount: int | None = None
    paid_at: datetime | None = None
    release_due_at: datetime | None = None
    released_at: datetime | None = None
    ended_at: datetime | None = None
    held_at: datetime | None = None
    holds: tuple[SeenHold, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the viewer may know: a click, an order, or both, and what became of them."""

    at: datetime
    link_code: str = ""
    pid: str = ""
    link_made_at: datetime | None = None
    target: str = ""
    click: SeenClick | None = None
    order: SeenOrder | None = None
    # The order is attributed to this very click.
    won: bool = False
    # It is attributed, but not to this click.
    lost: bool = False
    commission: SeenCommission | None = None
    payout: SeenPayout | None = None


# --- the path -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One hop: its state, when it happened, why it broke, and the evidence by name.

    `bridged`: broken, but the other kind of evidence carried the order across. `note` names the sentence that
    `diagnosis_words` says of it. A passed step may have a code too: a refund that left something over.
    """

    hop: Hop
    state: StepState
    note: str
    at: datetime | None = None
    code: str = ""
    bridged: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Path:
    """The whole way, and where it broke or waits."""

    steps: tuple[Step, ...]

    @property
    def broken_at(self) -> Step | None:
        """The first break that nothing carried the order across."""
        return next((s for s in self.steps if s.state == StepState.BROKEN and not s.bridged), None)

    @property
    def waits_at(self) -> Step | None:
        return next((s for s in self.steps if s.state == StepState.WAITING and s.hop != Hop.PAYOUT), None)

    @property
    def bridged(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.bridged)

    @property
    def code(self) -> str:
        return self.broken_at.code if self.broken_at else ""

    @property
    def outcome(self) -> StepState:
        """Broken, waiting or passed: the whole way in a word."""
        if self.broken_at:
            return StepState.BROKEN
        return StepState.WAITING if self.waits_at else StepState.PASSED


# The status at click time that has a code of its own; any other reason is `click_invalid`.
CLICK_CODES = {
    "pid_frozen": "pid_frozen",
    "pid_unknown": "pid_unknown",
    "affiliate_suspended": "affiliate_suspended",
    "merchant_inactive": "merchant_inactive",
    "in_app": "in_app_blocked",
}
PID_CODES = frozenset({"pid_missing", "pid_unknown", "pid_frozen"})
RATE_CODES = frozenset({"no_rate", "zero_base"})
THRESHOLD_CODES = frozenset({"below_order_threshold", "below_minimum_unit"})
PAYMENT_CODES = frozenset({"unpaid_expired", "order_cancelled"})


def click_code(invalid_reason: str) -> str:
    """The code of DIAG-2 for a click's invalid reason; empty for a valid one."""
    return CLICK_CODES.get(invalid_reason, "click_invalid") if invalid_reason else ""


def trace(evidence: Evidence) -> Path:
    """The path that `evidence` shows.

    Source: SPEC DIAG-1, DIAG-2, DIAG-3.
    """
    steps = [judge(evidence) for judge in _ARRIVAL]
    steps.append(_match(evidence, steps))
    order, commission = evidence.order, evidence.commission
    for hop, judge in _EARNING:
        whole = _nothing_broke(steps)
        if whole and evidence.won and order is not None and commission is not None:
            steps.append(judge(Earned(order, commission, evidence.payout)))
        else:
            steps.append(_unreached(hop, waiting=whole))
    return Path(tuple(steps))


def _nothing_broke(steps: list[Step]) -> bool:
    return not any(step.state == StepState.BROKEN and not step.bridged for step in steps)


def _unreached(hop: Hop, *, waiting: bool) -> Step:
    if waiting:
        return Step(hop, StepState.WAITING, "not_yet")
    return Step(hop, StepState.NOT_NEEDED, "unreached")


# --- from the link to the callback: each hop by its own evidence -----------------------------------------------


def _link(evidence: Evidence) -> Step:
    click = evidence.click
    code = click.link_code if click else evidence.link_code
    if code:
        made_at = click.link_made_at if click else evidence.link_made_at
        target = click.target if click else evidence.target
        facts = {"link": code, "label": click.link_label if click else "", "target": target}
        return Step(Hop.LINK, StepState.PASSED, "link_made", made_at, facts=facts)
    if click is not None:
        return Step(Hop.LINK, StepState.NOT_NEEDED, "link_not_kept")
    return Step(Hop.LINK, StepState.NOT_NEEDED, "no_trace")


def _pid(evidence: Evidence) -> Step:
    click, order = evidence.click, evidence.order
    if click is not None:
        code = click_code(click.invalid_reason)
        if code in PID_CODES:
            return Step(
                Hop.PID, StepState.BROKEN, "pid_at_click", click.clicked_at, code, facts={"pid": click.pid}
            )
        return Step(Hop.PID, StepState.PASSED, "pid_good", facts={"pid": click.pid})
    if evidence.pid:
        return Step(Hop.PID, StepState.PASSED, "pid_named", facts={"pid": evidence.pid})
    if order is None:
        return Step(Hop.PID, StepState.NOT_NEEDED, "no_trace")
    if order.bare_pids:
        known = next((pid for pid, is_known in order.bare_pids if is_known), "")
        if known:
            return Step(Hop.PID, StepState.PASSED, "pid_bare", order.first_seen_at, facts={"pid": known})
        facts = {"pid": order.bare_pids[0][0]}
        return Step(Hop.PID, StepState.BROKEN, "pid_bare", order.first_seen_at, "pid_unknown", facts=facts)
    if order.ordered_at is not None and not order.said and not order.callbacks:
        return Step(Hop.PID, StepState.BROKEN, "nothing_said", order.first_seen_at, "pid_missing")
    return Step(Hop.PID, StepState.NOT_NEEDED, "no_trace")


def _click(evidence: Evidence) -> Step:
    click, order = evidence.click, evidence.order
    if click is not None:
        code = click_code(click.invalid_reason)
        facts = {"click_id": click.click_id, "invalid_reason": click.invalid_reason}
        if code and code not in PID_CODES and code != "in_app_blocked":
            return Step(Hop.CLICK, StepState.BROKEN, "click_recorded", click.clicked_at, code, facts=facts)
        return Step(Hop.CLICK, StepState.PASSED, "click_recorded", click.clicked_at, facts=facts)
    if order is None:
        return Step(Hop.CLICK, StepState.WAITING, "no_click_yet")
    if order.unknown_ids:
        named = {"click_ids": order.unknown_ids}
        return Step(
            Hop.CLICK, StepState.BROKEN, "ids_unknown", order.first_seen_at, "click_not_found", facts=named
        )
    return Step(Hop.CLICK, StepState.NOT_NEEDED, "no_trace")


def _in_app(evidence: Evidence) -> Step:
    click = evidence.click
    if click is None:
        return Step(Hop.IN_APP, StepState.NOT_NEEDED, "no_trace" if evidence.order else "not_yet")
    facts = {"app": click.in_app}
    if click_code(click.invalid_reason) != "in_app_blocked":
        if click.in_app or click.continued_at:
            return Step(Hop.IN_APP, StepState.PASSED, "left_the_app", click.continued_at, facts=facts)
        return Step(Hop.IN_APP, StepState.NOT_NEEDED, "ordinary_browser")
    return Step(
        Hop.IN_APP, StepState.BROKEN, "stayed_in_app", click.clicked_at, "in_app_blocked", facts=facts
    )


def _landing(evidence: Evidence) -> Step:
    click = evidence.click
    if click is None:
        return Step(Hop.LANDING, StepState.NOT_NEEDED, "no_trace" if evidence.order else "not_yet")
    if click.carried or click.called or click.hinted:
        return Step(Hop.LANDING, StepState.PASSED, "shop_knew_click", facts={"click_id": click.click_id})
    if _in_app(evidence).state == StepState.BROKEN:
        return _unreached(Hop.LANDING, waiting=False)
    if evidence.order is None:
        return Step(Hop.LANDING, StepState.WAITING, "shop_silent")
    return Step(Hop.LANDING, StepState.NOT_NEEDED, "shop_silent")


def _cookie(evidence: Evidence) -> Step:
    click, order = evidence.click, evidence.order
    if order is None:
        if click and _in_app(evidence).state == StepState.BROKEN:
            return _unreached(Hop.COOKIE, waiting=False)
        return Step(Hop.COOKIE, StepState.WAITING, "not_yet")
    if order.ordered_at is None:
        return Step(Hop.COOKIE, StepState.WAITING, "not_yet")
    if click is not None and click.carried:
        return Step(Hop.COOKIE, StepState.PASSED, "cookie_carried", order.first_seen_at)
    if click is None and order.carried:
        return Step(Hop.COOKIE, StepState.PASSED, "cookie_carried_other", order.first_seen_at)
    if not order.said and not order.callbacks and click is None:
        return Step(Hop.COOKIE, StepState.NOT_NEEDED, "nothing_said")
    bridged = evidence.won or evidence.lost or (click is not None and click.called)
    return Step(Hop.COOKIE, StepState.BROKEN, "cookie_empty", order.first_seen_at, "cookie_lost", bridged)


def _order(evidence: Evidence) -> Step:
    order = evidence.order
    if order is None:
        if evidence.click and _in_app(evidence).state == StepState.BROKEN:
            return _unreached(Hop.ORDER, waiting=False)
        return Step(Hop.ORDER, StepState.WAITING, "no_order_yet")
    facts = {"order": order.number, "merchant": order.merchant}
    if order.ordered_at is None:
        return Step(Hop.ORDER, StepState.WAITING, "order_parked", order.first_seen_at, facts=facts)
    return Step(Hop.ORDER, StepState.PASSED, "order_placed", order.ordered_at, facts=facts)


def _s2s(evidence: Evidence) -> Step:
    order, click = evidence.order, evidence.click
    if order is None:
        return _unreached(Hop.S2S, waiting=_in_app(evidence).state != StepState.BROKEN)
    signed = [call for call in order.callbacks if call.channel == "s2s" and not call.refusal]
    mine = [call for call in signed if click is not None and call.click_id == click.click_id]
    hints = sum(call.channel != "s2s" for call in order.callbacks)
    facts = {"hints": hints} if hints else {}
    if mine:
        return Step(Hop.S2S, StepState.PASSED, "s2s_came", min(c.received_at for c in mine), facts=facts)
    if signed:
        at = min(call.received_at for call in signed)
        return Step(Hop.S2S, StepState.PASSED, "s2s_came_other", at, facts=facts)
    bridged = evidence.won or evidence.lost or (click is not None and click.carried)
    forged = [call for call in order.callbacks if call.refusal]
    if forged:
        at = max(call.received_at for call in forged)
        return Step(Hop.S2S, StepState.BROKEN, "s2s_refused", at, "s2s_bad_signature", bridged, facts)
    if order.s2s_until is not None and evidence.at < order.s2s_until:
        return Step(Hop.S2S, StepState.WAITING, "s2s_awaited", order.s2s_until, facts=facts)
    if order.s2s_expected:
        return Step(Hop.S2S, StepState.BROKEN, "s2s_missed", order.s2s_until, "s2s_timeout", bridged, facts)
    return Step(Hop.S2S, StepState.NOT_NEEDED, "s2s_not_used", facts=facts)


def _match(evidence: Evidence, before: list[Step]) -> Step:
    order, click = evidence.order, evidence.click
    if order is None or order.ordered_at is None:
        return _unreached(Hop.MATCH, waiting=_nothing_broke(before))
    facts: dict[str, Any] = {"window_days": order.window_days} if order.window_days else {}
    if click is not None:
        facts["took"] = order.ordered_at - click.clicked_at
    if evidence.won:
        return Step(
            Hop.MATCH,
            StepState.PASSED,
            "matched",
            order.ordered_at,
            facts={**facts, "evidence": order.evidence},
        )
    if any(step.code and step.hop in (Hop.PID, Hop.CLICK, Hop.IN_APP) for step in before):
        return _unreached(Hop.MATCH, waiting=False)
    at = order.ordered_at
    if click is not None and click.verdict and (click.carried or click.called):
        return Step(Hop.MATCH, StepState.BROKEN, "not_matched", at, click.verdict, facts=facts)
    if evidence.lost:
        return Step(Hop.MATCH, StepState.BROKEN, "matched_elsewhere", at, "evidence_conflict", facts=facts)
    if not _nothing_broke(before):
        return _unreached(Hop.MATCH, waiting=False)
    return Step(Hop.MATCH, StepState.BROKEN, "not_matched", at, "click_not_found", facts=facts)


# --- from the rate to the payout: what the commission's own record says -----------------------------------------


class Earned(NamedTuple):
    """A matched order and what it earned."""

    order: SeenOrder
    commission: SeenCommission
    payout: SeenPayout | None


def _rate(earned: Earned) -> Step:
    sheet = earned.commission.sheet
    terms = sheet.get("terms") or {}
    facts = {
        "terms": terms.get("version"),
        "rates": sorted({line["rate_bps"] for line in sheet.get("lines", ()) if line.get("rate_bps")}),
        "base": (sheet["base"], sheet["currency"]) if "base" in sheet else None,
    }
    code = sheet.get("reason", "")
    if code in RATE_CODES:
        return Step(Hop.RATE, StepState.BROKEN, "rate", earned.order.ordered_at, code, facts=facts)
    return Step(Hop.RATE, StepState.PASSED, "rate", earned.order.ordered_at, facts=facts)


def _threshold(earned: Earned) -> Step:
    sheet = earned.commission.sheet
    terms = sheet.get("terms") or {}
    facts: dict[str, Any] = {}
    if "actual_payment" in sheet:
        facts = {
            "actual_payment": (sheet["actual_payment"], sheet["currency"]),
            "threshold": (terms.get("threshold", 0), sheet["currency"]),
            "rounded": sheet["rounded"],
            "minimum_unit": sheet["minimum_unit"],
        }
    code = sheet.get("reason", "")
    if code in THRESHOLD_CODES:
        return Step(Hop.THRESHOLD, StepState.BROKEN, "threshold", earned.order.ordered_at, code, facts=facts)
    return Step(Hop.THRESHOLD, StepState.PASSED, "threshold", earned.order.ordered_at, facts=facts)


def _lock(earned: Earned) -> Step:
    commission = earned.commission
    if commission.traditional and commission.paid_at is None:
        return Step(Hop.LOCK, StepState.WAITING, "locked_when_paid")
    if commission.locked_at is None:
        return Step(Hop.LOCK, StepState.NOT_NEEDED, "never_locked")
    facts = {"amount": commission.locked_amount}
    return Step(Hop.LOCK, StepState.PASSED, "locked", commission.locked_at, facts=facts)


def _payment(earned: Earned) -> Step:
    commission = earned.commission
    if commission.paid_at is not None:
        return Step(Hop.PAYMENT, StepState.PASSED, "paid", commission.paid_at)
    if commission.reason in PAYMENT_CODES:
        at = earned.order.cancelled_at if commission.reason == "order_cancelled" else commission.ended_at
        return Step(Hop.PAYMENT, StepState.BROKEN, "unpaid", at, commission.reason)
    return Step(Hop.PAYMENT, StepState.WAITING, "payment_awaited", earned.order.expires_at)


def _release(earned: Earned) -> Step:
    commission = earned.commission
    code = commission.reason
    facts = {"amount": commission.amount, "released_at": commission.released_at}
    if commission.state in ("clawed_back", "void") and code:
        return Step(Hop.RELEASE, StepState.BROKEN, "taken_back", commission.ended_at, code, facts=facts)
    if commission.state == "held":
        return Step(Hop.RELEASE, StepState.BROKEN, "held", commission.held_at, code, facts=facts)
    if commission.holds:
        hold = commission.holds[0]
        return Step(Hop.RELEASE, StepState.BROKEN, "will_be_held", hold.placed_at, hold.reason)
    if commission.state == "released":
        return Step(Hop.RELEASE, StepState.PASSED, "released", commission.released_at, code, facts=facts)
    if commission.paid_at is None:
        return Step(Hop.RELEASE, StepState.WAITING, "not_yet")
    note = "release_due" if commission.release_due_at else "completion_awaited"
    return Step(Hop.RELEASE, StepState.WAITING, note, commission.release_due_at)


def _payout(earned: Earned) -> Step:
    payout = earned.payout
    if payout is None:
        note = "in_balance" if earned.commission.state == "released" else "not_yet"
        return Step(Hop.PAYOUT, StepState.WAITING, note)
    facts = {"payout": payout.number}
    if payout.failed_at is not None:
        at, code = payout.failed_at, "payout_failed"
        return Step(Hop.PAYOUT, StepState.BROKEN, "payout_failed", at, code, facts=facts)
    if payout.settled_at is not None:
        return Step(Hop.PAYOUT, StepState.PASSED, "paid_out", payout.settled_at, facts=facts)
    return Step(Hop.PAYOUT, StepState.WAITING, "payout_under_way", payout.sent_at, facts=facts)


_ARRIVAL: tuple[Callable[[Evidence], Step], ...] = (
    _link, _pid, _click, _in_app, _landing, _cookie, _order, _s2s
)  # fmt: skip
_EARNING: tuple[tuple[Hop, Callable[[Earned], Step]], ...] = (
    (Hop.RATE, _rate),
    (Hop.THRESHOLD, _threshold),
    (Hop.LOCK, _lock),
    (Hop.PAYMENT, _payment),
    (Hop.RELEASE, _release),
    (Hop.PAYOUT, _payout),
)
