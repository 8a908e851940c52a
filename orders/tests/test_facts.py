"""The boundary: what machines send is read into facts or refused by the name of the field (SPEC §10)."""

from __future__ import annotations

import copy
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.facts import (
    MAX_CLICK_IDS,
    MAX_LINES,
    MAX_SUBSIDIES,
    PRICING,
    TYPES,
    IncomingEvent,
    KnownEvent,
    Refused,
    body_hash,
    read_event,
    read_order,
)
from orders.tests.factories import NOON, iso

TEN_TO_12 = 10**12
LONG = "x" * 101


def awaiting() -> dict[str, Any]:
    """SPEC §10's example."""
    return {
        "event_id": "evt_01",
        "type": "order.awaiting_payment",
        "occurred_at": iso(NOON),
        "merchant": "M1001",
        "order_id": "8211114279848963",
        "ordered_at": iso(NOON),
        "currency": "USD",
        "attribution": {"click_ids": ["c1", "c2"]},
        "buyer": {"ref": "opaque", "country": "RU"},
        "amounts": {
            "paid": 3500,
            "platform_fee": 250,
            "cashback": 100,
            "freight": {"line": "third_party", "base": 300, "actual": 420},
            "subsidies": [{"name": "Super Deals", "amount": 200, "commissionable": False}],
        },
        "lines": [
            {"line_id": "1", "product_id": "p9", "category_id": "phone-accessories", "paid": 3000},
            {"line_id": "2", "product_id": "p8", "category_id": "phone-accessories", "paid": 500},
        ],
    }


def base(type_: str, **body: Any) -> dict[str, Any]:
    return {
        "event_id": "evt_02",
        "type": type_,
        "occurred_at": iso(NOON),
        "merchant": "M1001",
        "order_id": "8211114279848963",
        **body,
    }


def refunded() -> dict[str, Any]:
    body = {
        "refund_id": "r1",
        "amount": 500,
        "basis": "paid",
        "dispute_id": "d1",
        "lines": [{"line_id": "1", "amount": 400}],
    }
    return base("order.refunded", refund=body)


def resolved() -> dict[str, Any]:
    return base("order.dispute_resolved", dispute={"dispute_id": "d1", "compensation": 100})


EVENTS = {"awaiting": awaiting, "refunded": refunded, "resolved": resolved}


