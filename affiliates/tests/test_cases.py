"""The life of a case: who may do what when, and what two people's decision takes (ONB-2…5)."""

from __future__ import annotations

import pytest
from django.core import mail as outbox
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from affiliates import cases, declarations, expiry
from affiliates.case_steps import (
    TRANSITIONS,
    EvidenceChanged,
    IllegalTransition,
    Incomplete,
    NotAllAccepted,
    NotAllowed,
    NothingToChange,
    NotYours,
    OpenAlready,
    OutcomeDiffers,
    OwnCompany,
    SamePerson,
    UnknownReason,
)
from affiliates.evidence_digest import digest
from affiliates.models import (
    AffiliateMember,
    Case,
    CaseEvent,
    Company,
    Document,
    PaperExpiry,
    SettlementAccount,
)
from affiliates.steps import checklist, may_edit, may_upload
from affiliates.tests.case_factories import (
    ACCOUNT,
    COMPANY,
    ID_NUMBER,
    NOW,
    USCC,
    accept_all,
    fill,
    later,
    make_case,
    make_reviewer,
    make_senior,
    pass_liveness,
    put_document,
)
from affiliates.tests.factories import make_affiliate
from portal import mail
from portal.models import AuditEntry, OutgoingMail
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
State = Case.State


def rows(case: Case) -> tuple:
    """Everything about a case that a refused step may not change."""
    return (
        Case.objects.filter(pk=case.pk).values().get(),
        list(case.documents.order_by("pk").values()),
        list(CaseEvent.objects.filter(case=case).order_by("pk").values_list("pk", flat=True)),
        AuditEntry.objects.count(),
        OutgoingMail.objects.count(),
    )


# --- the way there ---------------------------------------------------------------------------------------------


def test_an_application_begins_with_an_affiliate_of_its_own_and_a_draft():
    alice = make_user("Alice")
    case = cases.open_onboarding(user=alice, kind_of_affiliate="mcn", at=NOW)
    assert (case.state, case.affiliate.kind, case.affiliate.approved_at) == ("draft", "mcn", None)
    assert case.affiliate.members.get().user == alice
    assert [(step.key, step.state) for step in checklist(case)] == [
        ("profile", "todo"),
        ("licence", "todo"),
        ("representative", "todo"),
        ("settlement", "todo"),
        ("tax", "todo"),
        ("consents", "todo"),
    ]


def test_a_second_open_case_of_a_kind_is_refused():
    case = make_case()
    with pytest.raises(OpenAlready):
        cases.open_case(case.affiliate, kind="onboarding", by=case.opened_by, at=NOW)
    assert Case.objects.count() == 1


def test_an_incomplete_case_is_not_submitted_and_what_is_missing_is_said():
    case = make_case()
    before = rows(case)
    with pytest.raises(Incomplete) as refusal, override("en"):
        cases.submit(case, by=case.opened_by, at=NOW)
    assert "Pass the liveness check." not in refusal.value.missing  # first the name is needed
    assert "Add at least one channel." in refusal.value.missing
    assert rows(case) == before


@pytest.mark.parametrize("kind", Document.Kind.values)
def test_every_single_paper_is_needed(kind):
    case = make_case()
    fill(case, by=case.opened_by)
    case.documents.filter(kind=kind).update(verdict="superseded")
    with pytest.raises(Incomplete):
        cases.submit(case, by=case.opened_by, at=NOW)


def test_a_liveness_check_of_another_person_does_not_count():
    case = make_case()
    alice = case.opened_by
    fill(case, by=alice)
    declarations.save_representative(case, by=alice, at=NOW, name="李四", id_number=ID_NUMBER)
    with pytest.raises(Incomplete) as refusal, override("en"):
        cases.submit(case, by=alice, at=NOW)
    assert refusal.value.missing == ["Pass the liveness check."]
    pass_liveness(case, by=alice, name="李四")
    assert cases.submit(case, by=alice, at=NOW).state == State.SUBMITTED


def test_a_submitted_case_is_due_two_working_days_later():
    case = make_case(State.SUBMITTED)
    assert (case.first_submitted_at, case.submitted_at, case.clock_started_at) == (NOW, NOW, NOW)
    assert case.due_at == later(48)


