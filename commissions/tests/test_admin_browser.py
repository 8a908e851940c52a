"""The journey of risk staff in a real browser, under the strict policy: hold, propose, and another one forfeits."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse

from commissions.models import Hold
from commissions.tests.factories import Shop
from portal.tests.factories import make_superuser, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def page_of(open_page, user, **options):
    """A page in which `user` is signed in, in English."""
    page = open_page(locale="en-US", **options)
    page.goto("/admin/login/")
    origin = page.url.split("/account/")[0]
    session = signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [
            {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": origin},
            {"name": settings.LANGUAGE_COOKIE_NAME, "value": "en", "url": origin},
        ]
    )
    return page


def test_risk_holds_and_two_persons_forfeit(open_page):
    shop = Shop()
    shop.send(shop.awaiting(), shop.paid())
    # The migrations' groups don't survive the emptying of the database; here it's the journey that counts.
    rita, ruth = (make_superuser(name, language="en") for name in ("Rita", "Ruth"))
    page = page_of(open_page, rita)
    page.goto("/admin/")
    page.get_by_role("link", name="Timer board").first.click()
    page.get_by_role("link", name=str(shop.commission().public_id)[:8]).click()
    page.get_by_role("link", name="Hold…").click()
    page.get_by_label("Note").fill("odd traffic")
    page.get_by_role("button", name="Hold the commission").click()
    page.get_by_text("The commission is held.").wait_for()
    page.get_by_role("row").filter(has_text="odd traffic").get_by_role("link").click()
    page.get_by_role("link", name="Propose to forfeit…").click()
    page.get_by_label("Note").fill("click farm")
    page.get_by_role("button", name="Propose").click()
    page.get_by_text("Another person has to approve it.").wait_for()

    other = page_of(open_page, ruth)
    other.goto(reverse("admin:commissions_hold_changelist") + "?stage=proposed")
    other.locator("#result_list tbody a").first.click()
    other.get_by_role("link", name="Approve forfeiting…").click()
    assert "US$0.79" in other.locator("dl.facts").inner_text()
    other.get_by_label("Note").fill("seen the logs")
    other.get_by_role("button", name="Forfeit the commission").click()
    other.get_by_text("its money went back to the merchant").wait_for()
    assert Hold.objects.get().forfeited_by == ruth
    assert shop.commission().state == "clawed_back"


def test_every_kind_of_page_keeps_the_policy_on_a_wide_and_a_narrow_screen(open_page):
    """The fixture fails on whatever the browser complains about: inline styles, scripts, errors."""
    shop = Shop()
    shop.send(shop.awaiting(), shop.paid())
    root = make_superuser(language="zh-hans")
    commission = shop.commission()
    for viewport in ({"width": 1280, "height": 900}, {"width": 390, "height": 844}):
        page = page_of(open_page, root, viewport=viewport)
        for url in (
            reverse("admin:index"),
            reverse("admin:commissions_commission_timer"),
            reverse("admin:commissions_commission_changelist"),
            reverse("admin:commissions_commission_change", args=[commission.pk]),
            reverse("admin:commissions_commission_action", args=[commission.pk, "hold"]),
            reverse("admin:orders_order_change", args=[commission.order_id]),
            reverse("admin:commissions_termsversion_add"),
            reverse("admin:orders_merchant_action", args=[shop.merchant.pk, "window"]),
            reverse("admin:affiliates_affiliate_change", args=[shop.affiliate.pk]),
        ):
            answer = page.goto(url)
            assert answer.status == 200
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), url
