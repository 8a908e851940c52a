"""Papers in the browser: who gets 404, 403 or a link; forms with and without JavaScript (ONB-2, ONB-9)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates import images, papers, uploads
from affiliates.models import Case, Document, LivenessCheck
from affiliates.tests import pictures
from affiliates.tests.factories import make_affiliate
from affiliates.tests.paper_factories import (
    BANK_ACCOUNT,
    ID_NUMBER,
    close,
    make_draft,
    member_of,
    reviewer,
    senior,
)
from portal import private_files
from portal.models import AuditEntry, MemberRole
from portal.tests.factories import make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def case():
    return make_draft("alice", at=AT, owner=make_user("Alice", language="en"))


@pytest.fixture
def alice(case):
    return signed_in(case.opened_by)


def take(case, *contents: bytes, kind: str = "id_front") -> Document:
    held = [pictures.upload(content or pictures.jpeg()) for content in contents or (b"",)]
    return papers.take(case, kind=kind, uploads=held, by=case.opened_by, at=AT)


def frame(case) -> LivenessCheck:
    return LivenessCheck.objects.create(
        case=case,
        vendor="simulator",
        reference="r",
        state="passed",
        subject_digest="d",
        started_by=case.opened_by,
        started_at=AT,
        finished_at=AT,
        frame_key=private_files.put(pictures.jpeg(), media_type="image/jpeg"),
    )


def addresses(case) -> dict[str, tuple[str, str]]:
    """Every page, file and action about papers: its method and address."""
    document = take(case, pictures.jpeg("a"), pictures.jpeg("b"))
    page, file = document.pages.first(), document.files.first()
    return {
        "page": ("get", reverse("affiliates:page_image", args=[page.pk])),
        "frame": ("get", reverse("affiliates:liveness_frame", args=[frame(case).pk])),
        "ask file": ("get", reverse("affiliates:paper_file", args=[file.pk])),
        "file": ("post", reverse("affiliates:paper_file", args=[file.pk])),
        "ask number": ("get", reverse("affiliates:reveal_number", args=[case.pk, "id_number"])),
        "number": ("post", reverse("affiliates:reveal_number", args=[case.pk, "id_number"])),
        "rotate": ("post", reverse("affiliates:rotate_page", args=[page.pk])),
        "remove": ("post", reverse("affiliates:remove_page", args=[page.pk])),
        "upload": ("post", reverse("affiliates:upload_paper", args=[case.pk, "id_front"])),
    }


OPEN_TO = {
    "owner": {"page", "rotate", "remove", "upload"},
    "reviewer": {"page", "frame", "rotate"},
    "senior": {"page", "frame", "rotate", "ask file", "file", "ask number", "number"},
}


def status_of(browser, method: str, url: str) -> int:
    return getattr(browser, method)(url, {"reason": "because"} if method == "post" else {}).status_code


@pytest.mark.parametrize("who", ["owner", "reviewer", "senior"])
def test_each_of_them_reaches_exactly_what_is_theirs(case, who):
    user = {"owner": lambda: case.opened_by, "reviewer": reviewer, "senior": senior}[who]()
    browser = signed_in(user)
    for name, (method, url) in addresses(case).items():
        status = status_of(browser, method, url)
        assert status in ((200, 302) if name in OPEN_TO[who] else (403,)), name


@pytest.mark.parametrize("who", ["stranger", "other affiliate", "support", "helper", "insider", "visitor"])
def test_nobody_else_reaches_anything_and_nothing_changes(case, client, who):
    links = addresses(case)
    user = make_user("Somebody", is_staff=who == "support")
    browser, expected = signed_in(user), 404
    if who == "visitor":
        browser, expected = client, 302
    elif who == "other affiliate":
        member_of(make_affiliate("other"), user)
    elif who == "support":
        expected = 403
    elif who == "helper":
        member_of(case.affiliate, user, role=MemberRole.MEMBER)
        expected = 403
    elif who == "insider":
        insider = senior()
        member_of(case.affiliate, insider, role=MemberRole.MEMBER)
        browser, expected = signed_in(insider), 403
    before = (AuditEntry.objects.count(), list(Document.objects.values()))
    for name, (method, url) in links.items():
        response = getattr(browser, method)(url, {"reason": "because"} if method == "post" else {})
        assert response.status_code == expected, name
        if who == "visitor":
            assert response.url.startswith("/account/login/"), name
    assert (AuditEntry.objects.count(), list(Document.objects.values())) == before


def test_what_does_not_exist_is_not_found(case, alice):
    boss = signed_in(make_superuser())
    for name in ("page_image", "liveness_frame", "paper_file"):
        assert boss.get(reverse(f"affiliates:{name}", args=[999999])).status_code == 404
    assert boss.get(reverse("affiliates:reveal_number", args=[case.pk, "password"])).status_code == 404
    assert alice.post(reverse("affiliates:upload_paper", args=[case.pk, "passport"])).status_code == 404
    assert alice.post(reverse("affiliates:upload_paper", args=[999999, "id_front"])).status_code == 404


def test_actions_are_no_links(case, alice):
    page = take(case).pages.get()
    for name in ("rotate_page", "remove_page"):
        assert alice.get(reverse(f"affiliates:{name}", args=[page.pk])).status_code == 405
    assert alice.get(reverse("affiliates:upload_paper", args=[case.pk, "id_front"])).status_code == 405
    assert alice.post(reverse("affiliates:page_image", args=[page.pk])).status_code == 405


# --- looking --------------------------------------------------------------------------------------------------


def test_a_page_is_seen_through_a_link_and_each_look_is_a_row(case, alice):
    document = take(case)
    page = document.pages.get()
    url = reverse("affiliates:page_image", args=[page.pk])
    for looks in (1, 2):
        answer = alice.get(url)
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        shown = alice.get(answer.url)
        assert (shown.status_code, shown["Content-Type"]) == (200, "image/jpeg")
        assert shown.content == private_files.read(page.key)
        assert papers.access_log(case).count() == looks


def test_pages_of_a_pdf_are_pictures_and_the_pdf_itself_is_only_saved(case):
    document = take(case, pictures.pdf(1), kind="tax_proof")
    boss = signed_in(senior())
    seen = boss.get(boss.get(reverse("affiliates:page_image", args=[document.pages.get().pk])).url)
    assert seen["Content-Type"] == "image/jpeg"
    form = reverse("affiliates:paper_file", args=[document.files.get().pk])
    link = boss.post(form, {"reason": "for the tax office"}).context["link"]
    saved = boss.get(link)
    assert saved["Content-Type"] == "application/pdf"
    assert saved["Content-Disposition"] == f'attachment; filename="case-{case.pk}-tax_proof-v1-1.pdf"'
    assert saved.content == pictures.pdf(1)
    assert papers.access_log(case).first().reason == "for the tax office"


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_there_is_neither_file_nor_number(case, reason):
    document = take(case)
    boss = signed_in(senior())
    for url in (
        reverse("affiliates:paper_file", args=[document.files.get().pk]),
        reverse("affiliates:reveal_number", args=[case.pk, "id_number"]),
    ):
        answer = boss.post(url, {"reason": reason})
        assert answer.status_code == 422
        assert "link" not in answer.context
        assert ID_NUMBER not in answer.content.decode()
    assert not papers.access_log(case).exists()


@pytest.mark.parametrize(("number", "plain"), [("id_number", ID_NUMBER), ("account_number", BANK_ACCOUNT)])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_a_number_is_in_the_answer_to_the_reason_and_nowhere_else(case, number, plain, headers):
    boss = signed_in(senior())
    url = reverse("affiliates:reveal_number", args=[case.pk, number])
    assert plain not in boss.get(url, **headers).content.decode()
    answer = boss.post(url, {"reason": "compare with the scan"}, **headers)
    assert plain in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert plain not in boss.get(url, **headers).content.decode()
    row = papers.access_log(case).get()
    assert (row.reason, plain in str(row.data)) == ("compare with the scan", False)


def test_what_was_erased_is_gone(case, alice):
    document = take(case)
    Document.objects.update(erased_at=AT)
    answer = alice.get(reverse("affiliates:page_image", args=[document.pages.get().pk]))
    assert answer.status_code == 410
    boss = signed_in(senior())
    url = reverse("affiliates:paper_file", args=[document.files.get().pk])
    assert boss.post(url, {"reason": "x"}).status_code == 410


# --- handing in -----------------------------------------------------------------------------------------------


def send(browser, case, *contents: bytes, kind: str = "id_front", headers=None, **fields):
    held = [pictures.upload(content, f"scan-{n}.jpg") for n, content in enumerate(contents, start=1)]
    url = reverse("affiliates:upload_paper", args=[case.pk, kind])
    return browser.post(url, {"files": held, "next": "/papers/", **fields}, **(headers or {}))


def test_a_plain_form_takes_files_and_goes_back_to_its_page(case, alice):
    answer = send(alice, case, pictures.jpeg(), pictures.pdf(2))
    assert (answer.status_code, answer.url) == (302, "/papers/#paper-id_front")
    assert Document.objects.get().pages.count() == 3


def test_a_refused_file_is_said_with_its_name(case, alice):
    answer = send(alice, case, b"words", headers=HTMX)
    assert answer.status_code == 422
    assert "scan-1.jpg: This is not a JPEG, PNG or PDF file" in answer.content.decode()
    send(alice, case, b"words")
    assert "scan-1.jpg: This is not" in alice.get(reverse("profile")).content.decode()
    assert not Document.objects.exists()


def test_with_htmx_the_answer_is_the_field_anew(case, alice):
    page = send(alice, case, pictures.jpeg(size=(300, 200)), headers=HTMX).content.decode()
    document = Document.objects.get()
    assert page.lstrip().startswith('<section class="paper-field" id="paper-id_front"')
    assert reverse("affiliates:page_image", args=[document.pages.get().pk]) in page
    assert "The picture is very small" in page
    assert f'name="add" value="{document.pk}"' in page


def test_pages_are_added_turned_and_removed(case, alice):
    send(alice, case, pictures.jpeg("one"))
    first = Document.objects.get()
    send(alice, case, pictures.jpeg("two"), add=first.pk)
    second = Document.objects.get(version=2)
    assert second.pages.count() == 2
    page = second.pages.get(position=2)
    turned = alice.post(reverse("affiliates:rotate_page", args=[page.pk]), {"next": "/papers/"}, **HTMX)
    assert 'data-rotation="90"' in turned.content.decode()
    alice.post(reverse("affiliates:remove_page", args=[page.pk]), {"next": "/papers/"})
    assert Document.objects.get(version=3).pages.count() == 1


@pytest.mark.parametrize("add", ["0", "x", "-1", "9" * 30, "1 OR 1"])
def test_adding_to_what_is_not_a_version_of_this_paper_is_not_found(case, alice, add):
    assert send(alice, case, pictures.jpeg(), add=add).status_code == 404
    assert not Document.objects.exists()


@pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_nobody_is_sent_elsewhere(case, alice, next_url):
    assert send(alice, case, pictures.jpeg(), next=next_url).url == "/#paper-id_front"


def test_a_case_that_is_over_takes_nothing_and_says_so(case, alice):
    close(case, Case.State.WITHDRAWN, at=AT)
    answer = send(alice, case, pictures.jpeg(), headers=HTMX)
    assert answer.status_code == 422
    assert "can&#x27;t be changed now" in answer.content.decode()
    assert "data-upload" not in answer.content.decode()


def test_of_a_file_that_is_too_large_no_more_than_needed_reaches_the_disk(case, alice, monkeypatch):
    sizes = []
    real = papers.take
    monkeypatch.setattr(
        papers,
        "take",
        lambda case, **named: sizes.extend(u.size for u in named["uploads"]) or real(case, **named),
    )
    answer = send(alice, case, pictures.jpeg() + bytes(3 * images.MAX_BYTES), headers=HTMX)
    assert answer.status_code == 422
    assert "larger than 10 MB" in answer.content.decode()
    assert images.MAX_BYTES < sizes[0] <= images.MAX_BYTES + 64 * 1024
    assert not Document.objects.exists()


def test_a_request_that_can_be_no_upload_of_ours_is_refused_unread(case, alice, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_REQUEST", 10_000)
    assert send(alice, case, pictures.jpeg()).status_code == 400
    assert not Document.objects.exists()


# --- the policy, and what a field costs -----------------------------------------------------------------------


def test_everybody_reads_how_papers_are_kept(client):
    page = client.get(reverse("affiliates:paper_policy"), headers={"accept-language": "en"})
    assert page.status_code == 200
    assert "90 days after the rejection" in page.content.decode()


def test_a_field_of_twenty_pages_costs_as_many_queries_as_one_of_two(case, alice):
    def queries(*contents: bytes) -> int:
        send(alice, case, *contents)
        page = Document.objects.order_by("-version").first().pages.get(position=1)
        with CaptureQueriesContext(connection) as caught:
            alice.post(reverse("affiliates:rotate_page", args=[page.pk]), **HTMX)
        return len(caught)

    assert queries(pictures.pdf(2)) == queries(pictures.pdf(20))
