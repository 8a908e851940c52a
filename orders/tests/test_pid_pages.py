"""The page of PIDs, and the sweep that freezes the idle ones (ATTR-1, ATTR-4, ONB-7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import AffiliateMember, FreezeWarning, Pid, PidFreeze
from affiliates.pids import freezing_soon
from affiliates.tests.factories import make_affiliate, make_pid
from affiliates.tests.pages import member_of
from orders import pid_clicks
from orders.models import Click
from orders.tasks import sweep_pids
from orders.tests.factories import NOON, make_click, make_merchant
from portal.mail import send_waiting
from portal.models import MemberRole, OutgoingMail
from portal.testing.pages import table, text
from portal.tests.factories import make_user, speaking

pytestmark = pytest.mark.django_db
BASE = "/affiliate/alice/pids/"
DAYS = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def pid():
    return quiet(make_pid(make_affiliate("alice", name="Alice Media")), NOON - 60 * DAYS)


@pytest.fixture
def alice(pid):
    return member_of(pid.affiliate)


def quiet(pid: Pid, since) -> Pid:
    Pid.objects.filter(pk=pid.pk).update(created_at=since, active_since=since)
    pid.refresh_from_db()
    return pid


def click(pid: Pid, at, reason: str = "") -> Click:
    return make_click(make_merchant(), pid, at=at, invalid_reason=reason)


# --- the sweep ------------------------------------------------------------------------------------------------


def test_a_valid_click_inside_thirty_days_keeps_a_pid_an_invalid_one_does_not(pid):
    click(pid, NOON - 30 * DAYS + SECOND)
    spared = pid
    doomed = quiet(make_pid(), NOON - 60 * DAYS)
    click(doomed, NOON - 30 * DAYS)
    click(doomed, NOON - DAYS, "bot")
    click(doomed, NOON - DAYS, "pid_frozen")
    swept = pid_clicks.sweep(at=NOON)
    assert (swept.refreshed, swept.frozen) == (2, [doomed])
    spared.refresh_from_db()
    doomed.refresh_from_db()
    assert (spared.frozen_at, spared.last_valid_click_at) == (None, NOON - 30 * DAYS + SECOND)
    assert doomed.frozen_at == NOON
    assert [warning.pid for warning in swept.warned] == [spared]
    assert swept.warned[0].freezes_at == NOON + SECOND


def test_the_next_valid_click_calls_the_warning_off(pid):
    click(pid, NOON - 26 * DAYS)
    assert len(pid_clicks.sweep(at=NOON).warned) == 1
    assert len(freezing_soon(pid.affiliate, at=NOON)) == 1
    click(pid, NOON + SECOND)
    swept = pid_clicks.sweep(at=NOON + 10 * DAYS)
    assert (swept.refreshed, swept.warned, swept.frozen) == (1, [], [])
    assert freezing_soon(pid.affiliate, at=NOON + 2 * SECOND) == []


def test_clicks_while_frozen_do_not_thaw_and_after_reactivation_count_anew(pid, alice):
    pid_clicks.sweep(at=NOON)
    click(pid, NOON, "pid_frozen")
    pid_clicks.sweep(at=NOON)
    pid.refresh_from_db()
    assert pid.frozen_at == NOON
    alice.post(f"{BASE}{pid.value}/reactivate/")
    pid.refresh_from_db()
    assert (pid.frozen_at, pid.active_since) == (None, NOON)
    assert pid_clicks.sweep(at=NOON + 30 * DAYS - SECOND).frozen == []
    assert pid_clicks.sweep(at=NOON + 30 * DAYS).frozen == [pid]


def test_only_who_has_been_quiet_is_looked_up(pid, django_assert_num_queries):
    fresh = quiet(make_pid(), NOON - 3 * DAYS)
    click(fresh, NOON - DAYS)
    click(pid, NOON - DAYS)
    assert pid_clicks.refresh_last_clicks(at=NOON) == 1
    fresh.refresh_from_db()
    pid.refresh_from_db()
    assert (fresh.last_valid_click_at, pid.last_valid_click_at) == (None, NOON - DAYS)
    with django_assert_num_queries(3):
        pid_clicks.refresh_last_clicks(at=NOON)


def test_the_task_warns_each_owner_once_in_their_language(pid):
    click(pid, NOON - 26 * DAYS)
    second = make_pid(pid.affiliate, placement="side")
    quiet(second, NOON - 27 * DAYS)
    for name, language, role in (
        ("Alice", "en", MemberRole.OWNER),
        ("Li", "zh-hans", MemberRole.OWNER),
        ("Mia", "en", MemberRole.MEMBER),
    ):
        user = make_user(name, language=language)
        AffiliateMember.objects.create(affiliate=pid.affiliate, user=user, role=role)
    away = make_user("Gone", is_active=False)
    AffiliateMember.objects.create(affiliate=pid.affiliate, user=away, role=MemberRole.OWNER)
    assert sweep_pids() == 0
    assert FreezeWarning.objects.count() == 2
    assert send_waiting(at=NOON) == 2
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [
        (["alice@example.com"], "2 PIDs freeze soon"),
        (["li@example.com"], "2 个 PID 即将冻结"),
    ]
    body = mail.outbox[0].body
    assert "mm_alice_blog_side · 2026-11-23 12:00" in body
    assert "mm_alice_blog_top · 2026-11-24 12:00" in body
    assert body.index("_side") < body.index("_top")
    assert "/affiliate/alice/pids/" in body
    sweep_pids()
    assert send_waiting(at=NOON) == 0


def test_warnings_and_their_mail_stand_and_fall_together(pid, monkeypatch):
    click(pid, NOON - 26 * DAYS)
    AffiliateMember.objects.create(affiliate=pid.affiliate, user=make_user(), role=MemberRole.OWNER)

    def fail(**kwargs):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("affiliates.pids.freeze_quiet", fail)
        with pytest.raises(RuntimeError), transaction.atomic():
            pid_clicks.sweep(at=NOON)
    assert not FreezeWarning.objects.exists()
    assert not OutgoingMail.objects.exists()
    pid_clicks.sweep(at=NOON)
    assert OutgoingMail.objects.count() == 1


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_shows_health_and_clicks_by_channel(pid, alice):
    click(pid, NOON - 26 * DAYS)
    click(pid, NOON - DAYS, "bot")
    lively = make_pid(pid.affiliate, channel="video", placement="one")
    quiet(lively, NOON - 90 * DAYS)
    click(lively, NOON - 2 * DAYS)
    click(lively, NOON - 31 * DAYS)
    frozen = make_pid(pid.affiliate, channel="video", placement="two")
    Pid.objects.filter(pk=frozen.pk).update(frozen_at=NOON - 3 * DAYS, active_since=NOON - 33 * DAYS)
    page = alice.get(BASE)
    assert [row[:4] for row in table(page)] == [
        [pid.value, "freezes soon 4 days left, until 2026-11-24 12:00", "1 + 1 invalid", "2026-10-25 12:00"]
    ]
    assert [row[:4] for row in table(page, 1)] == [
        [lively.value, "active 28 days until it would freeze", "1", "2026-11-18 12:00"],
        [frozen.value, "frozen since 2026-11-17 ; its clicks don't count", "0", "—"],
    ]


def test_every_page_of_the_affiliate_says_that_a_pid_freezes_soon(pid, alice):
    click(pid, NOON - 26 * DAYS)
    pid_clicks.sweep(at=NOON)
    for path in (BASE, "/affiliate/alice/links/", "/affiliate/alice/"):
        assert "1 PID freezes soon." in text(alice.get(path)), path
    click(pid, NOON)
    pid_clicks.sweep(at=NOON)
    assert "freezes soon" not in text(alice.get("/affiliate/alice/"))


def test_a_member_makes_a_pid(pid):
    mia = member_of(pid.affiliate, "Mia", role=MemberRole.MEMBER)
    channel = pid.channel
    page = mia.post(BASE, {"channel": channel.pk, "placement": "video12"}, follow=True)
    assert "The PID mm_alice_blog_video12 is made." in text(page)
    assert Pid.objects.filter(value="mm_alice_blog_video12", active_since=NOON).exists()


@pytest.mark.parametrize("placement", ["", "Top", "a_b", "x" * 21, "top", "视频"])
def test_a_placement_that_can_not_be_is_refused_and_kept_in_the_form(pid, alice, placement):
    page = alice.post(BASE, {"channel": pid.channel_id, "placement": placement})
    assert page.status_code == 200
    assert page.context["form"].errors["placement"]
    assert Pid.objects.count() == 1


def test_a_channel_of_another_is_none(pid, alice):
    other = make_pid(make_affiliate("bob"))
    page = alice.post(BASE, {"channel": other.channel_id, "placement": "mine"})
    assert page.context["form"].errors["channel"]
    assert Pid.objects.count() == 2


def test_probation_has_one_pid_in_words(alice, pid):
    pid.affiliate.unlocked_at = None
    pid.affiliate.save()
    page = alice.get(BASE)
    assert "One PID for now." in text(page)
    assert b'name="placement"' not in page.content
    page = alice.post(BASE, {"channel": pid.channel_id, "placement": "side"})
    assert page.status_code == 200
    assert Pid.objects.count() == 1


def test_reactivation_is_for_members_of_what_is_frozen(pid, alice):
    bob = member_of(make_affiliate("bob"), "Bob")
    path = f"{BASE}{pid.value}/reactivate/"
    assert "This PID isn't frozen." in text(alice.post(path, follow=True))
    pid_clicks.sweep(at=NOON)
    assert bob.post(path).status_code == 404
    assert bob.post(path.replace("alice/", "bob/", 1)).status_code == 404
    assert bob.get(BASE).status_code == 404
    assert speaking("en").get(BASE).status_code == 302
    assert alice.get(path).status_code == 405
    assert PidFreeze.objects.filter(reactivated_at__isnull=True).count() == 1
    assert "counts again" in text(alice.post(path, follow=True))
    assert PidFreeze.objects.get().reactivated_by.name == "Alice"


def test_an_affiliate_without_channels_is_told_where_they_come_from():
    empty = make_affiliate("empty")
    assert "No channels yet" in text(member_of(empty).get("/affiliate/empty/pids/"))


def test_twenty_pids_cost_as_many_queries_as_two(pid, alice, django_assert_num_queries):
    make_pid(pid.affiliate, placement="p0")
    alice.get(BASE)
    with CaptureQueriesContext(connection) as two:
        alice.get(BASE)
    for n in range(1, 19):
        click(make_pid(pid.affiliate, placement=f"p{n}"), NOON - DAYS)
    with django_assert_num_queries(len(two)):
        assert len(table(alice.get(BASE))) == 20
