"""What reviewers read: the queue, one case laid open, and how well the promise of two working days is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates import checks, masking
from affiliates.calendar import working_calendar
from affiliates.evidence_digest import digest
from affiliates.identifiers import normalised
from affiliates.models import Case, CaseEvent, Document, DocumentPage, LivenessCheck
from affiliates.refusals import Refusal, of_paper
from affiliates.steps import papers_of, steps_of
from affiliates.working_time import DAY_SECONDS, TARGET_SECONDS, WorkingCalendar
from portal.models import User

PAGE = 30
TARGET_SHARE = 0.992
TARGET_MEAN_DAYS = 1.8


# --- the queue --------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One line of the queue; `left` is the working time until it is due, in seconds, negative when overdue."""

    case: Case
    left: int | None
    claimed: bool


def find(filters: Mapping[str, str], *, user: User, at: datetime) -> QuerySet[Case]:
    """The cases that the filters name, the soonest due first; closed and paused ones the newest first.

    `state` (a state, or nothing for all that await a reviewer), `kind`, `who` (mine, free), `overdue`, `type`, `q`
    (a case's number, an affiliate's code, a unified code, or how a company's name begins).
    """
    found = Case.objects.select_related("affiliate", "company", "claimed_by", "first_by")
    state = filters.get("state", "")
    found = found.filter(state__in=[state] if state in Case.State.values else Case.REVIEWERS_TURN)
    if filters.get("kind") in Case.Kind.values:
        found = found.filter(kind=filters["kind"])
    if filters.get("who") == "mine":
        found = found.filter(claimed_by=user, lease_expires_at__gt=at)
    elif filters.get("who") == "free":
        found = found.filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=at))
    if filters.get("overdue"):
        found = found.filter(due_at__lt=at)
    if kind := filters.get("type"):
        found = found.filter(affiliate__kind=kind)
    if text := filters.get("q", "").strip():
        named = Q(affiliate__code=text.lower()) | Q(company__uscc=normalised(text))
        named |= Q(company__name__startswith=text)
        if text.isdecimal() and len(text) < 10:
            named |= Q(pk=int(text))
        found = found.filter(named)
    if state in Case.REVIEWERS_TURN or not state:
        return found.order_by("due_at", "pk")
    return found.order_by("-pk")


def page(found: QuerySet[Case], after: str, *, at: datetime) -> tuple[list[Row], str]:
    """One page of the queue after the mark `after`, and the mark of the next page, "" on the last."""
    by_due = found.query.order_by[0] == "due_at"
    due, _, pk = after.rpartition("~")
    if pk.isdecimal() and len(pk) < 19:
        if not by_due:
            found = found.filter(pk__lt=int(pk))
        elif due:
            try:
                moment = datetime.fromisoformat(due)
            except ValueError:
                moment = None
            if moment is not None and moment.tzinfo is not None:
                found = found.filter(Q(due_at__gt=moment) | Q(due_at=moment, pk__gt=int(pk)))
    cases = list(found[: PAGE + 1])
    calendar = working_calendar()
    rows = [Row(case, left(case, calendar, at=at), _is_claimed(case, at)) for case in cases[:PAGE]]
    if len(cases) <= PAGE:
        return rows, ""
    last = cases[PAGE - 1]
    return rows, f"{last.due_at.isoformat() if by_due and last.due_at else ''}~{last.pk}"


def left(case: Case, calendar: WorkingCalendar, *, at: datetime) -> int | None:
    """The working seconds until the case is due, negative once it is overdue; None while its clock stands still."""
    if case.due_at is None:
        return None
    if case.due_at >= at:
        return calendar.between(at, case.due_at)
    return -calendar.between(case.due_at, at)


def _is_claimed(case: Case, at: datetime) -> bool:
    return case.lease_expires_at is not None and case.lease_expires_at > at


def workload(*, at: datetime) -> list[dict[str, Any]]:
    """How many cases each reviewer works on now, the busiest first."""
    busy = Case.objects.filter(claimed_by__isnull=False, lease_expires_at__gt=at)
    counted = busy.values("claimed_by__email", "claimed_by__name").annotate(cases=Count("pk"))
    return [dict(entry) for entry in counted.order_by("-cases", "claimed_by__email")]


# --- one case ---------------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """A declared field: its label, what was declared (masked), what the checks say of it, and how to reveal it."""

    label: str | Promise
    value: Any
    hints: list[checks.Hint]
    reveal: str = ""


class Part(NamedTuple):
    title: str | Promise
    fields: list[Field]


@dataclass(frozen=True)
class Paper:
    """A paper on the workbench: its current version, the one before, and the reasons it may be refused for."""

    document: Document
    label: str | Promise
    pages: list[DocumentPage]
    before: Document | None
    before_pages: list[DocumentPage]
    reasons: list[Refusal]


