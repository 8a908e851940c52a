"""What property tests draw: orders and their histories, and all that an order's worth depends on beside them.

Nothing here knows the product or the database. Amounts and times come from small pools around the boundaries as
often as at random, because ties, exact thresholds and last cents are where two readings of a rule part.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from commissions.tests.reference_model import Click, Context, Event, Rule, Terms

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
"""The usual run takes the same examples each time; `HYPOTHESIS_PROFILE=thorough` looks at many more, at random."""


def examples(number: int, **more: Any) -> settings:
    """Settings for a property test that usually takes `number` examples."""
    return settings(
        max_examples=number * 20 if THOROUGH else number,
        derandomize=not THOROUGH,
        database=None,
        deadline=None,
        # Shrinking an example that goes through the database takes minutes: worth it only when asked for.
        phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        **more,
    )


NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
CHANGE = NOON + timedelta(minutes=1)
"""When terms, windows and preferences change in the tests: some orders are placed before it, some after."""

MERCHANT, AFFILIATES = "shop", ("alice", "bob")
PRODUCTS, CATEGORIES, COUNTRIES = ("p1", "p2"), ("toys", "tools"), ("RU", "KZ")
LINE_IDS = ("1", "2", "3", "4")
BIGGEST = 10**12

rates = st.one_of(st.sampled_from([50, 51, 790, 1999, 2000]), st.integers(50, 2000))
small_amounts = st.one_of(
    st.sampled_from([1000, 2850, 2851, 2999, 3000, 3500, 0, 1, 10, 99, 120, 126, 127, 130]),
    st.integers(100, 20_000),
)
paid_amounts = st.one_of(small_amounts, small_amounts, st.integers(1, BIGGEST), st.just(BIGGEST))
order_times = st.sampled_from(
    [NOON, CHANGE - timedelta(microseconds=1), CHANGE, CHANGE + timedelta(minutes=1)]
)


def iso(moment: datetime) -> str:
    return moment.isoformat()


# --- terms, clicks, preferences ------------------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Up to five rules of one version, each asking for a few things (RATE-1)."""
    windows = st.sampled_from(
        [(NOON, CHANGE), (CHANGE, CHANGE + timedelta(days=1)), (START, CHANGE + timedelta(days=9))]
    )
    return tuple(
        Rule(
            position=position,
            rate_bps=draw(rates),
            product=draw(st.none() | st.sampled_from(PRODUCTS)),
            affiliate=draw(st.none() | st.none() | st.sampled_from(AFFILIATES)),
            category=draw(st.none() | st.sampled_from(CATEGORIES)),
            country=draw(st.none() | st.none() | st.sampled_from(COUNTRIES)),
            window=draw(st.none() | windows),
        )
        for position in draw(st.permutations(range(1, 1 + draw(st.integers(0, 5)))))
    )


@st.composite
def terms(draw: st.DrawFn, *, starts_at: datetime, mode: str | None = None) -> Terms:
    return Terms(
        starts_at=starts_at,
        default_rate_bps=draw(rates),
        threshold=draw(st.sampled_from([0, 0, 0, 1, 1000, 2850, 2851, 3000])),
        mode=mode or draw(st.sampled_from(["pre_payment", "pre_payment", "traditional"])),
        completion_days=draw(st.sampled_from([0, 1, 7])),
        rules=draw(rules()),
    )


