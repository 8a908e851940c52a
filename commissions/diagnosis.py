"""Reading the stored evidence of an order, a click or a link for one viewer, and drawing its path (DIAG-1, DIAG-3).

Who looks decides what is read: an affiliate its own clicks and its own commission and nothing else; a merchant all
that came with its own orders; ops everything. An order with which nothing of the viewer's came is left out, just as
one that doesn't exist; both cost the same statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from affiliates.models import Pid
from commissions.diagnosis_path import (
    Evidence,
    Path,
    SeenClick,
    SeenCommission,
    SeenHold,
    SeenOrder,
    click_code,
    trace,
)
from commissions.models import Commission, Hold, Mode, State, Transition
from orders.attribution import ClickFact, attribute, window_at
from orders.facts import CANCELLED, PRICING
from orders.models import AttributionWindow, Click, Link, Order, OrderEvent

MOST_ORDERS = 20
MOST_EVENTS = 1000
RECENT = 200
PID_PREFIX = "mm_"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes: one affiliate's, one merchant's, or (neither) those of ops."""

    affiliate_id: int | None = None
    merchant_id: int | None = None

    def sees(self, click: Click) -> bool:
        return self.affiliate_id is None or click.affiliate_id == self.affiliate_id


OPS = Viewer()


@dataclass(frozen=True, slots=True)
class OtherClick:
    """A further click that came with the order, and what the rule of attribution says of it."""

    click: SeenClick
    code: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One order's (or one click's, one link's) path, with what a page shows around it."""

    path: Path
    evidence: Evidence
    merchant: str
    merchant_code: str
    order_pk: int | None = None
    others: tuple[OtherClick, ...] = ()
    affiliate: str = ""

    @property
    def number(self) -> str:
        return self.evidence.order.number if self.evidence.order else ""


def of_orders(number: str, *, viewer: Viewer, at: datetime) -> list[Diagnosis]:
    """The orders of that number of which `viewer` has evidence; the same number may exist at several merchants."""
    found = Order.objects.filter(order_id=_safe(number)).select_related("merchant")
    if viewer.merchant_id is not None:
        found = found.filter(merchant_id=viewer.merchant_id)
    return _diagnose(list(found.order_by("pk")[:MOST_ORDERS]), viewer=viewer, at=at)


def of_order(order: Order, *, viewer: Viewer, at: datetime) -> Diagnosis | None:
    """One order's path, None where the viewer has no evidence of it."""
    return next(iter(_diagnose([order], viewer=viewer, at=at)), None)


def of_click(click_id: str, *, viewer: Viewer, at: datetime) -> list[Diagnosis]:
    """The orders that a click was matched with; while there are none, the click's own path so far."""
    found = Click.objects.select_related("pid", "link", "merchant", "affiliate").filter(
        click_id=_safe(click_id)
    )
    click = _narrow(found, viewer).first()
    if click is None:
        return []
    orders = list(Order.objects.filter(click=click).select_related("merchant").order_by("pk")[:MOST_ORDERS])
    matched = _diagnose(orders, viewer=viewer, at=at)
    if matched:
        return matched
    evidence = Evidence(at=at, click=_seen(click, viewer, verdict=click_code(click.invalid_reason)))
    return [_diagnosis(evidence, click)]


def of_link(code: str, *, viewer: Viewer, at: datetime) -> list[Diagnosis]:
    """A link's path as far as its newest click shows it."""
    links = _narrow(
        Link.objects.select_related("pid", "merchant", "affiliate").filter(code=_safe(code)), viewer
    )
    link = links.first()
    if link is None:
        return []
    newest = (
        Click.objects.select_related("pid", "link", "merchant", "affiliate")
        .filter(link=link)
        .order_by("-clicked_at")
        .first()
    )
    if newest is not None:
        return of_click(newest.click_id, viewer=viewer, at=at)
    evidence = Evidence(
        at=at, link_code=link.code, pid=link.pid.value, link_made_at=link.created_at, target=link.target
    )
    return [_diagnosis(evidence, link)]


def search(text: str, *, viewer: Viewer, at: datetime) -> list[Diagnosis]:
    """What an order number, a click id or a link's code names, for this viewer; nothing for anything else."""
    text = text.strip()
    if not text:
        return []
    return (
        of_orders(text, viewer=viewer, at=at)
        or of_click(text, viewer=viewer, at=at)
        or of_link(text, viewer=viewer, at=at)
    )


def _safe(text: str) -> str:
    # The database can't be asked for a NUL.
    return text.replace("\x00", "\ufffd")


def _narrow(found: Any, viewer: Viewer) -> Any:
    if viewer.affiliate_id is not None:
        found = found.filter(affiliate_id=viewer.affiliate_id)
    if viewer.merchant_id is not None:
        found = found.filter(merchant_id=viewer.merchant_id)
    return found


def _diagnosis(evidence: Evidence, subject: Click | Link) -> Diagnosis:
    return Diagnosis(
        path=trace(evidence),
        evidence=evidence,
        merchant=subject.merchant.name,
        merchant_code=subject.merchant.code,
        affiliate=subject.affiliate.name,
    )


