"""People for tests: Alice owns, Bob belongs elsewhere, Charlie works here."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.test import Client

from portal.models import User
from portal.testing import staff_groups

PASSWORD = "a-long-enough-secret-9"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def make_user(
    name: str = "Alice", *, groups: tuple[str, ...] = (), verified: bool = True, **fields: Any
) -> User:
    """A person who can sign in as `<name>@example.com` with `PASSWORD`."""
    email = fields.pop("email", f"{name.lower()}@example.com")
    user = User.objects.create_user(email, PASSWORD, name=name, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    user.groups.set(staff_groups.groups(*groups))
    return user


def make_staff(name: str = "Charlie", *, groups: tuple[str, ...] = (), **fields: Any) -> User:
    return make_user(name, groups=groups, is_staff=True, **fields)


def make_superuser(name: str = "Root", **fields: Any) -> User:
    return make_staff(name, is_superuser=True, **fields)


def signed_in(user: User) -> Client:
    """A browser in which `user` is signed in."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def speaking(language: str) -> Client:
    """A visitor's browser with the language switch set."""
    client = Client()
    client.cookies["django_language"] = language
    return client