CLICKS = (
    Click("alice-1", "alice", MERCHANT, NOON - timedelta(hours=2)),
    Click("bob-1", "bob", MERCHANT, NOON - timedelta(hours=1)),
    # Two at the same moment: the larger id wins.
    Click("tie-a", "alice", MERCHANT, NOON - timedelta(minutes=30)),
    Click("tie-b", "bob", MERCHANT, NOON - timedelta(minutes=30)),
    Click("at-once", "alice", MERCHANT, NOON),
    # Too late for orders at noon, in time for those placed after the change.
    Click("too-late", "bob", MERCHANT, CHANGE),
    # Just inside and just outside of the window of thirty days and of one day.
    Click("edge-30", "alice", MERCHANT, NOON - timedelta(days=30)),
    Click("past-30", "bob", MERCHANT, NOON - timedelta(days=30, microseconds=1)),
    Click("edge-1", "bob", MERCHANT, NOON - timedelta(days=1)),
    Click("a-robot", "bob", MERCHANT, NOON - timedelta(minutes=5), valid=False),
    Click("elsewhere", "bob", "another-shop", NOON - timedelta(minutes=4)),
)

click_ids = st.one_of(
    st.just(["alice-1"]),
    st.just(["alice-1"]),
    st.lists(st.sampled_from([*(click.click_id for click in CLICKS), "unheard-of"]), max_size=5),
)


@st.composite
def contexts(draw: st.DrawFn, *, mode: str | None = None) -> Context:
    """A merchant with its terms (now and then none at first, or a second version), and two affiliates."""
    first = draw(st.sampled_from([START, START, START, NOON, CHANGE]))
    versions = [draw(terms(starts_at=first, mode=mode))]
    if first < CHANGE and draw(st.booleans()):
        versions.append(draw(terms(starts_at=CHANGE, mode=mode)))
    units = st.lists(
        st.tuples(st.sampled_from([START, NOON, CHANGE]), st.sampled_from([1, 10])),
        max_size=2,
        unique_by=lambda choice: choice[0],
    )
    return Context(
        merchant=MERCHANT,
        terms=versions,
        clicks=list(CLICKS),
        preferences={affiliate: draw(units) for affiliate in AFFILIATES},
        windows=draw(
            st.sampled_from([[], [(START, 1)], [(START, 90), (CHANGE, 1)], [(START, 30), (NOON, 90)]])
        ),
    )


# --- orders --------------------------------------------------------------------------------------------------


def parts(draw: st.DrawFn, whole: int, number: int) -> list[int]:
    """`number` amounts that sum to `whole`, some of them 0."""
    cuts = sorted(draw(st.integers(0, whole)) for _ in range(number - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, whole], strict=True)]


