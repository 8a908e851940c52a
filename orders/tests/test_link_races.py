"""Two at once: the tenth link, the one PID, the same wish, the sweep beside a reactivation (ONB-7, ATTR-4).

A negative control shows that its test can fail: without the lock, the same interleaving goes wrong.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError

from affiliates import pids
from affiliates.models import FreezeWarning, Pid, PidFreeze
from affiliates.pids import create_pid, freeze_quiet, reactivate
from affiliates.tests.factories import make_affiliate, make_pid
from orders import pid_clicks
from orders.links import PROBATION_LINKS, Wish, make_link, make_links
from orders.models import Link, MerchantDomain
from orders.tests.factories import NOON, make_click, make_merchant
from portal.testing.races import as_is, interleave, without
from portal.tests.factories import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PAGE = "https://shop.example/p/"
OPEN = without(" FOR UPDATE")
INSERT_LINK = 'INSERT INTO "orders_link"'
INSERT_PID = 'INSERT INTO "affiliates_pid"'


@pytest.fixture
def pid():
    MerchantDomain.objects.create(merchant=make_merchant(), host="shop.example", verified_at=NOON)
    return make_pid(make_affiliate("alice", on_probation=True))


def one_more(pid: Pid, name: str):
    return partial(make_link, pid.affiliate, Wish(target=PAGE + name, pid=pid.value), by=None, at=NOON)


@pytest.mark.parametrize(("change", "links", "waits"), [(as_is, 10, True), (OPEN, 11, False)])
def test_the_tenth_link_of_a_probation_is_made_once(pid, change, links, waits):
    wishes = [Wish(target=f"{PAGE}{n}", pid=pid.value) for n in range(PROBATION_LINKS - 1)]
    make_links(pid.affiliate, wishes, by=None, at=NOON)
    _first, second, waited = interleave(
        one_more(pid, "x"), one_more(pid, "y"), pause_before=INSERT_LINK, change=change
    )
    assert (Link.objects.count(), waited) == (links, waits)
    if waits:
        assert second.code == "link_limit_reached"


@pytest.mark.parametrize(("change", "waits"), [(as_is, True), (OPEN, False)])
def test_the_same_wish_at_once_is_one_link_and_without_the_lock_an_error(pid, change, waits):
    first, second, waited = interleave(
        one_more(pid, "x"), one_more(pid, "x"), pause_before=INSERT_LINK, change=change
    )
    assert Link.objects.count() == 1
    assert waited is waits
    if waits:
        assert (first.link, first.made, second.made) == (second.link, True, False)
    else:  # the constraint holds all the same, only unkindly
        assert isinstance(first, IntegrityError)


@pytest.mark.parametrize(("change", "count"), [(as_is, 1), (OPEN, 2)])
def test_the_one_pid_of_a_probation_is_made_once(pid, change, count):
    channel = pid.channel
    Pid.objects.all().delete()
    interleave(
        partial(create_pid, channel, placement="a", by=None, at=NOON),
        partial(create_pid, channel, placement="b", by=None, at=NOON),
        pause_before=INSERT_PID,
        change=change,
    )
    assert Pid.objects.count() == count


def quiet(pid: Pid) -> Pid:
    Pid.objects.filter(pk=pid.pk).update(active_since=NOON - timedelta(days=40))
    return pid


def test_two_sweeps_freeze_and_warn_once(pid):
    quiet(pid)
    late = make_pid(make_affiliate("bob"))
    Pid.objects.filter(pk=late.pk).update(active_since=NOON - timedelta(days=26))
    sweep = partial(pid_clicks.sweep, at=NOON)
    first, second, _waited = interleave(sweep, sweep, pause_before="INSERT INTO")
    assert [len(done.frozen) + len(done.warned) for done in (first, second)] == [2, 0]
    assert (PidFreeze.objects.count(), FreezeWarning.objects.count()) == (1, 1)


def test_a_pid_is_reactivated_once_however_often_the_button_is_pressed(pid):
    quiet(pid)
    freeze_quiet(at=NOON)
    press = partial(reactivate, pid, by=make_user(), at=NOON + timedelta(days=1))
    outcomes = interleave(press, press, pause_before='UPDATE "affiliates_pidfreeze"')[:2]
    assert outcomes[0] is None
    assert isinstance(outcomes[1], pids.NotFrozen)
    assert PidFreeze.objects.get().reactivated_at == NOON + timedelta(days=1)


def test_a_reactivation_during_a_sweep_is_not_undone_by_it(pid):
    """The sweep holds the row while it freezes; the reactivation waits, then takes it back, and stays."""
    quiet(pid)
    Pid.objects.filter(pk=pid.pk).update(frozen_at=NOON - timedelta(days=1))
    PidFreeze.objects.create(pid=pid, frozen_at=NOON - timedelta(days=1))
    other = quiet(make_pid(make_affiliate("bob")))
    make_click(make_merchant(), other, at=NOON - timedelta(days=35))
    interleave(
        partial(reactivate, pid, by=make_user(), at=NOON),
        partial(pid_clicks.sweep, at=NOON),
        pause_before='UPDATE "affiliates_pidfreeze"',
    )
    pid.refresh_from_db()
    other.refresh_from_db()
    assert (pid.frozen_at, pid.active_since) == (None, NOON)
    assert other.frozen_at == NOON
