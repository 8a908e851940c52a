"""Cases in the admin: the queue, and what is done to a case from it. A case's own page is the workbench."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from affiliates import cases
from affiliates.admin import chips, decisions, sla_board, workbench
from affiliates.admin.ways import bench_url, go_on, kept_note, queue_url
from affiliates.case_steps import DECIDE, REVIEW, OwnCompany
from affiliates.models import Affiliate, Case
from affiliates.review_queue import STATES, QueueFilter, queue, tallies, workload
from portal.admin import ReadOnlyAdmin
from portal.errors import DomainError
from portal.templatetags.shell import when

MANAGE = "affiliates.manage_review"


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    """The list is the queue, a row's page the workbench. Nothing is edited but through the verbs of a case."""

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "affiliates_case"
        own = [
            path("next/", wrap(require_POST(self.claim_next_view)), name=f"{name}_next"),
            path("board/", wrap(require_safe(self.board_view)), name=f"{name}_board"),
            path("<int:pk>/claim/", wrap(require_POST(self.claim_view)), name=f"{name}_claim"),
            path("<int:pk>/give-back/", wrap(require_POST(self.give_back_view)), name=f"{name}_give_back"),
            path("<int:pk>/extend/", wrap(require_POST(self.extend_view)), name=f"{name}_extend"),
            path(
                "<int:pk>/papers/<int:document_id>/",
                wrap(require_POST(self.judge_view)),
                name=f"{name}_judge",
            ),
            path("<int:pk>/note/", wrap(require_POST(self.note_view)), name=f"{name}_note"),
            path(
                "<int:pk>/number/<slug:number>/", wrap(require_POST(self.reveal_view)), name=f"{name}_reveal"
            ),
            path("<int:pk>/decide/<slug:decision>/", wrap(self.decide_view), name=f"{name}_decide"),
        ]
        return [*own, *super().get_urls()]

    # --- who may ----------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Reviewers alone: a case shows identity papers (ONB-9)."""
        return request.user.has_perm(REVIEW) or request.user.has_perm(DECIDE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def case_or_refusal(self, request: HttpRequest, pk: Any) -> Case:
        """The case. Raises: PermissionDenied for who doesn't review, Http404, OwnCompany (ONB-4)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        case = workbench.find(pk)
        if case is None:
            raise Http404
        workbench.check_not_own(case, request.user)
        return case

    # --- the queue --------------------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at, wanted = timezone.now(), QueueFilter.read(request.GET)
        page = queue(wanted, user=request.user, at=at)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Review queue"),
            "at": at,
            "wanted": wanted,
            "rows": [{"row": row, "chips": chips.row_chips(row, request.user)} for row in page.rows],
            "next_page": page.next,
            "is_first_page": wanted.after is None,
            "tallies": tallies(user=request.user, at=at),
            "states": [(state, Case.State(state).label) for state in STATES],
            "kinds": Case.Kind.choices,
            "affiliate_kinds": Affiliate.Kind.choices,
            "may_manage": request.user.has_perm(MANAGE),
            "workload": workload(at=at) if request.user.has_perm(MANAGE) else [],
        }
        return TemplateResponse(request, "admin/affiliates/queue.html", context)

    def claim_next_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return go_on(request)

    def board_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(MANAGE):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("SLA board"),
            **sla_board.context(request.GET, at=timezone.now()),
        }
        return TemplateResponse(request, "admin/affiliates/sla_board.html", context)

    # --- a case -----------------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self.at_case(request, object_id, lambda case: self.bench(request, case))

    def bench(self, request: HttpRequest, case: Case, *, status: int = 200, **typed: Any) -> HttpResponse:
        """The workbench; `typed` is what the person had filled in and must not lose."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Case %(number)s") % {"number": case.pk},
            "is_nav_sidebar_enabled": False,
            **workbench.context(case, user=request.user, at=timezone.now(), **typed),
            "kept_note": kept_note(request, case),
        }
        return TemplateResponse(request, "admin/affiliates/workbench.html", context, status=status)

    def at_case(self, request: HttpRequest, pk: Any, answer: Any) -> HttpResponse:
        """What `answer(case)` says; who belongs to the company is told so instead."""
        try:
            case = self.case_or_refusal(request, pk)
        except OwnCompany as refusal:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Somebody else reviews this"),
                "refusal": refusal.message,
            }
            return TemplateResponse(request, "admin/affiliates/own_company.html", context, status=403)
        return answer(case)

    def act(
        self, request: HttpRequest, pk: int, operation: Any, *, told: str, anchor: str = ""
    ) -> HttpResponse:
        """Carry out a small step and go back to the case; a refusal is told there."""

        def answer(case: Case) -> HttpResponse:
            try:
                operation(case)
            except DomainError as refusal:
                messages.error(request, str(refusal.message))
            else:
                messages.success(request, told)
            return HttpResponseRedirect(f"{bench_url(case)}{anchor}")

        return self.at_case(request, pk, answer)

    def claim_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.act(
            request,
            pk,
            lambda case: cases.claim(case, by=request.user, at=timezone.now()),
            told=gettext("The case is yours for half an hour."),
        )

    def extend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Half an hour more: by the button, or quietly by the script of a page that is being worked on."""

        def extend(case: Case) -> Case:
            return cases.extend_lease(case, by=request.user, at=timezone.now())

        def quietly(case: Case) -> HttpResponse:
            try:
                until = extend(case).lease_expires_at
            except DomainError as refusal:
                return JsonResponse({"refusal": str(refusal.message)}, status=refusal.status)
            return JsonResponse({"until": when(until, "time")})

        if request.headers.get("X-Quiet"):
            return self.at_case(request, pk, quietly)
        return self.act(request, pk, extend, told=gettext("Another half hour."))

    def give_back_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the case back; whoever asked from the queue stays there."""

        def answer(case: Case) -> HttpResponse:
            try:
                cases.give_back(case, by=request.user, at=timezone.now())
            except DomainError as refusal:
                messages.error(request, str(refusal.message))
            else:
                messages.success(request, gettext("Case %(number)s is given back.") % {"number": case.pk})
            return HttpResponseRedirect(queue_url())

        return self.at_case(request, pk, answer)

    def judge_view(self, request: HttpRequest, pk: int, document_id: int) -> HttpResponse:
        return self.at_case(request, pk, lambda case: workbench.judge(self, request, case, document_id))

    def note_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.at_case(request, pk, lambda case: workbench.add_note(self, request, case))

    def reveal_view(self, request: HttpRequest, pk: int, number: str) -> HttpResponse:
        return self.at_case(request, pk, lambda case: workbench.reveal(self, request, case, number))

    def decide_view(self, request: HttpRequest, pk: int, decision: str) -> HttpResponse:
        return self.at_case(request, pk, lambda case: decisions.view(self, request, case, decision))
