"""One case on one screen: what is shown to whom, verdicts, notes, numbers, and the two decisions (ONB-2, 4, 5, 9)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from affiliates import cases, papers
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
from portal.tests.factories import make_staff, make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
State, Verdict = Case.State, Document.Verdict


def english(user):
    user.language = "en"
    user.save()
    return signed_in(user)


def url(name: str, *args) -> str:
    return reverse(f"admin:affiliates_case_{name}", args=args)


@pytest.fixture
def rita():
    return make_reviewer("Rita")


@pytest.fixture
def sven():
    return make_senior("Sven")


@pytest.fixture
def case(rita):
    """In review, claimed by Rita a minute ago."""
    return make_case(State.IN_REVIEW, rita=rita, at=timezone.now() - timedelta(minutes=1))


@pytest.fixture
def decided(rita):
    """Rita has approved first; nobody has claimed it since."""
    return make_case(State.AWAITING_SECOND_REVIEW, rita=rita, at=timezone.now() - timedelta(minutes=1))


def licence(case: Case) -> Document:
    return case.documents.exclude(verdict=Verdict.SUPERSEDED).get(kind="business_licence")


def snapshot(case: Case) -> dict:
    case.refresh_from_db()
    fields = {f.attname: getattr(case, f.attname) for f in case._meta.concrete_fields}
    return {**fields, "papers": list(case.documents.order_by("pk").values()), "events": case.events.count()}


# --- who ----------------------------------------------------------------------------------------------------------


def test_who_opens_a_case(client, case, rita, sven):
    page = url("change", case.pk)
    assert client.get(page).status_code == 302
    assert english(make_user("Bob")).get(page, follow=True).status_code == 403
    for group in ("support", "finance", "risk"):
        assert english(make_staff(group, groups=(group,))).get(page).status_code == 403
    for user in (rita, sven, make_superuser()):
        assert english(user).get(page).status_code == 200
    assert english(rita).get(url("change", 999999)).status_code == 404
    assert english(rita).get("/admin/affiliates/case/x%00y/change/").status_code == 404


def test_a_draft_is_nobodys_business_yet(rita):
    assert english(rita).get(url("change", make_case(State.DRAFT).pk)).status_code == 404


def actions(case: Case) -> list[tuple[str, dict]]:
    return [
        (url("claim", case.pk), {}),
        (url("extend", case.pk), {}),
        (url("give_back", case.pk), {}),
        (url("judge", case.pk, licence(case).pk), {"verdict": "accepted"}),
        (url("note", case.pk), {"text": "x"}),
        (url("reveal", case.pk, "id_number"), {"reason": "x"}),
        (url("decide", case.pk, "approve"), {"digest": digest(case)}),
        (url("decide", case.pk, "request-changes"), {"digest": digest(case), "steps": ["tax"]}),
        (url("decide", case.pk, "reject"), {"digest": digest(case), "reason_code": "not_eligible"}),
        (url("decide", case.pk, "send-back"), {"digest": digest(case)}),
    ]


def test_no_step_for_strangers_and_staff_without_the_permission(client, case):
    sue, bob = english(make_staff("Sue", groups=("support",))), english(make_user("Bob"))
    before = snapshot(case)
    for address, data in actions(case):
        assert sue.post(address, data).status_code == 403, address
        assert bob.post(address, data, follow=True).status_code == 403, address
        assert client.post(address, data).status_code == 302, address
    assert snapshot(case) == before


def test_who_belongs_to_the_company_is_told_so_on_every_page_and_step(case, rita):
    AffiliateMember.objects.create(affiliate=case.affiliate, user=rita)
    client, before = english(rita), snapshot(case)
    answer = client.get(url("change", case.pk))
    assert answer.status_code == 403
    assert "You belong to this company, so somebody else reviews its case." in answer.content.decode()
    for address, data in actions(case):
        assert client.post(address, data).status_code == 403, address
    assert snapshot(case) == before


@pytest.mark.parametrize("name", ["claim", "extend", "give_back", "note"])
def test_steps_are_not_taken_by_looking(case, rita, name):
    assert english(rita).get(url(name, case.pk)).status_code == 405


# --- what is shown ------------------------------------------------------------------------------------------------


def test_numbers_are_masked_for_everybody_until_revealed(case, rita, sven):
    for user in (rita, sven, make_superuser()):
        page = english(user).get(url("change", case.pk)).content.decode()
        assert ID_NUMBER not in page
        assert ACCOUNT not in page
        assert "110***********002X" in page


def test_revealing_asks_for_a_permission_and_a_reason_and_leaves_a_row(case, rita, sven):
    address = url("reveal", case.pk, "id_number")
    refused = english(rita).post(address, {"reason": "curious"})
    assert refused.status_code == 403
    assert ID_NUMBER not in refused.content.decode()
    client = english(sven)
    without = client.post(address, {"reason": " "})
    assert without.status_code == 422
    assert "Say why you need it." in without.content.decode()
    assert not AuditEntry.objects.filter(action=papers.REVEALED).exists()
    shown = client.post(address, {"reason": "scan unclear"}).content.decode()
    assert ID_NUMBER in shown
    assert ACCOUNT not in shown
    entry = AuditEntry.objects.get(action=papers.REVEALED)
    assert (entry.by, entry.reason, entry.data) == (sven, "scan unclear", {"number": "id_number"})
    again = client.get(url("change", case.pk)).content.decode()
    assert ID_NUMBER not in again
    assert "scan unclear" in again
    assert client.post(url("reveal", case.pk, "name"), {"reason": "x"}).status_code == 404


def test_mismatches_come_first_and_stand_at_their_fields(case, rita):
    case.settlement.account_name = "另一家公司"
    case.settlement.save()
    answer = english(rita).get(url("change", case.pk))
    chip, hint = answer.context["findings"][0]
    assert (hint.code, hint.subject, chip.tone) == ("account_name", "settlement.account_name", "bad")
    step = next(step for step in answer.context["steps"] if step.key == "settlement")
    assert step.fields[0].subject == "settlement.account_name"
    assert answer.content.decode().count("The account is not in the name on the licence.") == 2


def test_the_version_before_stands_beside_the_new_one_with_its_verdict(case, rita):
    now = timezone.now()
    cases.refuse_document(
        licence(case), reason_code="no_seal", internal_note="stamp missing", by=rita, at=now
    )
    put_document(case, "business_licence", by=case.opened_by, at=now)
    answer = english(rita).get(url("change", case.pk))
    paper = answer.context["steps"][1].papers[0]
    assert paper.current.document.version == 2
    assert [version.document.version for version in paper.earlier] == [1]
    page = answer.content.decode()
    assert "stamp missing" in page
    assert "The company&#x27;s seal is missing from the scan." in page


def test_a_reason_is_shown_in_both_languages_as_the_applicant_will_read_it(case, rita):
    page = english(rita).get(url("change", case.pk)).content.decode()
    assert "扫描件" in page or "公章" in page
    assert "Print the licence, stamp it" in page


def test_the_second_person_sees_verdicts_and_notes_of_the_first(rita, sven):
    now = timezone.now()
    case = make_case(State.IN_REVIEW, rita=rita, at=now - timedelta(minutes=2))
    cases.accept_document(licence(case), by=rita, at=now, internal_note="seal is faint but readable")
    accept_all(case, by=rita, at=now)
    cases.approve(case, by=rita, at=now, digest=digest(case), internal_note="all in order")
    page = english(sven).get(url("change", case.pk)).content.decode()
    assert "First decision by Rita: approve" in page
    assert "all in order" in page
    assert "seal is faint but readable" in page


def test_the_page_costs_the_same_however_much_has_happened(case, rita):
    client, now = english(rita), timezone.now()

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url("change", case.pk)).status_code == 200
        return len(captured)

    count()
    few = count()
    for number in range(6):
        put_document(case, "business_licence", by=case.opened_by, at=now)
        cases.note(case, text=f"note {number}", by=rita, at=now)
    case.refresh_from_db()
    assert count() == few
    assert few <= 45


@pytest.mark.parametrize("state", [s for s in State.values if s != "draft"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_case_opens_in_every_state_and_language(state, language, rita):
    case = make_case(state, at=timezone.now())
    rita.language = language
    rita.save()
    assert signed_in(rita).get(url("change", case.pk)).status_code == 200


# --- verdicts ------------------------------------------------------------------------------------------------------


def test_accepting_and_refusing_a_paper(case, rita):
    client, document = english(rita), licence(case)
    address = url("judge", case.pk, document.pk)
    answer = client.post(address, {"verdict": "accepted", "internal_note": "good"})
    assert answer.headers["Location"] == f"{url('change', case.pk)}#judge-business_licence"
    document.refresh_from_db()
    assert (document.verdict, document.internal_note, document.decided_by) == (Verdict.ACCEPTED, "good", rita)
    client.post(address, {"verdict": "resubmit", "reason_code": "no_seal", "internal_note": ""})
    document.refresh_from_db()
    assert (document.verdict, document.reason_code) == (Verdict.RESUBMIT, "no_seal")
    client.post(address, {"verdict": "rejected", "reason_code": "expired"})
    document.refresh_from_db()
    assert (document.verdict, document.reason_code) == (Verdict.REJECTED, "expired")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"verdict": "superseded"},
        {"verdict": "resubmit"},
        {"verdict": "resubmit", "reason_code": "personal_alipay"},
        {"verdict": "resubmit", "reason_code": "nonsense"},
        {"verdict": "accepted", "internal_note": "x" * 2001},
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused_and_the_note_stays(case, rita, data):
    before = snapshot(case)
    data = {"internal_note": "half an hour of typing", **data}
    answer = english(rita).post(url("judge", case.pk, licence(case).pk), data)
    assert answer.status_code == 422 or answer.status_code == 409
    assert data["internal_note"] in answer.content.decode()
    assert snapshot(case) == before


def test_a_paper_of_another_case_is_not_found(case, rita):
    other = make_case(State.IN_REVIEW, at=timezone.now())
    address = url("judge", case.pk, licence(other).pk)
    assert english(rita).post(address, {"verdict": "accepted"}).status_code == 404
    assert licence(other).verdict == Verdict.PENDING


def test_a_lease_that_is_over_refuses_the_verdict_and_keeps_the_note(case, rita):
    Case.objects.filter(pk=case.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    before = snapshot(case)
    answer = english(rita).post(
        url("judge", case.pk, licence(case).pk),
        {"verdict": "accepted", "internal_note": "typed before lunch"},
    )
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Claim the case first" in page
    assert "typed before lunch" in page
    assert url("claim", case.pk) in page
    assert snapshot(case) == before


def test_a_newer_version_refuses_the_verdict_and_keeps_the_note(case, rita):
    old = licence(case)
    put_document(case, "business_licence", by=case.opened_by, at=timezone.now())
    before = snapshot(case)
    answer = english(rita).post(
        url("judge", case.pk, old.pk), {"verdict": "accepted", "internal_note": "looked at v1"}
    )
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "The applicant has uploaded a newer version." in page
    assert "looked at v1" in page
    assert snapshot(case) == before


def test_notes_are_kept_and_empty_ones_refused(case, rita):
    client = english(rita)
    client.post(url("note", case.pk), {"text": "called the company"})
    assert case.events.get(verb="note").internal_note == "called the company"
    assert "called the company" in client.get(url("change", case.pk)).content.decode()
    assert client.post(url("note", case.pk), {"text": " "}).status_code == 422
    assert client.post(url("note", case.pk), {"text": "y" * 2001}).status_code == 422
    assert case.events.filter(verb="note").count() == 1


def test_the_lease_is_extended_by_the_button_and_quietly_by_the_script(case, rita):
    client = english(rita)
    Case.objects.filter(pk=case.pk).update(lease_expires_at=timezone.now() + timedelta(minutes=1))
    client.post(url("extend", case.pk))
    case.refresh_from_db()
    assert case.lease_expires_at > timezone.now() + timedelta(minutes=29)
    quiet = client.post(url("extend", case.pk), headers={"X-Quiet": "1"})
    assert set(quiet.json()) == {"until"}
    Case.objects.filter(pk=case.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    lost = client.post(url("extend", case.pk), headers={"X-Quiet": "1"})
    assert lost.status_code == 409
    assert "Claim the case first" in lost.json()["refusal"]


# --- decisions -----------------------------------------------------------------------------------------------------


def decide_url(case: Case, name: str) -> str:
    return url("decide", case.pk, name)


def test_the_question_shows_what_was_seen_and_carries_its_digest(case, rita):
    accept_all(case, by=rita, at=timezone.now())
    seen = digest(case)
    page = english(rita).get(decide_url(case, "approve"), {"seen": seen}).content.decode()
    assert f'value="{seen}"' in page
    for document in case.documents.all():
        assert document.sha256[:12] in page
    assert "You decide first." in page


def test_a_question_about_something_else_than_was_seen_leads_back(case, rita):
    answer = english(rita).get(decide_url(case, "approve"), {"seen": "0" * 64}, follow=True)
    assert answer.redirect_chain[-1][0] == url("change", case.pk)
    assert "The case has changed since you opened it." in answer.content.decode()
    assert english(rita).get(decide_url(case, "explode"), {"seen": digest(case)}).status_code == 404


def test_after_a_decision_the_next_case_opens(case, rita):
    accept_all(case, by=rita, at=timezone.now())
    following = make_case(State.SUBMITTED, at=timezone.now())
    answer = english(rita).post(
        decide_url(case, "approve"), {"digest": digest(case), "internal_note": "fine"}
    )
    assert answer.headers["Location"] == url("change", following.pk)
    case.refresh_from_db()
    following.refresh_from_db()
    assert (case.state, case.first_by) == (State.AWAITING_SECOND_REVIEW, rita)
    assert following.claimed_by == rita
    assert case.events.get(verb="approve").internal_note == "fine"


def test_two_people_approve_and_the_first_may_not_be_the_second(decided, rita, sven):
    first = english(rita)
    assert "You decided first." in first.get(url("change", decided.pk)).content.decode()
    before = snapshot(decided)
    first.post(url("claim", decided.pk))
    refused = first.post(decide_url(decided, "approve"), {"digest": digest(decided)})
    assert refused.status_code == 409
    assert snapshot(decided) == before
    second = english(sven)
    second.post(url("claim", decided.pk))
    answer = second.post(decide_url(decided, "approve"), {"digest": digest(decided)}, follow=True)
    assert "is now: approved" in answer.content.decode()
    decided.refresh_from_db()
    assert (decided.state, decided.second_by) == (State.APPROVED, sven)


def test_who_may_not_decide_finally_is_told(decided):
    client = english(make_reviewer("Ruth"))
    before = snapshot(decided)
    assert "You may not make final decisions." in client.get(url("change", decided.pk)).content.decode()
    client.post(url("claim", decided.pk))
    assert client.post(decide_url(decided, "approve"), {"digest": digest(decided)}).status_code == 403
    assert snapshot(decided) == before


def test_rejecting_needs_a_reason_and_two_people(case, rita, sven):
    client = english(rita)
    before = snapshot(case)
    for reason in ("", "no_seal", "nonsense"):
        data = {"digest": digest(case), "reason_code": reason, "internal_note": "kept text"}
        answer = client.post(decide_url(case, "reject"), data)
        assert answer.status_code == 422
        assert "kept text" in answer.content.decode()
    assert snapshot(case) == before
    client.post(decide_url(case, "reject"), {"digest": digest(case), "reason_code": "not_eligible"})
    case.refresh_from_db()
    assert (case.state, case.outcome) == (State.AWAITING_SECOND_REVIEW, "reject")
    second = english(sven)
    second.post(url("claim", case.pk))
    assert (
        "selected>Only companies"
        in second.get(decide_url(case, "reject"), {"seen": digest(case)}).content.decode()
    )
    second.post(decide_url(case, "reject"), {"digest": digest(case), "reason_code": "not_eligible"})
    case.refresh_from_db()
    assert case.state == State.REJECTED


def test_requesting_changes_opens_what_was_refused_and_what_was_marked(case, rita):
    client = english(rita)
    nothing = client.post(decide_url(case, "request-changes"), {"digest": digest(case)})
    assert nothing.status_code == 409
    assert "there is nothing to change yet" in nothing.content.decode()
    cases.refuse_document(licence(case), reason_code="no_seal", by=rita, at=timezone.now())
    client.post(decide_url(case, "request-changes"), {"digest": digest(case), "steps": ["tax"]})
    case.refresh_from_db()
    assert case.state == State.CHANGES_REQUESTED
    assert case.reopened == ["licence", "tax"]


def test_the_second_person_sends_back_and_goes_on_reviewing(decided, sven):
    client = english(sven)
    client.post(url("claim", decided.pk))
    answer = client.post(decide_url(decided, "send-back"), {"digest": digest(decided), "internal_note": "no"})
    assert answer.headers["Location"] == url("change", decided.pk)
    decided.refresh_from_db()
    assert (decided.state, decided.first_by, decided.claimed_by) == (State.IN_REVIEW, None, sven)


def test_changed_evidence_refuses_the_decision_and_keeps_the_note(case, rita):
    accept_all(case, by=rita, at=timezone.now())
    seen = digest(case)
    put_document(case, "tax_proof", by=case.opened_by, at=timezone.now())
    cases.accept_document(
        case.documents.exclude(verdict=Verdict.SUPERSEDED).get(kind="tax_proof"), by=rita, at=timezone.now()
    )
    before = snapshot(case)
    client = english(rita)
    answer = client.post(decide_url(case, "approve"), {"digest": seen, "internal_note": "long note"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "The case has changed while you looked at it." in page
    assert "long note" in page
    assert snapshot(case) == before
    # It stands in the next attempt, too.
    assert "long note" in client.get(decide_url(case, "approve"), {"seen": digest(case)}).content.decode()
    client.post(decide_url(case, "approve"), {"digest": digest(case), "internal_note": "long note"})
    assert "long note" not in client.session.get("case_notes", {}).values()


def test_a_paper_exchanged_between_the_two_decisions_voids_the_first(decided, sven):
    put_document(decided, "tax_proof", by=decided.opened_by, at=timezone.now())
    decided.refresh_from_db()
    assert (decided.state, decided.first_by) == (State.IN_REVIEW, None)
    client = english(sven)
    page = client.get(url("change", decided.pk)).content.decode()
    assert "first decision void" in page


def test_evidence_changed_behind_the_back_voids_the_first_decision(decided, sven):
    client = english(sven)
    client.post(url("claim", decided.pk))
    decided.settlement.account_name = "另一家公司"
    decided.settlement.save()
    answer = client.post(decide_url(decided, "approve"), {"digest": digest(decided)}, follow=True)
    assert answer.redirect_chain[-1][0] == url("change", decided.pk)
    assert "that decision is void" in answer.content.decode()
    decided.refresh_from_db()
    assert (decided.state, decided.first_by, decided.second_by) == (State.IN_REVIEW, None, None)


def test_a_lost_lease_can_be_claimed_again_with_the_decision(case, rita):
    accept_all(case, by=rita, at=timezone.now())
    Case.objects.filter(pk=case.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    client, data = english(rita), {"digest": digest(case), "internal_note": "typed slowly"}
    answer = client.post(decide_url(case, "approve"), data)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "typed slowly" in page
    assert 'name="claim_again"' in page
    client.post(decide_url(case, "approve"), {**data, "claim_again": "1"})
    case.refresh_from_db()
    assert case.state == State.AWAITING_SECOND_REVIEW


def test_somebody_else_decided_meanwhile(case, rita):
    ruth = make_reviewer("Ruth")
    now = timezone.now()
    cases.give_back(case, by=rita, at=now)
    cases.claim(case, by=ruth, at=now)
    cases.reject(case, reason_code="not_eligible", by=ruth, at=now, digest=digest(case))
    before = snapshot(case)
    data = {"digest": digest(case), "reason_code": "not_eligible", "internal_note": "mine"}
    answer = english(rita).post(decide_url(case, "reject"), data)
    assert answer.status_code in (403, 409)
    assert "mine" in answer.content.decode()
    assert snapshot(case) == before
