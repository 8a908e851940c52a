"""The environment of a test run, set before the settings are read: `-p portal.testing.environment` in pyproject.

Neither a developer's `.env` nor a demo's variables reach the tests. The embedded server of the tests has a data
directory of its own, which trades safety against a crash for speed. `DATABASE_URL` is left alone: with it, the
suite runs on another PostgreSQL.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = {
    "ENV_FILE": "no-file",
    "DEMO": "false",
    "DEBUG": "false",
    "HTTPS": "false",
    "VAR_DIR": "var/test",
    "EMBEDDED_DATABASE_DURABLE": "false",
    "SECRET_KEY": "the-key-of-the-tests-which-is-no-secret-at-all-0123456789",
    "SECRETS_KEYS": "dGhlLWtleS1vZi10aGUtdGVzdHMtMDEyMzQ1Njc4OTA=",
    # Real brokers are tried by the tests of the worker, which start one.
    "CELERY_BROKER_URL": "memory://",
    # Turned on by the tests that are about it.
    "STAFF_MFA_REQUIRED": "false",
    "LOG_FORMAT": "console",
    "LOG_LEVEL": "INFO",
}
KEPT = {"DATABASE_URL"}


def names_in_example() -> set[str]:
    text = (ROOT / ".env.example").read_text()
    return {line.lstrip("# ").partition("=")[0] for line in text.splitlines() if "=" in line}


for _name in names_in_example() - KEPT:
    os.environ.pop(_name, None)
os.environ.update(ENVIRONMENT)
# WhiteNoise warns where the folder of collected files is missing.
(ROOT / ENVIRONMENT["VAR_DIR"] / "staticfiles").mkdir(parents=True, exist_ok=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the embedded server after the last test, unless another run is using it."""
    from django.conf import settings

    if not hasattr(config, "workerinput") and settings.configured and settings.DATABASE_IS_EMBEDDED:
        settings.EMBEDDED_DATABASE.stop_if_idle()