# --- the clock --------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_while_the_applicant_has_the_case():
    case = make_case(State.SUBMITTED)
    alice, rita = case.opened_by, make_reviewer()
    cases.claim(case, by=rita, at=later(2))
    licence = case.documents.get(kind="business_licence")
    cases.refuse_document(licence, reason_code="no_seal", by=rita, at=later(2.25))
    case = cases.request_changes(case, by=rita, at=later(2.4))
    assert (case.worked_seconds, case.due_at, case.clock_started_at) == (int(2.4 * 3600), None, None)
    assert case.clock_is_paused
    put_document(case, "business_licence", by=alice, at=later(100))
    case = cases.submit(case, by=alice, at=later(24 * 7))
    # Two working days less 2.4 hours from Wednesday 10:00: Friday 7.6 hours before its 10:00.
    assert case.due_at == later(24 * 7 + 48) - (later(2.4 + 15) - NOW)
    assert case.first_submitted_at == NOW


def test_the_time_that_a_decision_took_is_kept():
    case = make_case(State.SUBMITTED)
    rita, sven = make_reviewer(), make_senior()
    cases.claim(case, by=rita, at=later(1))
    accept_all(case, by=rita, at=later(1))
    cases.approve(case, by=rita, at=later(1.25), digest=digest(case))
    cases.claim(case, by=sven, at=later(3))
    case = cases.approve(case, by=sven, at=later(3.25), digest=digest(case))
    assert (case.state, case.worked_seconds, case.due_at) == ("approved", int(3.25 * 3600), None)
    assert list(case.events.filter(verb="approve").values_list("worked_seconds", flat=True)) == [4500, 11700]


# --- illegal steps ----------------------------------------------------------------------------------------------

VERBS = {
    "submit": lambda case, person: cases.submit(case, by=person, at=NOW),
    "claim": lambda case, person: cases.claim(case, by=person, at=NOW),
    "give_back": lambda case, person: cases.give_back(case, by=person, at=NOW),
    "accept": lambda case, person: cases.accept_document(case.documents.first(), by=person, at=NOW),
    "refuse": lambda case, person: cases.refuse_document(
        case.documents.first(), reason_code="unreadable", by=person, at=NOW
    ),
    "request_changes": lambda case, person: cases.request_changes(case, by=person, at=NOW, steps=["profile"]),
    "approve": lambda case, person: cases.approve(case, by=person, at=NOW, digest=digest(case)),
    "reject": lambda case, person: cases.reject(
        case, reason_code="not_eligible", by=person, at=NOW, digest=digest(case)
    ),
    "send_back": lambda case, person: cases.send_back(case, by=person, at=NOW),
    "withdraw": lambda case, person: cases.withdraw(case, by=person, at=NOW),
}


def test_every_verb_is_on_the_map():
    assert set(VERBS) == set(TRANSITIONS)


@pytest.mark.parametrize("state", State.values)
def test_every_illegal_step_is_refused_with_its_reason_and_changes_nothing(state):
    case = make_case(state)
    senior = make_senior("Tess")
    if state == State.DRAFT:
        put_document(case, "id_front", by=case.opened_by)
    for verb, act in VERBS.items():
        if state in TRANSITIONS[verb]:
            continue
        before = rows(case)
        with pytest.raises(IllegalTransition) as refusal, transaction.atomic():
            act(case, senior)
        assert str(case.get_state_display()) in str(refusal.value.message), verb
        assert rows(case) == before, verb


# --- leases -----------------------------------------------------------------------------------------------------


def test_a_claimed_case_is_nobody_elses_until_the_lease_runs_out():
    rita, tess = make_reviewer(), make_reviewer("Tess")
    case = make_case(State.IN_REVIEW, rita=rita)
    with pytest.raises(NotYours):
        cases.claim(case, by=tess, at=later(0.4))
    assert cases.claim_next(by=tess, at=later(0.4)) is None
    assert cases.claim_next(by=tess, at=later(0.5)) == case
    with pytest.raises(NotYours):
        cases.accept_document(case.documents.first(), by=rita, at=later(0.6))


def test_working_on_extends_the_lease_and_giving_back_ends_it():
    rita, tess = make_reviewer(), make_reviewer("Tess")
    case = make_case(State.IN_REVIEW, rita=rita)
    case = cases.extend_lease(case, by=rita, at=later(0.4))
    assert case.lease_expires_at == later(0.9)
    case = cases.give_back(case, by=rita, at=later(0.5))
    assert (case.state, case.claimed_by, case.lease_expires_at) == ("in_review", None, None)
    assert cases.claim_next(by=tess, at=later(0.5)) == case


def test_the_next_case_is_the_one_due_soonest_that_the_person_may_decide():
    rita, sven = make_reviewer(), make_senior()
    second = make_case(State.AWAITING_SECOND_REVIEW, rita=rita, at=later(-2))
    soon = make_case(State.SUBMITTED, at=later(-1))
    late = make_case(State.SUBMITTED)
    assert cases.claim_next(by=rita, at=NOW) == soon
    assert cases.claim_next(by=rita, at=NOW) == late
    assert cases.claim_next(by=rita, at=NOW) is None
    assert cases.claim_next(by=sven, at=NOW) == second


