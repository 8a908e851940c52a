"""Secrets and personal numbers at rest: encrypted by the application, so that a copy of the database isn't enough.

Keys come from `SECRETS_KEYS`, newest first: the first one encrypts, all of them decrypt, so a key is rotated by
putting a new one in front and running `manage.py reencrypt`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models


@lru_cache(maxsize=8)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured("SECRETS_KEYS is empty: nothing can be encrypted or decrypted.")
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """The cipher of the keys in force."""
    return _cipher(tuple(settings.SECRETS_KEYS))


class UndecryptableValue(Exception):
    """None of the keys fits: `SECRETS_KEYS` lacks the one that this value was written with."""


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and plain on the model. It can't be searched or ordered by."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return None if value is None else cipher().encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if value is None:
            return None
        try:
            return cipher().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise UndecryptableValue(f"{self.model.__name__}.{self.name}") from error

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is encrypted: it can't be searched for")
