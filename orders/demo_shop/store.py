"""What the demo shop remembers: visitors' sessions, orders, and what the network answered. A file of SQLite's own."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings

_local = threading.local()
_SCHEMA = """
CREATE TABLE IF NOT EXISTS visit (key TEXT PRIMARY KEY, click_id TEXT NOT NULL DEFAULT '', switches TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS purchase (
    number TEXT PRIMARY KEY, visit TEXT NOT NULL, slug TEXT NOT NULL, paid INTEGER NOT NULL, state TEXT NOT NULL,
    ordered_at TEXT NOT NULL, click_ids TEXT NOT NULL, refunded INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS message (
    number TEXT NOT NULL, at TEXT NOT NULL, what TEXT NOT NULL, status INTEGER, answer TEXT NOT NULL);
"""
SWITCHES = ("cookie", "s2s", "beacon")
"""What can be switched off to see what the network makes of it."""


class Product(NamedTuple):
    slug: str
    name: str
    category: str
    price: int
    glyph: str

    @property
    def dollars(self) -> str:
        return f"${self.price / 100:.2f}"


SHELF = (
    Product("travel-humidifier", "Travel humidifier 便携加湿器", "small-home-goods", 2690, "湿"),
    Product("magnetic-mount", "Magnetic car mount 磁吸车载支架", "phone-accessories", 1990, "磁"),
    Product("ionic-brush", "Ionic hair brush 负离子梳", "beauty-tools", 3290, "梳"),
    Product("gan-charger", "65 W GaN charger 氮化镓充电器", "phone-accessories", 3990, "充"),
    Product("night-light", "Motion night light 感应夜灯", "small-home-goods", 1590, "灯"),
    Product("makeup-mirror", "LED make-up mirror 化妆镜", "beauty-tools", 2890, "镜"),
)
BY_SLUG = {product.slug: product for product in SHELF}


@contextmanager
def _connection():  # type: ignore[no-untyped-def]
    if not hasattr(_local, "connection"):
        _local.connection = sqlite3.connect(settings.STORE, timeout=10)
        _local.connection.row_factory = sqlite3.Row
        _local.connection.executescript(_SCHEMA)
    with _local.connection as connection:
        yield connection


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Visit:
    """A visitor's session on the server: it remembers the click even when the browser's cookie is gone."""

    def __init__(self, key: str = "") -> None:
        with _connection() as connection:
            row = connection.execute("SELECT * FROM visit WHERE key = ?", [key]).fetchone()
        self.is_new = row is None
        self.key = key if row else secrets.token_urlsafe(18)
        self.click_id: str = row["click_id"] if row else ""
        self.switches: dict[str, bool] = json.loads(row["switches"]) if row else dict.fromkeys(SWITCHES, True)

    def save(self) -> None:
        with _connection() as connection:
            connection.execute(
                "INSERT INTO visit VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET click_id = excluded.click_id, switches = excluded.switches",
                [self.key, self.click_id, json.dumps(self.switches)],
            )


def place(visit: Visit, product: Product, click_ids: list[str]) -> str:
    """Keep a new order; returns its number."""
    number = f"{datetime.now(UTC):%y%m%d}{secrets.randbelow(10**10):010d}"
    with _connection() as connection:
        connection.execute(
            "INSERT INTO purchase (number, visit, slug, paid, state, ordered_at, click_ids)"
            " VALUES (?, ?, ?, ?, 'awaiting', ?, ?)",
            [number, visit.key, product.slug, product.price, now(), json.dumps(click_ids)],
        )
    return number


def find(visit: Visit, number: str) -> dict[str, Any] | None:
    """The visitor's own order, or None."""
    with _connection() as connection:
        row = connection.execute(
            "SELECT * FROM purchase WHERE number = ? AND visit = ?", [number, visit.key]
        ).fetchone()
    return dict(row) | {"click_ids": json.loads(row["click_ids"])} if row else None


def orders_of(visit: Visit) -> list[dict[str, Any]]:
    with _connection() as connection:
        rows = connection.execute(
            "SELECT number, slug, state FROM purchase WHERE visit = ? ORDER BY ordered_at DESC LIMIT 10",
            [visit.key],
        ).fetchall()
    return [dict(row) | {"product": BY_SLUG[row["slug"]]} for row in rows]


def advance(number: str, *, before: tuple[str, ...], after: str, refund: int = 0) -> bool:
    """Move the order on if it is in one of the states `before`; whether it was."""
    marks = ", ".join("?" for _ in before)
    with _connection() as connection:
        done = connection.execute(
            f"UPDATE purchase SET state = ?, refunded = refunded + ? WHERE number = ? AND state IN ({marks})",
            [after, refund, number, *before],
        )
        return done.rowcount == 1


def note(number: str, what: str, status: int | None, answer: Any) -> None:
    """Keep what was sent to the network and what it answered."""
    with _connection() as connection:
        connection.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
            [number, now(), what, status, json.dumps(answer, ensure_ascii=False)],
        )


def messages(number: str) -> list[dict[str, Any]]:
    with _connection() as connection:
        rows = connection.execute(
            "SELECT at, what, status, answer FROM message WHERE number = ? ORDER BY rowid", [number]
        ).fetchall()
    return [dict(row) | {"answer": json.loads(row["answer"])} for row in rows]
