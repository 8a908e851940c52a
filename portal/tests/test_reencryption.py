"""Rotating the key of secrets at rest: in batches, resumable, all or nothing to begin with."""

from __future__ import annotations

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from portal import reencryption
from portal.accounts import MFAAdapter
from portal.encryption import UndecryptableValue
from portal.tests.factories import make_user

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def factors(settings):
    settings.SECRETS_KEYS = [OLD]
    return [
        Authenticator.objects.create(
            user=make_user(f"user{number}"),
            type=Authenticator.Type.TOTP,
            data={"secret": MFAAdapter().encrypt(f"seed {number}")},
        )
        for number in range(5)
    ]


def secrets() -> list[str]:
    return [MFAAdapter().decrypt(factor.data["secret"]) for factor in Authenticator.objects.order_by("pk")]


def stored() -> list[dict]:
    return list(Authenticator.objects.order_by("pk").values_list("data", flat=True))


def test_every_batch_size_ends_the_same(factors, settings):
    settings.SECRETS_KEYS = [NEW, OLD]
    assert reencryption.reencrypt(batch=2) == 5
    settings.SECRETS_KEYS = [NEW]
    assert secrets() == [f"seed {number}" for number in range(5)]


def test_what_is_done_is_passed_over(factors, settings):
    settings.SECRETS_KEYS = [NEW, OLD]
    reencryption.reencrypt()
    before = stored()
    assert reencryption.reencrypt() == 0
    assert stored() == before


def test_a_run_that_was_stopped_goes_on(factors, settings, monkeypatch):
    settings.SECRETS_KEYS = [NEW, OLD]
    real, calls = reencryption.renewed, []

    def stop_at_the_third(tokens):
        calls.append(tokens)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(tokens)

    monkeypatch.setattr(reencryption, "renewed", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        reencryption.reencrypt(batch=1)
    assert secrets() == [f"seed {number}" for number in range(5)]
    monkeypatch.setattr(reencryption, "renewed", real)
    assert reencryption.reencrypt(batch=1) == 3
    settings.SECRETS_KEYS = [NEW]
    assert secrets() == [f"seed {number}" for number in range(5)]


def test_if_the_last_row_can_not_be_read_not_even_the_first_is_written(factors, settings):
    settings.SECRETS_KEYS = [OTHER]
    factors[4].data = {"secret": MFAAdapter().encrypt("lost")}
    factors[4].save()
    before = stored()
    settings.SECRETS_KEYS = [NEW, OLD]
    with pytest.raises(UndecryptableValue, match=f"row {factors[4].pk}"):
        reencryption.reencrypt(batch=1)
    assert stored() == before


def test_check_only_looks(factors, settings):
    before, said = stored(), StringIO()
    settings.SECRETS_KEYS = [NEW, OLD]
    call_command("reencrypt", "--check", stdout=said)
    assert "opens every secret" in said.getvalue()
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(CommandError, match="lacks a key"):
        call_command("reencrypt", "--check")
    assert stored() == before


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(CommandError, match="--batch"):
        call_command("reencrypt", "--batch", "0")
