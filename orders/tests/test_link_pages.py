"""The pages of links: the list, one link, putting away and taking back (ATTR-2, ONB-7)."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.tests.factories import make_affiliate, make_pid
from affiliates.tests.pages import member_of
from orders.links import Wish, make_link, make_links
from orders.models import Click, Link, MerchantDomain
from orders.tests.factories import NOON, make_click, make_merchant
from orders.tracking.addresses import link_url
from portal.models import MemberRole
from portal.testing.pages import next_page, table, text
from portal.tests.factories import speaking

pytestmark = pytest.mark.django_db
BASE = "/affiliate/alice/"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The pages' clock stands at noon in Shanghai."""
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def merchant():
    merchant = make_merchant(name="Lumo")
    MerchantDomain.objects.create(merchant=merchant, host="shop.example", verified_at=NOON)
    return merchant


@pytest.fixture
def pid(merchant):
    return make_pid(make_affiliate("alice", name="Alice Media"))


@pytest.fixture
def alice(pid):
    return member_of(pid.affiliate)


def link_to(pid, path="p/1", *, at=NOON, **fields) -> Link:
    made = make_link(
        pid.affiliate, Wish(target=f"https://shop.example/{path}", pid=pid.value, **fields), by=None, at=at
    )
    assert made.link
    return made.link


def click(link: Link, *, at=NOON - timedelta(hours=1), reason: str = "") -> Click:
    return make_click(link.merchant, link.pid, link=link, at=at, invalid_reason=reason)


def pages_of(link: Link) -> list[str]:
    return [f"{BASE}links/", f"{BASE}link/{link.code}/", f"{BASE}link/{link.code}/qr.svg"]


# --- who may look ---------------------------------------------------------------------------------------------


def test_pages_open_for_members_and_are_not_found_for_anybody_else(pid, alice):
    link = link_to(pid)
    bob = member_of(make_affiliate("bob"), "Bob")
    plain = member_of(pid.affiliate, "Mia", role=MemberRole.MEMBER)
    for path in pages_of(link):
        assert alice.get(path).status_code == plain.get(path).status_code == 200, path
        assert bob.get(path).status_code == 404, path
        assert speaking("en").get(path)["Location"].startswith("/account/login/?next="), path
        assert alice.delete(path).status_code == 405
    for action in ("archive", "restore"):
        assert bob.post(f"{BASE}link/{link.code}/{action}/").status_code == 404
        assert alice.get(f"{BASE}link/{link.code}/{action}/").status_code == 405
    assert alice.get(f"/affiliate/bob/link/{link.code}/").status_code == 404
    assert bob.get(f"/affiliate/bob/link/{link.code}/").status_code == 404
    assert bob.post(f"/affiliate/bob/link/{link.code}/archive/").status_code == 404
    link.refresh_from_db()
    assert link.archived_at is None


# --- the list -------------------------------------------------------------------------------------------------


def test_the_list_shows_clicks_and_the_last_valid_one(pid, alice):
    busy, idle = link_to(pid, label="Busy"), link_to(pid, "p/2")
    click(busy, at=NOON - timedelta(days=40))
    click(busy, at=NOON - timedelta(hours=2))
    click(busy, reason="bot")
    rows = table(alice.get(f"{BASE}links/"))
    assert [row[:5] for row in rows] == [
        [f"{idle.code} https://shop.example/p/2", "Lumo", "mm_alice_blog_top", "0", "—"],
        ["Busy https://shop.example/p/1", "Lumo", "mm_alice_blog_top", "2 + 1 invalid", "2026-11-20 10:00"],
    ]


def test_the_list_is_searched_and_filtered_within_ones_own(pid, alice, merchant):
    side = make_pid(pid.affiliate, placement="side")
    link_to(pid, "red-case", label="Reds", sub_ids=["video7"])
    link_to(side, "blue-case", utm_campaign="double11")
    stranger = make_pid(make_affiliate("bob"))
    link_to(stranger, "red-case", label="Reds of Bob")

    def found(**query: str) -> list[str]:
        body = alice.get(f"{BASE}links/", query).content.decode()
        return sorted(re.findall(r'title="https://shop.example/([^"]+)"', body))

    assert found() == ["blue-case", "red-case"]
    assert found(q="RED") == found(q="reds") == found(q="video7") == ["red-case"]
    assert found(q="double") == found(pid=side.value) == ["blue-case"]
    assert found(merchant=merchant.code) == ["blue-case", "red-case"]
    assert found(q="%") == []
    assert found(q="nothing like it") == []
    assert "No link matches" in text(alice.get(f"{BASE}links/", {"q": "nothing"}))
    page = alice.get(f"{BASE}links/", {"pid": stranger.value})
    assert page.status_code == 200
    assert "Reds" not in page.content.decode()


def test_pages_of_the_list_hold_each_link_once(pid, alice):
    wishes = [Wish(target=f"https://shop.example/{n}", pid=pid.value) for n in range(60)]
    make_links(pid.affiliate, wishes, by=None, at=NOON)
    seen: list[str] = []
    path = f"{BASE}links/"
    while path:
        page = alice.get(path)
        seen += [row[0].rsplit("/", 1)[-1] for row in table(page)]
        path = next_page(page)
    assert seen == [str(n) for n in reversed(range(60))]


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "2026-11-20T00:00:00Z~999999999999999999999"}])
def test_a_broken_mark_shows_the_first_page(pid, alice, query):
    link_to(pid)
    assert len(table(alice.get(f"{BASE}links/", query))) == 1