@dataclass(frozen=True)
class Bench:
    """Everything that a reviewer needs to decide one case. A fixed number of queries."""

    case: Case
    digest: str
    parts: list[Part]
    hints: list[checks.Hint]
    papers: list[Paper]
    lacking: list[str | Promise]
    frame: LivenessCheck | None
    events: list[CaseEvent]
    left: int | None
    accepted: bool


def lay_open(case: Case, *, at: datetime) -> Bench:
    """The case with its evidence. Looking at a page of a paper is audited where the page is served."""
    found = checks.hints(case, at=at)
    documents = list(case.documents.filter(erased_at__isnull=True).order_by("kind", "-version"))
    pages: dict[int, list[DocumentPage]] = {}
    for one in DocumentPage.objects.filter(document__in=documents).order_by("position"):
        pages.setdefault(one.document_id, []).append(one)
    papers: list[Paper] = []
    lacking: list[str | Promise] = []
    for kind in papers_of(case):
        versions = [document for document in documents if document.kind == kind]
        if not versions:
            lacking.append(Document.Kind(kind).label)
            continue
        current, before = versions[0], versions[1] if len(versions) > 1 else None
        papers.append(
            Paper(
                document=current,
                label=Document.Kind(kind).label,
                pages=pages.get(current.pk, []),
                before=before,
                before_pages=pages.get(before.pk, []) if before else [],
                reasons=of_paper(kind),
            )
        )
    frames = case.liveness_checks.exclude(state=LivenessCheck.State.STARTED).order_by("-started_at")
    return Bench(
        case=case,
        digest=digest(case),
        parts=_parts(case, found),
        hints=found,
        papers=papers,
        lacking=lacking,
        frame=frames.first(),
        events=list(case.events.select_related("by").order_by("-pk")[:200]),
        left=left(case, working_calendar(), at=at),
        accepted=not lacking and all(paper.document.verdict == Document.Verdict.ACCEPTED for paper in papers),
    )


def _parts(case: Case, hints: Sequence[checks.Hint]) -> list[Part]:
    def of(subject: str) -> list[checks.Hint]:
        return [hint for hint in hints if hint.subject == subject]

    affiliate = case.affiliate
    parts = []
    if "profile" in steps_of(case):
        channels = ", ".join(
            f"{channel.get_platform_display()} {channel.handle} ({channel.audience or '?'})"
            for channel in affiliate.channels.order_by("pk")
        )
        parts.append(
            Part(
                _("Affiliate"),
                [
                    Field(_("name"), affiliate.name, []),
                    Field(_("type"), affiliate.get_kind_display(), []),
                    Field(_("channels"), channels, []),
                    Field(_("regions"), ", ".join(affiliate.regions), []),
                    Field(_("categories"), ", ".join(affiliate.categories), []),
                ],
            )
        )
    long_term = _("long term")
    if company := getattr(case, "company", None):
        parts.append(
            Part(
                _("Business licence"),
                [
                    Field(_("company name"), company.name, []),
                    Field(_("legal form"), company.get_entity_display(), []),
                    Field(_("unified social credit code"), company.uscc, of("company.uscc")),
                    Field(_("legal representative"), company.representative_name, []),
                    Field(_("registered address"), company.address, []),
                    Field(_("valid until"), company.valid_until or long_term, of("company.valid_until")),
                ],
            )
        )
    if person := getattr(case, "representative", None):
        parts.append(
            Part(
                _("Legal representative"),
                [
                    Field(_("name"), person.name, of("representative.name")),
                    Field(
                        _("ID number"),
                        masking.mask_id_number(person.id_number),
                        of("representative.id_number"),
                        "id_number",
                    ),
                    Field(
                        _("valid until"), person.valid_until or long_term, of("representative.valid_until")
                    ),
                ],
            )
        )
    if account := getattr(case, "settlement", None):
        parts.append(
            Part(
                _("Settlement account"),
                [
                    Field(_("kind"), account.get_kind_display(), of("settlement.alipay_kind")),
                    Field(_("account name"), account.account_name, of("settlement.account_name")),
                    Field(
                        _("account number"),
                        masking.mask_account(account.kind, account.account_number),
                        [],
                        "account_number",
                    ),
                    Field(_("bank"), f"{account.bank_name} {account.branch_name}".strip(), []),
                    Field(_("CNAPS code"), account.cnaps_code, of("settlement.cnaps_code")),
                ],
            )
        )
    if tax := getattr(case, "tax", None):
        months = (
            f"{tax.first_month:%Y-%m} – {tax.last_month:%Y-%m}" if tax.first_month and tax.last_month else ""
        )
        parts.append(
            Part(
                _("Tax filing"),
                [
                    Field(_("proof"), tax.get_proof_display(), []),
                    Field(_("taxpayer"), tax.taxpayer_name, of("tax.taxpayer_name")),
                    Field(_("taxpayer number"), tax.taxpayer_number, of("tax.taxpayer_number")),
                    Field(_("months"), months, of("tax.first_month")),
                ],
            )
        )
    return parts


