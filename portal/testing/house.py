"""A product of its own in a folder of its own, run as `make run` runs it: for tests that kill parts of it."""

from __future__ import annotations

import http.client
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from portal.testing.environment import ENVIRONMENT
from portal.testing.processes import MANAGE, ROOT, environment, free_port, wait_until

SERVICES = {"web": "portal.gunicorn", "worker": " worker ", "beat": " beat "}


class House:
    """A product of its own in a folder of its own, without the demo's data."""

    def __init__(self, folder: Path, **extra: str) -> None:
        self.extra = extra
        self.folder, self.port = folder, free_port()
        self.log = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.command()
        wait_until(lambda: self.ask("/readyz") == 200 or self.ended(), seconds=180)
        assert not self.ended(), self.said()
        wait_until(lambda: set(self.services()) == set(SERVICES), seconds=60)

    def variables(self) -> dict[str, str]:
        """The environment that this product, and commands about it, run with."""
        kept = {name: ENVIRONMENT[name] for name in ("SECRET_KEY", "SECRETS_KEYS", "HTTPS", "LOG_FORMAT")}
        kept |= {"VAR_DIR": str(self.folder / "var"), "PORT": str(self.port), "RELEASE_SWEEP_SECONDS": "1"}
        return kept | self.extra

    def command(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*MANAGE, "serve"],
                env=environment(**self.variables()),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def ask(self, path: str) -> int | None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request("GET", path)
            return link.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            link.close()

    def services(self) -> dict[str, int]:
        """The main process of each service, by its name."""
        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):  # it ended while being looked at
                words = " ".join(child.cmdline())
                found |= {name: child.pid for name, mark in SERVICES.items() if mark in words}
        return found

    def processes(self) -> list[psutil.Process]:
        """Everything that the supervisor started, however deep. The database's processes aren't its children."""
        assert self.process is not None
        return [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if child.name() != "postgres"
        ]

    def postmaster(self) -> int:
        return int((self.folder / "var/postgres/postmaster.pid").read_text().splitlines()[0])

    def runs_database(self, *, besides: int) -> bool:
        try:
            return self.postmaster() != besides
        except (OSError, IndexError, ValueError):  # just being written
            return False

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder for a product. Not pytest's: as root the database's user must be able to pass through it."""
    made = Path(tempfile.mkdtemp(prefix="house-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        subprocess.run(
            [*MANAGE, "reset", "--yes"], env=environment(VAR_DIR=str(made / "var"), DEMO="true"), cwd=ROOT
        )
        shutil.rmtree(made, ignore_errors=True)