# --- reading --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Heard:
    """What an order's events carried."""

    click_ids: list[str]
    said: bool = False
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """Everything read for some orders, by order or by what names it. Always the same statements."""

    heard: Mapping[int, _Heard]
    clicks: Mapping[str, Click]
    by_pk: Mapping[int, Click]
    windows: Mapping[int, list[tuple[datetime, int]]]
    commissions: Mapping[int, list[Commission]]
    steps: Mapping[int, list[Transition]]
    holds: Mapping[int, list[Hold]]
    pids: Mapping[str, int]


def _read(orders: list[Order], viewer: Viewer) -> _Read:
    order_ids = [order.pk for order in orders]
    heard: dict[int, _Heard] = defaultdict(lambda: _Heard([]))
    events = OrderEvent.objects.filter(order_id__in=_asked(order_ids), type__in=[*PRICING, CANCELLED])
    for order_id, type_, occurred_at, facts in events.values_list("order_id", "type", "occurred_at", "facts")[
        :MOST_EVENTS
    ]:
        if type_ == CANCELLED:
            heard[order_id].cancelled_at = occurred_at
            continue
        heard[order_id].said |= facts.get("tracked", True)
        heard[order_id].click_ids += [i for i in facts["click_ids"] if i not in heard[order_id].click_ids]

    commissions: dict[int, list[Commission]] = defaultdict(list)
    earned = Commission.objects.filter(order_id__in=_asked(order_ids))
    if viewer.affiliate_id is not None:
        earned = earned.filter(affiliate_id=viewer.affiliate_id)
    for one in earned.order_by("pk"):
        commissions[one.order_id].append(one)
    ids = [one.pk for group in commissions.values() for one in group]
    steps: dict[int, list[Transition]] = defaultdict(list)
    for step in Transition.objects.filter(commission_id__in=_asked(ids)).order_by("pk"):
        steps[step.commission_id].append(step)
    holds: dict[int, list[Hold]] = defaultdict(list)
    for hold in Hold.objects.filter(commission_id__in=_asked(ids), lifted_at__isnull=True).order_by("pk"):
        holds[hold.commission_id].append(hold)

    named = {click_id for entry in heard.values() for click_id in entry.click_ids}
    numbers = {order.click_id for order in orders if order.click_id}
    numbers |= {one.click_id for group in commissions.values() for one in group}
    found = Click.objects.select_related("pid", "link", "merchant", "affiliate").filter(
        Q(click_id__in=_asked(sorted(named), "")) | Q(pk__in=_asked(sorted(numbers)))
    )
    clicks = list(found)
    windows: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    settings = AttributionWindow.objects.filter(
        merchant_id__in=_asked([order.merchant_id for order in orders])
    )
    for merchant_id, effective_at, days in settings.values_list("merchant_id", "effective_at", "days"):
        windows[merchant_id].append((effective_at, days))
    bare = sorted(value for value in named if value.startswith(PID_PREFIX))
    pids = dict(Pid.objects.filter(value__in=_asked(bare, "")).values_list("value", "affiliate_id"))
    return _Read(
        heard=heard,
        clicks={click.click_id: click for click in clicks},
        by_pk={click.pk: click for click in clicks},
        windows=windows,
        commissions=commissions,
        steps=steps,
        holds=holds,
        pids=pids,
    )


def _asked(values: Iterable[Any], nobody: Any = 0) -> list[Any]:
    """The values to ask for, never none: an empty list would save the statement, and the time would tell."""
    return list(values) or [nobody]


# --- one order ------------------------------------------------------------------------------------------------


def _diagnose(orders: list[Order], *, viewer: Viewer, at: datetime) -> list[Diagnosis]:
    read = _read(orders, viewer)
    found = (_of_one(order, read, viewer=viewer, at=at) for order in orders)
    return [one for one in found if one is not None]


