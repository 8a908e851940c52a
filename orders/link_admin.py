"""Links in the admin: to look at; what a link leads to never changes (ATTR-2)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.link_clicks import NONE, Clicks, clicks_of
from orders.models import Link, LinkUpload
from orders.tracking.addresses import link_url
from portal.admin_lists import ReadOnlyLongList


class ArchivedFilter(admin.SimpleListFilter):
    title = _("archived")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("archived")), ("no", _("in use"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(archived_at__isnull=self.value() == "no")
        return queryset


@admin.register(Link)
class LinkAdmin(ReadOnlyLongList):
    list_display = ("code", "label", "affiliate", "pid", "merchant", "created_at", "archived_at")
    list_select_related = ("affiliate", "pid", "merchant")
    list_filter = (ArchivedFilter, "merchant")
    search_fields = ("code__exact", "pid__value__exact", "affiliate__code__exact")
    search_help_text = _("Link code, PID or affiliate's code")
    fields = (
        "code",
        "address",
        "target",
        "affiliate",
        "pid",
        "merchant",
        "label",
        "utm_source",
        "utm_campaign",
        "utm_content",
        "utm_term",
        "sub_ids",
        "valid_clicks",
        "invalid_clicks",
        "last_click",
        "created_by",
        "created_at",
        "archived_at",
    )
    readonly_fields = fields

    @admin.display(description=_("address"))
    def address(self, link: Link) -> SafeString:
        return format_html("<code>{}</code>", link_url(link))

    def _clicks(self, link: Link) -> Clicks:
        if not hasattr(link, "_clicks"):
            link._clicks = clicks_of([link]).get(link.pk, NONE)  # type: ignore[attr-defined]
        return link._clicks  # type: ignore[attr-defined]

    @admin.display(description=_("valid clicks"))
    def valid_clicks(self, link: Link) -> int:
        return self._clicks(link).valid

    @admin.display(description=_("invalid clicks"))
    def invalid_clicks(self, link: Link) -> int:
        return self._clicks(link).invalid

    @admin.display(description=_("last valid click"))
    def last_click(self, link: Link) -> Any:
        return self._clicks(link).last_valid_at


@admin.register(LinkUpload)
class LinkUploadAdmin(ReadOnlyLongList):
    list_display = ("file_name", "affiliate", "uploaded_by", "uploaded_at")
    list_select_related = ("affiliate", "uploaded_by")
    search_fields = ("affiliate__code__exact",)
    search_help_text = _("An affiliate's code")
    fields = ("file_name", "affiliate", "uploaded_by", "uploaded_at", "outcome")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[LinkUpload]:
        found = super().get_queryset(request)
        return (
            found
            if request.resolver_match and "object_id" in request.resolver_match.kwargs
            else found.defer("rows")
        )

    @admin.display(description=_("rows"))
    def outcome(self, upload: LinkUpload) -> str:
        names = ("made", "known", "refused")
        return ", ".join(f"{name} {sum(row['status'] == name for row in upload.rows)}" for name in names)
