"""Two reviewers and an applicant in a real browser: sent back, mended, approved by two (ONB-2, ONB-4, ONB-7)."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as product
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from affiliates import calendar, cases, papers
from affiliates.models import Case, Document
from affiliates.steps import papers_of
from affiliates.tests import pictures
from affiliates.tests.case_factories import fill, make_reviewer, make_senior
from portal.testing.browser import NARROW, WIDE
from portal.tests.factories import make_user, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture(autouse=True)
def known_years():
    for year in (2026, 2027):
        calendar.learn_year(year)


def submitted(name: str) -> Case:
    """A submitted case with papers that can be looked at."""
    at = timezone.now() - timedelta(hours=1)
    alice = make_user(name, language="zh-hans")
    case = cases.open_onboarding(user=alice, at=at)
    case = fill(case, by=alice, at=at)
    for kind in papers_of(case):
        papers.take(case, kind=kind, uploads=[pictures.upload(pictures.jpeg(kind))], by=alice, at=at)
    return cases.submit(case, by=alice, at=at)


def as_person(page: Page, user, url: str) -> None:
    session = signed_in(user).cookies[product.SESSION_COOKIE_NAME].value
    page.context.clear_cookies()
    page.context.add_cookies([{"name": product.SESSION_COOKIE_NAME, "value": session, "url": url}])


def looks(page: Page, name: str) -> None:
    found = Axe().run(page).response["violations"]
    assert not [
        (v["id"], [node["html"] for node in v["nodes"]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True, caret="initial")


def accept_all(page: Page, case: Case) -> None:
    for kind in papers_of(case):
        paper = page.locator(f"#paper-{kind}")
        if paper.locator(".state").first.get_attribute("data-tone") != "good":
            paper.locator("[data-accept]").click()
            expect(page.locator(f"#paper-{kind} .state").first).to_have_attribute("data-tone", "good")


@pytest.mark.parametrize(
    ("language", "viewport", "locale"), [("zh-hans", WIDE, "zh-CN"), ("en", NARROW, "en-GB")]
)
def test_a_case_is_sent_back_mended_and_approved_by_two(open_page, live_server, language, viewport, locale):
    case, other = submitted("Alice"), submitted("Bob")
    rita, sven = make_reviewer(), make_senior()
    for person in (rita, sven):
        person.language = language
        person.save(update_fields=["language"])
    page = open_page(locale=locale, viewport=viewport)
    shot = f"{language}-{viewport['width']}"
    queue = live_server.url + reverse("admin:affiliates_case_changelist")
    bench = live_server.url + reverse("admin:affiliates_case_change", args=[case.pk])

    as_person(page, rita, live_server.url)
    page.goto(queue)
    looks(page, f"{shot}-r1-queue")
    page.locator(".queue-bar button").click()
    assert page.url == bench
    looks(page, f"{shot}-r2-bench")
    page.keyboard.press("j")
    expect(page.locator(".bench-paper.is-current")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    looks(page, f"{shot}-r3-compare")
    page.keyboard.press("v")
    licence = page.locator("#paper-business_licence")
    licence.locator("select").select_option("no_seal")
    licence.locator("button[value=resubmit]").click()
    page.locator("button[value=request_changes]").click()
    # The next case opens by itself.
    assert page.url == live_server.url + reverse("admin:affiliates_case_change", args=[other.pk])

    case.refresh_from_db()
    assert (case.state, case.reopened) == ("changes_requested", ["licence"])
    stamped = pictures.upload(pictures.jpeg("STAMPED"))
    papers.take(
        case, kind=Document.Kind.BUSINESS_LICENCE, uploads=[stamped], by=case.opened_by, at=timezone.now()
    )
    cases.submit(case, by=case.opened_by, at=timezone.now())

    page.goto(bench)
    page.locator(".bench-claim form button").first.click()
    expect(page.locator("#paper-business_licence .bench-before")).to_have_count(1)
    accept_all(page, case)
    looks(page, f"{shot}-r4-accepted")
    page.locator("button[value=approve]").click()

    as_person(page, sven, live_server.url)
    page.goto(bench)
    page.locator(".bench-claim form button").first.click()
    page.locator("button[value=approve]").click()
    expect(page.locator(".bench-confirm")).to_be_visible()
    looks(page, f"{shot}-r5-confirm")
    page.locator(".bench-confirm button").click()
    page.wait_for_load_state()
    case.refresh_from_db()
    case.affiliate.refresh_from_db()
    assert (case.state, case.first_by, case.second_by) == ("approved", rita, sven)
    assert (case.affiliate.approved_at is not None, case.affiliate.on_probation) == (True, True)
    page.goto(live_server.url + reverse("admin:affiliates_case_board"))
    looks(page, f"{shot}-r6-board")
    page.goto(live_server.url + reverse("admin:affiliates_calendarday_changelist"))
    looks(page, f"{shot}-r7-calendar")