def test_twenty_links_cost_as_many_queries_as_two(pid, alice, django_assert_num_queries):
    for n in range(2):
        click(link_to(pid, str(n)))
    alice.get(f"{BASE}links/")
    with CaptureQueriesContext(connection) as two:
        alice.get(f"{BASE}links/")
    for n in range(2, 20):
        click(link_to(pid, str(n)))
    with django_assert_num_queries(len(two)):
        assert len(table(alice.get(f"{BASE}links/"))) == 20


def test_an_empty_list_says_what_to_do(alice):
    assert "No links yet" in text(alice.get(f"{BASE}links/"))


# --- archive and undo -----------------------------------------------------------------------------------------


def test_archiving_takes_a_link_off_the_list_and_offers_to_undo(pid, alice):
    link = link_to(pid, label="Old")
    page = alice.post(f"{BASE}link/{link.code}/archive/", follow=True)
    assert "“Old” is archived. It goes on redirecting and earning. Undo" in text(page)
    assert "No links yet" in text(page)
    assert [row[0] for row in table(alice.get(f"{BASE}links/?shown=archived"))] == [
        "Old https://shop.example/p/1"
    ]
    page = alice.post(f"{BASE}link/{link.code}/restore/", follow=True)
    assert "The link is back on your list." in text(page)
    assert len(table(alice.get(f"{BASE}links/"))) == 1
    # The offer is gone with what it undid, and never shows another's link.
    assert "is archived" not in text(alice.get(f"{BASE}links/?undo={link.code}"))


def test_an_archived_link_that_was_made_again_stays_archived_with_words(pid, alice):
    link = link_to(pid)
    alice.post(f"{BASE}link/{link.code}/archive/")
    link_to(pid)
    page = alice.post(f"{BASE}link/{link.code}/restore/", follow=True)
    assert "There is another link by now that says the same." in text(page)
    link.refresh_from_db()
    assert link.archived_at == NOON


# --- one link -------------------------------------------------------------------------------------------------


def test_a_link_shows_what_it_says_and_its_clicks_by_shanghai_day(pid, alice):
    link = link_to(pid, label="<b>Reds</b>", utm_source="blog", sub_ids=["", "video7"])
    midnight = NOON - timedelta(hours=12)
    click(link, at=midnight)
    click(link, at=midnight - timedelta(seconds=1))
    click(link, at=midnight - timedelta(seconds=1), reason="bot")
    click(link, at=midnight - timedelta(seconds=2), reason="bot")
    click(link, at=midnight - timedelta(seconds=2), reason="pid_frozen")
    click(link, at=midnight - timedelta(days=29))
    click(link, at=midnight - timedelta(days=29, seconds=1))
    page = alice.get(f"{BASE}link/{link.code}/")
    said = text(page)
    assert "<b>Reds</b>" in said
    assert link_url(link) in page.content.decode()
    assert "Leads to https://shop.example/p/1 Lumo PID mm_alice_blog_top utm_source blog sub2 video7" in said
    assert "Valid clicks 4 since it was made Invalid clicks 3" in said
    assert table(page) == [
        ["2026-11-20", "1", "0", "—"],
        ["2026-11-19", "1", "3", "bot or preview fetch: 2 PID frozen: 1"],
        ["2026-10-22", "1", "0", "—"],
    ]
    chart = page.context["chart"]
    assert (len(chart["labels"]), chart["labels"][0], chart["labels"][-1]) == (30, "2026-10-22", "2026-11-20")
    assert chart["series"][1]["values"][-2] == 3


def test_a_link_without_clicks_and_one_of_a_frozen_pid_say_so(pid, alice):
    link = link_to(pid)
    assert "No clicks in the last 30 days" in text(alice.get(f"{BASE}link/{link.code}/"))
    pid.frozen_at = NOON
    pid.save()
    assert "Clicks on this link don't count." in text(alice.get(f"{BASE}link/{link.code}/"))


def test_the_qr_code_is_an_svg_to_look_at_and_to_take_along(pid, alice):
    link = link_to(pid)
    response = alice.get(f"{BASE}link/{link.code}/qr.svg")
    assert response["Content-Type"] == "image/svg+xml"
    assert "Content-Disposition" not in response
    root = ElementTree.fromstring(response.content)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(response.content) > 1000
    download = alice.get(f"{BASE}link/{link.code}/qr.svg?download=1")
    assert download["Content-Disposition"] == f'attachment; filename="link-{link.code}.svg"'
    assert download.content == response.content


def test_the_pages_speak_chinese(pid):
    link = link_to(pid)
    alice = member_of(pid.affiliate, language="zh-hans")
    alice.cookies["django_language"] = "zh-hans"
    assert "推广链接" in text(alice.get(f"{BASE}links/"))
    assert "有效点击" in text(alice.get(f"{BASE}link/{link.code}/"))
