"""The reviewers' pages: who may open them, what they show, what each action does (ONB-3…5, ONB-9)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from affiliates.evidence_digest import digest
from affiliates.models import AffiliateMember, Case, Document
from affiliates.tests.case_factories import (
    ACCOUNT,
    ID_NUMBER,
    accept_all,
    make_case,
    make_reviewer,
    make_senior,
    put_document,
)
from portal.models import AuditEntry
from portal.tests.factories import make_staff, make_user, signed_in

pytestmark = pytest.mark.django_db
State = Case.State
QUEUE = "admin:affiliates_case_changelist"


@pytest.fixture(autouse=True)
def english(settings):
    settings.LANGUAGE_CODE = "en"


def speaks_english(user):
    user.language = "en"
    user.save(update_fields=["language"])
    return user


@pytest.fixture
def rita():
    return speaks_english(make_reviewer())


@pytest.fixture
def sven():
    return speaks_english(make_senior())


def url(name: str, *args: object) -> str:
    return reverse(f"admin:affiliates_case_{name}", args=args)


def body(response, status: int = 200) -> str:
    assert response.status_code == status, response.status_code
    return response.content.decode()


def test_only_reviewers_open_the_queue_and_the_workbench():
    case = make_case(State.SUBMITTED)
    pages = [url("changelist"), url("change", case.pk), url("board")]
    for person in (make_staff("Fay", groups=("finance",)), make_staff("Sue", groups=("support",))):
        assert [signed_in(person).get(page).status_code for page in pages] == [403, 403, 403]
    stranger = signed_in(make_user("Mallory"))
    assert all(stranger.get(page).status_code in (302, 403, 404) for page in pages)
    rita = signed_in(make_reviewer())
    assert [rita.get(page).status_code for page in pages] == [200, 200, 403]
    assert signed_in(make_senior()).get(url("board")).status_code == 200


@pytest.mark.parametrize("action", ["next", "claim", "give_back", "note", "judge", "decide"])
def test_no_action_is_open_to_others_nor_by_get(action):
    case = make_case(State.IN_REVIEW)
    arguments = {"next": (), "judge": (case.pk, case.documents.first().pk)}.get(action, (case.pk,))
    before = Case.objects.filter(pk=case.pk).values().get()
    finance = signed_in(make_staff("Fay", groups=("finance",)))
    assert finance.post(url(action, *arguments), {"verb": "approve", "text": "x"}).status_code == 403
    assert signed_in(make_reviewer("Tess")).get(url(action, *arguments)).status_code == 405
    assert Case.objects.filter(pk=case.pk).values().get() == before


def test_the_queue_begins_with_what_is_due_soonest_and_says_how_long_is_left(rita):
    now = timezone.now()
    late = make_case(State.SUBMITTED, at=now - timedelta(days=30))
    fresh = make_case(State.SUBMITTED, at=now)
    draft = make_case()
    text = body(signed_in(rita).get(url("changelist")))
    assert text.index(f"#{late.pk}<") < text.index(f"#{fresh.pk}<")
    assert f"#{draft.pk}<" not in text
    assert "overdue by" in text
    assert "h left" in text


def test_the_queue_is_filtered_by_the_address(rita):
    now = timezone.now()
    submitted, claimed = make_case(State.SUBMITTED, at=now), make_case(State.IN_REVIEW, rita=rita, at=now)
    paused = make_case(State.CHANGES_REQUESTED, at=now)
    browser = signed_in(rita)

    def found(**filters: str) -> set[int]:
        text = body(browser.get(url("changelist"), filters))
        return {case.pk for case in (submitted, claimed, paused) if f"#{case.pk}<" in text}

    assert found() == {submitted.pk, claimed.pk}
    assert found(who="mine") == {claimed.pk}
    assert found(who="free") == {submitted.pk}
    assert found(state="changes_requested") == {paused.pk}
    assert found(kind="renewal") == set()
    assert found(q=submitted.affiliate.code) == {submitted.pk}
    assert found(q=str(claimed.pk)) == {claimed.pk}
    assert found(q="深圳前海") == {submitted.pk, claimed.pk}
    assert found(overdue="1") == set()
    assert found(state="nonsense", kind="nonsense", after="nonsense~x", q="'; --") == set()


def test_pages_of_the_queue_follow_each_other_without_gap_or_repeat(rita, monkeypatch):
    monkeypatch.setattr("affiliates.review.PAGE", 2)
    now = timezone.now()
    wanted = [make_case(State.SUBMITTED, at=now).pk for _ in range(5)]
    browser, seen, address = signed_in(rita), [], url("changelist")
    while address:
        response = browser.get(address)
        seen += [row.case.pk for row in response.context["rows"]]
        following = response.context["following"]
        address = f"{url('changelist')}?{following}" if following else ""
    assert seen == wanted


def test_queue_and_workbench_take_the_same_queries_for_little_and_for_much(rita):
    now = timezone.now()
    browser = signed_in(rita)
    case = make_case(State.IN_REVIEW, rita=rita, at=now)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            body(browser.get(address))
        return len(captured)

    queries(url("changelist"))
    few = (queries(url("changelist")), queries(url("change", case.pk)))
    for _ in range(10):
        make_case(State.SUBMITTED, at=now)
        put_document(case, "id_front", by=case.opened_by, at=now)
    assert (queries(url("changelist")), queries(url("change", case.pk))) == few


def test_the_workbench_masks_numbers_and_puts_mismatches_first(rita):
    case = make_case(State.IN_REVIEW, rita=rita, at=timezone.now())
    type(case.company).objects.filter(case=case).update(representative_name="李四")
    text = body(signed_in(rita).get(url("change", case.pk)))
    assert ID_NUMBER not in text
    assert ACCOUNT not in text
    assert text.index('data-level="mismatch"') < text.index('data-level="ok"')
    assert "The licence names another legal representative." in text


def test_a_reviewer_judges_papers_and_decides_and_the_next_case_opens(rita, sven):
    now = timezone.now()
    first, second = make_case(State.SUBMITTED, at=now), make_case(State.SUBMITTED, at=now)
    browser = signed_in(rita)
    assert browser.post(url("next")).url == url("change", first.pk)
    for document in first.documents.all():
        response = browser.post(url("judge", first.pk, document.pk), {"verdict": "accepted"})
        assert response.url == url("change", first.pk) + f"#paper-{document.kind}"
    first.refresh_from_db()
    response = browser.post(url("decide", first.pk), {"verb": "approve", "digest": digest(first)})
    assert response.url == url("change", second.pk)
    first.refresh_from_db()
    assert (first.state, first.first_by) == ("awaiting_second_review", rita)

    other = signed_in(sven)
    assert other.post(url("claim", first.pk)).status_code == 302
    asked = body(other.post(url("decide", first.pk), {"verb": "approve", "digest": digest(first)}))
    assert "Approve for good?" in asked
    first.refresh_from_db()
    assert first.state == "awaiting_second_review"
    response = other.post(url("decide", first.pk), {"verb": "approve", "digest": digest(first), "sure": "1"})
    assert response.url == reverse(QUEUE)
    first.refresh_from_db()
    assert (first.state, first.second_by) == ("approved", sven)


def test_what_was_typed_stays_when_a_decision_is_refused(rita):
    case = make_case(State.IN_REVIEW, rita=rita, at=timezone.now())
    response = signed_in(rita).post(
        url("decide", case.pk), {"verb": "approve", "digest": "0" * 64, "internal_note": "the seal is fine"}
    )
    assert "the seal is fine" in body(response, 409)
    licence = case.documents.get(kind=Document.Kind.BUSINESS_LICENCE)
    response = signed_in(rita).post(
        url("judge", case.pk, licence.pk),
        {"verdict": "resubmit", "reason_code": "", "internal_note": "no seal"},
    )
    assert "no seal" in body(response, 409)
    licence.refresh_from_db()
    assert licence.verdict == "pending"


def test_a_change_request_needs_something_refused_and_names_it(rita):
    case = make_case(State.IN_REVIEW, rita=rita, at=timezone.now())
    browser = signed_in(rita)
    assert browser.post(url("decide", case.pk), {"verb": "request_changes"}).status_code == 409
    licence = case.documents.get(kind=Document.Kind.BUSINESS_LICENCE)
    browser.post(url("judge", case.pk, licence.pk), {"verdict": "resubmit", "reason_code": "no_seal"})
    browser.post(url("decide", case.pk), {"verb": "request_changes", "steps": ["tax", "nonsense"]})
    case.refresh_from_db()
    assert (case.state, case.reopened) == ("changes_requested", ["licence", "tax"])


def test_a_reviewer_of_the_same_company_is_sent_away(rita):
    case = make_case(State.SUBMITTED, at=timezone.now())
    AffiliateMember.objects.create(affiliate=case.affiliate, user=rita)
    response = signed_in(rita).get(url("change", case.pk), follow=True)
    assert "You belong to this company" in body(response)
    assert signed_in(rita).post(url("claim", case.pk), follow=True).status_code == 200
    case.refresh_from_db()
    assert case.claimed_by is None


def test_notes_are_kept_and_shown_to_reviewers_alone(rita):
    case = make_case(State.IN_REVIEW, rita=rita, at=timezone.now())
    browser = signed_in(rita)
    browser.post(url("note", case.pk), {"text": "called the bank"})
    assert "called the bank" in body(browser.get(url("change", case.pk)))
    hers = signed_in(case.opened_by).get(
        reverse("affiliates:application", args=[case.affiliate.code, case.pk])
    )
    assert "called the bank" not in body(hers)
    assert AuditEntry.objects.filter(action="case.claim").exists()


def test_the_board_counts_what_was_decided_and_what_is_open(sven):
    now = timezone.now()
    make_case(State.APPROVED, at=now - timedelta(days=1))
    make_case(State.REJECTED, at=now - timedelta(days=1))
    make_case(State.SUBMITTED, at=now)
    make_case(State.CHANGES_REQUESTED, at=now)
    response = signed_in(sven).get(url("board"), {"days": "7"})
    board = response.context["board"]
    assert (board["count"], board["share"], board["mean_days"]) == (2, 1.0, 0.0)
    assert {str(entry["state"]): entry["count"] for entry in board["open"]}["submitted"] == 1
    assert sum(bucket["count"] for bucket in board["ageing"]) == 1
    assert len(board["reviewers"]) == 4
    assert signed_in(sven).get(url("board"), {"days": "'; --"}).status_code == 200


def test_the_calendar_is_edited_by_seniors_and_each_change_is_audited(rita, sven):
    page = reverse("admin:affiliates_calendarday_add")
    data = {"day": "2026-12-24", "is_working": "", "name": "Stocktaking"}
    assert signed_in(rita).post(page, data).status_code == 403
    assert signed_in(sven).post(page, data).status_code == 302
    entry = AuditEntry.objects.get(action="calendar.enter_day")
    assert entry.data == {"is_working": False, "name": "Stocktaking"}


def test_accepting_all_and_rejecting_works_from_the_page(rita):
    case = make_case(State.IN_REVIEW, rita=rita, at=timezone.now())
    accept_all(case, by=rita, at=timezone.now())
    browser = signed_in(rita)
    assert (
        browser.post(
            url("decide", case.pk), {"verb": "reject", "digest": digest(case), "reason_code": "no_seal"}
        ).status_code
        == 409
    )
    browser.post(
        url("decide", case.pk), {"verb": "reject", "digest": digest(case), "reason_code": "forged_papers"}
    )
    case.refresh_from_db()
    assert (case.state, case.outcome, case.reason_code) == (
        "awaiting_second_review",
        "reject",
        "forged_papers",
    )
