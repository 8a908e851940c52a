"""LIFE-7: any arrival order, batching and duplication of one order's events ends the same, as the model says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from commissions.models import Commission
from commissions.tests.mirror import Mirror, rolled_back, under_another_number
from commissions.tests.reference_model import Event, moment
from commissions.tests.strategies import MERCHANT, contexts, examples, histories, small_amounts

pytestmark = pytest.mark.django_db


@st.composite
def arrivals(draw: st.DrawFn, events: list[Event]) -> list[list[Event]]:
    """The same events shuffled, some of them several times, cut into batches."""
    repeats = draw(st.lists(st.sampled_from(events), max_size=4))
    shuffled = draw(st.permutations([*events, *repeats]))
    batches: list[list[Event]] = [[]]
    for one in shuffled:
        if batches[-1] and draw(st.booleans()):
            batches.append([])
        batches[-1].append(one)
    return batches


def too_early(events: list[Event]) -> datetime | None:
    """A moment at which the timer can't release the order, whichever of its events are known."""
    ends = [
        *(moment(e["occurred_at"]) + timedelta(minutes=30) for e in events if e["type"] == "order.paid"),
        *(moment(e["occurred_at"]) for e in events if e["type"] == "order.completed"),
    ]
    return min(ends) - timedelta(seconds=1) if ends else None


def end_of(order_id: str) -> dict[str, Any] | None:
    """All that must not depend on how the events arrived."""
    standing = Commission.objects.filter(order__order_id=order_id).exclude(order__click=None)
    for commission in standing.select_related("order__click"):
        if commission.affiliate_id == commission.order.click.affiliate_id:
            names = ("affiliate_id", "click_id", "state", "reason", "amount", "held_amount", "priced_amount")
            more = (
                "forgone_amount",
                "mode",
                "sheet",
                "ordered_at",
                "paid_at",
                "release_due_at",
                "released_at",
            )
            return {name: getattr(commission, name) for name in (*names, *more)}
    return None


@examples(100)
@given(data=st.data(), context=contexts(), events=histories(paid=small_amounts))
def test_any_arrival_order_ends_the_same(data, context, events):
    latest = max(moment(event["occurred_at"]) for event in events)
    early = too_early(events) or latest
    shuffled = under_another_number(events, "B1")
    with rolled_back():
        mirror = Mirror(context)
        mirror.send(*events, at=latest)
        for batch in data.draw(arrivals(shuffled)):
            mirror.send(*batch, at=latest)
            if data.draw(st.booleans()):
                mirror.sweep(at=early)
        end = latest + data.draw(
            st.sampled_from([timedelta(0), timedelta(minutes=31), timedelta(days=1), timedelta(days=40)])
        )
        mirror.sweep(at=end)
        mirror.compare()
        assert end_of("B1") == end_of("A1")
        mirror.end(at=end)
        note(f"{mirror.world.outcome(MERCHANT, 'A1').state}")