@st.composite
def deductions(draw: st.DrawFn, total: int) -> int:
    """A fee or freight: mostly a small part of the order, now and then the whole of it."""
    return total if draw(st.integers(0, 15)) == 15 else draw(st.integers(0, total // 8))


@st.composite
def purchases(draw: st.DrawFn, *, paid: st.SearchStrategy[int] = paid_amounts) -> dict[str, Any]:
    """The part of an awaiting or paid event that says what was bought: consistent amounts and lines (PRICE-8)."""
    total = draw(paid)
    amounts: dict[str, Any] = {"paid": total}
    lines: list[dict[str, Any]] = []
    number = draw(st.integers(0, len(LINE_IDS)))
    for line_id, share in zip(LINE_IDS, parts(draw, total, number) if number else [], strict=False):
        line: dict[str, Any] = {"line_id": line_id, "paid": share}
        if draw(st.booleans()):
            line["product_id"] = draw(st.sampled_from(PRODUCTS))
        if draw(st.booleans()):
            line["category_id"] = draw(st.sampled_from(CATEGORIES))
        lines.append(line)
    if draw(st.booleans()):
        # Mostly a part of it, now and then all of it: then nothing is paid in cash.
        share = total if draw(st.integers(0, 7)) == 7 else total // 3
        cashback, first, second, _rest = parts(draw, share, 4)
        amounts["cashback"] = cashback
        amounts["subsidies"] = [
            {"name": "deal", "amount": amount, "commissionable": draw(st.booleans())}
            for amount in (first, second)
        ]
    if draw(st.booleans()):
        amounts["platform_fee"] = draw(deductions(total))
    if draw(st.booleans()):
        freight = deductions(total)
        amounts["freight"] = {
            "line": draw(st.sampled_from(["standard", "third-party"])),
            "base": draw(freight),
            "actual": draw(freight),
        }
    return {
        "ordered_at": iso(draw(order_times)),
        "currency": "USD",
        "buyer": {"ref": "buyer-1", "country": draw(st.sampled_from(["", *COUNTRIES]))},
        "amounts": amounts,
        "lines": lines,
        "attribution": {"click_ids": draw(click_ids)},
    }


@st.composite
def refunds(draw: st.DrawFn, *, paid: int) -> dict[str, Any]:
    """A refund: full, plain, in cash, by line (unknown ones too), carrying out a dispute, too large."""
    refund: dict[str, Any] = {"refund_id": draw(st.sampled_from(["r1", "r2", "r3"]))}
    if draw(st.booleans()):
        refund["dispute_id"] = draw(st.sampled_from(["d1", "d2"]))
    if draw(st.integers(0, 9)) == 0:
        return {**refund, "full": True}
    amount = draw(
        st.sampled_from([0, 1, paid // 2, max(paid - 1, 0), paid, paid + 1])
        | st.integers(0, paid + paid // 2 + 1)
    )
    refund["amount"] = min(amount, BIGGEST)
    if draw(st.integers(0, 3)) == 0:
        refund["basis"] = draw(st.sampled_from(["cash", "cash", "paid"]))
    if draw(st.booleans()):
        number = draw(st.integers(1, 3))
        shares = parts(draw, refund["amount"], number + 1)[:number]
        refund["lines"] = [
            {"line_id": draw(st.sampled_from([*LINE_IDS, "unknown"])), "amount": share} for share in shares
        ]
    return refund


moments = st.one_of(
    st.sampled_from([0, 0, 1, 5, 10, 29, 30, 31, 60, 1439, 1440, 1500]), st.integers(0, 2000)
).map(lambda minutes: NOON + timedelta(minutes=minutes))


def make_event(event_id: str, type_: str, at: datetime, **body: Any) -> Event:
    return {
        "event_id": event_id,
        "type": f"order.{type_}",
        "occurred_at": iso(at),
        "merchant": MERCHANT,
        "order_id": "A1",
        **body,
    }


@st.composite
def histories(draw: st.DrawFn, *, paid: st.SearchStrategy[int] = paid_amounts) -> list[Event]:
    """All events of one order that was announced or paid at least once, in no particular order."""
    awaiting, payments = draw(
        st.sampled_from(
            [(1, 1), (1, 1), (1, 1), (0, 1), (1, 0), (1, 0), (2, 0), (2, 1), (1, 2), (0, 2), (2, 2)]
        )
    )
    purchase = draw(purchases(paid=paid))
    total = purchase["amounts"]["paid"]
    events: list[Event] = []

    def add(type_: str, **body: Any) -> None:
        # Ids that sort in another order than they were made break ties in time.
        event_id = f"e{draw(st.integers(0, 9))}-{len(events)}"
        events.append(make_event(event_id, type_, draw(moments), **body))

    for type_ in ["awaiting_payment"] * awaiting + ["paid"] * payments:
        add(type_, **(purchase if draw(st.integers(0, 2)) else draw(purchases(paid=paid))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        add("cancelled")
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        add("completed")
    for _ in range(draw(st.integers(0, 3))):
        add("refunded", refund=draw(refunds(paid=total)))
    for dispute_id in draw(st.sampled_from([[], [], ["d1"], ["d1", "d2"], ["d1", "d1"]])):
        if draw(st.integers(0, 3)):
            add("dispute_opened", dispute={"dispute_id": dispute_id})
        for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
            compensation = draw(st.sampled_from([0, 1, total // 2, total]) | st.integers(0, total + 1))
            body = {"dispute_id": dispute_id, "compensation": min(compensation, BIGGEST)}
            add("dispute_resolved", dispute=body)
    return events
