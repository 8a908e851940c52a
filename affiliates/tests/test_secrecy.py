"""No ID, bank or Alipay number is in the database in clear; keys rotate; a wrong key shows nothing (ONB-9)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from affiliates import papers
from affiliates.models import (
    Case,
    Company,
    RepresentativeDeclaration,
    SettlementAccount,
    SettlementDeclaration,
)
from affiliates.tests import pictures
from affiliates.tests.paper_factories import BANK_ACCOUNT, ID_NUMBER, close, make_draft, senior
from portal.encryption import UndecryptableValue
from portal.tests.factories import BACKEND

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
ALIPAY = "pay@alice-trading.example.cn"
PLAIN = [ID_NUMBER, BANK_ACCOUNT, ALIPAY, "李雷"]
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def case(settings):
    """A case with everything personal that the product knows of, looked at, revealed and approved."""
    settings.SECRETS_KEYS = [OLD]
    case = make_draft("alice", at=AT)
    case.affiliate.company = Company.objects.create(
        uscc="91350100M000100Y43",
        name="Alice Trading",
        entity="company",
        representative_name="李雷",
        representative_id_number=ID_NUMBER,
        verified_at=AT,
    )
    case.affiliate.save()
    document = papers.take(
        case, kind="id_front", uploads=[pictures.upload(pictures.jpeg())], by=case.opened_by, at=AT
    )
    boss = senior()
    papers.page_link(document.pages.get(), by=boss, at=AT)
    for number in papers.NUMBERS:
        papers.reveal(case, number=number, by=boss, reason="compare", at=AT)
    close(case, Case.State.APPROVED, at=AT)
    SettlementAccount.objects.create(
        affiliate=case.affiliate,
        case=case,
        kind="bank",
        account_name="Alice Trading",
        account_number=BANK_ACCOUNT,
        approved_at=AT,
    )
    other = make_draft("bob", at=AT)
    SettlementDeclaration.objects.filter(case=other).update(
        kind="alipay", alipay_kind="enterprise", account_number=ALIPAY
    )
    return case


def dump() -> str:
    """Every row of every table as text, as a dump of the database has them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        tables = [name for (name,) in cursor.fetchall()]
        texts = []
        for table in tables:
            cursor.execute(f"SELECT coalesce(string_agg(row_::text, chr(10)), '') FROM {table} AS row_")
            texts.append(cursor.fetchone()[0])
    assert len(tables) > 40
    return "\n".join(texts)


def read_everything() -> tuple:
    return (
        list(RepresentativeDeclaration.objects.order_by("pk").values_list("name", "id_number")),
        list(SettlementDeclaration.objects.order_by("pk").values_list("account_number", flat=True)),
        list(SettlementAccount.objects.values_list("account_number", flat=True)),
        list(Company.objects.values_list("representative_name", "representative_id_number")),
    )


def test_the_dump_of_a_seeded_system_has_no_number_in_clear(case):
    text = dump()
    assert "Alice Trading" in text  # the scan sees what is not secret
    for secret in PLAIN:
        assert secret not in text
        assert secret[:12] not in text or len(secret) < 6


def test_the_scan_would_find_a_number(case):
    case.affiliate.name = f"Alice {ID_NUMBER}"
    case.affiliate.save()
    assert ID_NUMBER in dump()


def test_after_a_rotation_everything_is_readable_with_the_new_key_alone(case, settings):
    before = read_everything()
    assert before[0] == [("李雷", ID_NUMBER)] * 2
    assert before[1] == [BANK_ACCOUNT, ALIPAY]
    settings.SECRETS_KEYS = [NEW, OLD]
    assert read_everything() == before
    call_command("reencrypt", "--batch", "1")
    settings.SECRETS_KEYS = [NEW]
    assert read_everything() == before
    settings.SECRETS_KEYS = [OLD]
    with pytest.raises(UndecryptableValue):
        read_everything()


def test_a_wrong_key_fails_closed(case, settings, caplog):
    boss = senior("Paula")
    browser = Client(raise_request_exception=False)
    browser.force_login(boss, backend=BACKEND)
    settings.SECRETS_KEYS = [NEW]
    rows = papers.access_log(case).count()
    with caplog.at_level(logging.ERROR):
        answer = browser.post(
            reverse("affiliates:reveal_number", args=[case.pk, "id_number"]), {"reason": "compare"}
        )
    assert answer.status_code == 500
    page = answer.content.decode()
    assert "gAAAA" not in page
    for secret in (*PLAIN, OLD, NEW):
        assert secret not in page
        assert secret not in caplog.text
    assert "RepresentativeDeclaration" in caplog.text  # the log says where
    assert papers.access_log(case).count() == rows
    before = dump()
    with pytest.raises(CommandError, match="lacks a key"):
        call_command("reencrypt")
    assert dump() == before


def test_readyz_says_that_the_keys_do_not_fit(case, settings, client):
    assert client.get("/readyz").json()["checks"]["secrets"] == "ok"
    settings.SECRETS_KEYS = [NEW]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["secrets"] == "SECRETS_KEYS lacks a key that is in use"
