"""The environment: what the settings read, what they refuse, and what a deployment must look like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from portal import demo_logins
from portal.testing.environment import names_in_example
from portal.testing.processes import address_of_test_database, manage
from portal.tests.factories import make_user

ROOT = Path(settings.BASE_DIR)


def production_environment() -> dict[str, str]:
    """The environment that docs/operations.md shows, as it stands there."""
    text = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(r"```env\n(.*?)```", text, re.S)
    assert block is not None
    pairs = (line.partition("=") for line in block.group(1).splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def check_deploy(**changes: str):
    variables = production_environment() | {"DATABASE_URL": address_of_test_database()} | changes
    return manage("check", "--deploy", "--fail-level", "WARNING", **variables)


def test_the_example_lists_exactly_what_the_settings_read():
    source = (ROOT / "portal" / "settings.py").read_text()
    read = set(re.findall(r"\benv(?:\.\w+)?\(\s*\"([A-Z_]+)\"", source))
    assert "SECRET_KEY" in read
    assert read == names_in_example()


def test_every_variable_of_the_example_has_a_word_on_what_it_means():
    lines = (ROOT / ".env.example").read_text().splitlines()
    section = ""
    for number, line in enumerate(lines):
        if line.startswith("# ---"):
            section = line
        if re.match(r"#[A-Z_]+=", line):
            assert lines[number - 1].startswith("#"), line
            assert section, line


@pytest.mark.parametrize("seconds", ["3301", "-1"])
def test_a_delay_that_breaks_the_hour_is_refused(seconds):
    """LIFE-2: above 55 minutes refused."""
    done = manage("check", DEMO="true", PRE_RELEASE_DELAY_SECONDS=seconds)
    assert done.returncode != 0
    assert "PRE_RELEASE_DELAY_SECONDS takes 0 to 3300" in done.stderr


def test_a_delay_of_55_minutes_is_taken():
    assert manage("check", DEMO="true", PRE_RELEASE_DELAY_SECONDS="3300").returncode == 0


def test_nothing_starts_without_keys_outside_demo_mode():
    done = manage("check")
    assert done.returncode != 0
    assert "SECRET_KEY setting must not be empty" in done.stderr
    done = manage("check", SECRET_KEY="a-key-of-our-own-with-many-characters-0123456789abcdef")
    assert done.returncode != 0
    assert "portal.E002" in done.stderr


def test_reading_the_settings_starts_no_database(tmp_path):
    assert manage("check", DEMO="true", VAR_DIR=str(tmp_path / "var")).returncode == 0
    assert not (tmp_path / "var" / "postgres").exists()


@pytest.mark.django_db(transaction=True)
def test_the_documented_production_environment_passes_the_deploy_check():
    done = check_deploy()
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"SECRET_KEY": "insecure-demo-key-change-me-0123456789-abcdefghijklmnop"}, "portal.E001"),
        ({"SECRET_KEY": "short"}, "security.W009"),
        ({"SECRETS_KEYS": ""}, "portal.E002"),
        ({"SECRETS_KEYS": "not-a-key"}, "portal.E003"),
        ({"DATABASE_URL": ""}, "portal.E004"),
        ({"SIMULATORS": "orders"}, "portal.E005"),
        ({"STAFF_MFA_REQUIRED": "false"}, "portal.E009"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "portal.E006"),
        ({"CELERY_BROKER_URL": "pgmq://elsewhere/queue"}, "portal.E008"),
        ({"DEMO": "true"}, "portal.W001"),
        ({"HTTPS": "false"}, "security.W008"),
        ({"DEBUG": "true"}, "security.W018"),
    ],
)
def test_the_deploy_check_refuses_what_is_only_for_trying_out(changes, found):
    done = check_deploy(**changes)
    assert done.returncode != 0
    assert found in done.stderr


@pytest.mark.django_db(transaction=True)
def test_the_deploy_check_refuses_demo_logins():
    make_user("Somebody", email=f"someone@{demo_logins.DEMO_DOMAIN}")
    done = check_deploy()
    assert done.returncode != 0
    assert "portal.E007" in done.stderr