def _of_one(order: Order, read: _Read, *, viewer: Viewer, at: datetime) -> Diagnosis | None:
    heard = read.heard[order.pk]
    came = {read.clicks[i].pk: read.clicks[i] for i in heard.click_ids if i in read.clicks}
    if order.click_id is not None and order.click_id in read.by_pk:
        came.setdefault(order.click_id, read.by_pk[order.click_id])
    for one in read.commissions[order.pk]:
        came.setdefault(one.click_id, read.by_pk[one.click_id])
    mine = [click for click in came.values() if viewer.sees(click)]
    bare = tuple(
        (value, value in read.pids)
        for value in heard.click_ids
        if value.startswith(PID_PREFIX)
        and (viewer.affiliate_id is None or read.pids.get(value) == viewer.affiliate_id)
    )
    if viewer.affiliate_id is not None and not mine and not bare:
        return None
    window_days = window_at(read.windows[order.merchant_id], order.ordered_at) if order.ordered_at else None
    clicks = sorted(
        (_judged(click, order, heard, window_days, viewer) for click in mine),
        key=lambda click: (click.pk == order.click_id, not click.verdict, click.clicked_at, click.click_id),
        reverse=True,
    )
    focus = clicks[0] if clicks else None
    unknown = () if viewer.affiliate_id else tuple(i for i in heard.click_ids if i not in read.clicks)
    if bare and not unknown:
        unknown = tuple(value for value, _known in bare)
    seen = SeenOrder(
        number=order.order_id,
        merchant=order.merchant.name,
        ordered_at=order.ordered_at,
        first_seen_at=order.first_seen_at,
        window_days=window_days,
        said=heard.said or order.ordered_at is None,
        carried=bool(heard.click_ids),
        unknown_ids=unknown,
        bare_pids=bare,
        expires_at=order.expires_at,
        cancelled_at=heard.cancelled_at,
    )
    commission = next(
        (c for c in read.commissions[order.pk] if focus is not None and c.affiliate_id == focus.affiliate_id),
        None,
    )
    won = focus is not None and order.click_id == focus.pk
    evidence = Evidence(
        at=at,
        click=focus,
        order=seen,
        won=won,
        lost=order.click_id is not None and not won,
        commission=_commission(commission, read) if commission and won else None,
    )
    others = tuple(OtherClick(click, click.verdict or _lost_code(order)) for click in clicks[1:])
    return Diagnosis(
        path=trace(evidence),
        evidence=evidence,
        merchant=order.merchant.name,
        merchant_code=order.merchant.code,
        order_pk=order.pk,
        others=others,
        affiliate=read.by_pk[focus.pk].affiliate.name
        if focus and _shown(read.by_pk[focus.pk], viewer)
        else "",
    )


def _lost_code(order: Order) -> str:
    return "evidence_conflict" if order.click_id else ""


def _shown(click: Click, viewer: Viewer) -> bool:
    """A merchant isn't told whose click and which link it was that led to another merchant."""
    return viewer.merchant_id is None or click.merchant_id == viewer.merchant_id


def _judged(click: Click, order: Order, heard: _Heard, window_days: int | None, viewer: Viewer) -> SeenClick:
    """The click with what the rule says of it alone: the same rule that attributed the order (ATTR-7)."""
    code = ""
    if order.ordered_at is not None and window_days is not None:
        fact = ClickFact(
            click.pk,
            click.click_id,
            click.affiliate_id,
            click.merchant_id,
            click.clicked_at,
            click.invalid_reason,
        )
        _won, code = attribute(
            [fact], merchant_id=order.merchant_id, ordered_at=order.ordered_at, window_days=window_days
        )
    return replace(_seen(click, viewer, verdict=code), carried=click.click_id in heard.click_ids)


def _seen(click: Click, viewer: Viewer, *, verdict: str = "") -> SeenClick:
    shown = _shown(click, viewer)
    link = click.link if shown else None
    return SeenClick(
        click_id=click.click_id,
        clicked_at=click.clicked_at,
        pid=click.pid.value if shown else "",
        link_code=link.code if link else "",
        link_label=link.label if link and viewer.merchant_id is None else "",
        link_made_at=link.created_at if link else None,
        target=link.target if link else "",
        invalid_reason=click.invalid_reason,
        verdict=verdict,
        pk=click.pk,
        affiliate_id=click.affiliate_id,
    )


def _commission(one: Commission, read: _Read) -> SeenCommission:
    steps = read.steps[one.pk]
    lock = next((s for s in steps if s.verb in (Transition.Verb.LOCK, Transition.Verb.CONFIRM)), None)
    ended = next((s for s in reversed(steps) if s.state_after in (State.VOID, State.CLAWED_BACK)), None)
    held = next((s for s in reversed(steps) if s.state_after == State.HELD), None)
    return SeenCommission(
        public_id=str(one.public_id),
        state=one.state,
        reason=one.reason,
        amount=one.amount,
        currency=one.currency,
        traditional=one.mode == Mode.TRADITIONAL,
        sheet=one.sheet,
        locked_at=lock.at if lock and lock.amount_after else None,
        locked_amount=lock.amount_after if lock else None,
        paid_at=one.paid_at,
        release_due_at=one.release_due_at,
        released_at=one.released_at,
        ended_at=ended.at if ended else None,
        held_at=held.at if held else None,
        holds=tuple(SeenHold(hold.reason, hold.placed_at) for hold in read.holds[one.pk]),
    )


# --- examples -------------------------------------------------------------------------------------------------


def examples(viewer: Viewer, *, most: int = 6) -> list[Commission]:
    """Recent orders of the viewer to look at, one for each reason that something is missing, then whole ones."""
    recent = Commission.objects.select_related("order", "merchant").defer("sheet")
    newest = list(_narrow(recent, viewer).order_by("-created_at", "-pk")[:RECENT])
    by_reason: dict[str, Commission] = {}
    for one in newest:
        by_reason.setdefault(one.reason or one.state, one)
    return sorted(by_reason.values(), key=lambda one: not one.reason)[:most]
