"""Taking in events: an answer for each, and an end that doesn't depend on how they came (SPEC §10, LIFE-4…10)."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.tests.factories import make_affiliate, make_pid
from commissions import intake
from commissions.intake import take_in
from commissions.models import Commission, Hold, Mode, State, Transition
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from orders.models import Order, OrderEvent, RejectedEvent
from orders.tests.factories import NOON, iso, make_click, make_merchant, make_source

pytestmark = pytest.mark.django_db

EVENING = NOON + timedelta(hours=8)


@pytest.fixture
def shop():
    return Shop()


def statuses(results):
    return [result.status for result in results]


def nothing_taken_in():
    return not OrderEvent.objects.exists() and not Commission.objects.exists() and not Order.objects.exists()


# --- answers ---------------------------------------------------------------------------------------------------


def test_every_event_is_answered_in_the_order_sent_and_a_bad_one_spoils_no_neighbour(shop):
    bad = {**shop.paid("A2"), "currency": "XXX"}
    sent = [shop.awaiting("A1"), bad, shop.paid("A3"), "no event at all", shop.refund(order_id="A9")]
    results = take_in(shop.source, sent, at=EVENING)
    assert statuses(results) == ["applied", "rejected", "applied", "rejected", "parked"]
    assert [result.event_id for result in results] == [
        sent[0]["event_id"],
        bad["event_id"],
        sent[2]["event_id"],
        "",
        sent[4]["event_id"],
    ]
    assert results[1].error["code"] == "currency_unsupported"
    assert results[1].error["field"] == "currency"
    assert [result.commission and result.commission["state"] for result in results] == [
        "locked",
        None,
        "confirmed",
        None,
        None,
    ]
    assert not Order.objects.filter(order_id="A2").exists()
    refusals = RejectedEvent.objects.order_by("id").values_list("event_id", "code", "field")
    assert list(refusals) == [
        (bad["event_id"], "currency_unsupported", "currency"),
        ("", "wrong_type", ""),
    ]
    assert_books_balance(at=EVENING)


def test_a_foreign_merchant_answers_as_an_unknown_one(shop):
    foreign = make_merchant()
    make_source(foreign)
    answers = [
        take_in(shop.source, [{**shop.paid(), "event_id": "e", "merchant": code}], at=EVENING)[0].as_json()
        for code in (foreign.code, "M-nobody")
    ]
    assert answers[0] == answers[1]
    assert answers[0]["error"]["code"] == "unknown_merchant"
    assert nothing_taken_in()


def test_the_same_order_number_at_another_merchant_is_another_order(shop):
    other = make_merchant()
    shop.source.merchants.add(other)
    results = shop.send(shop.paid("A1"), {**shop.paid("A1"), "merchant": other.code})
    assert [result.commission is None for result in results] == [False, True]
    assert Order.objects.filter(order_id="A1").count() == 2


def test_repeats_within_a_batch_and_across_batches_change_nothing(shop):
    paid, refund = shop.paid(), shop.refund(400)
    first = shop.send(paid, paid, refund)
    assert statuses(first) == ["applied", "duplicate", "applied"]
    assert first[0].commission == first[1].commission
    again = shop.send(refund, paid)
    assert statuses(again) == ["duplicate", "duplicate"]
    assert [result.commission for result in again] == [first[2].commission, first[0].commission]
    assert OrderEvent.objects.count() == 2
    assert shop.balances() == {"affiliate.pending": 47, "merchant.committed": 47}


def test_an_id_used_for_another_body_is_a_conflict_within_a_batch_and_across(shop):
    paid = shop.paid(paid=1000)
    other = {**paid, "amounts": {"paid": 5000}}
    results = shop.send(paid, other)
    assert statuses(results) == ["applied", "rejected"]
    assert results[1].error == {
        "code": "event_id_conflict",
        "message": "This event id was used for another event.",
        "field": "event_id",
    }
    assert statuses(shop.send(other)) == ["rejected"]
    assert statuses(shop.send(paid)) == ["duplicate"]
    assert shop.commission().amount == 79


def test_the_same_content_written_in_another_order_is_a_repeat(shop):
    paid = shop.paid()
    shop.send(paid)
    assert statuses(shop.send(dict(reversed(paid.items())))) == ["duplicate"]


def test_ids_are_unique_per_source(shop):
    other = copy(shop)
    other.source = make_source(shop.merchant)
    shop.send({**shop.paid("A1"), "event_id": "e1"})
    assert statuses(other.send({**shop.paid("A2"), "event_id": "e1"})) == ["applied"]


def test_a_rejected_event_may_be_sent_again_mended_under_the_same_id(shop):
    paid = shop.paid(lines=[{"line_id": "1", "paid": 999}])
    assert statuses(shop.send(paid)) == ["rejected"]
    assert nothing_taken_in()
    mended = {**paid, "lines": [{"line_id": "1", "paid": 1000}]}
    assert statuses(shop.send(paid, mended)) == ["rejected", "applied"]
    assert shop.commission().amount == 79


def test_an_event_nested_too_deeply_is_refused_alone(shop):
    deep = 0
    for _ in range(600):
        deep = [deep]
    results = shop.send({**shop.paid("A1"), "note": deep}, shop.paid("A2"))
    assert statuses(results) == ["rejected", "applied"]
    assert RejectedEvent.objects.count() == 1


def test_a_repeat_whose_id_somebody_else_used_meanwhile_is_a_conflict(shop, monkeypatch):
    mine = shop.paid("A1")
    theirs = {**mine, "order_id": "A2"}
    opening = intake._open_orders

    def overtaken(*args, **kwargs):
        monkeypatch.setattr(intake, "_open_orders", opening)
        assert statuses(shop.send(theirs)) == ["applied"]
        return opening(*args, **kwargs)

    monkeypatch.setattr(intake, "_open_orders", overtaken)
    results = shop.send(mine, mine)
    assert [(result.status, result.error["code"]) for result in results] == [
        ("rejected", "event_id_conflict")
    ] * 2
    assert not Commission.objects.filter(order__order_id="A1").exists()


def test_a_time_with_an_odd_offset_reads_back_as_it_was_judged(shop):
    moment = "2026-11-20T09:35:15+05:30:15"
    shop.send({**shop.paid(), "occurred_at": moment}, at=EVENING)
    due = NOON + timedelta(minutes=35)
    assert shop.commission().release_due_at == due
    shop.send(shop.refund(100))
    assert shop.commission().release_due_at == due
    assert OrderEvent.objects.get(type="order.paid").occurred_at == NOON + timedelta(minutes=5)


# --- facts before their order, and facts told twice (LIFE-7) ---------------------------------------------------


def test_parked_facts_apply_when_their_order_comes(shop):
    results = shop.send(shop.refund(400), shop.dispute(), shop.event("completed"))
    assert statuses(results) == ["parked"] * 3
    assert (Commission.objects.count(), shop.balances()) == (0, {})
    (result,) = shop.send(shop.paid())
    assert (result.status, result.commission["state"], result.commission["amount"]) == ("applied", "held", 47)
    assert_books_balance(at=EVENING)


def test_parked_facts_in_one_batch_with_their_order_are_applied(shop):
    results = shop.send(shop.refund(400), shop.paid())
    assert statuses(results) == ["applied", "applied"]
    assert [result.commission["amount"] for result in results] == [47, 47]


@pytest.mark.parametrize("earliest_first", [True, False])
def test_paid_twice_is_flagged_and_the_earliest_counts(shop, earliest_first):
    payments = [
        shop.paid(paid=1000, at=NOON + timedelta(minutes=1)),
        shop.paid(paid=5000, at=NOON + timedelta(minutes=2)),
    ]
    for payment in payments if earliest_first else reversed(payments):
        shop.send(payment, at=EVENING)
    commission = shop.commission()
    assert (commission.amount, commission.paid_at) == (79, NOON + timedelta(minutes=1))
    assert commission.order.flags == ["paid_twice"]
    assert shop.balances() == {"affiliate.pending": 79, "merchant.committed": 79}


def test_over_refunding_is_flagged_not_rejected(shop):
    shop.send(shop.paid(), shop.refund(600), shop.refund(600, refund_id="r2"))
    commission = shop.commission()
    assert (commission.state, commission.order.flags) == (State.CLAWED_BACK, ["over_refunded"])
    assert shop.balances() == {}


HISTORIES = {
    "a dispute carried out by its refund": lambda shop, order: [
        shop.awaiting(order),
        shop.paid(order),
        shop.dispute(order_id=order),
        shop.resolution(400, order_id=order),
        shop.refund(300, order_id=order, dispute_id="d1"),
    ],
    "awaiting and paid twice": lambda shop, order: [
        shop.awaiting(order, paid=900),
        shop.awaiting(order, paid=1300, at=NOON + timedelta(minutes=1)),
        shop.paid(order, paid=1100, at=NOON + timedelta(minutes=4)),
        shop.paid(order, paid=1200, at=NOON + timedelta(minutes=3)),
        shop.refund(250, order_id=order),
    ],
    "cancelled after payment": lambda shop, order: [
        shop.awaiting(order),
        shop.paid(order),
        shop.event("cancelled", order),
        shop.refund(100, order_id=order),
        shop.event("completed", order),
    ],
    "never paid": lambda shop, order: [
        shop.awaiting(order),
        shop.event("cancelled", order),
        shop.refund(100, order_id=order),
        shop.dispute(order_id=order),
        shop.event("completed", order),
    ],
    "below the minimum, then refunded": lambda shop, order: [
        shop.awaiting(order),
        shop.paid(order, paid=100),
        shop.refund(10, order_id=order),
        shop.dispute(order_id=order),
        shop.resolution(20, order_id=order),
    ],
    "refunds by line and in cash": lambda shop, order: [
        shop.paid(
            order,
            amounts={"cashback": 200},
            lines=[{"line_id": "1", "paid": 600}, {"line_id": "2", "paid": 400}],
        ),
        shop.refund(500, order_id=order, lines=[{"line_id": "1", "amount": 500}]),
        shop.refund(150, order_id=order, refund_id="r2", basis="cash"),
        shop.refund(90, order_id=order, refund_id="r2", basis="cash", at=NOON + timedelta(hours=3)),
        shop.event("completed", order),
    ],
    "one dispute still open": lambda shop, order: [
        shop.paid(order),
        shop.dispute("d1", order_id=order),
        shop.dispute("d2", order_id=order),
        shop.resolution(100, "d1", order_id=order),
        shop.refund(200, order_id=order),
    ],
}
MODES = {"pre_payment": EVENING, "traditional": NOON + timedelta(days=12)}


def positions(commissions: list[int]) -> dict[int, dict[str, int]]:
    """What each commission's transfers leave on which kind of account."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT source_id, a.kind, sum(CASE WHEN a.id = t.credit_account_id THEN amount ELSE -amount END)
              FROM commissions_transfer t
              JOIN commissions_account a ON a.id IN (t.debit_account_id, t.credit_account_id)
             WHERE source_kind = 'commission' AND source_id = ANY(%s)
             GROUP BY 1, 2""",
            [commissions],
        )
        found: dict[int, dict[str, int]] = {pk: {} for pk in commissions}
        for pk, kind, amount in cursor.fetchall():
            if amount:
                found[pk][kind] = int(amount)
    return found


@pytest.mark.parametrize("sweeping", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("history", HISTORIES)
def test_every_order_of_arrival_ends_the_same(history, mode, sweeping):
    """All 120 at once, each an order of its own: the n-th batch brings everybody's n-th event."""
    # Released before or after the dispute came in, it is held of what is available or of what is pending.
    both = sweeping and (history, mode) == ("one dispute still open", "pre_payment")
    shop, at = Shop(mode=mode), MODES[mode]
    arrivals = [
        list(arrangement)
        for number, arrangement in enumerate(permutations(range(5)))
        for arrangement in [[HISTORIES[history](shop, f"A{number}")[place] for place in arrangement]]
    ]
    for step in zip(*arrivals, strict=True):
        results = take_in(shop.source, step, at=at)
        assert set(statuses(results)) <= {"applied", "parked"}
        if sweeping:
            shop.sweep(at=at)
    shop.sweep(at=at)

    def ends():
        commissions = {c.pk: c for c in Commission.objects.select_related("order")}
        books = positions(list(commissions))
        return [
            (
                (c.state, c.reason, c.amount, c.sheet, c.paid_at, c.release_due_at),
                (c.order.flags, c.order.paid_amount, c.order.paid_at, c.order.ordered_at),
                books[pk],
            )
            for pk, c in commissions.items()
        ]

    reached = ends()
    assert len(reached) == 120
    assert all(end[:2] == reached[0][:2] for end in reached)
    assert len({tuple(sorted(end[2].items())) for end in reached}) == (2 if both else 1)
    assert_books_balance(at=at)

    # And everything again, which changes nothing.
    again = [event for arrival in arrivals for event in reversed(arrival)]
    assert set(statuses(take_in(shop.source, again, at=at))) == {"duplicate"}
    shop.sweep(at=at)
    assert ends() == reached


