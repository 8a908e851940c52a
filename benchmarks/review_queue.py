"""The reviewers' queue with 100 cases and with 100,000: it must open as fast (SPEC ONB-3, issue 3)."""

from __future__ import annotations

import time
from statistics import median

from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from affiliates.models import Case
from affiliates.review_queue import Mark
from benchmarks import world
from benchmarks.figures import Figure
from portal.models import User

FEW, MANY = 100, 100_000
ROUNDS = 15


@override_settings(STAFF_MFA_REQUIRED=False)
def run() -> list[Figure]:
    browser = _browser()
    _cases(FEW)
    few = _opens(browser)
    _cases(MANY - FEW)
    many = _opens(browser)
    detail = f"{few * 1000:.1f} ms with {FEW}, {many * 1000:.1f} ms with {MANY:,} cases"
    # Figures are reached from below: half the speed is the least, twice the time the most.
    return [Figure(f"review queue with {FEW} ÷ with {MANY:,} cases", few / many, 0.5, detail)]


def _browser() -> Client:
    """A senior reviewer's: with the workload, the most that the page shows."""
    reviewer = User.objects.create_superuser("reviewer@bench.example", "no-password", name="Bench")
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(reviewer, backend="allauth.account.auth_backends.AuthenticationBackend")
    return browser


def _opens(browser: Client) -> float:
    """Seconds to open the first page, one in the middle and the overdue ones; median of the sums."""
    world.settle_statistics()
    waiting = Case.objects.awaiting_review()
    middle = waiting[waiting.count() // 2]
    queue = reverse("admin:affiliates_case_changelist")
    pages = [{}, {"after": str(Mark(middle.due_at, middle.pk))}, {"overdue": "1"}, {"unclaimed": "1"}]
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for query in pages:
            assert browser.get(queue, query, secure=True).status_code == 200
        took.append((time.perf_counter() - began) / len(pages))
    return median(took)


def _cases(count: int) -> None:
    """Cases that wait, due around now, one a minute; each of an affiliate and a company of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH people AS (
                INSERT INTO affiliates_affiliate (code, name, kind, regions, categories)
                SELECT 'q' || (SELECT count(*) FROM affiliates_case) + n, 'Applicant ' || n, 'koc', '{}', '{}'
                  FROM generate_series(1, %(count)s) AS n
             RETURNING id, code
            ), cases AS (
                INSERT INTO affiliates_case (affiliate_id, kind, state, opened_by_id, opened_at,
                    first_submitted_at, submitted_at, clock_started_at, worked_seconds, due_at, outcome,
                    reason_code, first_digest, second_digest, reopened)
                SELECT id, 'onboarding', 'submitted', %(user)s, %(now)s, %(now)s, %(now)s, %(now)s, 0,
                       now() + (row_number() OVER (ORDER BY id) - 50) * interval '1 minute', '', '', '', '', '{}'
                  FROM people
             RETURNING id
            )
            INSERT INTO affiliates_companydeclaration (case_id, entity, name, uscc, address, representative_name)
            SELECT id, 'company', 'Company ' || id, lpad(id::text, 18, '9'), '', 'Somebody' FROM cases""",
            {"count": count, "now": world.NOW, "user": User.objects.get(name="Bench").pk},
        )
