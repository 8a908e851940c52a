"""Programs of the product started as programs, with an environment of their own choosing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import psutil
from django.conf import settings
from django.db import connection

from portal.testing.environment import ENVIRONMENT, names_in_example

ROOT = Path(settings.BASE_DIR)
MANAGE = [sys.executable, str(ROOT / "manage.py")]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without the product's variables, but those named here."""
    ours = names_in_example() | {"DJANGO_ALLOW_ASYNC_UNSAFE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"ENV_FILE": ENVIRONMENT["ENV_FILE"], "PYTHONUNBUFFERED": "1"} | variables


def manage(*arguments: str, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py …` to its end."""
    return subprocess.run(
        [*MANAGE, *arguments],
        env=environment(**variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def address_of_test_database() -> str:
    """The `DATABASE_URL` under which another program finds this test's database."""
    parameters = connection.get_connection_params()
    parts = {"host": parameters.get("host"), "port": parameters.get("port")}
    parts |= {"user": parameters.get("user"), "password": parameters.get("password")}
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"postgresql:///{parameters['dbname']}?{query}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: Callable[[], object], *, seconds: float = 30, pause: float = 0.05) -> None:
    """Wait until `what()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(pause)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each; children that die with their parent meanwhile are no concern."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
