"""Making links, the limits of probation, and putting links away (ATTR-2, ONB-7)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from affiliates.models import Affiliate, Pid
from affiliates.pids import AffiliateSuspended, NotApproved
from affiliates.suspension import suspend
from affiliates.tests.factories import make_affiliate, make_pid
from orders import links
from orders.links import Wish, archive_link, make_link, make_links, restore_link, utm_preset
from orders.models import Link, Merchant, MerchantDomain
from orders.tests.factories import NOON, make_merchant
from portal.models import AuditEntry
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
PAGE = "https://shop.example/p/9?colour=red#size"


def make_shop(host: str = "shop.example", *, verified: bool = True, **fields) -> Merchant:
    merchant = make_merchant(**fields)
    MerchantDomain.objects.create(merchant=merchant, host=host, verified_at=NOON if verified else None)
    return merchant


@pytest.fixture
def merchant():
    return make_shop()


@pytest.fixture
def pid():
    return make_pid(make_affiliate("alice"))


def wish(pid: Pid, target: str = PAGE, **fields) -> Wish:
    return Wish(target=target, pid=pid.value, **fields)


def refused(pid: Pid, wanted: Wish) -> tuple[str, str | None]:
    """The code and field that `wanted` is refused with; nothing is made."""
    before = Link.objects.count()
    [outcome] = make_links(pid.affiliate, [wanted], by=None, at=NOON)
    assert outcome.link is None
    assert outcome.refusal is not None
    assert Link.objects.count() == before
    return outcome.refusal.code, outcome.refusal.field


def test_a_link_is_made_with_all_that_was_said(merchant, pid):
    alice = make_user()
    said = wish(
        pid,
        f"  {PAGE} ",
        label=" Red ones ",
        utm_source="blog",
        utm_campaign="double-eleven",
        utm_content="banner",
        utm_term="手机壳",
        sub_ids=["a", "", "c", "", " "],
    )
    made = make_link(pid.affiliate, said, by=alice, at=NOON)
    assert made.made
    link = Link.objects.get()
    assert link == made.link
    assert (link.affiliate, link.pid, link.merchant, link.target) == (pid.affiliate, pid, merchant, PAGE)
    assert (link.label, link.sub_ids) == ("Red ones", ["a", "", "c"])
    assert [link.utm_source, link.utm_campaign, link.utm_content, link.utm_term] == [
        "blog",
        "double-eleven",
        "banner",
        "手机壳",
    ]
    assert (link.created_by, link.created_at, len(link.code)) == (alice, NOON, 10)
    entry = AuditEntry.objects.get(action="link.make")
    assert (entry.by, entry.target_id, entry.data) == (alice, str(pid.affiliate_id), {"links": 1})


def test_the_same_wish_is_one_link_and_another_label_is_another(merchant, pid):
    first = make_link(pid.affiliate, wish(pid), by=None, at=NOON)
    again = make_link(pid.affiliate, wish(pid, f" {PAGE}"), by=None, at=NOON + timedelta(days=1))
    assert (again.link, again.made) == (first.link, False)
    assert make_link(pid.affiliate, wish(pid, label="x"), by=None, at=NOON).made
    assert Link.objects.count() == 2
    assert AuditEntry.objects.filter(action="link.make").count() == 2


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("", "bad_target"),
        ("shop.example/p", "bad_target"),
        ("javascript:alert(1)", "bad_target"),
        ("ftp://shop.example/", "bad_target"),
        ("https://user@shop.example/", "bad_target"),
        ("https://shop.example/\r\nSet-Cookie: a=b", "bad_target"),
        ("https://shop.example\\@evil.example/", "bad_target"),
        ("https://[::1", "bad_target"),
        ("https://shop.example/" + "x" * 2000, "bad_target"),
        ("https://evil.example/?u=https://shop.example/", "host_not_verified"),
        ("https://shop.example.evil.example/", "host_not_verified"),
        ("https://sub.shop.example/", "host_not_verified"),
        ("https://notyet.example/", "host_not_verified"),
    ],
)
def test_a_target_that_is_no_page_of_a_verified_host_is_refused(merchant, pid, target, code):
    make_shop("notyet.example", verified=False)
    assert refused(pid, wish(pid, target)) == (code, "target")


def test_links_need_a_pid_of_ones_own_that_is_not_frozen(merchant, pid):
    stranger = make_pid(make_affiliate("bob"))
    assert refused(pid, wish(stranger)) == ("pid_unknown", "pid")
    assert refused(pid, Wish(target=PAGE, pid="")) == ("pid_unknown", "pid")
    Pid.objects.filter(pk=pid.pk).update(frozen_at=NOON)
    assert refused(pid, wish(pid)) == ("pid_frozen", "pid")


def test_a_suspended_merchant_gets_no_new_links(merchant, pid):
    Merchant.objects.update(status="suspended")
    assert refused(pid, wish(pid)) == ("merchant_inactive", "target")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": "x" * 101}, "label"),
        ({"utm_source": "a\nb"}, "utm_source"),
        ({"utm_term": "\x00"}, "utm_term"),
        ({"utm_term": "\ud800"}, "utm_term"),
        ({"target": "https://shop.example\x00/"}, "target"),
        ({"target": "https://shop.example/\ud800"}, "target"),
        ({"pid": "mm_\x00"}, "pid"),
        ({"sub_ids": ["1", "2", "3", "4", "5", "6"]}, "sub_ids"),
        ({"sub_ids": ["x" * 101]}, "sub_ids"),
    ],
)
def test_texts_that_no_link_can_carry_are_refused_by_name(merchant, pid, fields, field):
    wanted = Wish(**{"target": PAGE, "pid": pid.value, **fields})
    assert refused(pid, wanted) == ("bad_text", field)


def test_who_is_not_approved_or_is_suspended_makes_none(merchant, pid):
    Affiliate.objects.update(approved_at=None)
    with pytest.raises(NotApproved):
        make_link(pid.affiliate, wish(pid), by=None, at=NOON)
    Affiliate.objects.update(approved_at=NOON)
    suspend(pid.affiliate, by=make_user(), at=NOON, reason="looked into")
    with pytest.raises(AffiliateSuspended):
        make_link(pid.affiliate, wish(pid), by=None, at=NOON)
    assert not Link.objects.exists()


def test_probation_allows_ten_links_archived_ones_included_and_repeats_cost_none(merchant):
    pid = make_pid(make_affiliate(on_probation=True))
    wishes = [wish(pid, sub_ids=[str(number // 2)]) for number in range(24)]
    outcomes = make_links(pid.affiliate, wishes, by=make_user(), at=NOON)
    assert [outcome.made for outcome in outcomes[:20]] == [True, False] * 10
    assert {outcome.refusal.code for outcome in outcomes[20:] if outcome.refusal} == {"link_limit_reached"}
    assert Link.objects.count() == 10
    archive_link(Link.objects.all()[0], by=make_user("Bob"), at=NOON)
    assert refused(pid, wish(pid, label="eleventh"))[0] == "link_limit_reached"
    assert links.links_left(pid.affiliate) == 0
    Affiliate.objects.update(unlocked_at=NOON)
    assert make_link(pid.affiliate, wish(pid, label="eleventh"), by=None, at=NOON).made
    pid.affiliate.refresh_from_db()
    assert links.links_left(pid.affiliate) is None


@pytest.mark.parametrize("count", [2, 200])
def test_many_links_cost_as_many_statements_as_two(merchant, pid, count, django_assert_num_queries):
    other = make_shop("other.example")
    wishes = [
        wish(pid, f"https://{host}/p/{number}")
        for number in range(count // 2)
        for host in ("shop.example", "other.example")
    ]
    with django_assert_num_queries(9):
        outcomes = make_links(pid.affiliate, wishes, by=None, at=NOON)
    assert all(outcome.made for outcome in outcomes)
    assert Link.objects.filter(merchant=other).count() == count // 2


def test_an_archived_link_comes_back_unless_another_says_the_same(merchant, pid):
    alice = make_user()
    link = make_link(pid.affiliate, wish(pid), by=None, at=NOON).link
    assert link
    assert archive_link(link, by=alice, at=NOON)
    assert not archive_link(link, by=alice, at=NOON + timedelta(days=1))
    link.refresh_from_db()
    assert link.archived_at == NOON
    assert restore_link(link, by=alice, at=NOON)
    assert not restore_link(link, by=alice, at=NOON)
    archive_link(link, by=alice, at=NOON)
    second = make_link(pid.affiliate, wish(pid), by=None, at=NOON)
    assert second.made
    with pytest.raises(links.LinkExists):
        restore_link(link, by=alice, at=NOON)
    link.refresh_from_db()
    assert link.archived_at == NOON
    actions = (
        AuditEntry.objects.filter(target_id=str(link.pk)).order_by("pk").values_list("action", flat=True)
    )
    assert list(actions) == ["link.archive", "link.restore", "link.archive"]


def test_utm_values_are_remembered_by_pid_then_by_affiliate(merchant, pid):
    assert utm_preset(pid.affiliate)["utm_source"] == ""
    second = make_pid(pid.affiliate, placement="side")
    make_link(pid.affiliate, wish(pid, utm_source="blog"), by=None, at=NOON)
    make_link(pid.affiliate, wish(second, utm_source="side"), by=None, at=NOON)
    assert utm_preset(pid.affiliate, pid)["utm_source"] == "blog"
    assert utm_preset(pid.affiliate)["utm_source"] == "side"
    assert utm_preset(pid.affiliate, make_pid(pid.affiliate, placement="new"))["utm_source"] == "side"
    assert utm_preset(make_affiliate("bob"))["utm_source"] == ""
