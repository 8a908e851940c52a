"""Whose order is it: which of the carried clicks wins (ATTR-7, RATE-5)."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from orders.attribution import DEFAULT_WINDOW_DAYS, ClickFact, attribute, window_at
from orders.tests.factories import NOON

SHOP, ANOTHER_SHOP = 1, 2
INSTANT = timedelta(microseconds=1)


def click(
    pk: int, *, ago: timedelta, affiliate: int = 0, merchant: int = SHOP, invalid: str = ""
) -> ClickFact:
    return ClickFact(pk, f"c{pk}", affiliate or pk, merchant, NOON - ago, invalid)


def winner(*clicks: ClickFact, days: int = 30) -> tuple[int | None, str]:
    """The pk of the winning click and the code, which must be the same in whatever order the clicks come."""
    answers = {
        (found and found.pk, code)
        for given in permutations(clicks)
        for found, code in [attribute(given, merchant_id=SHOP, ordered_at=NOON, window_days=days)]
    }
    assert len(answers) == 1
    return answers.pop()


@pytest.mark.parametrize("days", [1, 30, 90])
def test_the_window_includes_its_last_instant_and_excludes_the_next(days):
    window = timedelta(days=days)
    assert winner(click(1, ago=window), days=days) == (1, "")
    assert winner(click(1, ago=window - timedelta(seconds=1)), days=days) == (1, "")
    assert winner(click(1, ago=window + INSTANT), days=days) == (None, "click_expired")


def test_a_click_at_the_moment_of_the_order_counts_and_one_after_it_does_not():
    assert winner(click(1, ago=timedelta(0))) == (1, "")
    assert winner(click(1, ago=-INSTANT)) == (None, "click_expired")


def test_the_newest_valid_click_wins():
    older, newer = click(1, ago=timedelta(hours=2)), click(2, ago=timedelta(hours=1))
    assert winner(older, newer) == (2, "")


@pytest.mark.parametrize(
    "better",
    [
        click(2, ago=timedelta(hours=1), invalid="bot"),
        click(2, ago=timedelta(hours=1), invalid="pid_frozen"),
        click(2, ago=timedelta(hours=1), merchant=ANOTHER_SHOP),
        click(2, ago=-INSTANT),
    ],
)
def test_a_valid_click_wins_over_a_later_one_that_does_not_count(better):
    assert winner(click(1, ago=timedelta(hours=2)), better) == (1, "")


@pytest.mark.parametrize(
    ("lost", "code"),
    [
        ([], "click_not_found"),
        ([click(1, ago=timedelta(hours=1), merchant=ANOTHER_SHOP)], "click_other_merchant"),
        ([click(1, ago=timedelta(hours=1), invalid="bot")], "click_invalid"),
        ([click(1, ago=timedelta(hours=1), invalid="affiliate_suspended")], "click_invalid"),
        ([click(1, ago=timedelta(hours=1), invalid="pid_frozen")], "pid_frozen"),
        ([click(1, ago=timedelta(days=31))], "click_expired"),
        # Of several problems the newest click's is told.
        (
            [click(1, ago=timedelta(days=31)), click(2, ago=timedelta(hours=1), invalid="bot")],
            "click_invalid",
        ),
        (
            [click(1, ago=timedelta(days=31)), click(2, ago=timedelta(days=40), invalid="bot")],
            "click_expired",
        ),
    ],
)
def test_what_is_missing_is_said(lost, code):
    assert winner(*lost) == (None, code)


def test_clicks_of_the_same_instant_are_told_apart_by_their_ids():
    hour = timedelta(hours=1)
    assert winner(click(1, ago=hour), click(3, ago=hour), click(2, ago=hour)) == (3, "")


def test_the_window_in_force_is_the_latest_that_has_begun():
    settings = [(NOON, 7), (NOON - timedelta(days=9), 60), (NOON + INSTANT, 1)]
    for given in permutations(settings):
        assert window_at(list(given), NOON) == 7
        assert window_at(list(given), NOON - INSTANT) == 60
        assert window_at(list(given), NOON + INSTANT) == 1
        assert window_at(list(given), NOON - timedelta(days=10)) == DEFAULT_WINDOW_DAYS == 30
