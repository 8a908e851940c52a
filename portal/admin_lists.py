"""Lists of tables that grow without end: what the admin must not do is count them.

`BoundedPaginator` counts up to a bound and pages through that much; whoever looks for something older filters
or searches. Lists that use it are ordered by their primary key, newest first.
"""

from __future__ import annotations

from functools import cached_property

from django.contrib.admin import ModelAdmin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.admin import ReadOnlyAdmin
from portal.badges import badge
from portal.templatetags.shell import icon

BOUND = 10_000


class BoundedPaginator(Paginator):
    """Counts no further than `BOUND` rows, however many there are: the database stops reading there."""

    bound = BOUND

    @cached_property
    def count(self) -> int:
        return self.object_list[: self.bound].count()  # type: ignore[union-attr]


class LongList(ModelAdmin):
    """A list over a table that grows without end."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    ordering = ("-pk",)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None):
        note = {
            "subtitle": _("Newest first. The list ends after 10,000 rows; filters and search reach the rest.")
        }
        return super().changelist_view(request, {**note, **(extra_context or {})})


class ReadOnlyLongList(LongList, ReadOnlyAdmin):
    """Rows to look at, of a table that grows without end."""


def state_badge(state: str, label: str = "") -> SafeString:
    """A state as icon, word and colour, for a list's cell."""
    known = badge(state)
    return format_html(
        '<span class="state" data-tone="{}" data-state="{}">{}{}</span>',
        known.tone,
        state,
        icon(known.icon),
        label or known.label,
    )
