"""Secrets at rest: unreadable in the database, plain on the model, rotated by `reencrypt`."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from orders.models import OrderSourceSecret
from orders.tests.factories import make_source
from portal.accounts import MFAAdapter
from portal.encryption import EncryptedTextField, UndecryptableValue, cipher
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def secret(settings):
    settings.SECRETS_KEYS = [OLD]
    make_source()
    return OrderSourceSecret.objects.get()


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM orders_ordersourcesecret")
        return cursor.fetchone()[0]


def test_the_database_holds_ciphertext_and_the_model_the_secret(secret):
    assert secret.secret.startswith("whsec_")
    assert secret.secret not in stored()
    assert Fernet(OLD).decrypt(stored().encode()).decode() == secret.secret


def test_the_same_secret_is_stored_differently_each_time(secret):
    before = stored()
    secret.save()
    assert stored() != before


def test_it_cannot_be_searched_for(secret):
    with pytest.raises(FieldError):
        OrderSourceSecret.objects.filter(secret=secret.secret).exists()
    assert OrderSourceSecret.objects.filter(secret__isnull=False).count() == 1


def test_neither_row_nor_field_tells_the_secret_in_passing(secret):
    assert secret.secret not in f"{secret!r} {secret} {OrderSourceSecret.objects.all()!r}"


def test_a_migration_names_the_field_and_nothing_else():
    _name, path, args, kwargs = EncryptedTextField(blank=True).deconstruct()
    assert (path, args, kwargs) == ("portal.encryption.EncryptedTextField", [], {"blank": True})


def test_a_new_key_in_front_reads_the_old_and_reencrypt_lets_the_old_one_go(secret, settings):
    plain = secret.secret
    user = make_user()
    factor = Authenticator.objects.create(
        user=user, type=Authenticator.Type.TOTP, data={"secret": MFAAdapter().encrypt("seed")}
    )
    settings.SECRETS_KEYS = [NEW, OLD]
    assert OrderSourceSecret.objects.get().secret == plain
    call_command("reencrypt")
    settings.SECRETS_KEYS = [NEW]
    assert OrderSourceSecret.objects.get().secret == plain
    factor.refresh_from_db()
    assert MFAAdapter().decrypt(factor.data["secret"]) == "seed"


def test_reencrypt_without_a_needed_key_changes_nothing(secret, settings):
    before = stored()
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(CommandError, match="lacks a key"):
        call_command("reencrypt")
    assert stored() == before


def test_a_value_that_no_key_fits_says_where_it_is(secret, settings):
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(UndecryptableValue, match=r"OrderSourceSecret\.secret"):
        OrderSourceSecret.objects.get()


def test_nothing_is_encrypted_without_keys(settings):
    settings.SECRETS_KEYS = []
    with pytest.raises(ImproperlyConfigured):
        cipher()
