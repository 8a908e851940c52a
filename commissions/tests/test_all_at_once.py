"""Everything at once: intakes that overlap, sweeps, payouts and suspensions, until the books must balance.

The forced interleavings of `test_races` show what each lock is for; this looks for the pair nobody thought of.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from copy import copy
from datetime import timedelta
from itertools import count

import pytest
from django.db import transaction

from affiliates.suspension import reinstate, suspend
from affiliates.tests.factories import make_affiliate, make_pid
from commissions.intake import take_in
from commissions.ledger import JournalEntry, Posting, account_ids, lock_accounts, post
from commissions.models import Commission, Transfer, Transition
from commissions.recompute import lock_orders, recompute
from commissions.release import sweep
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop, make_terms
from orders.models import Order, OrderEvent
from orders.tests.factories import NOON, make_click, make_merchant
from portal.models import User
from portal.testing.races import Player

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

END = NOON + timedelta(hours=10)
ORDERS = 50


def network() -> list[Shop]:
    """Two merchants of one source, four affiliates on probation without accounts yet: a view for each pair."""
    first = Shop()
    merchants = [first.merchant, make_merchant()]
    make_terms(merchants[1])
    first.source.merchants.add(merchants[1])
    pids = [make_pid(make_affiliate(on_probation=True)) for _ in range(4)]
    views = []
    for merchant in merchants:
        for minutes, pid in enumerate(pids, start=1):
            view = copy(first)
            view.merchant, view.pid, view.affiliate = merchant, pid, pid.affiliate
            view.click = make_click(merchant, pid, at=NOON - timedelta(minutes=minutes))
            views.append(view)
    return views


def events_of(views: list[Shop], chance: random.Random) -> list[dict]:
    """Every order's payment, and some of whatever else may happen to it, shuffled."""
    events = []
    for number in range(ORDERS):
        shop, order = chance.choice(views), f"A{number}"
        rivals = [view for view in views if view.merchant is shop.merchant]
        events.append(shop.paid(order, at=NOON + timedelta(minutes=chance.randrange(60))))
        others: list[Callable[[], dict]] = [
            lambda s=shop, o=order: s.refund(chance.randrange(500), order_id=o, refund_id=f"r{len(events)}"),
            lambda s=shop, o=order: s.dispute(order_id=o),
            lambda s=shop, o=order: s.resolution(chance.randrange(500), order_id=o),
            lambda o=order, r=rivals: chance.choice(r).awaiting(o),
            lambda s=shop, o=order: s.event("completed", o),
            lambda s=shop, o=order: s.event("cancelled", o),
        ]
        events.extend(chance.choice(others)() for _ in range(chance.randrange(5)))
    chance.shuffle(events)
    return events


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_at_once_ends_in_books_that_balance(seed, caplog):
    chance = random.Random(seed)
    views = network()
    source, affiliates = views[0].source, [view.affiliate for view in views[:4]]
    officer = User.objects.create(email="rita@risk.example")
    events = events_of(views, chance)
    batches = [events[start : start + 9] for start in range(0, len(events), 9)]
    again = [list(reversed(batch)) for batch in chance.sample(batches, len(batches))]
    finished = threading.Event()
    payouts = count(1)

    def taking_in(mine: list[list[dict]]) -> Callable[[], None]:
        def play() -> None:
            for batch in mine:
                take_in(source, batch, at=END)

        return play

    def sweeping() -> None:
        while not finished.is_set():
            sweep(at=END)

    def paying_out() -> None:
        while not finished.is_set():
            for affiliate in affiliates:
                with transaction.atomic():
                    ids = account_ids(affiliates=[affiliate.pk])
                    available = ids["affiliate.available", affiliate.pk]
                    in_payout = ids["affiliate.in_payout", affiliate.pk]
                    debits, credits_ = lock_accounts([available])[available]
                    if credits_ > debits:
                        posting = Posting(
                            0,
                            "payout_request",
                            "payout",
                            next(payouts),
                            0,
                            available,
                            in_payout,
                            credits_ - debits,
                        )
                        post([JournalEntry("payout_request", None)], [posting], at=END)

    def suspending() -> None:
        while not finished.is_set():
            for affiliate in affiliates:
                suspend(affiliate, by=officer, at=END, reason="a look at the traffic")
                finished.wait(0.02)
                reinstate(affiliate, by=officer, at=END, reason="all is well")

    sending = [Player(taking_in(mine)) for mine in (batches[::2], batches[1::2], again)]
    around = [Player(play) for play in (sweeping, sweeping, paying_out, suspending)]
    for player in sending + around:
        player.start()
    for player in sending:
        player.join(60)
    finished.set()
    for player in around:
        player.join(60)
    assert [player.outcome for player in sending + around] == [None] * 7
    assert "crosswise" not in caplog.text
    assert OrderEvent.objects.count() == len(events)

    sweep(at=END)
    assert Transfer.objects.filter(kind="payout_request").exists()
    assert not Commission.objects.due(END).exists()
    assert_books_balance(at=END)
    # What stands is what the facts say: looking at all of them again changes nothing.
    before = (Transfer.objects.count(), Transition.objects.count())
    with transaction.atomic():
        recompute(lock_orders(Order.objects.values_list("pk", flat=True)), at=END)
    assert (Transfer.objects.count(), Transition.objects.count()) == before