# --- attribution (LIFE-8, ATTR-7) ------------------------------------------------------------------------------


@pytest.fixture
def rivals(shop):
    """The shop as seen from two other affiliates, whose clicks are newer and newest."""
    views = []
    for minutes in (30, 20):
        view = copy(shop)
        view.pid = make_pid()
        view.affiliate = view.pid.affiliate
        view.click = make_click(shop.merchant, view.pid, at=NOON - timedelta(minutes=minutes))
        views.append(view)
    return views


def test_better_evidence_moves_the_order_and_the_books_follow(shop, rivals):
    rival, _ = rivals
    shop.send(shop.awaiting())
    assert shop.balances() == {"affiliate.pending": 79, "merchant.committed": 79}
    (result,) = shop.send(shop.paid(clicks=(shop.click, rival.click)))
    assert result.commission["id"] == str(rival.commission().public_id)
    lost = shop.commission()
    assert (lost.state, lost.amount, lost.reason) == (State.VOID, 0, "evidence_conflict")
    assert shop.balances() == {"merchant.committed": 79}
    assert rival.balances() == {"affiliate.pending": 79, "merchant.committed": 79}
    assert_books_balance(at=NOON + timedelta(minutes=40))


def test_an_order_moves_while_held_too(shop, rivals):
    rival, _ = rivals
    shop.send(shop.paid(), shop.dispute())
    assert shop.balances() == {"affiliate.held": 79, "merchant.committed": 79}
    shop.send(shop.awaiting(clicks=(rival.click,)))
    assert shop.commission().state == State.VOID
    assert rival.commission().state == State.HELD
    assert rival.balances() == {"affiliate.held": 79, "merchant.committed": 79}
    assert_books_balance(at=EVENING)


