"""The reviewers' day in a real browser: refuse, see it mended, approve; another person approves (ONB-2, ONB-4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as product
from django.utils import timezone
from playwright.sync_api import Page, expect

from affiliates import cases, papers
from affiliates.models import AffiliateMember, Case, Document
from affiliates.tests import case_factories, pictures
from affiliates.tests.case_factories import make_reviewer, make_senior
from portal import private_files
from portal.models import AuditEntry
from portal.testing.browser import NARROW, WIDE
from portal.tests.factories import make_user, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


def take_real(case: Case, kind: str, *, by, at, content: str = "") -> Document:
    """A paper with pages that can be looked at."""
    upload = pictures.upload(pictures.pdf(2, text=kind.upper() + content), f"{kind}.pdf")
    if kind.startswith("id_"):
        upload = pictures.upload(pictures.jpeg(kind + content), f"{kind}.jpg")
    return papers.take(case, kind=kind, uploads=[upload], by=by, at=at)


@pytest.fixture
def case(monkeypatch) -> Case:
    """Submitted just now, with papers and a face."""
    monkeypatch.setattr(case_factories, "put_document", take_real)
    alice, at = make_user("Alice"), timezone.now()
    draft = cases.open_onboarding(user=alice, at=at)
    filled = case_factories.fill(draft, by=alice, at=at)
    face = private_files.put(pictures.jpeg("FACE", size=(600, 800)), media_type="image/jpeg")
    filled.liveness_checks.update(frame_key=face, frame_sha256="f" * 64)
    return cases.submit(filled, by=alice, at=at)


class Desk:
    """A reviewer and their browser."""

    def __init__(self, open_page, url: str, user, **options) -> None:
        self.page: Page = open_page(**options)
        self.url, self.user = url, user
        session = signed_in(user).cookies[product.SESSION_COOKIE_NAME].value
        self.page.context.add_cookies([{"name": product.SESSION_COOKIE_NAME, "value": session, "url": url}])

    def at(self, path: str) -> None:
        self.page.goto(self.url + path)

    def looks(self, what: str) -> None:
        """Accessible, no wider than the screen; photographed if asked for."""
        self.page.wait_for_function(
            "() => [...document.images].every(i => i.offsetParent === null || (i.complete && i.naturalWidth))"
        )
        found = Axe().run(self.page).response["violations"]
        assert not [
            (v["id"], [node["html"] for node in v["nodes"]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), what
        if SHOTS:
            name = f"review-{what}-{self.user.language}-{self.page.viewport_size['width']}.png"
            self.page.screenshot(path=str(Path(SHOTS) / name), full_page=True, caret="initial")

    def settle(self) -> None:
        """Pictures on their way write rows; they must have arrived before the test ends."""
        self.page.wait_for_load_state("networkidle")


def speaking(user, language: str):
    user.language = language
    user.save()
    return user


def judge(page: Page, kind: str, button: str) -> None:
    panel = page.locator(f"#judge-{kind}")
    with page.expect_response("**/papers/*/"):
        panel.get_by_role("button", name=button).click()


def test_two_reviewers_and_a_paper_that_is_mended(open_page, live_server, case):
    rita = Desk(open_page, live_server.url, speaking(make_reviewer(), "en"), locale="en-GB", viewport=WIDE)
    page = rita.page
    rita.at("/admin/affiliates/case/")
    rita.looks("1-queue")
    page.get_by_role("button", name="Claim next").click()
    page.wait_for_url(f"**/case/{case.pk}/change/")
    rita.looks("2-bench")

    # One paper at a time; only what is looked at is in the access log.
    shown = page.locator(".wb-paper.is-shown")
    expect(shown).to_have_count(1)
    page.keyboard.press("2")
    expect(page.locator("#paper-id_front")).to_be_visible()
    expect(page.locator("#paper-business_licence")).to_be_hidden()
    page.keyboard.press("+")
    expect(page.locator("[data-zoom-level]")).to_have_text("125\N{NO-BREAK SPACE}%")
    page.keyboard.press("0")
    with page.expect_response("**/rotate/"):
        page.keyboard.press("r")
    expect(page.locator("#paper-id_front .wb-turn")).to_have_attribute("data-rotation", "90")
    rita.settle()
    seen = {entry.data["kind"] for entry in AuditEntry.objects.filter(action=papers.VIEWED)}
    assert seen == {"business_licence", "id_front"}
    page.keyboard.press("1")
    page.keyboard.press("j")
    expect(page.locator("#paper-business_licence .wb-page.is-shown")).to_have_count(1)
    expect(page.locator(".wb-thumb").nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("c")
    expect(shown).to_have_count(3)
    rita.looks("3-compare")
    page.keyboard.press("c")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    rita.looks("4-shortcuts")
    page.get_by_label("Use single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("c")
    expect(shown).to_have_count(1)
    page.reload()
    page.keyboard.press("c")
    expect(shown).to_have_count(1)
    page.locator("[data-help-open]").click()
    page.get_by_label("Use single-key shortcuts").check()
    page.get_by_role("button", name="Close").click()

    # A refusal without a reason is told, and what was typed stays; so does what is typed elsewhere.
    licence = page.locator("#judge-business_licence")
    licence.get_by_label("Internal note").fill("the stamp is missing")
    page.get_by_label("Add a note").fill("half a thought")
    judge(page, "business_licence", "Ask for it again")
    expect(licence.get_by_role("alert")).to_have_text("Choose a reason for this paper.")
    expect(licence.get_by_label("Internal note")).to_have_value("the stamp is missing")
    licence.get_by_label("Reason for the applicant").select_option("no_seal")
    expect(licence.locator("[data-reason=no_seal]")).to_be_visible()
    expect(licence.locator("[data-reason=no_seal] [lang=zh-hans]")).to_contain_text("章")
    judge(page, "business_licence", "Ask for it again")
    expect(licence).to_contain_text("to be submitted again")
    expect(page.locator("#wb-messages")).to_contain_text("to be submitted again")
    expect(page.get_by_label("Add a note")).to_have_value("half a thought")
    rita.looks("5-refused")
    page.get_by_label("Add a note").fill("")
    for kind in ("id_front", "id_back", "settlement_proof", "tax_proof"):
        judge(page, kind, "Accept")
        expect(page.locator(f"#judge-{kind}")).to_contain_text("accepted")
    page.get_by_role("link", name="Request changes…").click()
    rita.looks("6-question")
    page.get_by_label("Internal note").fill("only the stamp")
    page.get_by_role("button", name="Send to the applicant").click()
    expect(page.get_by_text("Nothing else is waiting for you.")).to_be_visible()

    case.refresh_from_db()
    take_real(case, "business_licence", by=case.opened_by, at=timezone.now(), content=" STAMPED")
    cases.submit(case, by=case.opened_by, at=timezone.now())

    page.get_by_role("button", name="Claim next").click()
    page.wait_for_url(f"**/case/{case.pk}/change/")
    expect(shown).to_have_count(1)
    page.keyboard.press("v")
    expect(page.locator("#paper-business_licence .wb-version:visible")).to_have_count(2)
    expect(page.locator("#paper-business_licence")).to_contain_text("the stamp is missing")
    rita.looks("7-versions")
    page.keyboard.press("v")
    page.locator("#judge-tax_proof summary").first.focus()
    expect(page.locator("#paper-tax_proof")).to_be_visible()
    page.locator("#paper-tax_proof .wb-frame").first.focus()
    page.keyboard.press("1")
    with page.expect_response("**/papers/*/"):
        page.keyboard.press("a")
    expect(page.locator("#judge-business_licence")).to_contain_text("accepted")
    page.get_by_role("link", name="Approve…").click()
    page.get_by_label("Internal note").fill("stamped now")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("awaiting second review").first).to_be_visible()

    sven = Desk(open_page, live_server.url, speaking(make_senior(), "zh-hans"), viewport=NARROW)
    page = sven.page
    sven.at("/admin/affiliates/case/")
    sven.looks("1-queue")
    page.locator(".queue-head button").click()
    page.wait_for_url(f"**/case/{case.pk}/change/")
    expect(page.get_by_text("stamped now").first).to_be_visible()
    sven.looks("2-bench")
    page.locator("#wb-step-representative summary").filter(has=page.locator("svg")).first.click()
    page.locator("#reason-id_number").fill("照片不清楚")
    with page.expect_response("**/number/id_number/"):
        page.locator("#number-id_number button").click()
    expect(page.locator(".wb-plain")).to_have_text(case_factories.ID_NUMBER)
    sven.looks("8-revealed")
    page.locator("#wb-decision a").first.click()
    sven.looks("6-question")
    page.locator(".submit-row input").click()
    page.wait_for_url("**/case/")
    case.refresh_from_db()
    assert (case.state, case.first_by, case.second_by) == ("approved", rita.user, sven.user)
    sven.at("/admin/affiliates/case/board/")
    sven.looks("9-board")
    sven.at("/admin/affiliates/calendarday/?month=2026-10")
    sven.looks("10-calendar")
    page.set_viewport_size(WIDE)
    sven.looks("10-calendar")
    sven.at("/admin/affiliates/calendarday/day/2026-10-01/")
    sven.looks("11-day")
    sven.at("/admin/affiliates/case/board/")
    sven.looks("9-board")
    sven.at(f"/admin/affiliates/case/{case.pk}/change/")
    sven.looks("2-bench")
    AffiliateMember.objects.create(affiliate=case.affiliate, user=sven.user)
    sven.at(f"/admin/affiliates/case/{case.pk}/change/")
    sven.looks("12-own-company")
    rita.settle()
    sven.settle()


def test_without_a_script_the_same_is_done_by_forms(chromium, live_server, case):
    rita = speaking(make_reviewer(), "en")
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-GB")
    try:
        page = context.new_page()
        session = signed_in(rita).cookies[product.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": product.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        page.goto("/admin/affiliates/case/")
        page.get_by_role("button", name="Claim next").click()
        expect(page.locator(".wb-paper")).to_have_count(6)
        expect(page.locator("#paper-tax_proof .wb-frame").first).to_be_visible()
        licence = page.locator("#judge-business_licence")
        licence.get_by_label("Internal note").fill("no stamp")
        licence.get_by_role("button", name="Refuse").click()
        expect(page.get_by_role("alert").first).to_contain_text("Choose a reason")
        expect(licence.get_by_label("Internal note")).to_have_value("no stamp")
        licence.get_by_label("Reason for the applicant").select_option("no_seal")
        licence.get_by_role("button", name="Ask for it again").click()
        expect(licence).to_contain_text("to be submitted again")
        page.locator("#paper-id_front").get_by_role("button", name="Turn").click()
        expect(page.locator("#paper-id_front .wb-turn")).to_have_attribute("data-rotation", "90")
        page.get_by_role("link", name="Request changes…").click()
        page.get_by_role("button", name="Send to the applicant").click()
        expect(page.get_by_text("is now: changes requested")).to_be_visible()
    finally:
        context.close()
