"""Papers, faces and numbers go when their stated time is over; a dry run changes nothing (ONB-9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from affiliates import papers, retention
from affiliates.models import Case, Document, LivenessCheck, RepresentativeDeclaration, RetentionReport
from affiliates.steps import checklist
from affiliates.tasks import erase_what_is_due
from affiliates.tests import pictures
from affiliates.tests.paper_factories import BANK_ACCOUNT, ID_NUMBER, close, make_draft
from portal import private_files
from portal.celery import app
from portal.models import AuditEntry
from portal.tests.factories import make_superuser, signed_in

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY, MOMENT = timedelta(days=1), timedelta(seconds=1)
KIND = Document.Kind.ID_FRONT


@pytest.fixture
def case():
    return make_draft("alice", at=AT)


def take(case, text: str = "one", *, at=AT) -> Document:
    upload = pictures.upload(pictures.jpeg(text, size=(900, 600)))
    return papers.take(case, kind=KIND, uploads=[upload], by=case.opened_by, at=at)


def accept(document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(
        verdict="accepted", decided_by=document.uploaded_by, decided_at=AT
    )


def frame(case, *, state: str = "passed", finished_at=AT) -> LivenessCheck:
    key = private_files.put(pictures.jpeg(size=(90, 60)), media_type="image/jpeg")
    return LivenessCheck.objects.create(
        case=case,
        vendor="simulator",
        reference=key,
        state=state,
        subject_digest="d",
        started_by=case.opened_by,
        started_at=finished_at,
        finished_at=finished_at,
        frame_key=key,
    )


def held() -> set[str]:
    return set(private_files.held_keys())


def everything() -> list:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Document, LivenessCheck, RepresentativeDeclaration, RetentionReport, AuditEntry)
    ] + [sorted(held())]


# --- when -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "days"), [("rejected", 90), ("withdrawn", 30)])
def test_papers_of_a_case_that_came_to_nothing_go_to_the_second(case, state, days, each_storage):
    document = take(case)
    close(case, state, at=AT)
    assert not retention.due(AT + days * DAY - MOMENT).documents
    assert retention.due(AT + days * DAY).documents == {state: [document.pk]}
    retention.erase(AT + days * DAY)
    document.refresh_from_db()
    assert (document.erased_at, document.verdict) == (AT + days * DAY, "pending")
    assert held() == set()
    assert document.files.get().sha256  # that it existed stays on record


def test_papers_of_an_abandoned_draft_go_180_days_after_its_last_change(case):
    take(case, "one")
    document = take(case, "two", at=AT + 10 * DAY)
    due_at = AT + 190 * DAY
    assert not retention.due(due_at - MOMENT).count
    assert len(retention.due(due_at).documents["abandoned"]) == 2
    retention.erase(due_at)
    document.refresh_from_db()
    # Its steps ask for everything again, and a new paper may come.
    with translation.override("en"):
        again = {
            step.key: [str(text) for text in step.missing] for step in checklist(Case.objects.get(pk=case.pk))
        }
    assert again["settlement"][0] == "Fill in the form."
    assert len(again["representative"]) == 3
    assert (document.verdict, document.erased_at) == ("superseded", due_at)
    assert take(case, "two", at=due_at + DAY).version == 3
    assert not retention.due(due_at + 2 * DAY).count


def test_a_case_that_is_with_the_reviewers_keeps_everything(case):
    take(case)
    Case.objects.filter(pk=case.pk).update(state="submitted", clock_started_at=AT, due_at=AT)
    assert not retention.due(AT + 3650 * DAY).count


def test_of_an_approved_case_only_earlier_versions_go(case, each_storage):
    old = take(case, "one")
    new = take(case, "two")
    accept(new)
    close(case, "approved", at=AT)
    assert not retention.due(AT + 90 * DAY - MOMENT).count
    retention.erase(AT + 90 * DAY)
    old.refresh_from_db()
    assert old.erased_at
    assert held() == {new.files.get().key}
    assert not retention.due(AT + 3650 * DAY).count
    case.representative.refresh_from_db()
    assert case.representative.id_number == ID_NUMBER


def test_an_approved_paper_goes_five_years_after_a_newer_one_was_approved(case):
    old = take(case)
    accept(old)
    close(case, "approved", at=AT)
    renewal = Case.objects.create(
        affiliate=case.affiliate, kind="renewal", opened_by=case.opened_by, opened_at=AT + DAY
    )
    new = take(renewal, "two", at=AT + DAY)
    accept(new)
    close(renewal, "approved", at=datetime(2027, 3, 2, tzinfo=UTC))
    assert not retention.due(datetime(2032, 3, 2, tzinfo=UTC) - MOMENT).count
    assert retention.due(datetime(2032, 3, 3, tzinfo=UTC)).documents == {"replaced": [old.pk]}


@pytest.mark.parametrize("state", ["approved", "rejected"])
def test_the_face_goes_30_days_after_the_decision(case, state, each_storage):
    check = frame(case)
    close(case, state, at=AT)
    assert not retention.due(AT + 30 * DAY - MOMENT).count
    retention.erase(AT + 30 * DAY)
    check.refresh_from_db()
    assert (check.frame_key, check.frame_erased_at, check.state) == ("", AT + 30 * DAY, "passed")
    assert held() == set()


def test_the_face_of_a_failed_attempt_goes_30_days_after_it_and_a_passed_one_waits(case):
    failed, passed = frame(case, state="failed"), frame(case)
    assert retention.due(AT + 30 * DAY).frames == [failed.pk]
    assert not retention.due(AT + 30 * DAY - MOMENT).count
    assert retention.due(AT + 180 * DAY).frames == [failed.pk, passed.pk]  # the draft is abandoned


@pytest.mark.parametrize("state", ["rejected", "withdrawn"])
def test_name_and_numbers_go_with_the_papers(case, state):
    close(case, state, at=AT)
    retention.erase(AT + 20 * DAY)
    case.refresh_from_db()
    assert (case.representative.id_number, case.settlement.account_number) == (ID_NUMBER, BANK_ACCOUNT)
    assert retention.erase(AT + 90 * DAY).numbers == 1
    case = Case.objects.get(pk=case.pk)
    assert (case.representative.name, case.representative.id_number) == ("", "")
    assert case.settlement.account_number == ""
    assert not retention.due(AT + 91 * DAY).numbers


def test_pages_that_a_kept_version_shares_stay(case):
    first = take(case, "one")
    second = papers.add_pages(
        first, uploads=[pictures.upload(pictures.jpeg("two"))], by=case.opened_by, at=AT
    )
    accept(second)
    close(case, "approved", at=AT)
    assert retention.erase(AT + 90 * DAY).documents == 1
    assert held() == set(second.files.values_list("key", flat=True))
    assert len(held()) == 2


# --- how ------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_all_and_changes_nothing(case, monkeypatch):
    document, check = take(case), frame(case)
    close(case, "rejected", at=AT)
    monkeypatch.setattr(timezone, "now", lambda: AT + 100 * DAY)
    before, said = everything(), StringIO()
    call_command("retention", stdout=said)
    assert everything() == before
    assert f"rejected: 1 documents: {document.pk}" in said.getvalue()
    assert "frames: 1; numbers of cases: 1; stray files: 0" in said.getvalue()
    assert "3 in all. Nothing was erased" in said.getvalue()
    call_command("retention", "--erase", stdout=said)
    assert "erased: 1 documents, 1 frames, numbers of 1 cases, 0 stray files" in said.getvalue()
    check.refresh_from_db()
    assert check.frame_key == ""


def test_the_report_is_kept_and_each_erasure_is_in_the_cases_trail(case):
    document, check = take(case), frame(case)
    close(case, "rejected", at=AT)
    retention.erase(AT + 90 * DAY)
    report = RetentionReport.objects.get()
    assert (report.documents, report.frames, report.numbers, report.strays, report.failures) == (
        1,
        1,
        1,
        0,
        0,
    )
    assert report.details == {"rejected": [document.pk]}
    assert report.finished_at
    rows = AuditEntry.objects.filter(action__endswith=".erased", target_id=str(case.pk)).order_by("pk")
    assert [(row.action, row.by, row.reason) for row in rows] == [
        ("paper.erased", None, "rejected"),
        ("frame.erased", None, ""),
        ("numbers.erased", None, ""),
    ]
    assert rows[1].data == {"check": check.pk}


def test_a_second_run_finds_nothing(case):
    take(case)
    close(case, "rejected", at=AT)
    retention.erase(AT + 90 * DAY)
    rows = AuditEntry.objects.count()
    again = retention.erase(AT + 91 * DAY)
    assert (again.documents, again.frames, again.numbers, again.strays) == (0, 0, 0, 0)
    assert AuditEntry.objects.count() == rows


class Killed(BaseException):
    """As if the process had been killed: nothing may catch it."""


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_after_a_kill_the_next_run_goes_on(case, monkeypatch, steps, each_storage):
    documents = [take(case, text) for text in ("one", "two", "three")]
    close(case, "rejected", at=AT)
    real, done = private_files.erase, []

    def erase_then_die(key: str) -> None:
        if len(done) == steps:
            raise Killed
        real(key)
        done.append(key)

    monkeypatch.setattr(private_files, "erase", erase_then_die)
    if steps < 3:
        with pytest.raises(Killed):
            retention.erase(AT + 90 * DAY)
        assert RetentionReport.objects.get().finished_at is None
    monkeypatch.setattr(private_files, "erase", real)
    retention.erase(AT + 91 * DAY)
    assert held() == set()
    assert Document.objects.filter(erased_at__isnull=True).count() == 0
    assert AuditEntry.objects.filter(action="paper.erased").count() == len(documents)


def test_bytes_gone_before_the_row_was_marked_are_no_failure(case):
    document = take(case)
    close(case, "rejected", at=AT)
    private_files.erase(document.files.get().key)
    assert retention.erase(AT + 90 * DAY).documents == 1


def test_one_that_fails_is_counted_and_the_others_go_on(case, monkeypatch, caplog):
    bad = take(case, "one").files.get().key
    good = take(case, "two")
    close(case, "rejected", at=AT)
    real = private_files.erase

    def erase(key: str) -> None:
        if key == bad:
            raise OSError("the storage is away")
        real(key)

    monkeypatch.setattr(private_files, "erase", erase)
    monkeypatch.setattr(timezone, "now", lambda: AT + 90 * DAY)
    with pytest.raises(CommandError, match="1 steps failed"):
        call_command("retention", "--erase", stdout=StringIO())
    report = RetentionReport.objects.get()
    assert (report.documents, report.failures, report.details) == (1, 1, {"rejected": [good.pk]})
    assert "erase_document failed" in caplog.text
    assert held() == {bad}
    monkeypatch.setattr(private_files, "erase", real)
    assert retention.erase(AT + 91 * DAY).documents == 1


def test_what_is_no_longer_due_under_the_lock_stays(case):
    document = take(case)
    found = retention.due(AT + 180 * DAY)
    assert found.documents == {"abandoned": [document.pk]}
    take(case, "back again", at=AT + 180 * DAY - MOMENT)
    assert retention.erase_document(document.pk, rule="abandoned", at=AT + 180 * DAY) is False
    document.refresh_from_db()
    assert document.erased_at is None
    assert len(held()) == 2


def test_bytes_that_no_row_knows_of_go_after_a_day(case, each_storage):
    document, check = take(case), frame(case)
    Case.objects.filter(pk=case.pk).update(state="submitted", clock_started_at=AT, due_at=AT)
    lost = private_files.put(b"left by a kill", media_type="image/png")
    now = timezone.now()
    assert retention.due(now + DAY - timedelta(minutes=5)).strays == []
    assert retention.due(now + DAY + timedelta(minutes=5)).strays == [lost]
    assert retention.erase(now + DAY + timedelta(minutes=5)).strays == 1
    assert held() == {document.files.get().key, check.frame_key}


def test_the_command_takes_one_of_both(capsys):
    with pytest.raises(CommandError):
        call_command("retention", "--erase", "--dry-run")


def test_the_worker_does_it_every_night(case, monkeypatch, caplog):
    take(case)
    close(case, "rejected", at=AT)
    monkeypatch.setattr(timezone, "now", lambda: AT + 90 * DAY)
    scheduled = [entry["task"] for entry in app.conf.beat_schedule.values()]
    assert erase_what_is_due.name in scheduled
    with caplog.at_level("INFO"):
        assert erase_what_is_due() == 1
    assert held() == set()


def test_reports_are_read_in_the_admin_and_never_changed_there(case):
    take(case)
    close(case, "rejected", at=AT)
    report = retention.erase(AT + 90 * DAY)
    boss = signed_in(make_superuser())
    address = "/admin/affiliates/retentionreport/"
    assert f"{address}{report.pk}/change/" in boss.get(address).content.decode()
    assert boss.get(f"{address}{report.pk}/change/").status_code == 200
    assert boss.post(f"{address}{report.pk}/delete/").status_code == 403
    assert RetentionReport.objects.count() == 1
