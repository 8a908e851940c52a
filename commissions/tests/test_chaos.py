"""SIGKILL to any part at any moment, and answers that get lost: nothing is lost and nothing is released twice.

The product runs as `make run` runs it, in a folder of its own; a marketplace is played against it over HTTP, which
sends the same bytes again until it is answered; meanwhile web, worker, beat and the database server are killed at
random moments. After each round everything must have come back by itself, the marketplace's answers must agree with
the books, the backlog must be released, and the books must balance (LIFE-3, LEDGER-6).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from commissions.models import Commission, Transfer
from commissions.tests.assertions import assert_books_balance
from commissions.tests.factories import Shop
from orders.models import OrderEvent
from orders.tests.factories import SECRET
from portal.testing.house import House, new_folder
from portal.testing.processes import MANAGE, ROOT, environment, manage, wait_until

pytestmark = pytest.mark.slow

ROUNDS = 3
ORDERS = 240
ORDERS_A_SECOND = 30
POSTED = "POST /api/v1/order-events"
FIGURES = """
import json
from commissions.models import Commission, State, Transfer
from django.utils import timezone
print(json.dumps({
    "due": Commission.objects.due(timezone.now()).count(),
    "released": Commission.objects.filter(released_at__isnull=False).count(),
    "release_transfers": Transfer.objects.filter(kind="release").count(),
}))
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with new_folder() as folder:
        house = House(folder, PRE_RELEASE_DELAY_SECONDS="3", DEMO="true", SIMULATORS="", WEB_WORKERS="1")
        # A small network instead of the demo's ninety days, which `serve` would make.
        prepared = [["migrate", "-v0"], ["seed_demo", "--days", "2", "--orders", "20"]]
        for command in prepared:
            done = manage(*command, timeout=240, **house.variables())
            assert done.returncode == 0, done.stderr
        house.start()
        try:
            yield house
        finally:
            if not house.ended():
                house.end(signal.SIGTERM)


def figures(house: House) -> dict[str, int]:
    done = manage("shell", "-v0", "-c", FIGURES, **house.variables())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def kill(house: House, victim: str) -> None:
    """SIGKILL, no matter whether it is just being restarted."""
    with suppress(OSError, KeyError, ValueError, IndexError):
        pid = house.postmaster() if victim == "database" else house.services()[victim]
        os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(600)
def test_kills_under_load_lose_nothing_and_release_nothing_twice(house):
    # Rounds of one test, so that a parallel run sets up the house once.
    for number in range(ROUNDS):
        play_a_round(house, number)


def play_a_round(house: House, number: int) -> None:
    """The marketplace posts orders while each part of the product is killed once; then everything must agree."""
    random = Random(number)
    before = house.said().count(POSTED)
    marketplace = subprocess.Popen(
        [
            *MANAGE,
            *("simulate_orders", "--base-url", f"http://127.0.0.1:{house.port}", "--seed", str(100 + number)),
            *("--orders", str(ORDERS), "--rate", str(ORDERS_A_SECOND), "--clients", "2", "--batch", "20"),
            *("--settle", "120"),
        ],
        env=environment(**house.variables()),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # Orders come in; from here on the marketplace reads nothing but answers until its end report.
        wait_until(
            lambda: house.said().count(POSTED) > before + 3 or marketplace.poll() is not None, seconds=60
        )
        # Each part dies once a round, the database among them, in an order and at moments that the seed decides.
        victims = ["web", "worker", "beat", "database"]
        random.shuffle(victims)
        for victim in victims:
            time.sleep(random.uniform(0.3, 1.5))
            kill(house, victim)
        said, _ = marketplace.communicate(timeout=300)
    finally:
        marketplace.kill()
    assert marketplace.returncode == 0, said[-3000:]
    wait_until(lambda: house.ask("/readyz") == 200, seconds=60)
    wait_until(lambda: figures(house)["due"] == 0, seconds=60, pause=1)
    counted = figures(house)
    assert counted["released"] > 0
    assert counted["release_transfers"] == 2 * counted["released"]
    done = manage("check_books", **house.variables())
    assert done.returncode == 0, done.stderr


class CuttingProxy(threading.Thread):
    """Passes one request on, waits for the whole answer, and hangs up on the client instead of giving it."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.upstream = upstream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answer = b""

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def run(self) -> None:
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.upstream, timeout=30) as server:
            server.sendall(client.recv(1_000_000))
            while part := server.recv(65536):
                self.answer += part
        self.listener.close()


@pytest.mark.django_db(transaction=True)
def test_an_answer_lost_after_the_commit_is_given_again_and_nothing_is_booked_twice(live_server):
    shop = Shop()
    now = datetime.now(UTC)
    shop.click.clicked_at = now - timedelta(hours=1)
    shop.click.save()
    body = orjson.dumps(
        {"events": [shop.awaiting(at=now, ordered_at=now), shop.paid(at=now, ordered_at=now)]}
    )
    request = (
        b"POST /api/v1/order-events HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + f"webhook-id: m1\r\nwebhook-timestamp: {int(now.timestamp())}\r\n".encode()
        + f"webhook-signature: {Webhook(SECRET).sign('m1', now, body.decode())}\r\n".encode()
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    server = (live_server.thread.host, live_server.thread.port)

    proxy = CuttingProxy(server)
    proxy.start()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(request)
        assert client.recv(1) == b""  # hung up on, though all is done
    proxy.join(30)
    first = orjson.loads(proxy.answer.partition(b"\r\n\r\n")[2])["results"]
    assert [result["status"] for result in first] == ["applied", "applied"]
    booked = list(Transfer.objects.order_by("pk").values())

    again = b""
    with socket.create_connection(server, timeout=30) as client:
        client.sendall(request)
        while part := client.recv(65536):
            again += part
    second = orjson.loads(again.partition(b"\r\n\r\n")[2])["results"]
    assert [result["status"] for result in second] == ["duplicate", "duplicate"]
    assert [result["commission"] for result in second] == [result["commission"] for result in first]
    assert list(Transfer.objects.order_by("pk").values()) == booked
    assert OrderEvent.objects.count() == 2
    assert Commission.objects.get().amount == 79
    assert_books_balance()
