"""Readiness of the release timer, for `/readyz`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from commissions.release import timer_board

TOO_SLOW = timedelta(minutes=10)


def timer_lag() -> str:
    """Empty while the timer keeps up, else what is wrong: something is due and was not released for 10 minutes."""
    board = timer_board(at=timezone.now())
    if board.lag > TOO_SLOW:
        return f"{board.due} commissions are due, the oldest for {board.lag.total_seconds():.0f} s"
    return ""