def test_after_release_the_attribution_is_frozen(shop, rivals):
    shop.send(shop.paid())
    shop.sweep()
    for number, rival in enumerate(rivals):
        (result,) = shop.send(shop.awaiting(clicks=(rival.click,), at=NOON + timedelta(hours=number + 1)))
        assert result.commission["id"] == str(shop.commission().public_id)
    assert list(Commission.objects.all()) == [shop.commission()]
    assert shop.commission().order.click == shop.click
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    # A clawback and a hold don't thaw it.
    shop.send(shop.dispute(), shop.awaiting(clicks=(rivals[0].click,), at=NOON + timedelta(hours=5)))
    assert shop.commission().state == State.HELD
    assert Commission.objects.count() == 1


def test_an_order_without_a_valid_click_earns_nothing_until_one_comes(shop):
    (result,) = shop.send(shop.paid(clicks=()))
    assert (result.status, result.commission) == ("applied", None)
    assert Order.objects.get().attribution_code == "click_not_found"
    shop.send(shop.awaiting())
    assert shop.commission().state == State.CONFIRMED
    assert Order.objects.get().attribution_code == ""


# --- probation (ONB-7) -----------------------------------------------------------------------------------------


@pytest.fixture
def novice():
    return Shop(pid=make_pid(make_affiliate(on_probation=True)))