# --- the board --------------------------------------------------------------------------------------------------

_DECIDED = """
    SELECT c.id, c.worked_seconds, c.second_by_id, c.first_by_id,
           (SELECT max(e.worked_seconds) FROM affiliates_caseevent e
             WHERE e.case_id = c.id AND e.state_after = 'awaiting_second_review'
               AND e.verb IN ('approve', 'reject')) AS first_seconds
      FROM affiliates_case c
     WHERE c.closed_at >= %s AND c.closed_at < %s AND c.state IN ('approved', 'rejected')
"""


def board(*, since: datetime, until: datetime, at: datetime) -> dict[str, Any]:
    """How the promise was kept for cases decided in [since, until), and how old the open ones are (ONB-3).

    Times are in working seconds. A fixed number of statements, whatever the number of cases.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*), avg(worked_seconds), avg((worked_seconds <= %s)::int),
                       avg(first_seconds), avg(worked_seconds - first_seconds)
                  FROM ({_DECIDED}) AS decided""",
            [TARGET_SECONDS, since, until],
        )
        count, mean, share, first, second = cursor.fetchone()
        cursor.execute(
            f"""SELECT u.email, count(*) FILTER (WHERE u.id = d.first_by_id),
                       count(*) FILTER (WHERE u.id = d.second_by_id),
                       avg(d.first_seconds) FILTER (WHERE u.id = d.first_by_id)
                  FROM ({_DECIDED}) AS d JOIN portal_user u ON u.id IN (d.first_by_id, d.second_by_id)
                 GROUP BY u.id, u.email ORDER BY count(*) DESC, u.email""",
            [since, until],
        )
        reviewers = [
            {"email": email, "first": firsts, "second": seconds, "mean": mean_first and float(mean_first)}
            for email, firsts, seconds, mean_first in cursor.fetchall()
        ]
        cursor.execute(
            """SELECT state, count(*), count(*) FILTER (WHERE due_at < %s)
                 FROM affiliates_case
                WHERE state IN ('submitted', 'in_review', 'awaiting_second_review', 'changes_requested')
                GROUP BY state""",
            [at],
        )
        open_by_state = {state: (number, overdue) for state, number, overdue in cursor.fetchall()}
    return {
        "count": count,
        "mean_days": float(mean) / DAY_SECONDS if mean is not None else None,
        "share": float(share) if share is not None else None,
        "first_days": float(first) / DAY_SECONDS if first is not None else None,
        "second_days": float(second) / DAY_SECONDS if second is not None else None,
        "mean_kept": mean is None or float(mean) / DAY_SECONDS <= TARGET_MEAN_DAYS,
        "share_kept": share is None or float(share) >= TARGET_SHARE,
        "reviewers": reviewers,
        "open": [
            {
                "state": Case.State(state).label,
                "count": open_by_state.get(state, (0, 0))[0],
                "overdue": open_by_state.get(state, (0, 0))[1],
            }
            for state in (*Case.REVIEWERS_TURN, Case.State.CHANGES_REQUESTED)
        ],
        "ageing": _ageing(at=at),
    }


def _ageing(*, at: datetime) -> list[dict[str, Any]]:
    """The cases that await a reviewer by the working time that is left to them."""
    calendar = working_calendar()
    marks = [calendar.add(at, hours * 3600) for hours in (2, 9)]
    cases = Case.objects.filter(state__in=Case.REVIEWERS_TURN)
    buckets = cases.aggregate(
        overdue=Count("pk", filter=Q(due_at__lt=at)),
        two=Count("pk", filter=Q(due_at__gte=at, due_at__lt=marks[0])),
        day=Count("pk", filter=Q(due_at__gte=marks[0], due_at__lt=marks[1])),
        later=Count("pk", filter=Q(due_at__gte=marks[1])),
    )
    labels = {
        "overdue": _("overdue"),
        "two": _("under 2 working hours left"),
        "day": _("under a working day left"),
        "later": _("more than a working day left"),
    }
    return [{"key": key, "label": labels[key], "count": buckets[key]} for key in labels]


def decided_by_day(*, since: datetime, until: datetime) -> list[tuple[str, int]]:
    """How many cases were decided on each Shanghai day, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT to_char(closed_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD') AS day, count(*)
                 FROM affiliates_case
                WHERE closed_at >= %s AND closed_at < %s AND state IN ('approved', 'rejected')
                GROUP BY day ORDER BY day""",
            [since, until],
        )
        return list(cursor.fetchall())


RANGES = {"7": timedelta(days=7), "30": timedelta(days=30), "90": timedelta(days=90)}
