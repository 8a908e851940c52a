"""Erasing papers, faces and numbers when their time is over (ONB-9; the periods are in `retention_policy`).

Each document is its own step: under the lock of its case the bytes leave the storage, then the row is marked. A kill
in between leaves an unmarked row, and the next run erases what is gone already, which is no error. Versions share
bytes, so those that another version still needs stay. Last, bytes that no row knows of are looked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from affiliates import retention_policy as policy
from affiliates.models import (
    Case,
    CaseEvent,
    Document,
    DocumentFile,
    DocumentPage,
    LivenessCheck,
    RepresentativeDeclaration,
    RetentionReport,
    SettlementDeclaration,
)
from portal import audit, private_files

logger = logging.getLogger(__name__)
# An upload keeps its bytes first and its rows last; nothing younger is a stray.
STRAY_AFTER = timedelta(days=1)


@dataclass
class Due:
    """What may go at one moment, by rule: ids of documents and frames, of cases whose numbers go, keys of strays."""

    documents: dict[str, list[int]] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return (
            sum(map(len, self.documents.values())) + len(self.frames) + len(self.numbers) + len(self.strays)
        )


def last_activity() -> Greatest:
    """When the applicant or a reviewer last did something to a case."""
    events = CaseEvent.objects.filter(case=OuterRef("pk")).order_by("-at").values("at")[:1]
    papers = Document.objects.filter(case=OuterRef("pk")).order_by("-uploaded_at").values("uploaded_at")[:1]
    return Greatest(
        F("opened_at"), Coalesce(Subquery(events), F("opened_at")), Coalesce(Subquery(papers), F("opened_at"))
    )


def over_cases(at: datetime) -> dict[str, QuerySet[Case]]:
    """Cases whose papers and numbers go altogether, by rule."""
    return {
        "rejected": Case.objects.filter(state=Case.State.REJECTED, closed_at__lte=at - policy.REJECTED),
        "withdrawn": Case.objects.filter(state=Case.State.WITHDRAWN, closed_at__lte=at - policy.WITHDRAWN),
        "abandoned": Case.objects.filter(state__in=Case.APPLICANTS_TURN)
        .annotate(last_activity=last_activity())
        .filter(last_activity__lte=at - policy.ABANDONED),
    }


def due_documents(at: datetime) -> dict[str, QuerySet[Document]]:
    """Documents that may be erased at `at`, by rule."""
    kept = Document.objects.filter(erased_at__isnull=True)
    newer = Document.objects.filter(
        case__affiliate=OuterRef("case__affiliate"),
        kind=OuterRef("kind"),
        verdict=Document.Verdict.ACCEPTED,
        case__state=Case.State.APPROVED,
        case__closed_at__gt=OuterRef("case__closed_at"),
        case__closed_at__lte=at - policy.REPLACED,
    )
    approved = kept.filter(case__state=Case.State.APPROVED)
    found = {rule: kept.filter(case__in=cases.values("pk")) for rule, cases in over_cases(at).items()}
    found["superseded"] = approved.filter(
        verdict=Document.Verdict.SUPERSEDED, case__closed_at__lte=at - policy.SUPERSEDED
    )
    found["replaced"] = approved.exclude(verdict=Document.Verdict.SUPERSEDED).filter(Exists(newer))
    return found


def due_frames(at: datetime) -> QuerySet[LivenessCheck]:
    """Frames 30 days after the decision; of attempts that came to nothing, 30 days after their end."""
    before = at - policy.FRAME
    failed = Q(finished_at__lte=before) & ~Q(state=LivenessCheck.State.PASSED)
    abandoned = Q(case__in=over_cases(at)["abandoned"].values("pk"))
    return LivenessCheck.objects.filter(
        Q(case__closed_at__lte=before) | failed | abandoned, frame_erased_at__isnull=True
    ).exclude(frame_key="")


def due_numbers(at: datetime) -> Iterator[int]:
    """Cases that are over and still have a name or number of a person or an account."""
    for cases in over_cases(at).values():
        for case in cases.select_related("representative", "settlement").order_by("pk").iterator():
            if holds_numbers(case):
                yield case.pk


def holds_numbers(case: Case) -> bool:
    person, account = getattr(case, "representative", None), getattr(case, "settlement", None)
    return bool((person and (person.name or person.id_number)) or (account and account.account_number))


def strays(at: datetime) -> Iterator[str]:
    """Keys in the storage that no row needs."""
    needed = {
        *DocumentFile.objects.filter(document__erased_at__isnull=True).values_list("key", flat=True),
        *DocumentPage.objects.filter(document__erased_at__isnull=True).values_list("key", flat=True),
        *LivenessCheck.objects.filter(frame_erased_at__isnull=True).values_list("frame_key", flat=True),
    }
    for key in private_files.held_keys():
        if key not in needed and private_files.kept_since(key) <= at - STRAY_AFTER:
            yield key


def due(at: datetime) -> Due:
    """What `erase` would take away at `at`; changes nothing."""
    documents = {
        rule: list(found.order_by("pk").values_list("pk", flat=True))
        for rule, found in due_documents(at).items()
    }
    return Due(
        documents={rule: ids for rule, ids in documents.items() if ids},
        frames=list(due_frames(at).order_by("pk").values_list("pk", flat=True)),
        numbers=list(due_numbers(at)),
        strays=list(strays(at)),
    )


def erase(at: datetime) -> RetentionReport:
    """Erase everything that is due, one step after the other, and keep a report. What fails is due again next time.

    Source: SPEC ONB-9.
    """
    report = RetentionReport.objects.create(started_at=at)
    found = due(at)
    for rule, ids in found.documents.items():
        gone = [pk for pk in ids if attempt(report, erase_document, pk, rule=rule, at=at)]
        if gone:
            report.details[rule] = gone
            report.documents += len(gone)
    report.frames = sum(attempt(report, erase_frame, pk, at=at) for pk in found.frames)
    report.numbers = sum(attempt(report, erase_numbers, pk, at=at) for pk in found.numbers)
    report.strays = sum(attempt(report, erase_stray, key) for key in found.strays)
    # The clock of the run, not of the machine: the caller says what time it is.
    report.finished_at = at
    report.save()
    return report


def attempt(report: RetentionReport, step: Callable[..., bool], subject: int | str, **named: object) -> bool:
    """One step at the edge of the loop: a failure is logged and counted, and the next one goes on."""
    try:
        return step(subject, **named)
    except Exception:
        logger.exception("retention: %s failed", step.__name__, extra={"subject": subject})
        report.failures += 1
        return False


@transaction.atomic
def erase_document(pk: int, *, rule: str, at: datetime) -> bool:
    """Erase one document if its rule still says so. Locks its case, then it."""
    case_id = Document.objects.values_list("case_id", flat=True).get(pk=pk)
    case = Case.objects.select_for_update().get(pk=case_id)
    document = due_documents(at)[rule].filter(pk=pk).first()
    if document is None:
        return False
    for key in sorted(keys_of(document) - keys_needed_besides(document)):
        private_files.erase(key)
    # Of an open case it counts no longer: its step asks for the paper again.
    verdict = document.verdict if case.state in Case.CLOSED else Document.Verdict.SUPERSEDED
    Document.objects.filter(pk=pk, erased_at__isnull=True).update(erased_at=at, verdict=verdict)
    audit.record("paper.erased", by=None, target=case, at=at, reason=rule, document=pk, kind=document.kind)
    return True


def keys_of(document: Document) -> set[str]:
    return {
        *document.files.values_list("key", flat=True),
        *document.pages.values_list("key", flat=True),
    }


def keys_needed_besides(document: Document) -> set[str]:
    """Keys of other versions that are kept: pages are shared between versions."""
    others = Document.objects.filter(case_id=document.case_id, kind=document.kind, erased_at__isnull=True)
    others = others.exclude(pk=document.pk)
    return {
        *DocumentFile.objects.filter(document__in=others).values_list("key", flat=True),
        *DocumentPage.objects.filter(document__in=others).values_list("key", flat=True),
    }


@transaction.atomic
def erase_frame(pk: int, *, at: datetime) -> bool:
    """Erase the frame of one liveness check if it is still due. Locks it."""
    check = due_frames(at).filter(pk=pk).select_for_update(of=("self",)).first()
    if check is None:
        return False
    private_files.erase(check.frame_key)
    LivenessCheck.objects.filter(pk=pk).update(frame_key="", frame_erased_at=at)
    audit.record("frame.erased", by=None, target=check.case, at=at, check=pk)
    return True


@transaction.atomic
def erase_numbers(pk: int, *, at: datetime) -> bool:
    """Take the declared name and numbers out of a case that is over or abandoned. Locks it."""
    case = Case.objects.select_for_update().get(pk=pk)
    if not any(cases.filter(pk=pk).exists() for cases in over_cases(at).values()) or not holds_numbers(case):
        return False
    people = RepresentativeDeclaration.objects.filter(case=case)
    accounts = SettlementDeclaration.objects.filter(case=case)
    if case.state in Case.CLOSED:
        people.update(name="", id_number="")
        accounts.update(account_number="")
    else:  # the steps of an open case ask for them again
        people.delete()
        accounts.delete()
    audit.record("numbers.erased", by=None, target=case, at=at)
    return True


def erase_stray(key: str) -> bool:
    private_files.erase(key)
    return True
