"""The portal pages in a real browser: the chart is drawn, the clock runs, nothing breaks the policy."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from affiliates.tests.factories import make_affiliate, make_pid
from commissions.tests.factories import Shop
from commissions.tests.pages import member_of, merchant_member
from orders.tests.factories import make_click
from portal.testing.browser import NARROW, WIDE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


DRAWN = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean)"


def is_drawn(page: Page) -> bool:
    """Whether the chart has any ink within two seconds; it is drawn at the browser's next frame."""
    for _ in range(20):
        if page.locator("canvas").evaluate(DRAWN):
            return True
        page.wait_for_timeout(100)
    return False


def sign_in(page: Page, person: Client, url: str) -> None:
    """Give the browser the session of a test client."""
    session = person.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])


def test_an_affiliate_walks_from_home_to_the_sheet(open_page, live_server):
    now = timezone.now()
    shop = Shop(pid=make_pid(make_affiliate("alice")))
    shop.click = make_click(shop.merchant, shop.pid, at=now - timedelta(hours=1))
    shop.send(shop.paid(at=now - timedelta(minutes=10), ordered_at=now - timedelta(minutes=12)))
    page = open_page(locale="en-GB")
    sign_in(page, member_of(shop.affiliate), live_server.url)

    page.goto("/affiliate/alice/")
    clock = page.locator("[data-countdown]")
    expect(clock).to_have_text(re.compile(r"^\s*(19|20):\d\d\s*$"))
    before = clock.inner_text()
    expect(clock).not_to_have_text(before, timeout=3000)

    page.get_by_role("link", name="Commission Report").first.click()
    assert is_drawn(page)
    page.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d$")).click()
    page.get_by_role("link", name="A1").click()
    expect(page.get_by_role("heading", name="Calculation sheet")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Commission of the order"))).to_contain_text("US$0.79")


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_a_merchant_walks_from_home_to_the_sheet_and_the_terms(open_page, live_server, viewport):
    now = timezone.now()
    shop = Shop(threshold=500)
    shop.click = make_click(shop.merchant, shop.pid, at=now - timedelta(hours=1))
    shop.send(shop.paid(at=now - timedelta(minutes=10), ordered_at=now - timedelta(minutes=12)))
    page = open_page(viewport=viewport, locale="zh-CN")
    sign_in(page, merchant_member(shop.merchant, language="zh-hans"), live_server.url)

    page.goto(f"/merchant/{shop.merchant.code}/")
    expect(page.get_by_role("heading", name="首页")).to_be_visible()
    page.get_by_role("link", name="查看全部").click()
    page.get_by_role("link", name="A1").click()
    expect(page.get_by_role("row", name=re.compile("本单佣金"))).to_contain_text("US$0.79")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.goto(f"/merchant/{shop.merchant.code}/terms/")
    expect(page.locator("main")).to_contain_text("7.9 %")
    expect(page.locator("main")).to_contain_text("US$5.00")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
