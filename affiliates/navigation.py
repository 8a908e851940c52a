"""The menus of affiliates about themselves: their application, their papers and their people."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from portal.navigation import Section


def sections(request: HttpRequest) -> Iterable[Section]:
    """The sections of the workspace that the person stands in."""
    return []
