"""Writing every secret at rest with the newest key, in batches (portal/encryption.py).

First everything is read: if a key is missing, nothing is written. Then batch by batch, each in a transaction of its
own, what isn't of the newest key yet is written anew. A run that is killed has lost nothing; the next one passes over
what is done. Other programs may go on meanwhile: they have the newest key too, and rows are locked while they change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import TextField, Value
from django.db.models.functions import Cast

from portal.encryption import EncryptedTextField, UndecryptableValue, cipher

BATCH = 500
# What allauth keeps encrypted in its JSON field (portal.accounts.MFAAdapter).
FACTOR_SECRETS = ("secret", "seed")


def encrypted_fields() -> Iterator[tuple[type[models.Model], list[str]]]:
    """Every model with secrets, and the names of its fields that hold them."""
    for model in apps.get_models():
        names = [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        if names:
            yield model, names


def unreadable() -> str:
    """The first place where a value is that no key fits, or an empty text; looks at all of them."""
    for model, names in encrypted_fields():
        for row in model._default_manager.values_list("pk", *(as_stored(name) for name in names)).iterator(
            BATCH
        ):
            for name, token in zip(names, row[1:], strict=True):
                if token is not None and not fits(token):
                    return f"{model.__name__}.{name} of row {row[0]}"
    for factor in Authenticator.objects.iterator(BATCH):
        if not all(fits(factor.data[name]) for name in FACTOR_SECRETS if name in factor.data):
            return f"Authenticator.data of row {factor.pk}"
    return ""


def reencrypt(*, batch: int = BATCH) -> int:
    """Write with the newest key what isn't yet; returns how many rows that were.

    Locks the rows of one batch at a time. Raises: UndecryptableValue, before anything is written.
    """
    missing = unreadable()
    if missing:
        raise UndecryptableValue(missing)
    count = sum(reencrypt_model(model, names, batch) for model, names in encrypted_fields())
    return count + reencrypt_factors(batch)


def reencrypt_model(model: type[models.Model], names: list[str], batch: int) -> int:
    count, last = 0, None
    while True:
        with transaction.atomic():
            rows = model._default_manager.order_by("pk").select_for_update(of=("self",))
            if last is not None:
                rows = rows.filter(pk__gt=last)
            found = list(rows.values_list("pk", *(as_stored(name) for name in names))[:batch])
            for pk, *tokens in found:
                changed = renewed(dict(zip(names, tokens, strict=True)))
                if changed:
                    # As an expression: the field would encrypt the token once more.
                    new = {name: Value(token, TextField()) for name, token in changed.items()}
                    count += model._default_manager.filter(pk=pk).update(**new)
        if not found:
            return count
        last = found[-1][0]


def reencrypt_factors(batch: int) -> int:
    """TOTP secrets and recovery seeds."""
    count, last = 0, 0
    while True:
        with transaction.atomic():
            factors = Authenticator.objects.select_for_update().filter(pk__gt=last).order_by("pk")
            found = list(factors[:batch])
            for factor in found:
                changed = renewed({name: factor.data[name] for name in FACTOR_SECRETS if name in factor.data})
                if changed:
                    factor.data.update(changed)
                    factor.save(update_fields=["data"])
                    count += 1
        if not found:
            return count
        last = found[-1].pk


def as_stored(name: str) -> Any:
    """The column as the database has it, not decrypted."""
    return Cast(name, TextField())


def renewed(tokens: dict[str, str | None]) -> dict[str, str]:
    """Those tokens, by the newest key, that aren't of it yet."""
    newest = Fernet(settings.SECRETS_KEYS[0])
    return {
        name: cipher().rotate(token.encode()).decode()
        for name, token in tokens.items()
        if token is not None and not opens(newest, token)
    }


def fits(token: str) -> bool:
    """Whether any key opens it."""
    return opens(cipher(), token)


def opens(key: Any, token: str) -> bool:
    try:
        key.decrypt(token.encode())
    except InvalidToken:
        return False
    return True
