"""`manage.py serve`: the whole product, from an empty folder to a page in the browser, until Ctrl-C."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from portal.database import DatabaseUnavailable
from portal.demo_logins import DEMO_LOGINS, DEMO_PASSWORD
from portal.supervisor import (
    STOP_SIGNALS,
    CannotServe,
    Output,
    Service,
    Supervisor,
    die_with_parent,
    listen_on,
)

# Of libraries whose pages we don't have: the browsable API, the other reader of the API's document.
UNUSED_STATIC_FILES = ("rest_framework", "redoc")
SIMULATORS = {
    # setting: (service, command and its arguments)
    "orders": ("simulator", "simulate_orders", "--gentle"),
    "shop": ("shop", "demo_shop"),
    "liveness": ("liveness", "simulate_liveness"),
}
MANAGE = str(settings.BASE_DIR / "manage.py")


class Interrupted(BaseException):
    """A stop signal came while things were being prepared."""


class Command(BaseCommand):
    help = "Run everything: database, web, worker, beat, and in demo mode the simulators. Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--with-parent", action="store_true", help="stop when the parent process is gone")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["with_parent"]:
            die_with_parent()
        for number in STOP_SIGNALS:
            signal.signal(number, interrupt)
        pretty = settings.LOG_FORMAT == "console"
        self.output = Output(prefix=pretty, colour=pretty and sys.stdout.isatty())
        self.supervisor = Supervisor(
            settings.VAR_DIR / "run",
            self.output,
            keep_database=settings.EMBEDDED_DATABASE.ensure_running
            if settings.DATABASE_IS_EMBEDDED
            else None,
        )
        try:
            self.supervisor.claim()
            with listen_on(settings.HOST, settings.PORT) as listener:
                self._serve(listener.fileno())
        except (CannotServe, DatabaseUnavailable) as refusal:
            raise CommandError(str(refusal)) from refusal
        except Interrupted:
            pass
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        self._say("stopped")

    def _say(self, text: str) -> None:
        self.output.say("house", text)

    def _serve(self, socket: int) -> None:
        try:
            self._prepare()
            connections.close_all()
            self.supervisor.catch_signals()
            self.supervisor.run(self._services(socket))
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            connections.close_all()
            if settings.DATABASE_IS_EMBEDDED:
                settings.EMBEDDED_DATABASE.stop()

    # --- before the start ------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if settings.DATABASE_IS_EMBEDDED:
            self._say(f"database in {settings.EMBEDDED_DATABASE.data}")
            settings.EMBEDDED_DATABASE.ensure_running()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)
        call_command("install_broker", verbosity=0)
        self._collect_static_files()
        if settings.DEMO:
            self._say("demo data")
            call_command("seed_demo")

    def _collect_static_files(self) -> None:
        """Collect, name and compress the static files, unless that was done for just these files."""
        stamp = settings.STATIC_ROOT / ".collected"
        print_now = static_fingerprint()
        if stamp.is_file() and stamp.read_text() == print_now:
            return
        self._say("static files")
        stamp.unlink(missing_ok=True)
        # Its own process: the storage that names files by their content is chosen when settings are read.
        command = [sys.executable, MANAGE, "collectstatic", "--noinput", "--clear", "-v0"]
        for unused in UNUSED_STATIC_FILES:
            command += ["--ignore", unused]
        try:
            subprocess.run(command, check=True)
        except subprocess.CalledProcessError as error:
            raise CannotServe("The static files could not be collected; see above.") from error
        stamp.write_text(print_now)

    # --- what runs -------------------------------------------------------------------------------------------

    def _services(self, socket: int) -> list[Service]:
        python = sys.executable
        celery = [python, "-W", "ignore::UserWarning:celery.platforms", "-m", "celery", "-q", "-A", "portal"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        level = f"--loglevel={settings.LOG_LEVEL}"
        environment = {"LOG_COLOUR": str(self.output.colour)}
        services = [
            Service(
                "web",
                [
                    python,
                    "-m",
                    "gunicorn",
                    "-c",
                    "python:portal.gunicorn",
                    "-b",
                    f"fd://{socket}",
                    "portal.wsgi",
                ],
                environment,
                pass_fds=(socket,),
                is_ready=web_answers,
                when_ready=self._welcome,
            ),
            Service(
                "worker",
                [*celery, "worker", level, f"--concurrency={settings.WORKER_PROCESSES}", *quiet],
                environment,
            ),
            Service("beat", [*celery, "beat", level, "--pidfile="], environment),
        ]
        for simulator in settings.SIMULATORS:
            name, *command = SIMULATORS[simulator]
            services.append(Service(name, [python, MANAGE, *command], environment, optional=True))
        return services

    def _welcome(self) -> None:
        self._say("")
        self._say(
            f"Open  http://{'localhost' if settings.HOST == '127.0.0.1' else settings.HOST}:{settings.PORT}/"
        )
        if settings.DEMO:
            self._say(f"Sign in with one of these and the password {DEMO_PASSWORD}:")
            for email, role in DEMO_LOGINS:
                self._say(f"  {email:<28} {role}")
            if "shop" in settings.SIMULATORS:
                self._say(f"The demo shop, on another origin: http://127.0.0.1:{settings.DEMO_SHOP_PORT}/")
        self._say("Ctrl-C stops everything; the data stays in " + os.path.relpath(settings.VAR_DIR))
        self._say("")


def interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def web_answers() -> bool:
    """Whether the web server answers `/healthz`."""
    host = "127.0.0.1" if settings.HOST == "0.0.0.0" else settings.HOST  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def static_fingerprint() -> str:
    """What the collected files depend on: names, sizes and times of their sources."""
    import hashlib

    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            size, changed = storage.size(path), storage.get_modified_time(path).timestamp()
            digest.update(f"{path}\0{size}\0{changed}\n".encode())
    return digest.hexdigest()