def unlocked_at(shop):
    shop.affiliate.refresh_from_db()
    return shop.affiliate.unlocked_at


def test_the_first_paid_order_ends_the_probation_and_a_later_one_changes_nothing(novice):
    novice.send(novice.awaiting("A1"), at=NOON)
    assert unlocked_at(novice) is None
    novice.send(novice.paid("A1"), at=EVENING)
    assert unlocked_at(novice) == EVENING
    novice.send(novice.paid("A2"), at=EVENING + timedelta(hours=1))
    novice.send(novice.refund(), at=EVENING + timedelta(hours=2))
    assert unlocked_at(novice) == EVENING


@pytest.mark.parametrize("paid", [100, 0])
def test_an_order_that_earns_nothing_ends_the_probation(novice, paid):
    novice.send(novice.paid(paid=paid), at=EVENING)
    assert novice.commission().state == State.VOID
    assert unlocked_at(novice) == EVENING


def test_an_order_that_is_refunded_in_the_same_batch_ends_the_probation(novice):
    novice.send(novice.refund(), novice.paid(), at=EVENING)
    assert novice.commission().state == State.CLAWED_BACK
    assert unlocked_at(novice) == EVENING


def test_what_was_not_paid_or_not_promoted_ends_no_probation(novice):
    novice.send(novice.awaiting("A1"), novice.event("cancelled", "A1"), at=EVENING)
    novice.send(novice.refund(order_id="A2"), novice.paid("A3", clicks=()), at=EVENING)
    novice.sweep(at=NOON + timedelta(days=2))
    assert unlocked_at(novice) is None


