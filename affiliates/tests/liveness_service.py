"""The liveness simulator as a program, for tests: the vendor's protocol over a real connection."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from portal.testing.processes import ROOT, free_port, wait_until

KEY_ID, SECRET = "test-key", "test-secret"


@contextmanager
def simulator() -> Iterator[dict[str, str]]:
    """Runs it on a free port; gives the setting `LIVENESS` that leads there."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--threads=4", "--log-level=warning"),
            *("-b", f"127.0.0.1:{port}", "affiliates.liveness_simulator.wsgi"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "affiliates.liveness_simulator.settings",
            "LIVENESS_KEY_ID": KEY_ID,
            "LIVENESS_SECRET": SECRET,
            "LIVENESS_ADDRESS": address,
        },
    )

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:  # noqa: S310
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    try:
        wait_until(answers, seconds=30)
        yield {
            "vendor": "simulator",
            "endpoint": f"{address}/",
            "key_id": KEY_ID,
            "secret": SECRET,
            "scene": "1",
        }
    finally:
        process.terminate()
        process.wait(10)
