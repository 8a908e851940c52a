"""The reviewers' queue: its order, filters, chips, paging and who may open it (ONB-3, ONB-4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from affiliates import cases
from affiliates.models import Case
from affiliates.review_queue import QueueFilter, next_for, queue, tallies, workload
from affiliates.tests.case_factories import (
    NOW,
    later,
    make_case,
    make_reviewer,
    make_senior,
)
from portal.tests.factories import make_staff, make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
State = Case.State
URL = "/admin/affiliates/case/"


@pytest.fixture
def rita():
    return make_reviewer("Rita")


@pytest.fixture
def client_of():
    def sign_in(user):
        user.language = "en"
        user.save()
        return signed_in(user)

    return sign_in


def numbers(page) -> list[int]:
    return [row.case.pk for row in page.rows]


def found(user, at=NOW, **query) -> list[int]:
    return numbers(queue(QueueFilter.read(query), user=user, at=at))


def test_the_soonest_due_comes_first_and_drafts_are_not_there(rita):
    young = make_case(State.SUBMITTED, at=later(5), uscc="91440300MA5EXAMPL0")
    old = make_case(State.SUBMITTED, at=NOW)
    make_case(State.DRAFT)
    make_case(State.CHANGES_REQUESTED, uscc="914403001922038217")
    assert found(rita) == [old.pk, young.pk]


def test_filters_by_state_kind_type_person_and_time(rita):
    waiting = make_case(State.SUBMITTED, at=NOW)
    mine = cases.claim(make_case(State.SUBMITTED, at=later(1)), by=rita, at=later(1))
    second = make_case(State.AWAITING_SECOND_REVIEW, at=later(2))
    paused = make_case(State.CHANGES_REQUESTED, at=later(3))
    at = later(1.1)
    assert found(rita, at, state="in_review") == [mine.pk]
    assert found(rita, at, state="awaiting_second_review") == [second.pk]
    assert found(rita, at, state="changes_requested") == [paused.pk]
    assert found(rita, at, mine="1") == [mine.pk]
    assert found(rita, at, unclaimed="1") == [waiting.pk, second.pk]
    assert found(rita, at, kind="renewal") == []
    assert found(rita, at, type="koc") == [waiting.pk, mine.pk, second.pk]
    assert found(rita, at, type="mcn") == []
    assert found(rita, at, overdue="1") == []
    assert found(rita, waiting.due_at + timedelta(seconds=1), overdue="1") == [waiting.pk]
    # A lease that is over is nobody's any more.
    assert found(rita, at + timedelta(hours=1), mine="1") == []


@pytest.mark.parametrize("term", ["{pk}", "#{pk}", "{code}", "{uscc}", "前海云选", "云选好物"])
def test_a_case_is_found_by_number_code_unified_code_and_name(rita, term):
    case = make_case(State.SUBMITTED)
    text = term.format(pk=case.pk, code=case.affiliate.code, uscc=case.company.uscc.lower())
    assert found(rita, q=text) == [case.pk]


@pytest.mark.parametrize("term", ["nobody", "9999999", "#", "%", "\0", "1" * 200, "'; --"])
def test_a_search_that_finds_nothing_finds_nothing(rita, term):
    case = make_case(State.SUBMITTED)
    result = found(rita, q=term)
    assert result in ([], [case.pk] if term == "\0" else [])


def test_nonsense_in_the_address_counts_as_not_given(rita):
    case = make_case(State.SUBMITTED)
    assert found(rita, state="draft", kind="x", type="y", after="z", mine="yes") == [case.pk]


@pytest.mark.parametrize("state", ["", "changes_requested", "approved"])
def test_pages_follow_each_other_without_gap_or_repetition(rita, state):
    target = state or State.SUBMITTED
    expected = [
        make_case(
            target, at=later(number // 2), rita=make_reviewer(f"R{number}"), sven=make_senior(f"S{number}")
        ).pk
        for number in range(5)
    ]
    seen, after = [], ""
    while True:
        page = queue(QueueFilter.read({"state": state, "after": after}), user=rita, at=NOW, size=2)
        assert len(page.rows) <= 2
        seen += numbers(page)
        if page.next is None:
            break
        after = str(page.next)
    assert sorted(seen) == sorted(expected)
    assert seen == (expected[::-1] if state == "approved" else expected)


def test_the_working_time_left_is_that_of_the_calendar(rita):
    # Wednesday 10:00 to Friday 10:00: two working days of nine hours.
    make_case(State.SUBMITTED, at=NOW)
    assert queue(QueueFilter(), user=rita, at=NOW).rows[0].seconds_left == 18 * 3600
    assert queue(QueueFilter(), user=rita, at=later(4)).rows[0].seconds_left == 14 * 3600
    # Over the week-end nothing is added: Monday 10:00 is eight hours of Friday and one of Monday later.
    assert queue(QueueFilter(), user=rita, at=later(5 * 24)).rows[0].seconds_left == -9 * 3600


def test_tallies_are_counted_and_bounded(rita, monkeypatch):
    for number in range(3):
        make_case(State.SUBMITTED, at=later(number))
    cases.claim_next(by=rita, at=later(3))
    told = tallies(user=rita, at=later(3))
    assert {name: str(tally) for name, tally in told.items()} == {
        "overdue": "0",
        "unclaimed": "2",
        "mine": "1",
        "second": "0",
    }
    monkeypatch.setattr("affiliates.review_queue.BOUND", 2)
    assert str(tallies(user=rita, at=later(3))["unclaimed"]) == "1+"


def test_the_workload_counts_what_is_in_hand_and_was_decided_today(rita):
    make_case(State.AWAITING_SECOND_REVIEW, rita=rita, at=later(1))
    make_case(State.AWAITING_SECOND_REVIEW, rita=rita, at=NOW - timedelta(days=1))
    mine = cases.claim(make_case(State.SUBMITTED, at=NOW), by=rita, at=later(2))
    person = {one.name: one for one in workload(at=later(2))}["Rita"]
    assert (person.in_hand, person.overdue, person.decided_today) == (1, 0, 1)
    Case.objects.filter(pk=mine.pk).update(due_at=later(1))
    assert workload(at=later(2))[0].overdue == 1
    # Once the lease is over nothing is in hand.
    assert {one.name: one.in_hand for one in workload(at=later(3))} == {"Rita": 0}


def test_the_next_case_is_the_one_in_hand_and_else_the_one_due_soonest(rita):
    first, second = make_case(State.SUBMITTED, at=NOW), make_case(State.SUBMITTED, at=later(1))
    assert next_for(rita, at=later(1)) == first
    assert next_for(rita, at=later(1.2)) == first
    assert next_for(rita, at=later(1.2)).claimed_by == rita
    cases.give_back(first, by=rita, at=later(1.3))
    cases.claim(second, by=rita, at=later(1.3))
    assert next_for(rita, at=later(1.4)) == second


# --- the page ------------------------------------------------------------------------------------------------------


def test_who_opens_the_queue(client, client_of, rita):
    make_case(State.SUBMITTED)
    assert client.get(URL).status_code == 302
    assert client_of(make_user("Bob")).get(URL, follow=True).status_code == 403
    for group in ("support", "finance", "risk"):
        assert client_of(make_staff(group, groups=(group,))).get(URL).status_code == 403
    for user in (rita, make_senior(), make_superuser()):
        assert client_of(user).get(URL).status_code == 200


def test_only_those_who_manage_see_the_workload_and_the_board(client_of, rita):
    board = reverse("admin:affiliates_case_board")
    page = client_of(rita).get(URL).content.decode()
    assert "Workload" not in page
    assert board not in page
    assert client_of(rita).get(board).status_code == 403
    page = client_of(make_senior()).get(URL).content.decode()
    assert "Workload" in page
    assert board in page


def test_claim_next_opens_the_case_and_says_so_when_none_is_left(client_of, rita):
    case = make_case(State.SUBMITTED, at=timezone.now())
    url = reverse("admin:affiliates_case_next")
    client = client_of(rita)
    assert client.get(url).status_code == 405
    answer = client.post(url)
    assert answer.headers["Location"] == reverse("admin:affiliates_case_change", args=[case.pk])
    case.refresh_from_db()
    assert (case.claimed_by, case.state) == (rita, State.IN_REVIEW)
    other = client_of(make_reviewer("Ruth")).post(url, follow=True)
    assert other.redirect_chain[-1][0] == URL
    assert "Nothing else is waiting for you." in other.content.decode()
    assert client_of(make_staff("Sue", groups=("support",))).post(url).status_code == 403


def test_giving_back_from_the_queue(client_of, rita):
    case = cases.claim(make_case(State.SUBMITTED, at=timezone.now()), by=rita, at=timezone.now())
    url = reverse("admin:affiliates_case_give_back", args=[case.pk])
    assert url in client_of(rita).get(URL).content.decode()
    ruth = client_of(make_reviewer("Ruth"))
    assert "You have not claimed this case." in ruth.post(url, follow=True).content.decode()
    case.refresh_from_db()
    assert case.claimed_by == rita
    assert client_of(rita).post(url).headers["Location"] == URL
    case.refresh_from_db()
    assert case.claimed_by is None


def test_chips_say_what_matters(client_of, rita):
    now = timezone.now()
    late = make_case(State.SUBMITTED, at=now - timedelta(days=30))
    Case.objects.filter(pk=late.pk).update(due_at=now - timedelta(days=14))
    cases.claim(make_case(State.SUBMITTED, at=now), by=make_reviewer("Ruth"), at=now)
    make_case(State.AWAITING_SECOND_REVIEW, rita=rita, at=now)
    page = client_of(rita).get(URL).content.decode()
    for text in (
        "overdue by",
        "claimed by Ruth",
        "awaiting second review",
        "you decided first",
        "of working time left",
    ):
        assert text in page
    assert "clock paused" not in page
    make_case(State.CHANGES_REQUESTED, at=now)
    assert "clock paused" in client_of(rita).get(URL, {"state": "changes_requested"}).content.decode()


def test_the_queue_costs_the_same_for_2_and_for_20_cases(client_of):
    client = client_of(make_senior())
    ruth = make_reviewer("Ruth")

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(URL).status_code == 200
        assert not any(
            "count(*)" in q["sql"].lower() and "limit" not in q["sql"].lower()
            for q in captured
            if 'affiliates_case"' in q["sql"] and "GROUP BY" not in q["sql"]
        )
        return len(captured)

    for _ in range(2):
        make_case(State.SUBMITTED)
    cases.claim_next(by=ruth, at=timezone.now())
    client.get(URL)
    few = count()
    for _ in range(18):
        make_case(State.SUBMITTED)
    cases.claim_next(by=ruth, at=timezone.now())
    assert count() == few
