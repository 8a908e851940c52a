"""Reviewers at the same moment, with real threads: each with the lock that prevents it taken away once (ONB-4)."""

from __future__ import annotations

import pytest

from affiliates import cases
from affiliates.case_steps import IllegalTransition, NotYours
from affiliates.evidence_digest import digest
from affiliates.models import Case
from affiliates.tests.case_factories import NOW, accept_all, make_case, make_reviewer, make_senior
from portal.testing.races import as_is, interleave, without

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

WRITE = 'UPDATE "affiliates_case" SET'
LOCKS = (' FOR UPDATE OF "affiliates_case" SKIP LOCKED', ' FOR UPDATE OF "affiliates_case"')
WITHOUT_LOCKS = without(*LOCKS)


@pytest.mark.parametrize("locked", [True, False])
def test_two_who_claim_at_once_get_different_cases(locked):
    first, second = make_case(Case.State.SUBMITTED), make_case(Case.State.SUBMITTED)
    rita, tess = make_reviewer(), make_reviewer("Tess")
    hers, other, waited = interleave(
        lambda: cases.claim_next(by=rita, at=NOW),
        lambda: cases.claim_next(by=tess, at=NOW),
        pause_before=WRITE,
        change=as_is if locked else WITHOUT_LOCKS,
    )
    if locked:
        assert (hers, other, waited) == (first, second, False)
    else:
        # Both saw the same case; the guard of the write behind the lock refuses one of them.
        assert {type(hers), type(other)} == {Case, IllegalTransition}


@pytest.mark.parametrize("locked", [True, False])
def test_of_two_who_claim_the_same_case_the_second_is_told_so(locked):
    case = make_case(Case.State.SUBMITTED)
    rita, tess = make_reviewer(), make_reviewer("Tess")
    hers, other, waited = interleave(
        lambda: cases.claim(case, by=rita, at=NOW),
        lambda: cases.claim(case, by=tess, at=NOW),
        pause_before=WRITE,
        change=as_is if locked else WITHOUT_LOCKS,
    )
    if locked:
        assert (type(hers), type(other), waited) == (Case, NotYours, True)
    else:
        assert {type(hers), type(other)} == {Case, IllegalTransition}


@pytest.mark.parametrize("locked", [True, False])
def test_an_approval_and_a_withdrawal_at_once_end_in_one_of_them(locked):
    rita, sven = make_reviewer(), make_senior()
    case = make_case(Case.State.AWAITING_SECOND_REVIEW, rita=rita)
    cases.claim(case, by=sven, at=NOW)
    seen = digest(case)
    yes, gone, _waited = interleave(
        lambda: cases.approve(case, by=sven, at=NOW, digest=seen),
        lambda: cases.withdraw(case, by=case.opened_by, at=NOW),
        pause_before=WRITE,
        change=as_is if locked else WITHOUT_LOCKS,
    )
    assert {type(yes), type(gone)} == {Case, IllegalTransition}
    case.refresh_from_db()
    case.affiliate.refresh_from_db()
    assert (case.state == Case.State.APPROVED) == (case.affiliate.approved_at is not None)
    assert isinstance(yes, Case) == locked


def test_the_same_first_decision_twice_at_once_is_one():
    rita = make_reviewer()
    case = make_case(Case.State.IN_REVIEW, rita=rita)
    accept_all(case, by=rita)
    seen = digest(case)

    def decide() -> Case:
        return cases.approve(case, by=rita, at=NOW, digest=seen)

    one, other, _waited = interleave(decide, decide, pause_before=WRITE)
    assert isinstance(one, Case)
    assert not isinstance(other, Case)
    case.refresh_from_db()
    assert (case.state, case.second_by) == ("awaiting_second_review", None)
