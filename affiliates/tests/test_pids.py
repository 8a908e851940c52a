"""Making, freezing and taking back PIDs (ATTR-1, ATTR-4, ONB-7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from affiliates import pids
from affiliates.models import AffiliateMember, Channel, FreezeWarning, Pid, PidFreeze
from affiliates.pids import create_pid, freeze_quiet, freezing_soon, health, reactivate, warn_quiet
from affiliates.suspension import suspend
from affiliates.tests.factories import make_affiliate, make_pid
from portal.models import AuditEntry, OutgoingMail
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
DAYS = timedelta(days=1)
SECOND = timedelta(seconds=1)


def channel_of(affiliate) -> Channel:
    return Channel.objects.create(affiliate=affiliate, code="blog", platform="website", handle="x")


def quiet_pid(since: datetime, **fields) -> Pid:
    pid = make_pid()
    Pid.objects.filter(pk=pid.pk).update(created_at=since, active_since=since, **fields)
    pid.refresh_from_db()
    return pid


# --- making ---------------------------------------------------------------------------------------------------


def test_a_pid_is_made_of_three_codes_and_counts_from_then():
    alice = make_user()
    pid = create_pid(channel_of(make_affiliate("alice")), placement="top", by=alice, at=NOW)
    assert pid.value == "mm_alice_blog_top"
    pid.refresh_from_db()
    assert (pid.created_at, pid.active_since, pid.frozen_at) == (NOW, NOW, None)
    entry = AuditEntry.objects.get(action="pid.create")
    assert (entry.by, entry.target_id, entry.data) == (alice, str(pid.pk), {"value": "mm_alice_blog_top"})


def test_probation_allows_one_pid_and_unlocking_more():
    affiliate = make_affiliate(on_probation=True)
    channel = channel_of(affiliate)
    create_pid(channel, placement="top", by=None, at=NOW)
    with pytest.raises(pids.PidLimitReached):
        create_pid(channel, placement="side", by=None, at=NOW)
    assert Pid.objects.count() == 1
    affiliate.unlocked_at = NOW
    affiliate.save()
    create_pid(channel, placement="side", by=None, at=NOW)
    assert Pid.objects.count() == 2


def test_who_is_not_approved_or_is_suspended_makes_none():
    with pytest.raises(pids.NotApproved):
        create_pid(channel_of(make_affiliate(approved_at=None)), placement="top", by=None, at=NOW)
    suspended = make_affiliate()
    suspend(suspended, by=make_user(), at=NOW, reason="looked into")
    with pytest.raises(pids.AffiliateSuspended):
        create_pid(channel_of(suspended), placement="top", by=None, at=NOW)
    assert not Pid.objects.exists()


def test_a_placement_is_taken_once():
    channel = channel_of(make_affiliate())
    create_pid(channel, placement="top", by=None, at=NOW)
    with pytest.raises(pids.PidExists) as refusal:
        create_pid(channel, placement="top", by=None, at=NOW)
    assert refusal.value.field == "placement"
    assert Pid.objects.count() == 1


# --- health ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "last", "frozen", "state", "days"),
    [
        (NOW, None, None, "active", 30),
        (NOW - 3 * DAYS, None, None, "active", 27),
        (NOW - 25 * DAYS + SECOND, None, None, "active", 6),
        (NOW - 25 * DAYS, None, None, "freezing", 5),
        (NOW - 30 * DAYS + SECOND, None, None, "freezing", 1),
        (NOW - 30 * DAYS, None, None, "freezing", 0),
        (NOW - 90 * DAYS, NOW - 2 * DAYS, None, "active", 28),
        # Reactivated after its last click: the thirty days begin anew.
        (NOW - 1 * DAYS, NOW - 40 * DAYS, None, "active", 29),
        (NOW - 40 * DAYS, None, NOW - 10 * DAYS, "frozen", 0),
    ],
)
def test_health_counts_from_the_later_of_the_last_click_and_the_last_beginning(
    since, last, frozen, state, days
):
    found = health(active_since=since, last_valid_click_at=last, frozen_at=frozen, at=NOW)
    assert (found.state, found.days_left) == (state, days)


# --- the sweep ------------------------------------------------------------------------------------------------


def test_a_pid_freezes_at_the_thirtieth_day_and_not_a_second_sooner():
    pid = quiet_pid(NOW - 30 * DAYS)
    assert freeze_quiet(at=NOW - SECOND) == []
    assert freeze_quiet(at=NOW) == [pid]
    pid.refresh_from_db()
    assert pid.frozen_at == NOW
    freeze = PidFreeze.objects.get(pid=pid)
    assert (freeze.frozen_at, freeze.reactivated_at) == (NOW, None)
    entry = AuditEntry.objects.get(action="pid.freeze")
    assert (entry.by, entry.target_id, entry.at) == (None, str(pid.pk), NOW)


def test_a_second_sweep_freezes_nothing_again():
    quiet_pid(NOW - 31 * DAYS)
    freeze_quiet(at=NOW)
    assert freeze_quiet(at=NOW + DAYS) == []
    assert PidFreeze.objects.count() == AuditEntry.objects.filter(action="pid.freeze").count() == 1


def test_a_click_that_is_known_keeps_a_pid_from_freezing():
    quiet_pid(NOW - 90 * DAYS, last_valid_click_at=NOW - 29 * DAYS)
    assert freeze_quiet(at=NOW) == []


def test_a_warning_comes_five_days_ahead_once():
    pid = quiet_pid(NOW - 25 * DAYS)
    assert warn_quiet(at=NOW - SECOND) == []
    [warning] = warn_quiet(at=NOW)
    assert (warning.pid, warning.quiet_since, warning.freezes_at) == (pid, NOW - 25 * DAYS, NOW + 5 * DAYS)
    assert warn_quiet(at=NOW) == []
    assert warn_quiet(at=NOW + DAYS) == []
    assert freezing_soon(pid.affiliate, at=NOW) == [warning]
    assert freezing_soon(make_affiliate(), at=NOW) == []
    assert freezing_soon(pid.affiliate, at=NOW + 5 * DAYS) == []


def test_a_click_ends_the_warning_and_the_next_quiet_period_has_one_of_its_own():
    pid = quiet_pid(NOW - 26 * DAYS)
    warn_quiet(at=NOW)
    Pid.objects.filter(pk=pid.pk).update(last_valid_click_at=NOW + DAYS)
    assert freezing_soon(pid.affiliate, at=NOW + DAYS) == []
    [again] = warn_quiet(at=NOW + 26 * DAYS)
    assert again.quiet_since == NOW + DAYS
    assert FreezeWarning.objects.count() == 2


def test_who_missed_the_warning_is_frozen_without_a_belated_one():
    quiet_pid(NOW - 31 * DAYS)
    assert warn_quiet(at=NOW) == []
    assert len(freeze_quiet(at=NOW)) == 1


@pytest.mark.parametrize("count", [2, 20])
def test_the_sweep_costs_the_same_however_many(count, django_assert_num_queries):
    affiliate = make_affiliate()
    AffiliateMember.objects.create(affiliate=affiliate, user=make_user(), role="owner")
    for number in range(count):
        make_pid(affiliate, placement=f"p{number}")
    Pid.objects.update(active_since=NOW - 26 * DAYS)
    with django_assert_num_queries(7):
        assert len(warn_quiet(at=NOW)) == count
    assert OutgoingMail.objects.count() == 1
    with django_assert_num_queries(6):
        assert len(freeze_quiet(at=NOW + 5 * DAYS)) == count


# --- taking back ----------------------------------------------------------------------------------------------


def test_a_reactivated_pid_counts_anew_and_its_freeze_is_kept():
    pid = quiet_pid(NOW - 31 * DAYS, last_valid_click_at=NOW - 30 * DAYS)
    freeze_quiet(at=NOW)
    alice = make_user()
    reactivate(pid, by=alice, at=NOW + 3 * DAYS)
    pid.refresh_from_db()
    assert (pid.frozen_at, pid.active_since) == (None, NOW + 3 * DAYS)
    freeze = PidFreeze.objects.get(pid=pid)
    assert (freeze.frozen_at, freeze.reactivated_at, freeze.reactivated_by) == (NOW, NOW + 3 * DAYS, alice)
    assert AuditEntry.objects.get(action="pid.reactivate").by == alice
    assert freeze_quiet(at=NOW + 33 * DAYS - SECOND) == []
    assert freeze_quiet(at=NOW + 33 * DAYS) == [pid]
    assert PidFreeze.objects.filter(pid=pid).count() == 2


def test_what_is_not_frozen_is_not_reactivated():
    pid = quiet_pid(NOW - 3 * DAYS)
    with pytest.raises(pids.NotFrozen):
        reactivate(pid, by=make_user(), at=NOW)
    pid.refresh_from_db()
    assert pid.active_since == NOW - 3 * DAYS
    assert not AuditEntry.objects.exists()
