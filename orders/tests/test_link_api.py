"""Links and PIDs for machines (SPEC §10, ATTR-1, ATTR-2, ONB-7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import AffiliateMember, Pid
from affiliates.tests.factories import make_affiliate, make_pid
from affiliates.tests.pages import member_of
from orders.links import Wish, make_links
from orders.models import Link, MerchantDomain
from orders.tests.factories import NOON, make_click, make_merchant
from orders.tracking.addresses import link_url
from portal.tests.factories import PASSWORD, make_user, signed_in

pytestmark = pytest.mark.django_db
LINKS, PIDS = "/api/v1/links", "/api/v1/pids"
PAGE = "https://shop.example/p/1"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def merchant():
    merchant = make_merchant("LUMO")
    MerchantDomain.objects.create(merchant=merchant, host="shop.example", verified_at=NOON)
    return merchant


@pytest.fixture
def pid(merchant):
    return make_pid(make_affiliate("alice"))


@pytest.fixture
def alice(pid):
    return member_of(pid.affiliate)


def post(client: Client, path: str, body: object):
    return client.post(path, body, content_type="application/json")


def make_some(pid: Pid, count: int) -> None:
    wishes = [Wish(target=f"{PAGE}?n={n}", pid=pid.value) for n in range(count)]
    make_links(pid.affiliate, wishes, by=None, at=NOON)


# --- who asks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LINKS, PIDS])
def test_nobody_and_strangers_are_told_nothing(pid, alice, path):
    make_some(pid, 1)
    for ask in (Client().get, lambda path: post(Client(), path, {})):
        response = ask(path)
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert response["WWW-Authenticate"] == 'Session realm="api"'
    bob = member_of(make_affiliate("bob"), "Bob")
    assert bob.get(path).json() == {"results": [], "next": None}
    for code in ("alice", "nobody", "x\x00"):
        for response in (bob.get(path, {"affiliate": code}), post(bob, f"{path}?affiliate={code}", {})):
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
    nobodys = signed_in(make_user("Nora"))
    assert nobodys.get(path).status_code == 404
    assert len(alice.get(path).json()["results"]) == 1


def test_strangers_can_neither_use_nor_probe_for_my_pids(pid):
    bob = member_of(make_affiliate("bob"), "Bob")
    make_pid(make_affiliate("carol"))
    mine, none = (
        post(bob, LINKS, {"target": PAGE, "pid": value}) for value in (pid.value, "mm_alice_no_such")
    )
    assert mine.status_code == none.status_code == 409
    assert mine.json() == none.json()
    assert mine.json()["fields"] == {"pid": ["This is none of your PIDs."]}
    assert not Link.objects.exists()


def test_members_of_several_name_the_affiliate(pid, alice):
    second = make_pid(make_affiliate("zeta"))
    AffiliateMember.objects.create(affiliate=second.affiliate, user=pid.affiliate.members.get().user)
    response = alice.get(PIDS)
    assert (response.status_code, response.json()["code"]) == (400, "affiliate_required")
    for one in (pid, second):
        [found] = alice.get(PIDS, {"affiliate": one.affiliate.code}).json()["results"]
        assert found["pid"] == one.value


def test_a_session_needs_the_csrf_token_to_change_something(pid, merchant):
    make_user("Alice")
    pid.affiliate.members.create(user=make_user("Mia"))
    client = Client(enforce_csrf_checks=True)
    client.cookies["django_language"] = "en"
    client.force_login(
        pid.affiliate.members.get().user, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    response = post(client, LINKS, {"target": PAGE, "pid": pid.value})
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert not Link.objects.exists()
    assert PASSWORD not in response.content.decode()


# --- links ----------------------------------------------------------------------------------------------------


def test_a_link_is_made_and_the_same_request_again_finds_it(pid, alice):
    body = {
        "target": PAGE,
        "pid": pid.value,
        "label": "Reds",
        "utm_source": "blog",
        "sub_ids": ["a", "", "c"],
        "unknown": "ignored",
    }
    response = post(alice, LINKS, body)
    link = Link.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "code": link.code,
        "url": link_url(link),
        "target": PAGE,
        "merchant": "LUMO",
        "pid": pid.value,
        "label": "Reds",
        "utm_source": "blog",
        "utm_campaign": "",
        "utm_content": "",
        "utm_term": "",
        "sub_ids": ["a", "", "c"],
        "created_at": "2026-11-20T04:00:00Z",
        "archived_at": None,
        "clicks": {"valid": 0, "invalid": 0, "last_valid_at": None},
    }
    make_click(link.merchant, pid, link=link, at=NOON - timedelta(hours=1))
    again = post(alice, LINKS, body)
    assert (again.status_code, again.json()["code"]) == (200, link.code)
    assert again.json()["clicks"] == {"valid": 1, "invalid": 0, "last_valid_at": "2026-11-20T03:00:00Z"}
    assert Link.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"target": None}, 400, "invalid", "target"),
        ({"target": 5}, 400, "invalid", "target"),
        ({"target": ""}, 400, "invalid", "target"),
        ({"target": "x" * 2001}, 400, "invalid", "target"),
        ({"target": "https://shop.example/\x00"}, 400, "invalid", "target"),
        ({"target": "https://shop.example/\ud800"}, 400, "invalid", "target"),
        ({"target": "https://evil.example/"}, 409, "host_not_verified", "target"),
        ({"target": "javascript:alert(1)"}, 409, "bad_target", "target"),
        ({"pid": True}, 400, "invalid", "pid"),
        ({"pid": ["x"]}, 400, "invalid", "pid"),
        ({"label": 1.5}, 400, "invalid", "label"),
        ({"label": "a\nb"}, 409, "bad_text", "label"),
        ({"utm_term": {}}, 400, "invalid", "utm_term"),
        ({"sub_ids": "abc"}, 400, "invalid", "sub_ids"),
        ({"sub_ids": ["1", "2", "3", "4", "5", "6"]}, 400, "invalid", "sub_ids"),
        ({"sub_ids": ["1", 2]}, 400, "invalid", "sub_ids.1"),
    ],
)
def test_bad_input_is_refused_by_field_and_nothing_is_made(pid, alice, change, status, code, field):
    response = post(alice, LINKS, {"target": PAGE, "pid": pid.value, **change})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert list(response.json()["fields"]) == [field]
    assert not Link.objects.exists()


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "{", "\ufeff{}", "[{}]"])
def test_a_body_that_is_no_object_is_refused(pid, alice, body):
    response = post(alice, LINKS, body)
    assert response.status_code == 400
    assert set(response.json()) == {"code", "message", "fields"}


def test_probation_ends_at_ten(merchant):
    pid = make_pid(make_affiliate("fresh", on_probation=True))
    fred = member_of(pid.affiliate, "Fred")
    make_some(pid, 10)
    response = post(fred, LINKS, {"target": PAGE, "pid": pid.value})
    assert (response.status_code, response.json()["code"]) == (409, "link_limit_reached")
    response = post(fred, PIDS, {"channel": "blog", "placement": "side"})
    assert (response.status_code, response.json()["code"]) == (409, "pid_limit_reached")
    assert (Link.objects.count(), Pid.objects.count()) == (10, 1)


def test_pages_of_links_hold_each_once_and_filters_narrow(pid, alice):
    side = make_pid(pid.affiliate, placement="side")
    make_some(pid, 7)
    make_some(side, 1)
    Link.objects.filter(target__endswith="n=6").update(archived_at=NOON)
    seen, query = [], {"limit": "3"}
    while True:
        answer = alice.get(LINKS, query).json()
        seen += [link["target"].rpartition("=")[2] + link["pid"][-3:] for link in answer["results"]]
        if answer["next"] is None:
            break
        query["after"] = answer["next"]
    assert seen == ["0ide", "5top", "4top", "3top", "2top", "1top", "0top"]

    def count(**query: str) -> int:
        return len(alice.get(LINKS, query).json()["results"])

    assert count(archived="true") == count(pid=side.value) == count(q="n=3") == 1
    assert (count(merchant="LUMO"), count(merchant="M0"), count(q="%")) == (7, 0, 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"after": "x"}, "bad_cursor"),
        ({"limit": "0"}, "bad_limit"),
        ({"limit": "201"}, "bad_limit"),
        ({"limit": "-1"}, "bad_limit"),
        ({"limit": "١"}, "bad_limit"),
        ({"limit": ""}, "bad_limit"),
        ({"archived": "perhaps"}, "invalid"),
        ({"q": "\x00"}, "invalid"),
    ],
)
def test_a_query_that_can_not_be_read_is_refused(pid, alice, query, code):
    response = alice.get(LINKS, query)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", [LINKS, PIDS])
def test_twenty_rows_cost_as_many_queries_as_two(pid, alice, path, django_assert_num_queries):
    make_some(pid, 2)
    make_pid(pid.affiliate, placement="p0")
    alice.get(path)
    with CaptureQueriesContext(connection) as two:
        alice.get(path)
    make_some(pid, 20)
    for n in range(1, 19):
        make_pid(pid.affiliate, placement=f"p{n}")
    with django_assert_num_queries(len(two)):
        assert len(alice.get(path).json()["results"]) == 20


# --- PIDs -----------------------------------------------------------------------------------------------------


def test_a_pid_is_made_and_listed_with_its_health(pid, alice):
    Pid.objects.update(created_at=NOON - timedelta(days=60), active_since=NOON - timedelta(days=60))
    make_click(make_merchant(), pid, at=NOON - timedelta(days=26))
    make_click(make_merchant(), pid, at=NOON - timedelta(days=2), invalid_reason="bot")
    response = post(alice, PIDS, {"channel": "blog", "placement": "side"})
    assert response.status_code == 201
    assert response.json() == {
        "pid": "mm_alice_blog_side",
        "channel": "blog",
        "placement": "side",
        "state": "active",
        "created_at": "2026-11-20T04:00:00Z",
        "frozen_at": None,
        "freezes_at": "2026-12-20T04:00:00Z",
        "last_valid_click_at": None,
        "clicks_30_days": 0,
    }
    new, old = alice.get(PIDS).json()["results"]
    assert new == response.json()
    assert old == {
        "pid": pid.value,
        "channel": "blog",
        "placement": "top",
        "state": "freezing",
        "created_at": "2026-09-21T04:00:00Z",
        "frozen_at": None,
        "freezes_at": "2026-11-24T04:00:00Z",
        "last_valid_click_at": "2026-10-25T04:00:00Z",
        "clicks_30_days": 1,
    }


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"channel": "blog"}, 400, "placement"),
        ({"channel": "blog", "placement": "No_Good"}, 400, "placement"),
        ({"channel": "blog", "placement": "x" * 21}, 400, "placement"),
        ({"channel": "blog", "placement": 7}, 400, "placement"),
        ({"channel": "vlog", "placement": "side"}, 400, "channel"),
        ({"channel": "blog", "placement": "top"}, 409, "placement"),
    ],
)
def test_a_bad_pid_is_refused_by_field(pid, alice, body, status, field):
    response = post(alice, PIDS, body)
    assert response.status_code == status
    assert list(response.json()["fields"]) == [field]
    assert Pid.objects.count() == 1


def test_the_schema_names_the_four_operations():
    schema = Client().get("/api/schema/?format=json").json()
    operations = {
        operation["operationId"] for path in (LINKS, PIDS) for operation in schema["paths"][path].values()
    }
    assert operations == {"list_links", "make_link", "list_pids", "make_pid"}
