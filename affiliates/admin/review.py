"""The reviewers' pages: the queue, the workbench of one case, the board of how the promise is kept (ONB-3…5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from affiliates import calendar, cases, papers, review
from affiliates.case_steps import DECIDE, REVIEW, belongs
from affiliates.models import Affiliate, Case, Document
from affiliates.refusals import of_case
from affiliates.steps import TITLES, steps_of
from portal.admin import ReadOnlyAdmin
from portal.errors import DomainError

FILTERS = ("state", "kind", "who", "overdue", "type", "q")
SHORTCUTS_COOKIE = "shortcuts"


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    """Cases under review. Every action is one operation of `affiliates.cases`; every refusal is a message."""

    def get_urls(self) -> list[URLPattern]:
        def mine(view: Callable[..., HttpResponse], *, posts: bool = True) -> Any:
            return self.admin_site.admin_view(require_POST(view) if posts else view)

        named = "affiliates_case_%s"
        return [
            path("next/", mine(self.claim_next), name=named % "next"),
            path("board/", mine(self.board, posts=False), name=named % "board"),
            path("<int:pk>/claim/", mine(self.claim), name=named % "claim"),
            path("<int:pk>/give-back/", mine(self.give_back), name=named % "give_back"),
            path("<int:pk>/note/", mine(self.note), name=named % "note"),
            path("<int:pk>/judge/<int:document>/", mine(self.judge), name=named % "judge"),
            path("<int:pk>/decide/", mine(self.decide), name=named % "decide"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(REVIEW)

    # --- the queue -----------------------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        filters = {name: request.GET.get(name, "")[:100] for name in FILTERS}
        rows, following = review.page(
            review.find(filters, user=request.user, at=at), request.GET.get("after", ""), at=at
        )
        kept = request.GET.copy()
        kept.pop("after", None)
        if following:
            kept["after"] = following
        context = {
            **self.admin_site.each_context(request),
            "title": _("Review queue"),
            "opts": self.opts,
            "rows": rows,
            "filters": filters,
            "filtered": any(filters.values()),
            "following": kept.urlencode() if following else "",
            "is_first": not request.GET.get("after"),
            "states": Case.State.choices,
            "kinds": Case.Kind.choices,
            "types": Affiliate.Kind.choices,
            "workload": review.workload(at=at) if request.user.has_perm("affiliates.manage_review") else None,
            "unofficial": calendar.unofficial_years(at),
            "at": at,
        }
        return TemplateResponse(request, "admin/affiliates/queue.html", context)

    def claim_next(self, request: HttpRequest) -> HttpResponse:
        self._check(request)
        return self._go_on(request)

    def _go_on(self, request: HttpRequest) -> HttpResponse:
        """Open the next case, or the queue when there is none."""
        case = cases.claim_next(by=request.user, at=timezone.now())
        if case is None:
            messages.info(request, _("Nothing is waiting for you."))
            return redirect("admin:affiliates_case_changelist")
        return redirect("admin:affiliates_case_change", case.pk)

    # --- the workbench -------------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        self._check(request)
        if not object_id.isdecimal() or len(object_id) > 18:
            raise Http404
        return self._bench(request, self._case(int(object_id)))

    def _bench(self, request: HttpRequest, case: Case, *, status: int = 200, **more: Any) -> HttpResponse:
        at = timezone.now()
        if belongs(case, request.user):
            messages.error(request, _("You belong to this company, so somebody else reviews its case."))
            return redirect("admin:affiliates_case_changelist")
        bench = review.lay_open(case, at=at)
        mine = (
            case.claimed_by_id == request.user.pk
            and case.lease_expires_at is not None
            and case.lease_expires_at > at
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Case %(number)s · %(affiliate)s")
            % {"number": case.pk, "affiliate": case.affiliate.name},
            "opts": self.opts,
            "case": case,
            "bench": bench,
            "mine": mine,
            "is_second": case.state == Case.State.AWAITING_SECOND_REVIEW,
            "may_decide": request.user.has_perm(DECIDE),
            "may_reveal": papers.may_reveal(case, request.user),
            "reasons": of_case(),
            "steps": [(key, TITLES[key]) for key in steps_of(case)],
            "access": list(papers.access_log(case).select_related("by")[:100]),
            "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
            **more,
        }
        return TemplateResponse(request, "admin/affiliates/workbench.html", context, status=status)

    def claim(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, lambda case: cases.claim(case, by=request.user, at=timezone.now()))

    def give_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._check(request)
        try:
            cases.give_back(self._case(pk), by=request.user, at=timezone.now())
        except DomainError as refusal:
            messages.error(request, str(refusal.message))
        return redirect("admin:affiliates_case_changelist")

    def note(self, request: HttpRequest, pk: int) -> HttpResponse:
        text = request.POST.get("text", "").strip()[:5000]
        if not text:
            messages.error(request, _("Write something first."))
            return redirect("admin:affiliates_case_change", pk)
        return self._act(
            request, pk, lambda case: cases.note(case, text=text, by=request.user, at=timezone.now())
        )

    def judge(self, request: HttpRequest, pk: int, document: int) -> HttpResponse:
        """A verdict on one paper."""
        self._check(request)
        paper = get_object_or_404(Document.objects.select_related("case"), pk=document, case_id=pk)
        internal_note = request.POST.get("internal_note", "").strip()[:5000]

        def act(case: Case) -> Any:
            at = timezone.now()
            if request.POST.get("verdict") == "accepted":
                return cases.accept_document(paper, by=request.user, at=at, internal_note=internal_note)
            return cases.refuse_document(
                paper,
                verdict=request.POST.get("verdict", ""),
                reason_code=request.POST.get("reason_code", ""),
                internal_note=internal_note,
                by=request.user,
                at=at,
            )

        return self._act(request, pk, act, anchor=f"#paper-{paper.kind}", typed={"judged": paper.pk})

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve, reject, ask for changes or send back. A final decision is asked for twice."""
        self._check(request)
        case = self._case(pk)
        verb = request.POST.get("verb", "")
        at, user = timezone.now(), request.user
        typed = {
            "internal_note": request.POST.get("internal_note", "").strip()[:5000],
            "reason_code": request.POST.get("reason_code", ""),
        }
        final = case.state == Case.State.AWAITING_SECOND_REVIEW and verb in ("approve", "reject")
        if final and not request.POST.get("sure"):
            return self._bench(request, case, confirming=verb, typed=typed)
        digest = request.POST.get("digest", "")
        note = {"internal_note": typed["internal_note"]}
        steps = [step for step in request.POST.getlist("steps") if step in TITLES]
        verbs: dict[str, Callable[[], Case]] = {
            "approve": lambda: cases.approve(case, by=user, at=at, digest=digest, **note),
            "reject": lambda: cases.reject(
                case, reason_code=typed["reason_code"], by=user, at=at, digest=digest, **note
            ),
            "request_changes": lambda: cases.request_changes(case, by=user, at=at, steps=steps, **note),
            "send_back": lambda: cases.send_back(case, by=user, at=at, **note),
        }
        if verb not in verbs:
            raise Http404
        try:
            decided = verbs[verb]()
        except DomainError as refusal:
            messages.error(request, str(refusal.message))
            return self._bench(request, self._case(pk), status=409, typed=typed)
        if decided.state == Case.State.IN_REVIEW:
            if verb != "send_back":
                messages.warning(
                    request, _("The evidence has changed since the first decision, which is void now.")
                )
            return redirect("admin:affiliates_case_change", pk)
        messages.success(
            request,
            _("Case %(number)s: %(state)s.") % {"number": pk, "state": decided.get_state_display()},
        )
        return self._go_on(request)

    # --- the board -----------------------------------------------------------------------------------------------

    def board(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("affiliates.manage_review"):
            raise PermissionDenied
        at = timezone.now()
        days = request.GET.get("days", "30")
        length = review.RANGES.get(days) or review.RANGES["30"]
        by_day = review.decided_by_day(since=at - length, until=at)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Review times"),
            "opts": self.opts,
            "board": review.board(since=at - length, until=at, at=at),
            "by_day": by_day,
            "days": days if days in review.RANGES else "30",
            "ranges": list(review.RANGES),
            "unofficial": calendar.unofficial_years(at),
            "at": at,
        }
        return TemplateResponse(request, "admin/affiliates/board.html", context)

    # --- what all of them stand on ----------------------------------------------------------------------------------

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _case(self, pk: int) -> Case:
        related = ("affiliate", "verified_company", "claimed_by", "first_by", "second_by")
        return get_object_or_404(Case.objects.select_related(*related), pk=pk)

    def _act(
        self,
        request: HttpRequest,
        pk: int,
        operation: Callable[[Case], Any],
        *,
        anchor: str = "",
        typed: dict[str, Any] | None = None,
    ) -> HttpResponse:
        self._check(request)
        case = self._case(pk)
        try:
            operation(case)
        except DomainError as refusal:
            messages.error(request, str(refusal.message))
            if typed is not None:
                typed |= {
                    name: request.POST.get(name, "") for name in ("internal_note", "reason_code", "verdict")
                }
                return self._bench(request, self._case(pk), status=409, typed=typed)
        return HttpResponseRedirect(reverse("admin:affiliates_case_change", args=[pk]) + anchor)
