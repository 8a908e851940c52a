"""The menus of affiliates about themselves: their application, their papers and their people."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.navigation import Item, Section, current_workspace


def sections(request: HttpRequest) -> Iterable[Section]:
    """The sections of the workspace that the person stands in."""
    workspace = current_workspace(request)
    if workspace is not None and workspace.kind == "affiliate":
        yield Section(
            _("Settings"),
            [
                Item(
                    _("Application and papers"),
                    "affiliates:applications",
                    "person-vcard",
                    {"code": workspace.code},
                )
            ],
        )
