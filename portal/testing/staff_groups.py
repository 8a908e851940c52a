"""The staff groups as the migrations made them, for tests that run after another one has emptied the tables."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

_granted: dict[str, list[tuple[str, str]]] = {}


def remember() -> None:
    """Keep which group may do what; to be called on the database fresh from its migrations."""
    for group in Group.objects.all():
        names = group.permissions.values_list("content_type__app_label", "codename")
        _granted[group.name] = list(names)


def groups(*names: str) -> list[Group]:
    """These groups, with their permissions."""
    found = []
    for name in names:
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            for app_label, codename in _granted[name]:
                group.permissions.add(
                    Permission.objects.get(content_type__app_label=app_label, codename=codename)
                )
        found.append(group)
    return found


def made_by_migrations() -> set[str]:
    """The names of the groups that the migrations made."""
    return set(_granted)
