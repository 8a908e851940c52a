"""Links in a real browser: a page is pasted and checked, a link made, copied and put away (ATTR-2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from affiliates.tests.factories import make_affiliate, make_pid
from affiliates.tests.pages import member_of
from orders.models import Link, MerchantDomain
from orders.tests.factories import make_merchant
from orders.tracking.addresses import link_url
from portal.testing.browser import NARROW, WIDE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


def look(page: Page, name: str) -> None:
    """Nothing sticks out, nothing is inaccessible; a picture where one is wanted."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize(
    ("viewport", "language", "words"),
    [
        (WIDE, "en", ("Make the link", "Copy", "Copied", "Archive", "Undo", "verified domain")),
        (NARROW, "zh-hans", ("生成链接", "复制", "已复制", "归档", "撤销", "域名已验证")),
    ],
    ids=["1280-en", "390-zh"],
)
def test_an_affiliate_makes_a_link_copies_it_and_puts_it_away(
    open_page, live_server, viewport, language, words
):
    make, copy, copied, archive, undo, verified = words
    merchant = make_merchant(name="Lumo")
    MerchantDomain.objects.create(merchant=merchant, host="shop.example", verified_at=timezone.now())
    top = make_pid(make_affiliate("alice"))
    person = member_of(top.affiliate, language=language)
    page = open_page(viewport=viewport, locale="en-GB" if language == "en" else "zh-CN")
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    session = person.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.goto("/affiliate/alice/links/new/")
    target = page.locator("input[name=target]")
    target.fill("https://evil.example/")
    expect(page.locator("#check [role=alert]")).to_be_visible()
    target.fill("https://shop.example/p/1")
    expect(page.locator("#check")).to_contain_text("Lumo")
    expect(page.locator("#check")).to_contain_text(verified)
    look(page, f"link-new-{language}")
    page.get_by_role("button", name=make).click()

    expect(page.get_by_role("img", name="QR" if language == "en" else "二维码")).to_be_visible()
    link = Link.objects.get()
    expect(page.locator("#short-link")).to_have_value(link_url(link))
    page.locator(".link-line").get_by_role("button", name=copy).click()
    expect(page.locator(".link-line").get_by_role("button", name=copied)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link_url(link)
    look(page, f"link-{language}")

    page.get_by_role("button", name=archive, exact=True).click()
    page.get_by_role("button", name=undo).click()
    expect(page.locator("#short-link")).to_have_value(link_url(link))
    link.refresh_from_db()
    assert link.archived_at is None
    assert problems == []
