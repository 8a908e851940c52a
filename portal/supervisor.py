"""One program that keeps the whole product running: `manage.py serve` (ADR 0012).

It brings up the embedded database, does what must be done before the start (`Step`), then starts the services
(`Service`) in order, restarts what crashes with a growing pause, and takes everything down in the reverse order on
SIGINT, SIGTERM or SIGHUP (the terminal went away). If it is killed itself, the kernel tells its children to go
(Linux), and in any case the next start ends what was left behind before it begins.

The listening socket is opened here and handed to the web server, so a port in use is found out at once, and a web
server that restarts loses no caller.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 20.0  # seconds that a service has to end by itself
LONGEST_PAUSE = 30.0
STEADY = 60.0  # a service that ran for so long is no longer in trouble
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)  # loaded ahead: little may be done between fork and exec
COLOURS = ("36", "35", "33", "32", "34", "96")


class CannotServe(Exception):
    """Nothing was started; the message says why and what to do."""


@dataclass
class Service:
    """A program to keep running. `optional` ones may end by themselves with exit code 0."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    optional: bool = False
    # The next service waits for this one to be ready.
    is_ready: Callable[[], bool] | None = None
    when_ready: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    start_again_at: float = 0.0


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel for a signal when the parent process is gone. Only Linux can."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal_number)


def listen_on(host: str, port: int) -> socket.socket:
    """The socket that the web server will serve. It is bound here and listens once the web server is up.

    Raises: CannotServe if the address is taken or isn't ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        # Bound sockets that don't listen don't exclude one another under SO_REUSEADDR: ask whoever listens.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1" if host in ("0.0.0.0", "") else host, port)) == 0:  # noqa: S104
                raise OSError("another program answers there")
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotServe(
            f"Can't listen on {host}:{port}: {reason}. Choose another port: PORT={port + 1} make run"
        ) from error
    return listener


class Output:
    """Lines of all services on one terminal, each with the name of its service; never in the way of stopping."""

    def __init__(self, *, prefix: bool, colour: bool) -> None:
        self.prefix, self.colour = prefix, colour
        self._names: list[str] = []
        self._lock = threading.Lock()

    def say(self, name: str, text: str) -> None:
        with self._lock:
            if name not in self._names:
                self._names.append(name)
            line = text
            if self.prefix:
                label = f"{name:<9}│"
                if self.colour:
                    label = f"\x1b[{COLOURS[self._names.index(name) % len(COLOURS)]}m{label}\x1b[0m"
                line = f"{label} {text}"
            try:
                print(line, flush=True)  # noqa: T201
            except OSError:  # the terminal is gone
                self.prefix = False
                sys.stdout = open(os.devnull, "w")  # noqa: SIM115

    def follow(self, name: str, process: subprocess.Popen[bytes]) -> None:
        def copy() -> None:
            assert process.stdout is not None  # noqa: S101
            for line in process.stdout:
                self.say(name, line.decode(errors="replace").rstrip("\n"))

        threading.Thread(target=copy, name=f"output of {name}", daemon=True).start()


class Supervisor:
    """Keeps `services` running until it is told to stop. `folder` remembers them for the next start."""

    def __init__(
        self, folder: Path, output: Output, *, keep_database: Callable[[], object] | None = None
    ) -> None:
        self.folder, self.output = folder, output
        self.keep_database = keep_database
        self.services: list[Service] = []
        self.stopping = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._lock_file: IO[str] | None = None

    # --- before and after ------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Make sure that there is one supervisor per `folder`, and nothing left of one that was killed.

        Raises: CannotServe if another one is at work.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock_file = open(self.folder / "supervisor.lock", "a")  # noqa: SIM115
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as error:
            raise CannotServe(f"{self.folder} belongs to another user: run as that user.") from error
        except BlockingIOError as error:
            raise CannotServe(f"It runs already, from this folder ({self.folder}). Stop it first.") from error
        self._end_left_overs()

    def catch_signals(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop_soon)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _stop_soon(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _remember(self) -> None:
        """Write down what runs, with start times: a pid alone could be anybody's by the next start."""
        rows = []
        for service in self.services:
            if service.process is not None and service.process.poll() is None:
                try:
                    rows.append([service.process.pid, psutil.Process(service.process.pid).create_time()])
                except psutil.NoSuchProcess:
                    continue
        path = self.folder / "services.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(rows))
        fresh.replace(path)

    def _end_left_overs(self) -> None:
        try:
            rows = json.loads((self.folder / "services.json").read_text())
        except (FileNotFoundError, ValueError):
            return
        left: list[psutil.Process] = []
        for pid, began in rows:
            try:
                process = psutil.Process(pid)
                if abs(process.create_time() - began) < 1:
                    left += [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        if left:
            self.output.say("house", f"ending {len(left)} processes that an earlier run left behind")
            _end(left, GRACE / 2)

    # --- running ---------------------------------------------------------------------------------------------

    def start(self, service: Service) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **service.environment}
        service.process = subprocess.Popen(
            list(service.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=service.pass_fds,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops them in order
            preexec_fn=die_with_parent,
        )
        service.started = time.monotonic()
        service.start_again_at = 0.0
        self.output.follow(service.name, service.process)
        self._remember()

    def run(self, services: Sequence[Service]) -> None:
        """Start the services and keep them until a stop signal; then take them down. Returns when all are gone."""
        self.services = list(services)
        try:
            for service in self.services:
                if not self.stopping:
                    self.start(service)
                    self._await(service)
            while not self.stopping:
                self._look_after()
                self._sleep(1.0)
        finally:
            self.stop()

    def _await(self, service: Service) -> None:
        while service.is_ready is not None and not service.is_ready():
            if self.stopping:
                return
            self._look_after()
            self._sleep(0.1)
        if service.when_ready is not None:
            service.when_ready()

    def _sleep(self, seconds: float) -> None:
        """Wait for a signal (a child that ended is one) or for the time to pass."""
        ready, _, _ = select.select([self._wake_read], [], [], seconds)
        if ready:
            os.read(self._wake_read, 512)

    def _look_after(self) -> None:
        if self.keep_database is not None and self.keep_database():
            self.output.say("house", "the database was down and is up again")
        now = time.monotonic()
        for service in self.services:
            if service.process is None:
                if service.start_again_at and now >= service.start_again_at:
                    self.start(service)
                continue
            code = service.process.poll()
            if code is None:
                continue
            _end_group(service.process.pid)
            service.process = None
            if service.optional and code == 0:
                self.output.say("house", f"{service.name} is done")
                continue
            service.crashes = 1 if now - service.started > STEADY else service.crashes + 1
            pause = min(0.5 * 2 ** (service.crashes - 1), LONGEST_PAUSE)
            service.start_again_at = now + pause
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self.output.say("house", f"{service.name} ended ({how}); it starts again in {pause:g} s")

    def stop(self) -> None:
        """Stop the services, the last one first; those that don't go within the grace are killed."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for service in reversed(self.services):
            process = service.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
        deadline = time.monotonic() + GRACE
        for service in reversed(self.services):
            process = service.process
            if process is None:
                continue
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.output.say("house", f"{service.name} doesn't go by itself; killed")
            _end_group(process.pid)
            process.wait()
        (self.folder / "services.json").unlink(missing_ok=True)


def _end_group(group: int) -> None:
    """Kill what is left of a service's process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _end(processes: list[psutil.Process], grace: float) -> None:
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=5)
