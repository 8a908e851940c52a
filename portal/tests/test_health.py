"""`/healthz` and `/readyz`."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal import broker


def failing() -> str:
    raise OSError("could not reach amqp://network:pa55word@mq.internal")


def complaining() -> str:
    return "3 are late"


def test_healthz_asks_nobody(client):
    """No `django_db` here: a query would fail the test."""
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_readyz_says_ok_by_name(client):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok", "secrets": "ok", "timer_lag": "ok"},
    }


@pytest.mark.django_db
def test_readyz_names_what_is_wrong_and_keeps_the_others_words_to_itself(client, settings):
    settings.READINESS_CHECKS = {
        "database": "portal.health.database",
        "late": f"{__name__}.complaining",
        "queue": f"{__name__}.failing",
    }
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {"database": "ok", "late": "3 are late", "queue": "failed (OSError)"},
    }
    assert "pa55word" not in response.text


@pytest.mark.django_db
def test_a_missing_migration_makes_it_unready(client):
    MigrationRecorder(connection).record_unapplied("portal", "0004_staff_groups")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "not applied" in response.json()["checks"]["migrations"]


@pytest.mark.django_db
def test_a_queue_that_was_not_laid_down_makes_it_unready(client, settings):
    settings.BROKER_IS_THE_DATABASE = True
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS pgmq CASCADE")
    assert client.get("/readyz").json()["checks"]["broker"] == "the queue is not installed"
    assert broker.install() is not None
    assert client.get("/readyz").json()["checks"]["broker"] == "ok"
    assert broker.install() is None


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_neither_is_sent_to_https_nor_takes_a_post(client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert client.post(path).status_code == 405
