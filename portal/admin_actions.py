"""What staff do to one object in the admin: a button on its page, a page that asks, then one operation.

A `ModelAdmin` with `ObjectActionsMixin` lists its `ObjectAction`s. Each has a permission of its own, so that
objects nobody may edit (commissions, holds) can still be acted upon by the right group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal import audit
from portal.errors import DomainError
from portal.models import User

Text = str | Promise


class EmptyForm(forms.Form):
    """An action that asks for nothing but a yes."""


class ReasonForm(forms.Form):
    """An action that must be given a reason; it ends up in the audit trail."""

    reason = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


@dataclass(frozen=True, kw_only=True)
class ObjectAction:
    """One thing that can be done to an object.

    `perform(request, obj, cleaned_data)` calls the operation and returns what to tell the person. `when(obj)`
    hides the button where it would be refused anyway; the operation refuses all the same. `facts(obj)` are
    the rows (label, value) that the confirmation page shows. `form(obj)` makes the form's class.
    """

    name: str
    label: Text
    question: Text
    button: Text
    permission: str
    perform: Callable[[HttpRequest, Any, dict[str, Any]], Text]
    when: Callable[[Any], bool] = lambda obj: True
    facts: Callable[[Any], Iterable[tuple[Text, Any]]] = lambda obj: ()
    form: Callable[[Any], type[forms.Form]] = lambda obj: EmptyForm
    danger: bool = False


class ObjectActionsMixin(ModelAdmin):
    """Adds the buttons and the confirmation pages of `object_actions`."""

    object_actions: Sequence[ObjectAction] = ()
    change_form_template = "admin/with_actions.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_action"
        view = self.admin_site.admin_view(self.action_view)
        return [path("<path:object_id>/act/<slug:action>/", view, name=name), *super().get_urls()]

    def action_url(self, obj: models.Model, action: ObjectAction) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_action"
        return reverse(name, args=[quote(obj.pk), action.name])

    def open_actions(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """The buttons for this person at this object."""
        return [
            {"label": action.label, "url": self.action_url(obj, action), "danger": action.danger}
            for action in self.object_actions
            if request.user.has_perm(action.permission) and action.when(obj)
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is not None and self.has_view_permission(request, obj):
            extra_context = {**self.page_context(request, obj), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra_context)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What an object's page shows beside its fields. Subclasses add to it."""
        return {"object_actions": self.open_actions(request, obj)}

    def action_view(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Ask (GET), then act (POST). Refusals are told where the person can mend them."""
        chosen = next((known for known in self.object_actions if known.name == action), None)
        obj = (
            self.get_queryset(request).filter(pk=unquote(object_id)).first() if object_id.isdigit() else None
        )
        if chosen is None or obj is None:
            raise Http404
        if not (self.has_view_permission(request, obj) and request.user.has_perm(chosen.permission)):
            raise PermissionDenied
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[quote(obj.pk)])
        form = chosen.form(obj)(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                told = chosen.perform(request, obj, form.cleaned_data)
            except DomainError as error:
                if error.field in form.fields:
                    form.add_error(error.field, str(error.message))
                else:
                    messages.error(request, str(error.message))
                    return HttpResponseRedirect(back)
            else:
                ModelAdmin.log_change(self, request, obj, str(chosen.label).rstrip("…"))
                messages.success(request, told if isinstance(told, SafeString) else str(told))
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": chosen.label,
            "subtitle": str(obj),
            "object": obj,
            "action": chosen,
            "facts": list(chosen.facts(obj)),
            "form": form,
            "media": self.media,
            "back": back,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)


class AuditedAdmin(admin.ModelAdmin):
    """Editable rows: each change made here leaves a row in the audit trail beside Django's own history."""

    actions = None

    def _audit(self, request: HttpRequest, obj: models.Model, verb: str, changes: Any) -> None:
        data = {"changes": changes} if changes else {}
        user = request.user
        assert isinstance(user, User)  # noqa: S101 - the admin site admits nobody else
        audit.record(f"{self.opts.model_name}.{verb}", by=user, target=obj, at=timezone.now(), **data)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self._audit(request, obj, "add", None)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        if message:
            self._audit(request, obj, "change", message)
        return super().log_change(request, obj, message)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
