"""The menus of affiliates and merchants about traffic: links, PIDs, callbacks."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.navigation import Item, Section, current_workspace


def sections(request: HttpRequest) -> Iterable[Section]:
    """The sections of the workspace that the person stands in."""
    workspace = current_workspace(request)
    if workspace is not None and workspace.kind == "merchant":
        yield Section(
            _("Shop"),
            [Item(_("Promote as an affiliate"), "orders:promote", "megaphone", {"code": workspace.code})],
        )
