"""What clicks say about PIDs: the latest valid one for the sweep, and a PID's figures for its page (ATTR-4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from affiliates import pids
from affiliates.models import FreezeWarning, Pid

SPAN = timedelta(days=30)


@transaction.atomic
def refresh_last_clicks(*, at: datetime) -> int:
    """Write the latest valid click into each PID that would otherwise soon be warned or frozen.

    Only those are looked at: who is known to have had a click within 25 days needs no look at its clicks. For
    each the newest valid click is found from the index on (PID, time), so the size of the table doesn't matter.
    Returns how many rows changed. Source: SPEC ATTR-4.
    """
    before = at - pids.FREEZES_AFTER + pids.WARNS_AHEAD
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH candidate AS (
                 SELECT id, greatest(active_since, coalesce(last_valid_click_at, active_since)) AS since
                   FROM affiliates_pid
                  WHERE frozen_at IS NULL
                    AND greatest(active_since, coalesce(last_valid_click_at, active_since)) <= %s
                  ORDER BY id
                    FOR UPDATE SKIP LOCKED),
                 latest AS (
                 SELECT candidate.id, found.clicked_at
                   FROM candidate
                  CROSS JOIN LATERAL (
                        SELECT clicked_at FROM orders_click c
                         WHERE c.pid_id = candidate.id AND c.invalid_reason = ''
                           AND c.clicked_at > candidate.since AND c.clicked_at <= %s
                         ORDER BY c.clicked_at DESC LIMIT 1) found)
            UPDATE affiliates_pid p SET last_valid_click_at = latest.clicked_at
              FROM latest WHERE p.id = latest.id""",
            [before, at],
        )
        return cursor.rowcount


@dataclass(frozen=True)
class Swept:
    """What one round of the sweep did."""

    refreshed: int
    warned: list[FreezeWarning]
    frozen: list[Pid]


@transaction.atomic
def sweep(*, at: datetime) -> Swept:
    """Take in the clicks, warn five days ahead, freeze after thirty days: one transaction (ATTR-4)."""
    return Swept(
        refreshed=refresh_last_clicks(at=at), warned=pids.warn_quiet(at=at), frozen=pids.freeze_quiet(at=at)
    )


@dataclass(frozen=True)
class PidFigures:
    """A PID's clicks, and its health with them."""

    valid: int
    invalid: int
    health: pids.Health


def figures(rows: Iterable[Pid], *, at: datetime) -> dict[int, PidFigures]:
    """Clicks of the last 30 days and health of each PID, by its key. One query.

    Unlike the sweep's own note the last valid click is looked up afresh.
    """
    wanted = {pid.pk: pid for pid in rows}
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.id, recent.valid, recent.invalid, last.clicked_at
              FROM unnest(%s::bigint[]) AS p (id)
             CROSS JOIN LATERAL (
                   SELECT count(*) FILTER (WHERE c.invalid_reason = '') AS valid,
                          count(*) FILTER (WHERE c.invalid_reason <> '') AS invalid
                     FROM orders_click c
                    WHERE c.pid_id = p.id AND c.clicked_at > %s AND c.clicked_at <= %s) recent
              LEFT JOIN LATERAL (
                   SELECT c.clicked_at FROM orders_click c
                    WHERE c.pid_id = p.id AND c.invalid_reason = '' AND c.clicked_at <= %s
                    ORDER BY c.clicked_at DESC LIMIT 1) last ON true""",
            [list(wanted), at - SPAN, at, at],
        )
        found = cursor.fetchall()
    return {
        key: PidFigures(
            valid,
            invalid,
            pids.health(
                active_since=wanted[key].active_since,
                last_valid_click_at=last,
                frozen_at=wanted[key].frozen_at,
                at=at,
            ),
        )
        for key, valid, invalid, last in found
    }
