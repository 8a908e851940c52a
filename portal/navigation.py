"""Menus, workspaces and the way home: the shell's mechanism, filled in by the apps above.

`portal` may not import the apps that own the pages, so settings name callables by dotted path:

- `NAVIGATION`: each takes the request and gives `Section`s; sections with the same label are joined in order.
- `WORKSPACES`: each takes the request and gives the `Workspace`s (a membership in an affiliate or a merchant)
  that the signed-in person may stand in. One is current at a time; the switcher changes it.
- `HOME_RESOLVERS`: each takes the request and gives the address of the person's home, or None for "not mine".

An app's module looks like this::

    def sections(request: HttpRequest) -> Iterable[Section]:
        workspace = current_workspace(request)
        if workspace is not None and workspace.kind == "affiliate":
            yield Section(_("Earnings"), [
                Item(_("Commission Report"), "commissions:report", "bar-chart-line"),
            ])

An item whose address doesn't reverse is left out at run time and fails the test suite (`broken_items`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from portal.models import User

SESSION_KEY = "workspace"
Text = str | Promise


def everybody(request: HttpRequest) -> bool:
    return True


@dataclass(frozen=True)
class Item:
    """One line of a menu.

    `prefix` is the path under which the item counts as current; by default its own address. `badge` gives a
    small count (0 and None are not shown).
    """

    label: Text
    url_name: str
    icon: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    visible: Callable[[HttpRequest], bool] = everybody
    badge: Callable[[HttpRequest], int | None] | None = None
    prefix: str | None = None
    exact: bool = False

    def url(self) -> str | None:
        """The item's address, None if there is none by that name."""
        try:
            return reverse(self.url_name, kwargs=dict(self.kwargs) or None)
        except NoReverseMatch:
            return None


@dataclass(frozen=True)
class Section:
    """A headed group of items. An empty label makes no heading."""

    label: Text
    items: list[Item]


@dataclass(frozen=True)
class Workspace:
    """Where a person stands: one membership. `key` is unique, e.g. `affiliate:12`; `code` is in addresses."""

    key: str
    kind: str
    label: str
    role: Text
    home: str
    object_id: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Line:
    """An item as the template draws it."""

    label: Text
    url: str
    icon: str
    current: bool
    badge: int | None


@cache
def _callables(setting: tuple[str, ...]) -> tuple[Callable[[HttpRequest], Any], ...]:
    return tuple(import_string(dotted) for dotted in setting)


def workspaces(request: HttpRequest) -> list[Workspace]:
    """All workspaces of the signed-in person, found once a request."""
    if not hasattr(request, "_workspaces"):
        found: list[Workspace] = []
        if request.user.is_authenticated:
            for provider in _callables(tuple(settings.WORKSPACES)):
                found.extend(provider(request))
        request._workspaces = found  # type: ignore[attr-defined]
    return request._workspaces  # type: ignore[attr-defined]


def current_workspace(request: HttpRequest) -> Workspace | None:
    """The workspace chosen in the switcher, else the first one, else None (staff, new users)."""
    available = workspaces(request)
    chosen = request.session.get(SESSION_KEY) if available else None
    return next((w for w in available if w.key == chosen), available[0] if available else None)


def choose_workspace(request: HttpRequest, key: str) -> Workspace | None:
    """Make `key` current and return it; None if this person has no such workspace."""
    workspace = next((w for w in workspaces(request) if w.key == key), None)
    if workspace is not None:
        request.session[SESSION_KEY] = workspace.key
    return workspace


def sections(request: HttpRequest) -> list[Section]:
    """Every section of this person's menu; those of one label are joined, in the order of the settings."""
    joined: dict[str, Section] = {}
    for provider in _callables(tuple(settings.NAVIGATION)):
        for section in provider(request):
            known = joined.get(str(section.label))
            joined[str(section.label)] = (
                section if known is None else Section(section.label, [*known.items, *section.items])
            )
    return list(joined.values())


def broken_items(request: HttpRequest) -> list[str]:
    """The url names in this person's menu that lead nowhere; a test holds this to be empty for each role."""
    return [item.url_name for section in sections(request) for item in section.items if item.url() is None]


def menu(request: HttpRequest) -> list[tuple[Text, list[Line]]]:
    """The menu as the sidebar draws it; the item with the longest matching prefix is current."""
    rows: list[tuple[Text, list[tuple[Item, str]]]] = []
    for section in sections(request):
        found = [(item, url) for item in section.items if item.visible(request) and (url := item.url())]
        if found:
            rows.append((section.label, found))

    def match(item: Item, url: str) -> int:
        prefix = item.prefix or url
        if request.path == url:
            return len(prefix) + 1
        return len(prefix) if not item.exact and request.path.startswith(prefix) else 0

    best = max((match(item, url) for _label, found in rows for item, url in found), default=0)
    return [
        (
            label,
            [
                Line(
                    item.label,
                    url,
                    item.icon,
                    current=best > 0 and match(item, url) == best,
                    badge=item.badge(request) if item.badge else None,
                )
                for item, url in found
            ],
        )
        for label, found in rows
    ]


def home_url(request: HttpRequest) -> str | None:
    """Where this person belongs: the current workspace's home, else what the first resolver knows."""
    workspace = current_workspace(request)
    if workspace is not None:
        return workspace.home
    for resolver in _callables(tuple(settings.HOME_RESOLVERS)):
        url = resolver(request)
        if url:
            return url
    return None


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the site's name, and for the signed-in layout a lazy menu and the workspaces."""
    user: User | AnonymousUser | None = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    return {
        "site_name": settings.SITE_NAME,
        "demo": settings.DEMO,
        "menu": (lambda: menu(request)) if signed_in else [],
        "workspaces": (lambda: workspaces(request)) if signed_in else [],
        "workspace": (lambda: current_workspace(request)) if signed_in else None,
    }


def staff_home(request: HttpRequest) -> str | None:
    """Staff without a membership work in the admin."""
    return reverse("admin:index") if request.user.is_staff else None


def items(request: HttpRequest) -> Iterable[Section]:
    """The portal's own part of every menu: operations for staff."""
    if request.user.is_staff:
        yield Section(
            _("Operations"),
            [
                Item(_("Administration"), "admin:index", "shield-lock"),
                Item(_("Style reference"), "style", "layers"),
            ],
        )