# --- two pairs of eyes ------------------------------------------------------------------------------------------


def test_one_person_cannot_be_both():
    sven = make_senior()
    case = make_case(State.AWAITING_SECOND_REVIEW, rita=sven)
    before = rows(case)
    for act in (VERBS["claim"], VERBS["approve"], VERBS["send_back"]):
        with pytest.raises(SamePerson):
            act(case, sven)
    assert rows(case) == before


def test_a_reviewer_without_the_permission_makes_no_final_decision():
    case = make_case(State.AWAITING_SECOND_REVIEW)
    with pytest.raises(NotAllowed):
        cases.claim(case, by=make_reviewer("Tess"), at=NOW)
    with pytest.raises(NotAllowed):
        cases.claim(make_case(State.SUBMITTED), by=make_user("Mallory"), at=NOW)


@pytest.mark.parametrize(
    "change",
    [
        "second_by_id = first_by_id, second_at = first_at, second_digest = first_digest, state = 'approved',"
        " closed_at = now(), clock_started_at = NULL, due_at = NULL",
        "second_by_id = {other}, second_at = first_at, second_digest = 'another', state = 'approved',"
        " closed_at = now(), clock_started_at = NULL, due_at = NULL",
        "state = 'approved', closed_at = now(), clock_started_at = NULL, due_at = NULL",
        "state = 'rejected', outcome = 'reject', closed_at = now(), clock_started_at = NULL, due_at = NULL",
        "first_by_id = NULL",
        "state = 'in_review'",
    ],
)
def test_raw_sql_cannot_make_a_decision_of_one_person_or_on_other_evidence(change):
    case = make_case(State.AWAITING_SECOND_REVIEW)
    other = make_senior("Tess")
    before = rows(case)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE affiliates_case SET {change.format(other=other.pk)} WHERE id = %s", [case.pk])
    assert rows(case) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE affiliates_document SET sha256 = repeat('0', 64)",
        "UPDATE affiliates_document SET case_id = case_id + 1",
        "DELETE FROM affiliates_document",
        "UPDATE affiliates_caseevent SET verb = 'approve'",
        "DELETE FROM affiliates_caseevent",
        "DELETE FROM affiliates_consent",
    ],
)
def test_raw_sql_cannot_change_what_was_uploaded_said_or_agreed(change):
    make_case(State.IN_REVIEW)
    with pytest.raises(IntegrityError, match=r"immutable|append-only"), transaction.atomic():
        connection.cursor().execute(change)


def test_a_paper_exchanged_between_the_two_voids_the_first():
    case = make_case(State.AWAITING_SECOND_REVIEW)
    assert may_upload(case, "id_back")
    seen = digest(case)
    put_document(case, "id_back", by=case.opened_by)
    case.refresh_from_db()
    assert (case.state, case.first_by, case.first_digest, case.outcome) == ("in_review", None, "", "")
    assert case.events.last().verb == "void_decision"
    sven = make_senior()
    cases.claim(case, by=sven, at=NOW)
    with pytest.raises(EvidenceChanged):
        cases.approve(case, by=sven, at=NOW, digest=seen)


def test_evidence_exchanged_behind_our_back_voids_the_first_at_the_second():
    case, sven = make_case(State.AWAITING_SECOND_REVIEW), make_senior()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE affiliates_taxdeclaration SET taxpayer_name = 'x' WHERE case_id = %s", [case.pk]
        )
    case = cases.claim(Case.objects.get(pk=case.pk), by=sven, at=NOW)
    case = cases.approve(case, by=sven, at=NOW, digest=digest(case))
    assert (case.state, case.first_by, case.affiliate.approved_at) == ("in_review", None, None)


def test_what_a_person_decides_on_must_be_what_is_there():
    rita = make_reviewer()
    case = make_case(State.IN_REVIEW, rita=rita)
    accept_all(case, by=rita)
    before = rows(case)
    with pytest.raises(EvidenceChanged):
        cases.approve(case, by=rita, at=NOW, digest="0" * 64)
    assert rows(case) == before


