"""The audit trail: complete rows, only ever added to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from portal import audit
from portal.logs import request_id
from portal.models import AuditEntry
from portal.tests.factories import make_user

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_a_row_says_who_did_what_to_what_when_and_why():
    alice = make_user()
    token = request_id.set("req-12345678")
    try:
        audit.record("user.lock", by=alice, target=alice, at=AT, reason="asked for it", tries=3)
    finally:
        request_id.reset(token)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.at, entry.reason) == ("user.lock", alice, AT, "asked for it")
    assert (entry.target_type, entry.target_id) == ("portal.user", str(alice.pk))
    assert (entry.data, entry.request_id) == ({"tries": 3}, "req-12345678")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    ["UPDATE portal_auditentry SET action = 'other'", "DELETE FROM portal_auditentry"],
)
def test_a_row_is_neither_changed_nor_deleted_even_in_a_test_database(statement):
    audit.record("user.lock", by=None, target=make_user(), at=AT)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)
    assert AuditEntry.objects.get().action == "user.lock"


@pytest.mark.django_db
def test_only_a_test_database_may_be_emptied():
    audit.record("user.lock", by=None, target=make_user(), at=AT)
    with pytest.raises(IntegrityError, match="TRUNCATE refused"), transaction.atomic():  # noqa: PT012
        cursor = connection.cursor()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE wants nothing pending
        cursor.execute("SET LOCAL portal.test_database = 'off'")
        cursor.execute("TRUNCATE portal_auditentry")
    assert AuditEntry.objects.count() == 1
