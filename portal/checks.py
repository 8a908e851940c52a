"""What `manage.py check --deploy` refuses outside demo mode: everything that is only there to try the product out."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from portal import demo_logins
from portal.models import User


@register(Tags.security, deploy=True)
def no_demo_mode(**_: Any) -> list[CheckMessage]:
    if settings.DEMO:
        return [
            Warning(
                "Demo mode is on: known keys, demo logins, no https.", hint="DEMO=false", id="portal.W001"
            )
        ]
    return []


@register(Tags.security)
def keys_are_our_own(**_: Any) -> list[CheckMessage]:
    """Also without --deploy: nothing starts with keys that anybody can read in the source."""
    if settings.DEMO or settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    if not settings.SECRET_KEY or settings.SECRET_KEY in settings.KEYS_THAT_EVERYBODY_KNOWS:
        found.append(Error("SECRET_KEY is not set to a key of our own.", id="portal.E001"))
    if not settings.SECRETS_KEYS or set(settings.SECRETS_KEYS) & settings.KEYS_THAT_EVERYBODY_KNOWS:
        found.append(Error("SECRETS_KEYS is not set to keys of our own.", id="portal.E002"))
    for number, key in enumerate(settings.SECRETS_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            found.append(Error(f"SECRETS_KEYS: key number {number} is no Fernet key.", id="portal.E003"))
    return found


@register(Tags.database, deploy=True)
def database_is_not_embedded(**_: Any) -> list[CheckMessage]:
    if settings.DEMO or not settings.DATABASE_IS_EMBEDDED:
        return []
    return [
        Error(
            "The embedded database is for trying the product out: one machine, no backups, all powers to everybody.",
            hint="Set DATABASE_URL.",
            id="portal.E004",
        )
    ]


@register(Tags.security, deploy=True)
def no_simulators(**_: Any) -> list[CheckMessage]:
    if settings.DEMO or not settings.SIMULATORS:
        return []
    return [
        Error(f"Simulators are on: {', '.join(settings.SIMULATORS)}.", hint="SIMULATORS=", id="portal.E005")
    ]


@register(Tags.security, deploy=True)
def staff_have_a_second_factor(**_: Any) -> list[CheckMessage]:
    if settings.DEMO or settings.STAFF_MFA_REQUIRED:
        return []
    hint = "STAFF_MFA_REQUIRED=true"
    return [Error("Staff reach identity papers without a second factor.", hint=hint, id="portal.E009")]


@register(Tags.security, deploy=True)
def no_demo_logins(**_: Any) -> list[CheckMessage]:
    """Users of the demo's domain, whose password is in the source."""
    if settings.DEMO or settings.DATABASE_IS_EMBEDDED:
        return []
    try:
        count = User.objects.filter(email__iendswith=f"@{demo_logins.DEMO_DOMAIN}").count()
    except DatabaseError as error:
        hint = "Is the server up, and are the migrations applied?"
        return [Error(f"The database can't be asked: {type(error).__name__}.", hint=hint, id="portal.E006")]
    if count:
        return [Error(f"{count} demo logins are in the database.", hint="Delete them.", id="portal.E007")]
    return []


@register(Tags.compatibility)
def broker_is_one_we_speak(**_: Any) -> list[CheckMessage]:
    """PGMQ is only known as a queue in the product's own database."""
    url = settings.CELERY_BROKER_URL
    if url.startswith("pgmq:") and not settings.BROKER_IS_THE_DATABASE:
        return [
            Error(
                "PGMQ in another database is not supported.",
                hint="CELERY_BROKER_URL=pgmq://",
                id="portal.E008",
            )
        ]
    return []
