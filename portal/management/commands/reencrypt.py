"""`manage.py reencrypt`: after a new key was put in front of `SECRETS_KEYS`, write everything with it."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from portal.encryption import EncryptedTextField, UndecryptableValue, cipher


class Command(BaseCommand):
    help = "Encrypt every secret at rest with the newest of SECRETS_KEYS. Then the older ones can go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                count = sum(rewrite(model) for model in apps.get_models()) + rewrite_second_factors()
        except (InvalidToken, UndecryptableValue) as error:
            raise CommandError(f"SECRETS_KEYS lacks a key that is still in use ({error}).") from error
        self.stdout.write(f"{count} rows encrypted anew")


def rewrite(model: type[models.Model]) -> int:
    """Read and write back the encrypted fields of every row, each row locked on its way."""
    names = [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
    if not names:
        return 0
    count = 0
    rows = model._default_manager.select_for_update().only(*names)
    for pk in list(model._default_manager.values_list("pk", flat=True)):
        row = rows.get(pk=pk)
        model._default_manager.filter(pk=pk).update(**{name: getattr(row, name) for name in names})
        count += 1
    return count


def rewrite_second_factors() -> int:
    """TOTP secrets and recovery seeds, which allauth keeps in a JSON field (portal.accounts.MFAAdapter)."""
    count = 0
    for factor in Authenticator.objects.select_for_update():
        held = [name for name in ("secret", "seed") if name in factor.data]
        for name in held:
            factor.data[name] = cipher().rotate(factor.data[name].encode()).decode()
        if held:
            factor.save(update_fields=["data"])
            count += 1
    return count
