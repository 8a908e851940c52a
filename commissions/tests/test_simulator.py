"""The simulator against the real server: shuffled, repeated, retried; and a report that can't be fooled."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from commissions.demo import SOURCE_CODE
from commissions.marketplace import BRISK, PLOTS, tell
from commissions.models import Commission
from commissions.release import sweep
from commissions.simulation_report import compare
from commissions.simulator import Client, Plan, RunRefused, Simulation, Tally
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import make_pid, make_terms
from orders.facts import AWAITING, DISPUTE_RESOLVED, PAID, read_event
from orders.models import Merchant, OrderEvent
from orders.tests.factories import SECRET, make_merchant, make_source

FALSIFY = "UPDATE commissions_commission SET amount = amount + 1 WHERE id = %s"


@pytest.fixture
def merchants(settings) -> list[Merchant]:
    settings.DEMO = True
    merchants = [make_merchant("SIM1"), make_merchant("SIM2")]
    make_terms(merchants[0], rate_bps=790, threshold=3000)
    make_terms(merchants[1], rate_bps=1000, mode="traditional")
    make_pid()
    make_pid()
    make_source(*merchants, code=SOURCE_CODE)
    return merchants


def play(live_server, merchants, **plan) -> tuple[Simulation, Tally]:
    plan = {"orders": 60, "batch": 20, "clients": 2, "seed": 7, **plan}
    simulation = Simulation(
        Plan(base_url=live_server.url, source=SOURCE_CODE, secret=SECRET, **plan), merchants
    )
    return simulation, simulation.run()


def report_of(simulation: Simulation, tally: Tally):
    return compare(tally, source=SOURCE_CODE, seconds=simulation.seconds)


@pytest.mark.django_db(transaction=True)
def test_shuffled_and_repeated_events_end_in_books_that_match_the_answers(live_server, merchants):
    simulation, tally = play(live_server, merchants, orders=150)
    sweep(at=datetime.now(UTC))
    report = report_of(simulation, tally)
    assert report.differences == []
    assert tally.placed == len(tally.orders) == 150
    assert tally.statuses["applied"] + tally.statuses["parked"] == OrderEvent.objects.count()
    assert report.stored_events == len(tally.event_ids) == OrderEvent.objects.count()
    assert min(tally.statuses[status] for status in ("applied", "parked", "duplicate", "rejected")) > 0
    assert report.answered_amount == report.ledger_amount > 0
    assert report.states["released"] > 0
    assert report.moved_on["confirmed → released"] > 0
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_falsified_row_makes_the_report_fail(live_server, merchants):
    simulation, tally = play(live_server, merchants, orders=30)
    assert report_of(simulation, tally).differences == []
    victim = Commission.objects.filter(state="confirmed").latest("pk")
    with connection.cursor() as cursor:
        cursor.execute(FALSIFY, [victim.pk])
    differences = "\n".join(report_of(simulation, tally).differences)
    number = victim.order.order_id
    assert (
        f"order {number} at {victim.merchant.code}: answered {victim.amount} cents, but is {victim.amount + 1}"
        in (differences)
    )
    assert f"carries {victim.amount + 1} cents, its transfers make {victim.amount}" in differences


@pytest.mark.django_db(transaction=True)
def test_a_state_that_no_timer_leads_to_is_a_difference(live_server, merchants):
    simulation, tally = play(live_server, merchants, orders=30)
    victim = Commission.objects.filter(state="confirmed").latest("pk")
    Commission.objects.filter(pk=victim.pk).update(state="locked")
    assert f"order {victim.order.order_id} at {victim.merchant.code}: answered confirmed, but is locked" in (
        report_of(simulation, tally).differences
    )


@pytest.mark.django_db(transaction=True)
def test_an_answer_lost_on_the_way_is_asked_for_again_and_counts_once(live_server, merchants, monkeypatch):
    """The server takes the batch in, the connection breaks before the answer: the same events go out again."""
    real, lock, lost = Client._request, threading.Lock(), []

    def flaky(self, body):
        answer = real(self, body)
        with lock:
            if len(lost) < 5 and len(lost) <= self.tally.requests:
                lost.append(body)
                raise ConnectionResetError("cut")
        return answer

    monkeypatch.setattr(Client, "_request", flaky)
    simulation, tally = play(live_server, merchants, orders=60)
    assert len(lost) == 5
    assert tally.retries == 5
    report = report_of(simulation, tally)
    assert report.differences == []
    assert report.stored_events == OrderEvent.objects.count()
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_limited_rate_is_waited_out(live_server, merchants, settings):
    settings.ORDER_EVENTS_RATE = "3/s"
    simulation, tally = play(live_server, merchants, orders=30, batch=10, clients=1)
    assert tally.retries > 0
    assert report_of(simulation, tally).differences == []


@pytest.mark.django_db(transaction=True)
def test_a_wrong_secret_ends_the_run_with_the_reason(live_server, merchants):
    plan = Plan(base_url=live_server.url, source=SOURCE_CODE, secret="whsec_d3JvbmctZm9yLXN1cmU=", orders=5)
    with pytest.raises(RunRefused, match="401"):
        Simulation(plan, merchants).run()
    assert not OrderEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_reports_and_fails_on_a_difference(live_server, merchants, monkeypatch):
    out = StringIO()
    arguments = {"base_url": live_server.url, "orders": 20, "fast": True, "settle": 0.0}
    call_command("simulate_orders", stdout=out, stderr=StringIO(), **arguments)
    assert "The answers match the books." in out.getvalue()
    Commission.objects.filter(pk=Commission.objects.filter(state="confirmed").latest("pk").pk).update(
        amount=0
    )
    with pytest.raises(CommandError, match="differences"):
        call_command("simulate_orders", stdout=StringIO(), stderr=StringIO(), **arguments)


@pytest.mark.django_db(transaction=True)
def test_a_gentle_run_stops_when_told(live_server, merchants):
    simulation = Simulation(
        Plan(live_server.url, SOURCE_CODE, SECRET, rate=20, gentle=True, batch=10, clients=1), merchants
    )
    threading.Timer(5, simulation.stop).start()
    tally = simulation.run()
    assert tally.placed > 20
    assert simulation.seconds < 8
    assert report_of(simulation, tally).differences == []


@pytest.mark.django_db
def test_outside_demo_mode_nothing_is_simulated(settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO"):
        call_command("simulate_orders", stdout=StringIO(), stderr=StringIO())


def test_every_story_reads_well_and_occurs_in_order():
    now = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    plots = set()
    for number in range(400):
        story = tell(Random(number), merchant="M1", order_id=str(number), click_ids=["c"], pace=BRISK)
        plots.add(story.plot)
        times = [step.after for step in story.steps]
        assert times == sorted(times)
        assert story.steps[0].type == AWAITING
        for step in story.steps:
            event = read_event(story.event(step, ordered_at=now, event_id="e"), at=now + timedelta(days=3))
            assert event.merchant == "M1"
    assert plots == set(PLOTS)


def test_the_same_seed_tells_the_same_story():
    def told(seed: int):
        return tell(Random(seed), merchant="M1", order_id="1", click_ids=[], pace=BRISK)

    assert told(5) == told(5)
    assert told(5) != told(6)
    kinds = {step.type for seed in range(60) for step in told(seed).steps}
    assert {AWAITING, PAID, DISPUTE_RESOLVED} <= kinds
