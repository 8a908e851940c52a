"""Playing two threads against each other, each with a connection of its own: forced interleavings and free races.

A forced interleaving stops the first thread just before a chosen statement, lets the second run until it is
done or waits for a lock, and only then lets the first go on. So the outcome doesn't depend on luck, with the
locks on or off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from django.db import connection

PATIENCE = 20
Change = Callable[[str], str]


def without(*texts: str) -> Change:
    """Statements as they would be without `texts`: how a lock is turned off."""

    def change(sql: str) -> str:
        for text in texts:
            sql = sql.replace(text, "")
        return sql

    return change


def as_is(sql: str) -> str:
    return sql


class Player(threading.Thread):
    """Runs `play` in a thread with its own connection; `outcome` is what it returned or raised."""

    def __init__(self, play: Callable[[], Any], *, change: Change = as_is, pause_before: str = "") -> None:
        super().__init__(daemon=True)
        self.play, self.change, self.pause_before = play, change, pause_before
        self.paused, self.go_on, self.done = threading.Event(), threading.Event(), threading.Event()
        self.backend = 0
        self.outcome: Any = None

    def run(self) -> None:
        try:
            with ExitStack() as stack, connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.backend = cursor.fetchone()[0]
                stack.enter_context(connection.execute_wrapper(self._execute))
                self.outcome = self.play()
        except Exception as error:
            self.outcome = error
        finally:
            connection.close()
            self.done.set()
            self.paused.set()

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.pause_before and self.pause_before in sql and not self.paused.is_set():
            self.paused.set()
            assert self.go_on.wait(PATIENCE)
        return execute(self.change(sql), params, many, context)

    def is_waiting_for_a_lock(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self.backend])
            return bool(cursor.fetchone()[0])


def interleave(
    first: Callable[[], Any], second: Callable[[], Any], *, pause_before: str, change: Change = as_is
) -> tuple[Any, Any, bool]:
    """The outcomes of both, and whether the second had to wait for the first."""
    one = Player(first, change=change, pause_before=pause_before)
    two = Player(second, change=change)
    one.start()
    assert one.paused.wait(PATIENCE)
    assert not one.done.is_set(), f"{pause_before!r} was never executed: {one.outcome!r}"
    two.start()
    waited = False
    deadline = time.monotonic() + PATIENCE
    while not two.done.is_set() and not waited:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        waited = bool(two.backend) and two.is_waiting_for_a_lock()
    one.go_on.set()
    for player in (one, two):
        player.join(PATIENCE)
        assert player.done.is_set()
    return one.outcome, two.outcome, waited


def race(left: Sequence[Callable[[], Any]], right: Sequence[Callable[[], Any]]) -> list[list[Any]]:
    """Run left[n] and right[n] at the same time, round by round. Raises what any of them raised."""
    barrier = threading.Barrier(2, timeout=PATIENCE)

    def side(plays: Sequence[Callable[[], Any]]) -> Callable[[], list[Any]]:
        def play() -> list[Any]:
            results = []
            for one in plays:
                barrier.wait()
                results.append(one())
            return results

        return play

    players = [Player(side(left)), Player(side(right))]
    for player in players:
        player.start()
    for player in players:
        player.join(3 * PATIENCE)
        assert player.done.is_set()
    for player in players:
        if isinstance(player.outcome, Exception):
            raise player.outcome
    return [player.outcome for player in players]