@pytest.mark.parametrize("more", ["dispute", "refund", "nothing"])
def test_a_self_purchase_ends_no_probation_whatever_else_is_told_of_it(novice, more):
    novice.send(novice.awaiting())
    Hold.objects.create(
        commission=novice.commission(), reason=Hold.Reason.SELF_PURCHASE, placed_at=NOON, note="same device"
    )
    facts = {"dispute": [novice.dispute()], "refund": [novice.refund()], "nothing": []}[more]
    novice.send(*facts, novice.paid(), at=EVENING)
    assert unlocked_at(novice) is None


# --- expiry, cancellation, the traditional mode (LIFE-4, LIFE-10) ----------------------------------------------


def test_an_order_expires_to_the_second_and_a_payment_revives_it(shop):
    shop.send(shop.awaiting())
    shop.sweep(at=NOON + timedelta(hours=24) - timedelta(microseconds=1))
    assert shop.commission().state == State.LOCKED
    shop.sweep(at=NOON + timedelta(hours=24))
    assert (shop.commission().state, shop.commission().reason) == (State.VOID, "unpaid_expired")
    assert shop.balances() == {}
    late = NOON + timedelta(hours=30)
    shop.send(shop.paid(at=late))
    shop.sweep(at=late + timedelta(minutes=30))
    assert shop.commission().state == State.RELEASED
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert_books_balance(at=late + timedelta(minutes=30))


def test_awaiting_again_gives_another_day(shop):
    shop.send(shop.awaiting())
    shop.send(shop.awaiting(at=NOON + timedelta(hours=20), paid=2000))
    assert shop.commission().amount == 158
    shop.sweep(at=NOON + timedelta(hours=43))
    assert shop.commission().state == State.LOCKED
    shop.sweep(at=NOON + timedelta(hours=44))
    assert shop.commission().reason == "unpaid_expired"