def test_a_second_person_who_sees_it_otherwise_sends_it_back():
    case, sven = make_case(State.AWAITING_SECOND_REVIEW), make_senior()
    cases.claim(case, by=sven, at=NOW)
    with pytest.raises(OutcomeDiffers):
        cases.reject(case, reason_code="not_eligible", by=sven, at=NOW, digest=digest(case))
    case = cases.send_back(case, by=sven, at=NOW, internal_note="seal looks odd")
    assert (case.state, case.first_by, case.claimed_by) == ("in_review", None, sven)


def test_nobody_reviews_their_own_company_nor_another_affiliate_of_it():
    rita = make_reviewer()
    case = make_case(State.SUBMITTED)
    sister = make_affiliate(
        company=Company.objects.create(name=COMPANY, uscc=USCC, entity="company", verified_at=NOW)
    )
    AffiliateMember.objects.create(affiliate=sister, user=rita)
    before = rows(case)
    with pytest.raises(OwnCompany):
        cases.claim(case, by=rita, at=NOW)
    assert cases.claim_next(by=rita, at=NOW) is None
    with pytest.raises(OwnCompany):
        cases.note(case, text="mine", by=rita, at=NOW)
    assert rows(case) == before


# --- verdicts ---------------------------------------------------------------------------------------------------


def test_all_papers_must_be_accepted_for_an_approval():
    rita = make_reviewer()
    case = make_case(State.IN_REVIEW, rita=rita)
    cases.accept_document(case.documents.first(), by=rita, at=NOW)
    with pytest.raises(NotAllAccepted, match="完税证明"):
        cases.approve(case, by=rita, at=NOW, digest=digest(case))


def test_a_refusal_needs_a_reason_that_fits_the_paper():
    rita = make_reviewer()
    case = make_case(State.IN_REVIEW, rita=rita)
    licence = case.documents.get(kind="business_licence")
    for code in ("", "not_in_colour", "nonsense"):
        with pytest.raises(UnknownReason):
            cases.refuse_document(licence, reason_code=code, by=rita, at=NOW)
    with pytest.raises(UnknownReason):
        cases.reject(case, reason_code="no_seal", by=rita, at=NOW, digest=digest(case))


def test_a_superseded_paper_is_not_judged():
    rita = make_reviewer()
    case = make_case(State.IN_REVIEW, rita=rita)
    old = case.documents.get(kind="id_front")
    put_document(case, "id_front", by=case.opened_by)
    with pytest.raises(EvidenceChanged):
        cases.accept_document(old, by=rita, at=NOW)


def test_only_the_refused_parts_open_again():
    case = make_case(State.CHANGES_REQUESTED)
    assert case.reopened == ["licence"]
    assert [step.key for step in checklist(case) if step.is_open] == ["licence"]
    assert [step.state for step in checklist(case)] == ["done", "wrong", "done", "done", "done", "done"]
    assert may_upload(case, "business_licence")
    assert not may_upload(case, "id_front")
    assert not may_edit(case, "settlement")
    with pytest.raises(declarations.StepClosed):
        declarations.save_tax(
            case, by=case.opened_by, at=NOW, proof="registration", taxpayer_name="x", taxpayer_number="y"
        )


def test_a_change_request_without_anything_to_change_is_refused():
    rita = make_reviewer()
    case = make_case(State.IN_REVIEW, rita=rita)
    with pytest.raises(NothingToChange):
        cases.request_changes(case, by=rita, at=NOW)
    case = cases.request_changes(case, by=rita, at=NOW, steps=["profile", "nonsense"])
    assert case.reopened == ["profile"]


def test_a_personal_alipay_account_is_refused_and_nothing_is_saved():
    case = make_case()
    with pytest.raises(declarations.PersonalAlipay):
        declarations.save_settlement(
            case,
            by=case.opened_by,
            at=NOW,
            kind="alipay",
            account_name="x",
            account_number="x@example.com",
            alipay_kind="personal",
        )
    assert not hasattr(Case.objects.get(pk=case.pk), "settlement")


# --- what an approval causes ------------------------------------------------------------------------------------


def test_an_approval_makes_a_company_an_account_and_begins_the_probation():
    case = make_case(State.APPROVED)
    affiliate = case.affiliate
    affiliate.refresh_from_db()
    assert (affiliate.approved_at, affiliate.unlocked_at) == (NOW, None)
    assert (affiliate.company.uscc, affiliate.company.name) == (USCC, COMPANY)
    account = SettlementAccount.objects.get(affiliate=affiliate)
    assert (account.account_number, account.replaced_at) == (ACCOUNT, None)
    assert [(paper.paper, str(paper.valid_until)) for paper in affiliate.paper_expiries.all()] == [
        ("id_card", "2030-01-01")
    ]