def put(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`raw` with `value` at `path`, e.g. "lines.0.paid"; `...` takes the field away."""
    raw = copy.deepcopy(raw)
    *way, last = path.split(".")
    place: Any = raw
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    key: Any = int(last) if last.isdigit() else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return raw


def named(path: str) -> str:
    """The path as the answer names it: `lines.0.paid` is `lines[0].paid`."""
    parts = [f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".")]
    return "".join(parts).lstrip(".")


def refusal(raw: Any, *, at: datetime = NOON) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        read_event(raw, at=at)
    assert caught.value.message
    return caught.value.code, caught.value.field


TEXTS = [
    ("awaiting", "event_id"),
    ("awaiting", "type"),
    ("awaiting", "occurred_at"),
    ("awaiting", "merchant"),
    ("awaiting", "order_id"),
    ("awaiting", "ordered_at"),
    ("awaiting", "currency"),
    ("awaiting", "lines.0.line_id"),
    ("refunded", "refund.refund_id"),
    ("refunded", "refund.lines.0.line_id"),
    ("resolved", "dispute.dispute_id"),
]
OPTIONAL_TEXTS = [
    ("awaiting", "amounts.subsidies.0.name"),
    ("awaiting", "amounts.freight.line"),
    ("awaiting", "lines.0.product_id"),
    ("awaiting", "lines.0.category_id"),
    ("awaiting", "buyer.country"),
    ("awaiting", "buyer.ref"),
    ("refunded", "refund.basis"),
    ("refunded", "refund.dispute_id"),
]
AMOUNTS = [
    ("awaiting", "amounts.paid"),
    ("awaiting", "amounts.subsidies.0.amount"),
    ("awaiting", "amounts.freight.actual"),
    ("awaiting", "lines.0.paid"),
    ("refunded", "refund.amount"),
    ("refunded", "refund.lines.0.amount"),
    ("resolved", "dispute.compensation"),
]
OPTIONAL_AMOUNTS = [
    ("awaiting", "amounts.platform_fee"),
    ("awaiting", "amounts.cashback"),
    ("awaiting", "amounts.freight.base"),
]
OBJECTS = [("awaiting", "amounts"), ("refunded", "refund"), ("resolved", "dispute")]
OPTIONAL_OBJECTS = [
    ("awaiting", "amounts.freight"),
    ("awaiting", "buyer"),
    ("awaiting", "attribution"),
]
ARRAYS = [
    ("awaiting", "amounts.subsidies"),
    ("awaiting", "lines"),
    ("awaiting", "attribution.click_ids"),
    ("refunded", "refund.lines"),
]
ENTRIES = [
    ("awaiting", "amounts.subsidies.0"),
    ("awaiting", "lines.1"),
    ("refunded", "refund.lines.0"),
]
BOOLEANS = [("awaiting", "amounts.subsidies.0.commissionable"), ("refunded", "refund.full")]


def test_a_good_event_reads_into_its_allow_listed_facts():
    event = read_event(awaiting(), at=NOON)
    assert event[:5] == ("evt_01", "order.awaiting_payment", NOON, "M1001", "8211114279848963")
    assert event.facts["amounts"] == {
        "paid": 3500,
        "platform_fee": 250,
        "cashback": 100,
        "freight": {"line": "third_party", "base": 300, "actual": 420},
        "subsidies": [{"name": "Super Deals", "amount": 200, "commissionable": False}],
    }
    assert [line["paid"] for line in event.facts["lines"]] == [3000, 500]
    assert event.facts["click_ids"] == ["c1", "c2"]
    assert event.facts["buyer"] != "opaque"
    assert len(event.facts["buyer"]) == 64


@pytest.mark.parametrize("raw", [None, True, 1, 1.5, "x", [], [awaiting()]])
def test_an_event_that_is_no_object_is_refused(raw):
    assert refusal(raw) == ("wrong_type", "")


@pytest.mark.parametrize(("which", "path"), TEXTS + OPTIONAL_TEXTS)
@pytest.mark.parametrize("value", [True, 0, 7, 1.5, [], ["x"], {}])
def test_where_text_is_expected_nothing_else_passes(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("wrong_type", named(path))


@pytest.mark.parametrize(("which", "path"), TEXTS)
@pytest.mark.parametrize("value", [None, ..., "", "   "])
def test_text_that_is_required_must_be_there(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("required", named(path))


@pytest.mark.parametrize(("which", "path"), [case for case in OPTIONAL_TEXTS if case[1] != "refund.basis"])
@pytest.mark.parametrize("value", [None, ..., "", "   "])
def test_text_that_is_not_required_may_be_missing_or_empty(which, path, value):
    assert isinstance(read_event(put(EVENTS[which](), path, value), at=NOON), IncomingEvent)


@pytest.mark.parametrize(("which", "path"), TEXTS + OPTIONAL_TEXTS)
def test_text_that_is_too_long_is_refused(which, path):
    assert refusal(put(EVENTS[which](), path, "x" * 201)) == ("too_long", named(path))


@pytest.mark.parametrize("path", ["event_id", "merchant", "order_id"])
def test_a_hundred_characters_are_the_limit(path):
    assert isinstance(read_event(put(awaiting(), path, "x" * 100), at=NOON), IncomingEvent)
    assert refusal(put(awaiting(), path, LONG)) == ("too_long", path)


@pytest.mark.parametrize(("which", "path"), TEXTS + OPTIONAL_TEXTS)
@pytest.mark.parametrize("evil", ["\x00", "\n", "\x7f", "\u202e", "\ud800"])
def test_control_characters_are_refused(which, path, evil):
    assert refusal(put(EVENTS[which](), path, f"{evil}a")) == ("invalid", named(path))


@pytest.mark.parametrize(("which", "path"), AMOUNTS + OPTIONAL_AMOUNTS)
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, "wrong_type"),
        (False, "wrong_type"),
        (1.0, "wrong_type"),
        (1e300, "wrong_type"),
        (float("nan"), "wrong_type"),
        ("1", "wrong_type"),
        ([], "wrong_type"),
        ({}, "wrong_type"),
        (-1, "negative"),
        (-(10**30), "negative"),
        (TEN_TO_12 + 1, "too_large"),
        (10**30, "too_large"),
    ],
)
def test_an_amount_is_a_whole_number_from_0_to_10_to_the_12(which, path, value, code):
    assert refusal(put(EVENTS[which](), path, value)) == (code, named(path))


@pytest.mark.parametrize(("which", "path"), AMOUNTS)
@pytest.mark.parametrize("value", [None, ...])
def test_an_amount_that_is_required_must_be_there(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("required", named(path))


@pytest.mark.parametrize(("which", "path"), OPTIONAL_AMOUNTS)
@pytest.mark.parametrize("value", [None, ...])
def test_an_amount_that_is_not_required_is_0(which, path, value):
    facts = read_event(put(EVENTS[which](), path, value), at=NOON).facts
    for step in path.split("."):
        facts = facts[step]
    assert facts == 0


def test_the_largest_amount_is_taken():
    raw = put(put(awaiting(), "amounts.paid", TEN_TO_12), "lines", None)
    assert read_event(raw, at=NOON).facts["amounts"]["paid"] == TEN_TO_12


@pytest.mark.parametrize(("which", "path"), OBJECTS + OPTIONAL_OBJECTS)
@pytest.mark.parametrize("value", [True, 1, 1.5, "x", []])
def test_where_an_object_is_expected_nothing_else_passes(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("wrong_type", named(path))


@pytest.mark.parametrize(("which", "path"), OBJECTS)
@pytest.mark.parametrize("value", [None, ...])
def test_an_object_that_is_required_must_be_there(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("required", named(path))


@pytest.mark.parametrize(("which", "path"), OPTIONAL_OBJECTS)
@pytest.mark.parametrize("value", [None, ...])
def test_an_object_that_is_not_required_may_be_missing(which, path, value):
    assert isinstance(read_event(put(EVENTS[which](), path, value), at=NOON), IncomingEvent)


@pytest.mark.parametrize(("which", "path"), ARRAYS)
@pytest.mark.parametrize("value", [True, 1, 1.5, "x", {}])
def test_where_an_array_is_expected_nothing_else_passes(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("wrong_type", named(path))


@pytest.mark.parametrize(("which", "path"), ARRAYS)
@pytest.mark.parametrize("value", [None, ..., []])
def test_an_array_may_be_missing_or_empty(which, path, value):
    assert isinstance(read_event(put(EVENTS[which](), path, value), at=NOON), IncomingEvent)


@pytest.mark.parametrize(("which", "path"), ENTRIES)
@pytest.mark.parametrize("value", [None, True, 1, "x", []])
def test_an_entry_that_is_no_object_is_refused(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("wrong_type", named(path))


@pytest.mark.parametrize(("which", "path"), BOOLEANS)
@pytest.mark.parametrize("value", [None, 0, 1, "true", [], {}])
def test_where_true_or_false_is_expected_nothing_else_passes(which, path, value):
    assert refusal(put(EVENTS[which](), path, value)) == ("wrong_type", named(path))


def test_arrays_have_a_longest_length():
    line = {"line_id": "x", "paid": 0}
    lines = [{**line, "line_id": str(number)} for number in range(MAX_LINES)]
    lines[0]["paid"] = 3500
    assert len(read_event(put(awaiting(), "lines", lines), at=NOON).facts["lines"]) == MAX_LINES
    assert refusal(put(awaiting(), "lines", [*lines, line])) == ("too_long", "lines")
    subsidy = {"amount": 0}
    assert refusal(put(awaiting(), "amounts.subsidies", [subsidy] * (MAX_SUBSIDIES + 1))) == (
        "too_long",
        "amounts.subsidies",
    )


def test_a_long_list_of_click_ids_is_cut_and_unfit_ones_are_left_out():
    given_ids = ["c1", "", "c\x00", LONG, "c2", "c3"]
    facts = read_event(put(awaiting(), "attribution.click_ids", given_ids), at=NOON).facts
    assert facts["click_ids"] == ["c1", "c2"]
    assert len(given_ids[:MAX_CLICK_IDS]) == 5
    assert refusal(put(awaiting(), "attribution.click_ids.1", 7)) == (
        "wrong_type",
        "attribution.click_ids[1]",
    )


@pytest.mark.parametrize("path", ["occurred_at", "ordered_at"])
@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T08:00:03",
        "2026-11-20",
        "yesterday",
        "1763625603",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1999-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "2026-11-20T08:00:03+99:00",
    ],
)
def test_bad_times_are_refused(path, value):
    assert refusal(put(awaiting(), path, value)) == ("invalid", path)


@pytest.mark.parametrize("path", ["occurred_at", "ordered_at"])
def test_five_minutes_ahead_is_the_limit(path):
    limit = NOON + timedelta(minutes=5)
    assert isinstance(read_event(put(awaiting(), path, iso(limit)), at=NOON), IncomingEvent)
    ahead = limit + timedelta(microseconds=1)
    assert refusal(put(awaiting(), path, iso(ahead))) == ("in_the_future", path)


def test_an_instant_reads_the_same_in_whatever_zone_it_is_written():
    same = ["2026-11-20T04:00:03Z", "2026-11-20T12:00:03+08:00", "2026-11-20T09:30:18+05:30:15"]
    read = [read_event(put(put(awaiting(), "occurred_at", t), "ordered_at", t), at=NOON) for t in same]
    assert {event.occurred_at.isoformat() for event in read} == {"2026-11-20T04:00:03+00:00"}
    assert {event.facts["ordered_at"] for event in read} == {"2026-11-20T04:00:03+00:00"}
    assert read[2].occurred_at.tzinfo is UTC


@pytest.mark.parametrize("type_", ["order.shipped", "ORDER.PAID", "paid", "order.paid "])
def test_an_unknown_type_is_refused(type_):
    assert refusal(put(awaiting(), "type", type_)) == ("unknown_type", "type")


def test_unknown_fields_are_ignored_and_not_kept():
    raw = awaiting()
    raw["note"] = {"anything": [1, 2.5, None]}
    raw["amounts"]["tip"] = -5
    raw["lines"][0]["colour"] = "red"
    event = read_event(raw, at=NOON)
    assert event.facts == read_event(awaiting(), at=NOON).facts
    assert event.body_hash != read_event(awaiting(), at=NOON).body_hash


@pytest.mark.parametrize("shares", [[3000, 499], [3000, 501], [0, 0]])
def test_lines_that_do_not_sum_to_what_was_paid_are_refused(shares):
    raw = awaiting()
    for line, paid in zip(raw["lines"], shares, strict=True):
        line["paid"] = paid
    assert refusal(raw) == ("inconsistent_amounts", "lines")


def test_cashback_and_subsidies_may_make_up_all_that_was_paid_and_no_more():
    whole = put(awaiting(), "amounts.cashback", 3300)
    assert isinstance(read_event(whole, at=NOON), IncomingEvent)
    assert refusal(put(awaiting(), "amounts.cashback", 3301)) == ("inconsistent_amounts", "amounts.cashback")
    more = put(awaiting(), "amounts.subsidies.0.amount", 3401)
    assert refusal(more) == ("inconsistent_amounts", "amounts.cashback")


def test_a_line_id_may_occur_once():
    assert refusal(put(awaiting(), "lines.1.line_id", "1")) == ("duplicate", "lines[1].line_id")


@pytest.mark.parametrize("currency", ["EUR", "CNY", "usd", "XXX", "US"])
def test_a_currency_without_a_rate_on_record_is_refused(currency):
    assert refusal(put(awaiting(), "currency", currency)) == ("currency_unsupported", "currency")


def test_the_actual_freight_is_asked_for_on_any_line_but_the_standard_one():
    raw = put(awaiting(), "amounts.freight", {"line": "third_party", "base": 300})
    assert refusal(raw) == ("required", "amounts.freight.actual")
    for line in ("standard", None, ""):
        raw = put(awaiting(), "amounts.freight", {"line": line, "base": 300})
        freight = read_event(raw, at=NOON).facts["amounts"]["freight"]
        assert freight == {"line": "standard", "base": 300, "actual": 0}


@pytest.mark.parametrize("country", ["R", "R1", "РФ", "ß", "ﬁ", "1", " R"])
def test_a_country_is_two_letters(country):
    assert refusal(put(awaiting(), "buyer.country", country)) == ("invalid", "buyer.country")


def test_a_country_is_kept_in_capitals():
    assert read_event(put(awaiting(), "buyer.country", "ru"), at=NOON).facts["country"] == "RU"


def test_a_refund_is_full_or_has_an_amount_that_covers_its_lines():
    assert refusal(put(refunded(), "refund.amount", 399)) == ("inconsistent_amounts", "refund.lines")
    assert read_event(put(refunded(), "refund.amount", 400), at=NOON).facts["refund"]["amount"] == 400
    full = base("order.refunded", refund={"refund_id": "r1", "full": True})
    assert read_event(full, at=NOON).facts["refund"] == {
        "refund_id": "r1",
        "amount": None,
        "full": True,
        "basis": "paid",
        "dispute_id": "",
        "lines": [],
    }


def test_a_refund_names_a_basis_that_is_known():
    assert refusal(put(refunded(), "refund.basis", "net")) == ("invalid", "refund.basis")
    assert read_event(put(refunded(), "refund.basis", "cash"), at=NOON).facts["refund"]["basis"] == "cash"


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("unfit", [deep(600), 10**30, {"text": "\ud800"}, {1: "a key that is no text"}])
def test_an_unknown_field_that_has_no_canonical_form_is_refused_not_an_error(unfit):
    assert refusal({**awaiting(), "note": unfit}) == ("invalid", "")


def test_the_hash_is_of_the_content_not_of_the_order_of_its_keys():
    assert body_hash({"a": 1, "b": [1, 2]}) == body_hash({"b": [1, 2], "a": 1})
    assert body_hash({"a": 1}) != body_hash({"a": "1"})
    assert body_hash({"a": [1, 2]}) != body_hash({"a": [2, 1]})
    assert body_hash({"a": 1}) != body_hash({"a": True})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([*TYPES, iso(NOON), "USD", "standard", "r1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def reads_or_refuses(raw: Any) -> None:
    """Anything but `Refused` passes through and fails the test."""
    with suppress(Refused):
        assert len(read_event(raw, at=NOON).body_hash) == 32


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_whatever_comes_is_read_or_refused(raw):
    reads_or_refuses(raw)


PLACES = {
    "awaiting": [path for which, path in TEXTS + AMOUNTS + ARRAYS + OPTIONAL_TEXTS if which == "awaiting"],
    "refunded": [path for which, path in TEXTS + AMOUNTS + ARRAYS + BOOLEANS if which == "refunded"],
    "resolved": [path for which, path in TEXTS + AMOUNTS if which == "resolved"],
}


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_good_event_with_anything_in_one_place_is_read_or_refused(data):
    which = data.draw(st.sampled_from(sorted(EVENTS)))
    raw = put(EVENTS[which](), data.draw(st.sampled_from(PLACES[which])), data.draw(JSON))
    if data.draw(st.booleans()):
        raw["type"] = data.draw(st.sampled_from(sorted(TYPES)))
    reads_or_refuses(raw)


# --- a set of events as one order (LIFE-5, LIFE-7) -------------------------------------------------------------


def known(type_: str, event_id: str, *, minutes: int = 0, **facts: Any) -> KnownEvent:
    if type_ in PRICING:
        facts = {"ordered_at": NOON.isoformat(), "click_ids": [], **facts}
    return KnownEvent(event_id, type_, NOON + timedelta(minutes=minutes), facts)


def the_order(*events: KnownEvent):
    """The reading of these events, which must be the same in every order and with every repeat."""
    first = read_order(events)
    for arrangement in permutations(events):
        assert read_order([*arrangement, *arrangement[:1]]).refunds == first.refunds
        assert read_order(arrangement) == first
    return first


def test_of_two_awaiting_events_the_latest_counts_and_of_two_payments_the_earliest():
    order = the_order(
        known("order.awaiting_payment", "e1", click_ids=["a"]),
        known("order.awaiting_payment", "e2", minutes=1, click_ids=["b"]),
    )
    assert (order.pricing.event_id, order.click_ids, order.paid_twice) == ("e2", ["a", "b"], False)
    order = the_order(
        known("order.awaiting_payment", "e1", minutes=9),
        known("order.paid", "e2", minutes=2),
        known("order.paid", "e3", minutes=1),
    )
    assert (order.pricing.event_id, order.paid_twice) == ("e3", True)
    assert order.paid_at == NOON + timedelta(minutes=1)


def test_ties_in_time_are_broken_by_the_event_id():
    order = the_order(known("order.paid", "e2"), known("order.paid", "e1"), known("order.paid", "e3"))
    assert order.pricing.event_id == "e1"
    order = the_order(*(known("order.awaiting_payment", name) for name in ("e2", "e3", "e1")))
    assert order.pricing.event_id == "e3"


def test_the_latest_word_on_a_dispute_counts_and_it_is_open_until_resolved():
    opened = [known("order.dispute_opened", f"o{n}", dispute={"dispute_id": f"d{n}"}) for n in (1, 2)]
    words = [
        known("order.dispute_resolved", f"e{n}", minutes=n, dispute={"dispute_id": "d1", "compensation": n})
        for n in (1, 2)
    ]
    order = the_order(*opened, *words)
    assert (order.open_disputes, order.compensations) == (["d2"], {"d1": 2})
    again = known("order.dispute_opened", "o3", minutes=9, dispute={"dispute_id": "d1"})
    assert the_order(opened[0], words[0], again).open_disputes == []


def test_a_refund_told_twice_is_one_fact():
    told = [
        known("order.refunded", f"e{n}", minutes=n, refund={"refund_id": "r1", "amount": n}) for n in (1, 2)
    ]
    other = known("order.refunded", "e3", refund={"refund_id": "r2", "amount": 7})
    assert [refund["amount"] for refund in the_order(*told, other).refunds] == [2, 7]


def test_parked_facts_alone_make_no_order():
    order = the_order(known("order.cancelled", "e1"), known("order.completed", "e2"))
    assert (order.pricing, order.ordered_at, order.cancelled) == (None, None, True)
