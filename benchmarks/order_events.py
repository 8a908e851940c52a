"""Order events through the HTTP endpoint, against posting bare transfers into the ledger by `unnest`.

The endpoint runs as in production (gunicorn as `make run` starts it) in processes of its own; this process signs and
posts batches of 500 events. The baseline does nothing but bookkeeping: rows into the ledger's own table, a thousand
at a time, with its trigger keeping the balances.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from standardwebhooks.webhooks import Webhook

from benchmarks import world
from benchmarks.figures import Figure
from commissions.models import Account, AccountKind
from orders.models import Click

BATCH = 500
BATCHES = 40
CLIENTS = 2
TRANSFERS = 100_000
TRANSFER_BATCH = 1000


@contextmanager
def server(database_url: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "DATABASE_URL": database_url, "CELERY_BROKER_URL": "memory://"}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "portal.wsgi", "--log-level", "warning"),
            *("-c", "python:portal.gunicorn", "-b", f"127.0.0.1:{port}"),
        ],
        env=environment,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait()


def events() -> list[bytes]:
    """Bodies of batches: half await payment, half are paid; three lines each."""
    now = datetime.now(UTC)
    clicks = list(Click.objects.select_related("merchant")[:2000])
    bodies = []
    for batch in range(BATCHES):
        kind = "awaiting_payment" if batch % 2 == 0 else "paid"
        entries = []
        for number in range(BATCH):
            click = clicks[((batch // 2) * BATCH + number) % len(clicks)]
            entries.append(
                {
                    "event_id": f"bench-{batch}-{number}",
                    "type": f"order.{kind}",
                    "occurred_at": now.isoformat(),
                    "merchant": click.merchant.code,
                    "order_id": f"B{batch // 2}-{number}",
                    "ordered_at": (now - timedelta(seconds=5)).isoformat(),
                    "currency": "USD",
                    "attribution": {"click_ids": [click.click_id]},
                    "buyer": {"ref": f"buyer-{number}", "country": "RU"},
                    "amounts": {
                        "paid": 3500,
                        "platform_fee": 250,
                        "cashback": 100,
                        "freight": {"line": "standard", "base": 300, "actual": 420},
                        "subsidies": [{"name": "Super Deals", "amount": 200, "commissionable": False}],
                    },
                    "lines": [
                        {
                            "line_id": "1",
                            "product_id": "p1",
                            "category_id": "phone-accessories",
                            "paid": 2000,
                        },
                        {"line_id": "2", "product_id": "p2", "category_id": "beauty-tools", "paid": 1000},
                        {"line_id": "3", "product_id": "p3", "category_id": "home-goods", "paid": 500},
                    ],
                }
            )
        bodies.append(orjson.dumps({"events": entries}))
    return bodies


def post(base: str, body: bytes) -> list[dict[str, Any]]:
    at = datetime.now(UTC)
    request = urllib.request.Request(
        f"{base}/api/v1/order-events",
        body,
        {
            "Content-Type": "application/json",
            "webhook-id": "bench",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(world.SECRET).sign("bench", at, body.decode()),
            "webhook-source": "bench",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return orjson.loads(answer.read())["results"]


def through_http(base: str, bodies: list[bytes]) -> float:
    """Events a second. Awaiting and paid of one order are posted by one client, in order."""
    pairs = [bodies[index : index + 2] for index in range(0, len(bodies), 2)]
    post(base, orjson.dumps({"events": [{}]}))  # the first request pays for imports and connections

    def client(pair: list[bytes]) -> int:
        return sum(result["status"] == "applied" for body in pair for result in post(base, body))

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        applied = sum(pool.map(client, pairs))
    seconds = time.perf_counter() - began
    if applied != BATCH * BATCHES:
        raise RuntimeError(f"only {applied} of {BATCH * BATCHES} events were applied")
    return applied / seconds


def bare_transfers() -> float:
    """Transfers a second into the ledger itself, by `unnest` of 1000, its trigger and constraints at work."""
    earners = [account.pk for account in Account.objects.filter(kind=AccountKind.AFFILIATE_PENDING)[:2000]]
    payer = Account.objects.filter(kind=AccountKind.MERCHANT_COMMITTED).first()
    with connection.cursor() as cursor:
        began = time.perf_counter()
        for first in range(0, TRANSFERS, TRANSFER_BATCH):
            numbers = list(range(first, first + TRANSFER_BATCH))
            credited = [earners[number % len(earners)] for number in numbers]
            with transaction.atomic():
                cursor.execute(
                    """
                    INSERT INTO commissions_transfer (journal_id, kind, source_kind, source_id, sequence,
                        debit_account_id, credit_account_id, amount, currency, posted_at)
                    SELECT 0, 'lock', 'payout', n, 0, %s, account, 79, 'USD', %s
                      FROM unnest(%s::bigint[], %s::bigint[]) AS t (n, account)""",
                    [payer.pk, world.NOW, numbers, credited],
                )
        return TRANSFERS / (time.perf_counter() - began)


def run(database_url: str) -> list[Figure]:
    bodies = events()
    with server(database_url) as base:
        endpoint = through_http(base, bodies)
    with transaction.atomic():  # nothing of the baseline stays in the books
        bare = bare_transfers()
        transaction.set_rollback(True)
    return [
        Figure(
            "order events over HTTP ÷ bare transfers by unnest",
            endpoint / bare,
            0.05,
            f"{endpoint:,.0f} events/s ÷ {bare:,.0f} transfers/s",
        )
    ]