def test_a_change_of_account_takes_two_people_and_keeps_the_old_one():
    onboarded = make_case(State.APPROVED)
    alice, rita, sven = onboarded.opened_by, make_reviewer(), make_senior()
    case = cases.open_case(onboarded.affiliate, kind="settlement_change", by=alice, at=later(1))
    assert [step.key for step in checklist(case)] == ["settlement"]
    case = cases.submit(fill(case, by=alice, at=later(1)), by=alice, at=later(1))
    cases.claim(case, by=rita, at=later(1))
    accept_all(case, by=rita, at=later(1))
    cases.approve(case, by=rita, at=later(1), digest=digest(case))
    assert SettlementAccount.objects.get().replaced_at is None
    cases.claim(case, by=sven, at=later(2))
    cases.approve(case, by=sven, at=later(2), digest=digest(case))
    old, new = SettlementAccount.objects.order_by("pk")
    assert (old.replaced_at, new.replaced_at) == (later(2), None)
    assert list(
        OutgoingMail.objects.filter(template__contains="account").values_list("template", flat=True)
    ) == [
        "affiliates/mail/account_change_requested",
        "affiliates/mail/account_changed",
    ]


def test_a_rejection_leaves_no_trace_of_approval_and_one_may_apply_again():
    case = make_case(State.REJECTED)
    assert (case.reason_code, case.affiliate.approved_at) == ("not_eligible", None)
    assert not SettlementAccount.objects.exists()
    assert cases.open_case(case.affiliate, kind="onboarding", by=case.opened_by, at=later(1)).state == "draft"


# --- mails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("state", "turns"),
    [
        (State.SUBMITTED, ["submitted"]),
        (State.CHANGES_REQUESTED, ["submitted", "changes_requested"]),
        (State.APPROVED, ["submitted", "approved"]),
        (State.REJECTED, ["submitted", "rejected"]),
        (State.WITHDRAWN, ["submitted", "withdrawn"]),
    ],
)
def test_the_applicant_hears_of_each_turn_in_their_language_without_a_number_of_anybody(
    state, turns, language
):
    make_case(state, alice=make_user("Alice", language=language))
    assert list(OutgoingMail.objects.order_by("pk").values_list("template", flat=True)) == [
        f"affiliates/mail/{turn}" for turn in turns
    ]
    assert mail.send_waiting(at=NOW) == len(turns)
    assert mail.send_waiting(at=NOW) == 0
    last = outbox.outbox[-1]
    assert last.to == ["alice@example.com"]
    text = last.subject + last.body
    assert any("一" <= sign <= "鿿" for sign in last.subject) == (language == "zh-hans")
    assert "\n" not in last.subject
    for number in (ID_NUMBER, ACCOUNT, USCC):
        assert number not in text
    if state == State.CHANGES_REQUESTED:
        assert ("公章" if language == "zh-hans" else "seal") in text


def test_a_mail_that_cannot_be_sent_is_tried_again_and_not_lost(settings):
    make_case(State.SUBMITTED)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert mail.send_waiting(at=NOW) == 0
    waiting = OutgoingMail.objects.get()
    assert (waiting.attempts, waiting.sent_at, waiting.next_at) == (1, None, later(1 / 60))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert mail.send_waiting(at=NOW) == 0
    assert mail.send_waiting(at=later(1)) == 1


# --- papers that run out ----------------------------------------------------------------------------------------


def test_an_owner_is_warned_once_thirty_days_ahead_and_payouts_wait_after_the_last_day():
    case = make_case(State.APPROVED)
    affiliate = case.affiliate
    paper = PaperExpiry.objects.get()
    paper.valid_until = later(30 * 24).date()
    paper.save()
    OutgoingMail.objects.all().delete()
    assert expiry.warn(at=later(-24)) == 0
    assert expiry.warn(at=NOW) == 1
    assert expiry.warn(at=later(24)) == 0
    assert OutgoingMail.objects.get().template == "affiliates/mail/paper_expiring"
    assert not expiry.payouts_wait(affiliate, at=later(30 * 24))
    assert expiry.payouts_wait(affiliate, at=later(31 * 24))


def test_the_queries_of_checklist_and_digest_do_not_grow_with_the_case():
    small, large = make_case(State.SUBMITTED), make_case(State.SUBMITTED)
    for _ in range(10):
        put_document(large, "id_front", by=large.opened_by)
        pass_liveness(large, by=large.opened_by)

    def count(case: Case) -> int:
        case = Case.objects.get(pk=case.pk)
        with CaptureQueriesContext(connection) as captured:
            checklist(case)
            digest(case)
        return len(captured)

    assert count(small) == count(large)
