"""Taking papers in, version by version, and who sees them (ONB-2, ONB-4, ONB-9). On both storages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from affiliates import cases, images, papers
from affiliates.evidence_digest import digest
from affiliates.models import Case, Company, CompanyDeclaration, Document, DocumentPage, LivenessCheck
from affiliates.tests import pictures
from affiliates.tests.case_factories import NOW, USCC, accept_all, make_case
from affiliates.tests.factories import make_affiliate
from affiliates.tests.paper_factories import close, make_draft, member_of, reviewer, senior
from portal import private_files
from portal.models import AuditEntry, MemberRole
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
ID_FRONT = Document.Kind.ID_FRONT


@pytest.fixture
def case():
    return make_draft("alice", at=AT)


@pytest.fixture
def alice(case):
    return case.opened_by


def take(case, *contents: bytes, kind: str = ID_FRONT, at=AT):
    uploads = [pictures.upload(content, f"scan-{n}.jpg") for n, content in enumerate(contents, start=1)]
    return papers.take(case, kind=kind, uploads=uploads, by=case.opened_by, at=at)


def held() -> set[str]:
    return set(private_files.held_keys())


def state_of(case) -> list:
    """Everything that an upload could have changed."""
    return [
        list(Document.objects.order_by("pk").values()),
        sorted(held()),
        case.events.count(),
        AuditEntry.objects.count(),
    ]


# --- taking in ------------------------------------------------------------------------------------------------


def test_a_photo_becomes_version_one_with_one_page(case, alice, each_storage):
    document = take(case, pictures.jpeg())
    file, page = document.files.get(), document.pages.get()
    assert (document.version, document.verdict, document.uploaded_by) == (1, "pending", alice)
    assert document.sha256 == images.digest(file.sha256.encode())
    assert (file.media_type, file.position, page.position) == ("image/jpeg", 1, 1)
    assert (page.width, page.height, page.rotation, page.hints) == (1200, 800, 0, [])
    assert page.key == file.key
    assert images.digest(private_files.read(file.key)) == file.sha256
    assert len(private_files.read(file.key)) == file.size
    assert held() == {file.key}


def test_a_pdf_and_a_photo_together_are_pages_in_their_order(case, each_storage):
    document = take(case, pictures.pdf(2), pictures.jpeg(), kind=Document.Kind.TAX_PROOF)
    assert [file.media_type for file in document.files.order_by("position")] == [
        "application/pdf",
        "image/jpeg",
    ]
    assert [(page.position, page.file.position) for page in document.pages.order_by("position")] == [
        (1, 1),
        (2, 1),
        (3, 2),
    ]
    assert len(held()) == 4
    assert private_files.read(document.files.get(position=1).key) == pictures.pdf(2)


def test_an_upload_is_written_into_the_cases_history_and_the_audit_trail(case, alice):
    document = take(case, pictures.jpeg())
    what = {"document": document.pk, "kind": "id_front", "version": 1, "files": 1}
    event = case.events.get(verb="upload")
    assert (event.by, event.at, event.data) == (alice, AT, what)
    row = AuditEntry.objects.get(action="paper.uploaded")
    assert (row.by, row.target_type, row.target_id, row.data) == (
        alice,
        "affiliates.case",
        str(case.pk),
        what,
    )


def test_a_new_upload_supersedes_and_keeps_the_one_before(case, each_storage):
    first = take(case, pictures.jpeg("one"))
    second = take(case, pictures.jpeg("two"), at=LATER)
    first.refresh_from_db()
    assert (first.version, first.verdict) == (1, "superseded")
    assert (second.version, second.verdict) == (2, "pending")
    assert held() == {first.files.get().key, second.files.get().key}


def test_the_verdict_of_a_refused_version_is_kept_in_who_and_when(case):
    first = take(case, pictures.jpeg("one"))
    Document.objects.filter(pk=first.pk).update(
        verdict="resubmit", reason_code="blurred", decided_by=reviewer(), decided_at=AT
    )
    take(case, pictures.jpeg("two"), at=LATER)
    first.refresh_from_db()
    assert (first.verdict, first.reason_code, first.decided_at) == ("superseded", "blurred", AT)


def test_sending_the_same_file_twice_is_one_version(case, each_storage):
    first = take(case, pictures.jpeg(), pictures.pdf(1))
    before = state_of(case)
    assert take(case, pictures.jpeg(), pictures.pdf(1), at=LATER) == first
    assert state_of(case) == before


def test_the_very_file_that_was_refused_is_not_taken_again(case, each_storage):
    first = take(case, pictures.jpeg())
    Document.objects.filter(pk=first.pk).update(
        verdict="resubmit", reason_code="blurred", decided_by=reviewer(), decided_at=AT
    )
    before = state_of(case)
    with pytest.raises(papers.SameFile):
        take(case, pictures.jpeg(), at=LATER)
    assert state_of(case) == before


@pytest.mark.parametrize(
    ("contents", "code"),
    [
        ([], "no_file"),
        ([b""], "empty"),
        ([b"words"], "unsupported"),
        ([pictures.jpeg(), b"words"], "unsupported"),
        ([pictures.jpeg(), pictures.jpeg()], "same_file"),
        ([pictures.pdf(20), pictures.jpeg()], "too_many_pages"),
        ([pictures.jpeg()] * 21, "too_many_pages"),
        ([pictures.pdf_with_password()], "password_protected"),
    ],
)
def test_a_refused_upload_changes_nothing_and_leaves_no_bytes(case, contents, code):
    take(case, pictures.jpeg("before"))
    before = state_of(case)
    with pytest.raises(images.PaperRefused) as refusal:
        take(case, *contents, at=LATER)
    assert refusal.value.code == code
    assert state_of(case) == before


def test_a_refusal_names_the_file(case):
    with pytest.raises(images.Unsupported, match=r"^scan-2\.jpg: "):
        take(case, pictures.jpeg(), b"words")


def test_a_file_that_says_it_is_too_large_is_not_even_read(case):
    upload = pictures.upload(b"small")
    upload.size = images.MAX_BYTES + 1
    upload.file = None
    with pytest.raises(images.TooLarge):
        papers.take(case, kind=ID_FRONT, uploads=[upload], by=case.opened_by, at=AT)


def test_a_failure_after_the_bytes_were_kept_takes_them_away_again(case, each_storage, monkeypatch):
    before = state_of(case)

    def fail(*args, **named):
        raise DatabaseError("gone")

    monkeypatch.setattr(papers.audit, "record", fail)
    with pytest.raises(DatabaseError):
        take(case, pictures.jpeg(), pictures.pdf(2))
    assert state_of(case) == before


@pytest.mark.parametrize("kind", ["passport", "", "ID_FRONT"])
def test_there_are_no_other_kinds_of_papers(case, kind):
    before = state_of(case)
    with pytest.raises(papers.NotNow):
        take(case, pictures.jpeg(), kind=kind)
    assert state_of(case) == before


def test_a_closed_case_takes_nothing(case):
    document = take(case, pictures.jpeg())
    close(case, Case.State.WITHDRAWN, at=LATER)
    document = Document.objects.get(pk=document.pk)
    page = DocumentPage.objects.get()
    before = state_of(case)
    for attempt in (
        lambda: take(case, pictures.jpeg("new"), at=LATER),
        lambda: papers.add_pages(
            document, uploads=[pictures.upload(pictures.png())], by=case.opened_by, at=LATER
        ),
        lambda: papers.remove_page(page, by=case.opened_by, at=LATER),
    ):
        with pytest.raises(papers.NotNow):
            attempt()
    assert state_of(case) == before


def test_after_a_change_request_only_what_was_reopened_is_taken(case):
    Case.objects.filter(pk=case.pk).update(state=Case.State.CHANGES_REQUESTED, reopened=["representative"])
    case.refresh_from_db()
    assert take(case, pictures.jpeg("a")).version == 1
    before = state_of(case)
    with pytest.raises(papers.NotNow):
        take(case, pictures.jpeg("b"), kind=Document.Kind.TAX_PROOF)
    assert state_of(case) == before


def test_a_paper_exchanged_between_the_two_approvals_voids_the_first():
    case = make_case(Case.State.AWAITING_SECOND_REVIEW)
    assert case.first_by
    document = take(case, pictures.jpeg("other"), at=LATER)
    case.refresh_from_db()
    assert (case.state, case.first_by, case.first_digest, case.outcome) == ("in_review", None, "", "")
    assert (document.version, document.verdict) == (2, "pending")
    assert [event.verb for event in case.events.order_by("-pk")[:2]] == ["void_decision", "upload"]


def test_the_same_file_again_between_the_two_approvals_voids_nothing():
    case = make_case(Case.State.IN_REVIEW)
    document = take(case, pictures.jpeg())
    reviewing = case.claimed_by
    accept_all(case, by=reviewing)
    case = cases.approve(case, by=reviewing, at=NOW, digest=digest(case))
    with pytest.raises(papers.SameFile):
        take(case, pictures.jpeg(), at=LATER)
    case.refresh_from_db()
    assert (case.state, case.first_by) == ("awaiting_second_review", reviewing)
    document.refresh_from_db()
    assert document.verdict == "accepted"


def test_a_caller_with_an_old_copy_of_the_case_is_refused_under_the_lock(case):
    take(case, pictures.jpeg("a"))
    Case.objects.filter(pk=case.pk).update(state=Case.State.WITHDRAWN, closed_at=AT)
    before = state_of(case)
    with pytest.raises(papers.NotNow):
        take(case, pictures.jpeg("b"))
    assert state_of(case) == before


# --- pages ----------------------------------------------------------------------------------------------------


def test_added_pages_make_a_version_that_shares_the_bytes_of_the_old_one(case, alice, each_storage):
    first = take(case, pictures.jpeg("one"))
    papers.rotate(first.pages.get(), by=alice, at=AT)
    second = papers.add_pages(first, uploads=[pictures.upload(pictures.pdf(2))], by=alice, at=LATER)
    assert (second.version, second.pages.count(), second.files.count()) == (2, 3, 2)
    assert second.files.get(position=1).key == first.files.get().key
    assert second.pages.get(position=1).rotation == 90
    assert len(held()) == 4


def test_pages_are_not_added_to_a_version_that_somebody_replaced(case, alice):
    first = take(case, pictures.jpeg("one"))
    take(case, pictures.jpeg("two"))
    before = state_of(case)
    with pytest.raises(papers.NotCurrent):
        papers.add_pages(first, uploads=[pictures.upload(pictures.png())], by=alice, at=LATER)
    assert state_of(case) == before


def test_pages_count_together_with_those_that_are_there(case, alice):
    first = take(case, pictures.pdf(19))
    before = state_of(case)
    with pytest.raises(images.TooManyPages):
        papers.add_pages(first, uploads=[pictures.upload(pictures.pdf(2, text="more"))], by=alice, at=LATER)
    assert state_of(case) == before


def test_a_page_that_is_there_is_not_added_again(case, alice):
    first = take(case, pictures.jpeg())
    before = state_of(case)
    with pytest.raises(papers.SameFile):
        papers.add_pages(first, uploads=[pictures.upload(pictures.jpeg())], by=alice, at=LATER)
    assert state_of(case) == before


def test_a_removed_page_is_missing_from_a_new_version_and_kept_in_the_old(case, alice, each_storage):
    first = take(case, pictures.jpeg("one"), pictures.jpeg("two"))
    second = papers.remove_page(first.pages.get(position=1), by=alice, at=LATER)
    assert [page.key for page in second.pages.all()] == [first.pages.get(position=2).key]
    assert (second.version, second.pages.get().position) == (2, 1)
    assert first.pages.count() == 2
    assert len(held()) == 2


def test_neither_the_last_page_nor_part_of_a_pdf_can_be_removed(case, alice):
    document = take(case, pictures.jpeg())
    book = take(case, pictures.pdf(2), pictures.jpeg("x"), kind=Document.Kind.TAX_PROOF)
    before = state_of(case)
    with pytest.raises(papers.LastPage):
        papers.remove_page(document.pages.get(), by=alice, at=LATER)
    with pytest.raises(papers.PartOfPdf):
        papers.remove_page(book.pages.get(position=1), by=alice, at=LATER)
    assert state_of(case) == before


def test_four_quarter_turns_change_no_byte(case, alice, each_storage):
    document = take(case, pictures.jpeg())
    page, digest = document.pages.get(), document.sha256
    bytes_before = private_files.read(page.key)
    turned = [papers.rotate(page, by=alice, at=AT).rotation for _ in range(4)]
    assert turned == [90, 180, 270, 0]
    document.refresh_from_db()
    assert (document.sha256, private_files.read(page.key)) == (digest, bytes_before)


def test_the_database_lets_nobody_exchange_a_paper(case):
    document = take(case, pictures.jpeg())
    for sql in (
        "UPDATE affiliates_document SET sha256 = repeat('0', 64)",
        "DELETE FROM affiliates_document",
        "UPDATE affiliates_documentfile SET key = 'x'",
        "UPDATE affiliates_documentpage SET key = 'x'",
        "DELETE FROM affiliates_documentpage",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    document.refresh_from_db()
    assert document.sha256 == images.digest(document.files.get().sha256.encode())


# --- looking --------------------------------------------------------------------------------------------------


def people(case) -> dict:
    stranger = make_user("Mallory")
    member_of(make_affiliate("other"), stranger)
    helper = make_user("Helen")
    member_of(case.affiliate, helper, role=MemberRole.MEMBER)
    insider = senior("Ivan")
    member_of(case.affiliate, insider, role=MemberRole.MEMBER)
    CompanyDeclaration.objects.create(case=case, entity="company", name="Alice", uscc=USCC)
    company = Company.objects.create(uscc=USCC, name="Alice", entity="company", verified_at=AT)
    partner = senior("Petra")
    member_of(make_affiliate("sister", company=company), partner)
    return {
        "same company": partner,
        "owner": case.opened_by,
        "reviewer": reviewer(),
        "senior": senior(),
        "helper": helper,
        "stranger": stranger,
        "support": make_user("Sue", groups=("support",), is_staff=True),
        "insider": insider,
        "former": reviewer("Fred", is_active=False),
        "not staff": reviewer("Nora", is_staff=False),
    }


def test_who_sees_pages_frames_and_numbers(case):
    who = people(case)

    def allowed(rule) -> set[str]:
        return {name for name, user in who.items() if rule(case, user)}

    assert allowed(papers.may_see) == {"owner", "reviewer", "senior"}
    assert allowed(papers.may_see_frame) == {"reviewer", "senior"}
    assert allowed(papers.may_reveal) == {"senior"}
    assert allowed(papers.may_provide) == {"owner"}


def test_every_look_leaves_its_row_before_there_is_a_link(case, alice):
    document = take(case, pictures.jpeg())
    charlie = reviewer()
    for person in (alice, charlie, charlie):
        assert papers.page_link(document.pages.get(), by=person, at=LATER)
    rows = list(papers.access_log(case))
    assert [(row.action, row.by, row.at) for row in rows] == [
        ("paper.viewed", charlie, LATER),
        ("paper.viewed", charlie, LATER),
        ("paper.viewed", alice, LATER),
    ]
    assert rows[0].data == {"document": document.pk, "kind": "id_front", "version": 1, "page": 1}


def test_who_may_not_look_gets_no_link_and_leaves_no_row(case):
    document = take(case, pictures.jpeg(), kind=Document.Kind.TAX_PROOF)
    page, file = document.pages.get(), document.files.get()
    rows = AuditEntry.objects.count()
    for name, user in people(case).items():
        if name not in ("owner", "reviewer", "senior"):
            with pytest.raises(papers.MayNotSee):
                papers.page_link(page, by=user, at=LATER)
        if name != "senior":
            with pytest.raises(papers.MayNotSee):
                papers.file_link(file, by=user, reason="curious", at=LATER)
            with pytest.raises(papers.MayNotSee):
                papers.reveal(case, number="id_number", by=user, reason="curious", at=LATER)
    assert AuditEntry.objects.count() == rows


def test_a_file_is_saved_with_a_reason_that_is_kept(case, each_storage):
    document = take(case, pictures.pdf(1))
    boss = senior()
    for empty in ("", "  \n"):
        with pytest.raises(papers.ReasonNeeded):
            papers.file_link(document.files.get(), by=boss, reason=empty, at=LATER)
    assert papers.file_link(document.files.get(), by=boss, reason="court order 12", at=LATER)
    row = papers.access_log(case).get()
    assert (row.action, row.by, row.reason, row.data["file"]) == (
        "paper.downloaded",
        boss,
        "court order 12",
        1,
    )


def test_a_number_is_revealed_with_a_reason_and_the_row_has_no_number(case):
    boss = senior()
    plain = papers.reveal(case, number="id_number", by=boss, reason="name differs", at=LATER)
    assert plain == "11010519491231002X"
    row = papers.access_log(case).get()
    assert (row.action, row.reason, row.data) == ("number.revealed", "name differs", {"number": "id_number"})
    assert (
        papers.reveal(case, number="account_number", by=boss, reason="x", at=LATER) == "6222021234567890123"
    )


@pytest.mark.parametrize("number", ["name", "pk", "", "id_number "])
def test_only_numbers_are_revealed(case, number):
    with pytest.raises(papers.UnknownNumber):
        papers.reveal(case, number=number, by=senior(), reason="x", at=LATER)
    assert not papers.access_log(case).exists()


def test_the_frame_of_a_liveness_check_is_for_reviewers_alone(case, alice, each_storage):
    key = private_files.put(pictures.jpeg(), media_type="image/jpeg")
    check = LivenessCheck.objects.create(
        case=case,
        vendor="simulator",
        reference="r1",
        state="passed",
        subject_digest="d",
        started_by=alice,
        started_at=AT,
        finished_at=AT,
        frame_key=key,
    )
    with pytest.raises(papers.MayNotSee):
        papers.frame_link(check, by=alice, at=LATER)
    assert papers.frame_link(check, by=reviewer(), at=LATER)
    assert papers.access_log(case).get().data == {"kind": "liveness_frame", "check": check.pk}


def test_the_access_log_can_not_be_rewritten(case):
    papers.reveal(case, number="id_number", by=senior(), reason="why", at=LATER)
    for sql in ("UPDATE portal_auditentry SET reason = ''", "DELETE FROM portal_auditentry"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert papers.access_log(case).get().reason == "why"


def test_an_erased_paper_has_no_link(case, alice):
    document = take(case, pictures.jpeg())
    Document.objects.filter(pk=document.pk).update(erased_at=LATER)
    document.refresh_from_db()
    with pytest.raises(papers.Erased):
        papers.page_link(document.pages.get(), by=alice, at=LATER)
    with pytest.raises(papers.Erased):
        papers.add_pages(document, uploads=[pictures.upload(pictures.png())], by=alice, at=LATER)
    assert not papers.access_log(case).exists()
