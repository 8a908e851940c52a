"""The upload field in a real browser, with and without its script (ONB-2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as product
from django.utils import timezone
from playwright.sync_api import Page, expect

from affiliates import papers
from affiliates.models import Document
from affiliates.tests import pictures
from affiliates.tests.paper_factories import make_draft, senior
from portal.testing.browser import NARROW, WIDE
from portal.tests.factories import make_user, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture
def case(settings):
    settings.ROOT_URLCONF = "affiliates.tests.paper_pages"
    return make_draft("alice", at=timezone.now(), owner=make_user("Alice", language="en"))


def sign_in(page: Page, user, url: str) -> None:
    session = signed_in(user).cookies[product.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": product.SESSION_COOKIE_NAME, "value": session, "url": url}])


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        # Hiding the caret would leave style attributes behind, which htmx then copies.
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True, caret="initial")


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert not [
        (v["id"], [node["html"] for node in v["nodes"]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def file(name: str, content: bytes) -> dict:
    kind = {"pdf": "application/pdf", "png": "image/png"}.get(name.rpartition(".")[2], "image/jpeg")
    return {"name": name, "mimeType": kind, "buffer": content}


def loaded(page: Page, field) -> None:
    expect(field.locator("img").first).to_be_visible()
    page.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} img`)].every(i => i.complete && i.naturalWidth)",
        arg=field.get_attribute("id"),
    )


def test_an_owner_uploads_looks_turns_adds_and_is_told_what_is_wrong(open_page, live_server, case):
    page = open_page(locale="en-GB", viewport=WIDE)
    sign_in(page, case.opened_by, live_server.url)
    page.goto(f"/test/papers/{case.pk}/")
    field = page.locator("#paper-id_front")

    field.get_by_label("Choose files").set_input_files([file("front.jpg", pictures.jpeg())])
    expect(field.locator("[data-previews] canvas")).to_be_visible()
    shoot(page, "papers-1-chosen")
    field.get_by_role("button", name="Upload").click()
    expect(field.locator("ol.paper-pages li")).to_have_count(1)
    loaded(page, field)
    assert page.url.endswith(f"/test/papers/{case.pk}/")  # swapped, not reloaded
    assert Document.objects.get().version == 1

    field.get_by_role("button", name="Rotate").click()
    expect(field.locator("img")).to_have_attribute("data-rotation", "90")
    field.get_by_label("Choose files again").set_input_files([file("back.png", pictures.png(blur=8))])
    field.get_by_label("Add to the pages above").check()
    field.get_by_role("button", name="Upload").click()
    expect(field.locator("ol.paper-pages li")).to_have_count(2)
    expect(field).to_contain_text("looks blurred")
    loaded(page, field)

    tax = page.locator("#paper-tax_proof")
    tax.get_by_label("Choose files").set_input_files([file("locked.pdf", pictures.pdf_with_password())])
    tax.get_by_role("button", name="Upload").click()
    expect(tax.get_by_role("alert").first).to_contain_text("locked.pdf: The PDF asks for a password")
    expect(tax.get_by_role("alert").first).to_be_focused()
    tax.get_by_label("Choose files").set_input_files([file("big.jpg", bytes(11 * 1024 * 1024))])
    expect(tax.locator("[data-refused]")).to_contain_text("larger than 10 MB: big.jpg")
    tax.get_by_role("button", name="Upload").click()
    expect(tax.locator("[data-refused]")).to_contain_text("big.jpg")
    tax.get_by_label("Choose files").set_input_files([file("tax.pdf", pictures.pdf(3))])
    tax.get_by_role("button", name="Upload").click()
    expect(tax.locator("ol.paper-pages li")).to_have_count(3)
    loaded(page, tax)
    assert_accessible(page)
    shoot(page, "papers-2-wide-en")

    case.opened_by.language = "zh-hans"
    case.opened_by.save()
    page.set_viewport_size(NARROW)
    page.reload()
    loaded(page, tax)
    assert_accessible(page)
    shoot(page, "papers-3-narrow-zh")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.wait_for_load_state("networkidle")  # each picture on its way writes a row


def test_without_a_script_it_is_a_plain_form(chromium, live_server, case):
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-GB")
    try:
        page = context.new_page()
        sign_in(page, case.opened_by, live_server.url)
        page.goto(f"/test/papers/{case.pk}/")
        field = page.locator("#paper-id_front")
        field.get_by_label("Choose files").set_input_files([file("front.jpg", pictures.jpeg())])
        field.get_by_role("button", name="Upload").click()
        expect(field.locator("ol.paper-pages li")).to_have_count(1)
        field.get_by_role("button", name="Rotate").click()
        expect(field.locator("img")).to_have_attribute("data-rotation", "90")
        field.get_by_label("Choose files again").set_input_files([file("x.txt", b"words")])
        field.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert").first).to_contain_text("x.txt: This is not a JPEG")
    finally:
        context.close()


def test_a_number_and_a_file_in_the_browser(open_page, live_server, case):
    document = papers.take(
        case,
        kind="tax_proof",
        uploads=[pictures.upload(pictures.pdf(1), "tax.pdf")],
        by=case.opened_by,
        at=timezone.now(),
    )
    boss = senior()
    boss.language = "en"
    boss.save()
    page = open_page(locale="en-GB")
    sign_in(page, boss, live_server.url)
    page.goto(f"/papers/cases/{case.pk}/reveal/id_number/")
    shoot(page, "papers-4-reveal")
    page.get_by_label("Why do you need to see it?").fill("the scan is unclear")
    page.get_by_role("button", name="Show the number").click()
    expect(page.locator(".paper-number")).to_have_text("11010519491231002X")
    assert_accessible(page)
    shoot(page, "papers-5-revealed")
    page.goto(f"/papers/files/{document.files.get().pk}/")
    page.get_by_label("Why do you need the file?").fill("for the tax office")
    page.get_by_role("button", name="Continue").click()
    assert_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the file").click()
    assert download.value.suggested_filename == f"case-{case.pk}-tax_proof-v1-1.pdf"
    page.goto("/papers/")
    assert_accessible(page)
    shoot(page, "papers-6-policy")