def test_an_awaiting_event_that_comes_after_its_day_locks_nothing(shop):
    (result,) = shop.send(shop.awaiting(), at=NOON + timedelta(hours=25))
    assert (result.commission["state"], result.commission["reason"]) == ("void", "unpaid_expired")
    assert shop.balances() == {}


def test_a_cancellation_before_payment_voids_and_one_after_it_is_a_full_refund(shop):
    shop.send(shop.awaiting("A1"), shop.event("cancelled", "A1"))
    assert (shop.commission("A1").state, shop.commission("A1").reason) == (State.VOID, "order_cancelled")
    shop.send(shop.paid("A2"))
    shop.sweep()
    shop.send(shop.event("cancelled", "A2"))
    assert (shop.commission("A2").state, shop.commission("A2").reason) == (
        State.CLAWED_BACK,
        "order_cancelled",
    )
    assert shop.balances() == {}
    assert_books_balance(at=EVENING)


def test_in_the_traditional_mode_a_commission_waits_for_payment_then_for_days_after_completion():
    shop = Shop(mode=Mode.TRADITIONAL, completion_days=7)
    shop.send(shop.awaiting())
    assert (shop.commission().state, shop.commission().amount) == (State.AWAITING_PAYMENT, 0)
    assert (shop.balances(), Transition.objects.count()) == ({}, 0)
    shop.send(shop.paid())
    assert (shop.commission().state, shop.commission().release_due_at) == (State.CONFIRMED, None)
    shop.sweep(at=NOON + timedelta(days=59))
    assert shop.commission().state == State.CONFIRMED
    completed = NOON + timedelta(days=3)
    shop.send(shop.event("completed", at=completed))
    assert shop.commission().release_due_at == completed + timedelta(days=7)
    shop.sweep(at=completed + timedelta(days=7) - timedelta(seconds=1))
    assert shop.commission().state == State.CONFIRMED
    shop.sweep(at=completed + timedelta(days=7))
    assert shop.commission().state == State.RELEASED
    assert shop.balances() == {"affiliate.available": 79, "merchant.receivable": 79}
    assert_books_balance(at=completed + timedelta(days=7))


def test_an_unpaid_order_expires_in_the_traditional_mode_too():
    shop = Shop(mode=Mode.TRADITIONAL)
    shop.send(shop.awaiting())
    shop.sweep(at=NOON + timedelta(hours=24))
    assert (shop.commission().state, shop.commission().reason) == (State.VOID, "unpaid_expired")
    shop.send(shop.paid(at=NOON + timedelta(hours=25)))
    assert shop.commission().state == State.CONFIRMED


# --- cost ------------------------------------------------------------------------------------------------------


def queries_of(shop, name: str, number: int) -> int:
    events = [shop.awaiting(f"{name}{n}") for n in range(number)]
    with CaptureQueriesContext(
        connection,
    ) as first:
        shop.send(*events)
    changes = [
        shop.paid(f"{name}{n}") if n % 2 else shop.refund(100, order_id=f"{name}{n}") for n in range(number)
    ]
    with CaptureQueriesContext(connection) as second:
        shop.send(*changes, *events[:1], {**events[0], "extra": 1}, "rubbish", at=EVENING)
    return len(first) + len(second)


def test_a_batch_of_50_costs_as_many_queries_as_one_of_2(shop):
    queries_of(shop, "warm", 2)
    assert queries_of(shop, "few", 2) == queries_of(shop, "many", 50)


def test_a_refused_batch_stores_nothing_but_its_refusals(shop):
    sent = [{**shop.paid(f"A{n}"), "ordered_at": iso(NOON + timedelta(days=1))} for n in range(3)]
    results = shop.send(*sent)
    assert {result.error["code"] for result in results} == {"in_the_future"}
    assert nothing_taken_in()
    assert RejectedEvent.objects.count() == 3
    assert shop.balances() == {}
