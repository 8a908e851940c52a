"""One applicant's way in a real browser: from nothing to submitted, and a change request mended (ONB-1, ONB-2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as product
from playwright.sync_api import Page, expect

from affiliates import cases
from affiliates.models import Case, Document
from affiliates.tests import pictures
from affiliates.tests.case_factories import COMPANY, ID_NUMBER, PERSON, USCC, make_reviewer
from affiliates.tests.liveness_service import simulator
from portal.testing.browser import NARROW, WIDE
from portal.tests.factories import make_user, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture
def vendor(settings):
    with simulator() as liveness:
        settings.LIVENESS = liveness
        yield


class Applicant:
    """Alice and her browser."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page, self.url, self.name = page, url, name

    def at(self, path: str) -> None:
        self.page.goto(self.url + path)

    def looks(self, what: str) -> None:
        """The page is as it should be: accessible, no wider than the screen, and photographed if asked for."""
        found = Axe().run(self.page).response["violations"]
        assert not [
            (v["id"], [node["html"] for node in v["nodes"]])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), what
        if SHOTS:
            self.page.screenshot(
                path=str(Path(SHOTS) / f"{self.name}-{what}.png"), full_page=True, caret="initial"
            )

    def save(self) -> None:
        self.page.locator("main form button[type=submit].btn-primary").first.click()
        self.page.wait_for_load_state()

    def upload(self, kind: str, name: str, content: bytes) -> None:
        field = self.page.locator(f"#paper-{kind}")
        media_type = "application/pdf" if name.endswith("pdf") else "image/jpeg"
        field.locator("input[type=file]").first.set_input_files(
            [{"name": name, "mimeType": media_type, "buffer": content}]
        )
        with self.page.expect_response(f"**/upload/{kind}/"):
            field.locator(".paper-upload button[type=submit]").click()
        expect(self.page.locator(f"#paper-{kind} .paper-page")).to_have_count(1, timeout=15000)


@pytest.mark.parametrize(
    ("language", "viewport", "locale"), [("zh-hans", NARROW, "zh-CN"), ("en", WIDE, "en-GB")]
)
@pytest.mark.usefixtures("vendor")
def test_a_company_applies_and_mends_what_it_is_asked_to(open_page, live_server, language, viewport, locale):
    alice = make_user("Alice", language=language)
    page = open_page(locale=locale, viewport=viewport)
    session = signed_in(alice).cookies[product.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": product.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    her = Applicant(page, live_server.url, f"{language}-{viewport['width']}")

    her.at("/")
    her.looks("1-welcome")
    page.locator("main .empty a").click()
    her.looks("2-apply")
    page.fill("[name=name]", "云选好物")
    page.check("[name=kind][value=koc]")
    her.save()
    case = Case.objects.get()
    base = f"/affiliate/{case.affiliate.code}/application/{case.pk}/"
    her.looks("3-checklist")

    her.at(f"{base}profile/")
    page.check("[name=regions][value=ES]")
    page.select_option("[name=channels-0-platform]", "wechat")
    page.fill("[name=channels-0-handle]", "云选好物分享")
    page.fill("[name=channels-0-audience]", "86000")
    her.looks("4-profile")
    her.save()
    assert page.url.endswith(f"{base}licence/")

    page.check("[name=entity][value=company]")
    page.fill("[name=name]", COMPANY)
    page.fill("[name=uscc]", "440301103097413")
    page.fill("[name=representative_name]", PERSON)
    page.check("[name=long_term]")
    her.save()
    expect(page.locator("[name=uscc]")).to_have_class("form-control is-invalid")
    her.looks("5-licence-error")
    page.fill("[name=uscc]", USCC)
    her.save()
    her.upload("business_licence", "licence.pdf", pictures.pdf())
    her.looks("6-licence")

    her.at(f"{base}consents/")
    for kind in ("terms", "identity", "face"):
        page.check(f"[name={kind}]")
    her.looks("7-consents")
    her.save()

    her.at(f"{base}representative/")
    page.fill("[name=name]", PERSON)
    page.fill("[name=id_number]", ID_NUMBER)
    page.fill("[name=valid_until]", "2035-01-01")
    her.save()
    her.upload("id_front", "front.jpg", pictures.jpeg("FRONT"))
    her.upload("id_back", "back.jpg", pictures.jpeg("BACK"))
    assert ID_NUMBER not in page.content()
    page.locator("form[action$='liveness/'] button").click()
    her.looks("8-liveness")
    page.locator("main a.btn-primary").click()
    expect(page.locator("form button[value=pass]")).to_be_visible()
    her.looks("9-simulator")
    page.click("form button[value=pass]")
    page.wait_for_url("**/representative/")
    her.looks("10-representative")

    her.at(f"{base}settlement/")
    page.check("[name=kind][value=bank]")
    page.fill("[name=account_name]", COMPANY)
    page.fill("[name=account_number]", "6222020200112233445")
    page.fill("[name=bank_name]", "中国工商银行")
    her.save()
    her.upload("settlement_proof", "receipt.jpg", pictures.jpeg("RECEIPT"))
    her.looks("11-settlement")

    her.at(f"{base}tax/")
    page.check("[name=proof][value=registration]")
    page.fill("[name=taxpayer_name]", COMPANY)
    page.fill("[name=taxpayer_number]", USCC)
    her.save()
    her.upload("tax_proof", "tax.jpg", pictures.jpeg("TAX"))
    her.looks("12-tax")

    her.at(base)
    her.looks("13-ready")
    page.locator("form[action$='submit/'] button").click()
    expect(page.locator(".answer-time")).to_be_visible()
    her.looks("14-submitted")

    case.refresh_from_db()
    at = case.submitted_at
    rita = make_reviewer()
    cases.claim(case, by=rita, at=at)
    licence = case.documents.get(kind=Document.Kind.BUSINESS_LICENCE)
    cases.refuse_document(licence, reason_code="no_seal", by=rita, at=at)
    cases.request_changes(case, by=rita, at=at)
    her.at(base)
    her.looks("15-changes")
    expect(page.locator(".checklist-open")).to_have_count(1)
    her.at(f"{base}licence/")
    her.upload("business_licence", "stamped.jpg", pictures.jpeg("STAMPED"))
    her.at(base)
    page.locator("form[action$='submit/'] button").click()
    expect(page.locator(".answer-time")).to_be_visible()
    case.refresh_from_db()
    assert (case.state, case.documents.get(kind="business_licence", version=2).verdict) == (
        "submitted",
        "pending",
    )
    her.at(f"{base}withdraw/")
    her.looks("16-withdraw")
