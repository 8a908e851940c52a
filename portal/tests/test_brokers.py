"""A real worker over each broker: PGMQ in the database always, Redis and RabbitMQ where an address is given.

`TEST_REDIS_URL` and `TEST_AMQP_URL` name them; what isn't named isn't collected (see `make test-brokers`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal import broker
from portal.database import queue_address
from portal.testing.environment import ENVIRONMENT
from portal.testing.processes import ROOT, address_of_test_database, environment, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
OTHERS = [url for name in ("TEST_REDIS_URL", "TEST_AMQP_URL") if (url := os.environ.get(name))]
TASK = "portal.forget_old_sessions"
LOG = Path(settings.VAR_DIR) / f"worker-of-tests-{os.getpid()}"


def variables(url: str) -> dict[str, str]:
    """What the worker of these tests is started with: the test's database, and the broker in question."""
    kept = {name: ENVIRONMENT[name] for name in ("SECRET_KEY", "SECRETS_KEYS", "HTTPS", "LOG_FORMAT")}
    return {
        **kept,
        "DATABASE_URL": address_of_test_database(),
        "CELERY_BROKER_URL": url,
        "WORKER_PROCESSES": "1",
    } | {"BROKER_VISIBILITY_SECONDS": "8"}


def client_of(url: str) -> Celery:
    """The product's Celery settings over the broker in question, in this process."""
    app = Celery("tests", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    options = {}
    if url == "pgmq://":
        url = "pgmq://localhost"
        address = queue_address(address_of_test_database())
        options = {"conn_string": address, "init_extension": False, "use_notify": True, "pool_size": 1}
        options["notify_throttle_interval_ms"] = 0
    # Celery believes the environment's CELERY_BROKER_URL before its own `broker_url`.
    app.conf.update(broker_read_url=url, broker_write_url=url, broker_transport_options=options)
    return app


@pytest.fixture(params=["pgmq://", *OTHERS], ids=lambda url: url.partition(":")[0])
def house(request):
    """(start, send): start a worker over the broker; send it the task that forgets old sessions."""
    url = request.param
    if url == "pgmq://":
        settings.BROKER_IS_THE_DATABASE = True
        broker.install()
        settings.BROKER_IS_THE_DATABASE = False
    app = client_of(url)
    with app.connection_for_write() as link, link.channel() as channel:
        app.amqp.queues[settings.CELERY_TASK_DEFAULT_QUEUE].bind(channel).declare()
        channel.queue_purge(settings.CELERY_TASK_DEFAULT_QUEUE)
    workers: list[subprocess.Popen[bytes]] = []
    LOG.write_text("")

    def start() -> subprocess.Popen[bytes]:
        flags = ["--concurrency=1", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-q", "-A", "portal", "worker", *flags],
            env=environment(**variables(url)),
            cwd=ROOT,
            stdout=LOG.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        workers.append(process)
        return process

    def send(**options) -> None:
        app.send_task(TASK, **options)

    yield start, send
    for process in workers:
        process.send_signal(signal.SIGTERM)
    for process in workers:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    app.close()
    LOG.unlink()


@contextmanager
def holding_the_sessions() -> Iterator[Callable[[], bool]]:
    """Lock the rows that the task deletes; yields whether somebody waits for them."""
    with (
        psycopg.connect(address_of_test_database()) as holder,
        psycopg.connect(address_of_test_database()) as eye,
    ):
        eye.autocommit = True
        holder.execute("SELECT 1 FROM django_session FOR UPDATE")

        def waits() -> bool:
            row = eye.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND query LIKE '%django_session%')"
            ).fetchone()
            return bool(row and row[0])

        yield waits
        holder.rollback()


def an_old_session() -> None:
    Session.objects.create(session_key=os.urandom(10).hex(), expire_date=timezone.now() - timedelta(days=1))


def nothing_left() -> bool:
    return not Session.objects.exists()


def test_a_task_sent_is_a_task_run(house):
    start, send = house
    start()
    an_old_session()
    send()
    wait_until(nothing_left)


def test_a_task_sent_while_no_worker_runs_waits_for_one(house):
    start, send = house
    an_old_session()
    send()
    assert Session.objects.count() == 1
    start()
    wait_until(nothing_left)


def test_what_a_killed_worker_had_taken_is_done_by_the_next_one(house):
    """The task waits for a lock that the test holds, its worker is killed meanwhile, and the message comes back."""
    start, send = house
    an_old_session()
    with holding_the_sessions() as waits:
        send()
        worker = start()
        wait_until(waits)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert Session.objects.count() == 1
    start()
    # Over Redis the library looks for abandoned messages when it starts and then every hundred seconds only.
    wait_until(nothing_left, seconds=240)
