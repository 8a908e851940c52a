"""A database of its own for the benchmarks, filled by SQL with as many rows as a benchmark asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from affiliates.models import Affiliate
from commissions.ledger import account_ids
from commissions.models import TermsVersion
from commissions.terms import publish
from orders.models import Click, Merchant, OrderSource, OrderSourceSecret

NAME = "network_benchmark"
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SECRET = "whsec_YmVuY2htYXJrLXNlY3JldC1vZi10aGUtb3JkZXItc291cmNl"


@contextmanager
def database() -> Iterator[str]:
    """A fresh, migrated database; yields its address. It is dropped at the end."""
    home = settings.DATABASES["default"]["NAME"]
    _administer(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)', f'CREATE DATABASE "{NAME}"')
    _connect_to(NAME)
    try:
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        yield _address()
    finally:
        _connect_to(home)
        _administer(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')


def _connect_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def _address() -> str:
    return urlsplit(settings.DATABASE_URL)._replace(path=f"/{NAME}").geturl()


def _administer(*statements: str) -> None:
    _connect_to("postgres")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        connection.connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def people(*, affiliates: int, merchants: int) -> None:
    """Affiliates with a PID and a valid click at each merchant, merchants with terms, one source for all."""
    shops = Merchant.objects.bulk_create(
        Merchant(code=f"M{number}", name=f"Shop {number}") for number in range(merchants)
    )
    for shop in shops:
        draft = TermsVersion.objects.create(merchant=shop, default_rate_bps=790)
        publish(draft, by=None, at=NOW - timedelta(days=30))
    earners = Affiliate.objects.bulk_create(
        Affiliate(code=f"a{number}", name=f"A{number}", kind="koc", unlocked_at=NOW)
        for number in range(affiliates)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO affiliates_channel (affiliate_id, code, platform, handle)"
            " SELECT id, 'blog', 'website', 'https://' || code FROM affiliates_affiliate"
        )
        cursor.execute(
            "INSERT INTO affiliates_pid (channel_id, affiliate_id, placement, value)"
            " SELECT c.id, a.id, 'top', 'mm_' || a.code || '_blog_top'"
            " FROM affiliates_channel c JOIN affiliates_affiliate a ON a.id = c.affiliate_id"
        )
        cursor.execute(
            """
            INSERT INTO orders_click (click_id, pid_id, affiliate_id, merchant_id, clicked_at, invalid_reason)
            SELECT 'click-' || m.code || '-' || p.affiliate_id, p.id, p.affiliate_id, m.id, %s, ''
              FROM affiliates_pid p CROSS JOIN orders_merchant m""",
            [NOW - timedelta(hours=1)],
        )
    account_ids(affiliates=[one.pk for one in earners], merchants=[shop.pk for shop in shops])
    source = OrderSource.objects.create(code="bench", name="bench")
    source.merchants.set(shops)
    OrderSourceSecret.objects.create(source=source, secret=SECRET, created_at=NOW)


def confirmed(count: int, *, prefix: str) -> None:
    """`count` confirmed commissions, due at NOW, with their orders, lock transfers and balances."""
    clicks = Click.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_order (merchant_id, order_id, ordered_at, currency, country, category_id,
                                      paid_amount, paid_at, attribution_code, flags, first_seen_at, click_id)
            SELECT k.merchant_id, %(prefix)s || n, %(now)s, 'USD', 'RU', '', 1000, %(now)s, '', '{}', %(now)s, k.id
              FROM generate_series(0, %(count)s - 1) AS n
              JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM orders_click) k
                ON k.place = n %% %(clicks)s""",
            {"prefix": prefix, "now": NOW, "count": count, "clicks": clicks},
        )
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO commissions_commission (public_id, order_id, affiliate_id, merchant_id, click_id,
                    currency, state, reason, mode, amount, held_amount, priced_amount, forgone_amount,
                    locked_amount, sheet, ordered_at, paid_at, release_due_at, ready_at, posting_count,
                    created_at, updated_at)
                SELECT gen_random_uuid(), o.id, k.affiliate_id, o.merchant_id, k.id, 'USD', 'confirmed', '',
                       'pre_payment', 79, 0, 79, 0, 79, '{"amount": 79}', o.ordered_at, o.paid_at, %(now)s,
                       %(now)s, 1, %(now)s, %(now)s
                  FROM orders_order o JOIN orders_click k ON k.id = o.click_id
                 WHERE o.order_id LIKE %(prefix)s || '%%'
             RETURNING id, order_id, affiliate_id, merchant_id
            ), numbered AS MATERIALIZED (
                SELECT *, nextval(pg_get_serial_sequence('commissions_journal', 'id')) AS journal_id FROM made
            ), journals AS (
                INSERT INTO commissions_journal (id, kind, order_id, posted_at, memo)
                SELECT journal_id, 'lock', order_id, %(now)s, '' FROM numbered
            )
            INSERT INTO commissions_transfer (journal_id, kind, source_kind, source_id, sequence,
                debit_account_id, credit_account_id, amount, currency, posted_at)
            SELECT n.journal_id, 'lock', 'commission', n.id, 0, d.id, c.id, 79, 'USD', %(now)s
              FROM numbered n
              JOIN commissions_account d ON d.merchant_id = n.merchant_id AND d.kind = 'merchant.committed'
              JOIN commissions_account c ON c.affiliate_id = n.affiliate_id AND c.kind = 'affiliate.pending'""",
            {"prefix": prefix, "now": NOW},
        )


def settle_statistics() -> None:
    """What autovacuum would have done by the time such tables exist."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        connection.connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")
