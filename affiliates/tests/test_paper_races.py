"""Papers handed in at the same moment, with real threads: each with the lock that prevents it taken away once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from affiliates import cases, papers
from affiliates.evidence_digest import digest
from affiliates.models import Case, Document, DocumentFile
from affiliates.tests import pictures
from affiliates.tests.case_factories import NOW, accept_all, make_case, make_reviewer
from portal import private_files
from portal.testing.races import as_is, interleave, without

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

WITHOUT_LOCKS = without(' FOR UPDATE OF "affiliates_case"')


def take(case: Case, text: str) -> Document:
    uploads = [pictures.upload(pictures.jpeg(text))]
    return papers.take(case, kind="id_front", uploads=uploads, by=case.opened_by, at=NOW)


@pytest.mark.parametrize("locked", [True, False])
def test_two_uploads_at_once_are_two_versions_and_no_bytes_are_lost_or_left(locked):
    case = make_case()
    one, two, waited = interleave(
        lambda: take(case, "one"),
        lambda: take(case, "two"),
        pause_before='INSERT INTO "affiliates_document"',
        change=as_is if locked else WITHOUT_LOCKS,
    )
    if locked:
        assert (one.version, two.version, waited) == (1, 2, True)
        assert list(Document.objects.order_by("version").values_list("verdict", flat=True)) == [
            "superseded",
            "pending",
        ]
    else:
        assert {type(one), type(two)} == {Document, IntegrityError}  # the database's own guard
    assert set(private_files.held_keys()) == set(DocumentFile.objects.values_list("key", flat=True))


@pytest.mark.parametrize("locked", [True, False])
def test_a_paper_exchanged_while_the_first_decides_voids_the_decision(locked):
    rita = make_reviewer()
    case = make_case(Case.State.IN_REVIEW, rita=rita)
    accept_all(case, by=rita)
    seen = digest(case)
    decided, exchanged, _waited = interleave(
        lambda: cases.approve(case, by=rita, at=NOW, digest=seen),
        lambda: take(case, "exchanged"),
        pause_before='UPDATE "affiliates_case" SET',
        change=as_is if locked else WITHOUT_LOCKS,
    )
    assert (type(decided), type(exchanged)) == (Case, Document)
    case.refresh_from_db()
    if locked:
        assert (case.state, case.first_by) == (Case.State.IN_REVIEW, None)
    else:
        # The race: a decision stands on evidence that is gone. Its digest is what the second approval checks.
        assert case.state == Case.State.AWAITING_SECOND_REVIEW
        assert digest(case) != case.first_digest
