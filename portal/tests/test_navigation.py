"""Menus are data: joined, filtered, and without dead ends."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from portal.navigation import (
    SESSION_KEY,
    Item,
    Section,
    Workspace,
    broken_items,
    current_workspace,
    menu,
    workspaces,
)
from portal.tests.factories import make_staff, make_superuser, make_user, signed_in

pytestmark = pytest.mark.django_db
HERE = "portal.tests.test_navigation"


def earnings(request: HttpRequest) -> Iterable[Section]:
    yield Section("Earnings", [Item("Profile", "profile", "person"), Item("Gone", "no_such_page", "x")])


def more(request: HttpRequest) -> Iterable[Section]:
    yield Section(
        "Earnings",
        [
            Item("Start", "home", "house", exact=True, badge=lambda request: 3),
            Item("Hidden", "home", "eye-slash", visible=lambda request: False),
        ],
    )
    yield Section("Empty", [Item("Hidden", "home", "eye-slash", visible=lambda request: False)])


def two(request: HttpRequest) -> Iterable[Workspace]:
    yield Workspace("affiliate:1", "affiliate", "Sea Breeze", "owner", "/account/profile/", 1)
    yield Workspace("merchant:2", "merchant", "Lumina", "member", "/account/email/", 2)


def ask(path: str = "/account/profile/", user=None, session=None) -> HttpRequest:
    request = RequestFactory().get(path)
    request.user = user or make_user()
    request.session = session or {}  # type: ignore[assignment]
    return request


@override_settings(NAVIGATION=[f"{HERE}.earnings", f"{HERE}.more"])
def test_sections_join_hidden_items_go_and_dead_ends_are_left_out_but_reported():
    request = ask()
    [(label, lines)] = menu(request)
    assert label == "Earnings"
    assert [(line.label, line.current, line.badge) for line in lines] == [
        ("Profile", True, None),
        ("Start", False, 3),
    ]
    assert broken_items(request) == ["no_such_page"]


@override_settings(NAVIGATION=[f"{HERE}.earnings"])
def test_a_dead_end_in_a_menu_is_no_error_page():
    assert signed_in(make_user()).get("/account/profile/").status_code == 200


@override_settings(WORKSPACES=[f"{HERE}.two"])
def test_the_first_workspace_is_current_until_another_is_chosen_and_an_unknown_choice_is_ignored():
    assert current_workspace(ask()).key == "affiliate:1"
    assert (
        current_workspace(ask(user=make_user("Bob"), session={SESSION_KEY: "merchant:2"})).key == "merchant:2"
    )
    stranger = ask(user=make_user("Dora"), session={SESSION_KEY: "merchant:99"})
    assert current_workspace(stranger).key == "affiliate:1"


@override_settings(WORKSPACES=[f"{HERE}.two"])
def test_the_switcher_changes_workspace_and_refuses_a_foreign_one():
    client = signed_in(make_user())
    assert client.get("/")["Location"] == "/account/profile/"
    assert "Lumina" in client.get("/account/profile/").content.decode()
    assert client.post("/workspace/", {"workspace": "merchant:99"}).status_code == 404
    assert client.get("/")["Location"] == "/account/profile/"
    assert client.post("/workspace/", {"workspace": "merchant:2"})["Location"] == "/account/email/"
    assert client.get("/")["Location"] == "/account/email/"


def test_visitors_have_no_workspaces_and_no_menu(client):
    response = client.get("/")
    assert response.context["menu"] == []
    assert response.context["workspaces"] == []


def test_workspaces_are_found_once_a_request():
    request = ask()
    assert workspaces(request) is workspaces(request)


@pytest.mark.parametrize("make", [make_user, make_staff, make_superuser])
def test_no_menu_of_the_portals_own_people_leads_nowhere(make):
    assert broken_items(ask(user=make())) == []
