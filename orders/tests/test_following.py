"""Following tracking links: where they lead, which clicks count, and what is refused (ATTR-2, ATTR-3, ATTR-5)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import Pid
from affiliates.suspension import reinstate, suspend
from affiliates.tests.factories import make_pid
from orders.models import Click, Link, Merchant, MerchantDomain
from orders.tests.factories import make_merchant
from orders.tracking import following, visitors
from portal.tests.factories import make_staff

pytestmark = pytest.mark.django_db
BROWSER = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Safari/604.1"
)
WECHAT = f"{BROWSER} MicroMessenger/8.0.42"


@pytest.fixture(autouse=True)
def fresh_counters():
    following.repeats.forget()


def make_link(target: str = "https://shop.example.com/p/1?colour=red#size", **fields) -> Link:
    pid = fields.pop("pid", None) or make_pid()
    merchant = make_merchant()
    MerchantDomain.objects.create(merchant=merchant, host="shop.example.com", verified_at=timezone.now())
    return Link.objects.create(pid=pid, affiliate=pid.affiliate, merchant=merchant, target=target, **fields)


def go(link: Link, *, agent: str = BROWSER, method: str = "get", path: str = "go", **headers: str):
    client = Client(headers={"User-Agent": agent, **headers})
    return getattr(client, method)(f"/{path}/{link.code}")


def test_a_click_leads_to_the_target_with_click_pid_and_utm_and_all_else_unchanged():
    link = make_link(utm_source="wx", utm_campaign="双11", sub_ids=["a b", "", "c"])
    response = go(link)
    click = Click.objects.get()
    assert response.status_code == 302
    parts = urlsplit(response["Location"])
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == (
        "https",
        "shop.example.com",
        "/p/1",
        "size",
    )
    assert parse_qs(parts.query) == {
        "colour": ["red"],
        "ua_click": [click.click_id],
        "ua_pid": [link.pid.value],
        "utm_medium": ["affiliate"],
        "utm_source": ["wx"],
        "utm_campaign": ["双11"],
        "ua_sub1": ["a b"],
        "ua_sub3": ["c"],
    }
    assert (click.link, click.pid, click.affiliate, click.merchant, click.invalid_reason) == (
        link, link.pid, link.affiliate, link.merchant, ""
    )  # fmt: skip
    assert len(click.click_id) >= 22
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies


def test_the_short_form_is_the_same_and_a_carried_parameter_is_replaced_not_doubled():
    link = make_link("https://shop.example.com/?ua_click=old&utm_medium=email&x=1")
    query = parse_qs(urlsplit(go(link, path="s")["Location"]).query)
    assert query["ua_click"] == [Click.objects.get().click_id]
    assert (query["utm_medium"], query["x"]) == (["affiliate"], ["1"])


@pytest.mark.parametrize(
    ("agent", "headers", "method", "reason"),
    [
        ("", {}, "get", "bot"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", {}, "get", "bot"),
        ("facebookexternalhit/1.1", {}, "get", "bot"),
        ("TelegramBot (like TwitterBot)", {}, "get", "bot"),
        ("WhatsApp/2.23.20", {}, "get", "bot"),
        ("python-requests/2.32", {}, "get", "bot"),
        (BROWSER, {"Sec-Purpose": "prefetch;prerender"}, "get", "prefetch"),
        (BROWSER, {"Purpose": "prefetch"}, "get", "prefetch"),
        (BROWSER, {"X-Moz": "prefetch"}, "get", "prefetch"),
        (BROWSER, {}, "head", "head"),
        (f"{BROWSER} MQQBrowser/14.9", {}, "get", ""),
        (BROWSER, {}, "get", ""),
    ],
)
def test_robots_prefetches_and_heads_are_sent_on_without_a_valid_click(agent, headers, method, reason):
    response = go(make_link(), agent=agent, method=method, **headers)
    assert response.status_code == 302
    assert Click.objects.get().invalid_reason == reason


def test_the_status_at_the_moment_of_the_click_counts():
    link, charlie = make_link(), make_staff("Charlie")
    Pid.objects.update(frozen_at=timezone.now())
    go(link)
    Pid.objects.update(frozen_at=None)
    suspend(link.affiliate, by=charlie, at=timezone.now(), reason="x")
    go(link)
    reinstate(link.affiliate, by=charlie, at=timezone.now(), reason="x")
    Merchant.objects.update(status=Merchant.Status.SUSPENDED)
    go(link)
    Merchant.objects.update(status=Merchant.Status.ACTIVE)
    go(link)
    reasons = list(Click.objects.order_by("pk").values_list("invalid_reason", flat=True))
    assert reasons == ["pid_frozen", "affiliate_suspended", "merchant_inactive", ""]


def test_repeats_beyond_the_limit_are_sent_on_and_do_not_count():
    link = make_link()
    for _ in range(following.REPEATS + 2):
        assert go(link).status_code == 302
    assert Click.objects.filter(invalid_reason="rate_limited").count() == 2
    assert Click.objects.filter(invalid_reason="").count() == following.REPEATS


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/",
        "https://shop.example.com.evil.example/",
        "https://shop.example.com@evil.example/",
        "https://shop.example.com:8443/",
        "https://shop.example.com\\@evil.example/",
        "https://shop.example.com/\r\nSet-Cookie: a=b",
        "javascript:alert(1)//shop.example.com",
        "//shop.example.com/",
        "https://ѕhop.example.com/",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed_even_if_it_was_made(target):
    link = make_link(target)
    assert go(link).status_code == 404
    assert not Click.objects.exists()


def test_a_host_that_is_no_longer_verified_is_not_followed():
    link = make_link()
    MerchantDomain.objects.update(verified_at=None)
    assert go(link).status_code == 404


def test_an_unknown_code_is_not_found_and_nothing_is_posted():
    assert Client().get("/go/nothing123").status_code == 404
    assert Client().post(f"/go/{make_link().code}").status_code == 405


@pytest.mark.parametrize(("agent", "app"), [(WECHAT, "wechat"), (f"{BROWSER} QQ/9.0.1.5", "qq")])
@pytest.mark.parametrize(("language", "title"), [("zh-CN", "在浏览器中打开"), ("en", "Open in your browser")])
def test_inside_an_app_there_is_a_page_with_the_ways_out_and_no_valid_click(agent, app, language, title):
    link = make_link()
    response = go(link, agent=agent, **{"Accept-Language": language})
    text = response.content.decode()
    assert response.status_code == 200
    assert title in text
    assert f"/s/{link.code}" in text
    assert "data:image/svg+xml;base64," in text
    assert Click.objects.get().invalid_reason == "in_app"


def test_a_click_costs_few_queries_whatever_was_clicked_before():
    link = make_link()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            go(link)
        return len(captured)

    first = queries()
    for _ in range(10):
        go(link)
    assert queries() == first <= 3


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0"), ("2001:db8:1:2::9", "2001:db8:1::"), ("nonsense", ""), ("", "")],
)
def test_of_an_address_only_its_network_is_kept(address, network):
    assert visitors.network_of(address) == network
