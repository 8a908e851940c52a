"""Making and rotating the secrets of order sources (ATTR-8), and choosing attribution windows (RATE-5)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from django.db import connection
from standardwebhooks.webhooks import Webhook

from orders import secrets
from orders.models import OrderSource
from orders.signatures import BadSignature, signing_source
from orders.tests.factories import NOON, make_merchant
from orders.windows import WindowExists, WindowInThePast, WindowOutOfRange, choose_window
from portal.models import AuditEntry
from portal.tests.factories import make_superuser

pytestmark = pytest.mark.django_db
BODY = b'{"events": []}'


@pytest.fixture
def source() -> OrderSource:
    return OrderSource.objects.create(code="erp", name="ERP")


@pytest.fixture
def root():
    return make_superuser()


def signed_with(secret: str, time_machine_at) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", time_machine_at, BODY.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(time_machine_at.timestamp())),
        "webhook-signature": signature,
    }


def accepted(secret: str, at) -> bool:
    """Whether a request signed this very second is accepted by the secrets valid at `at`."""
    from django.utils import timezone

    try:
        signing_source(BODY, signed_with(secret, timezone.now()), at=at)
    except BadSignature:
        return False
    return True


def test_a_secret_is_whsec_and_32_random_bytes(source, root):
    text = secrets.create(source, by=root, at=NOON)
    assert text.startswith("whsec_")
    assert len(base64.b64decode(text.removeprefix("whsec_"))) == 32
    assert accepted(text, NOON)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.at) == ("order_source.create_secret", root, NOON)
    assert text not in json.dumps(entry.data)


def test_it_is_encrypted_at_rest(source, root):
    text = secrets.create(source, by=root, at=NOON)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM orders_ordersourcesecret")
        assert text not in cursor.fetchone()[0]


def test_a_second_one_comes_by_rotation_only(source, root):
    text = secrets.create(source, by=root, at=NOON)
    with pytest.raises(secrets.SecretExists):
        secrets.create(source, by=root, at=NOON)
    assert [secret.secret for secret in source.secrets.all()] == [text]
    assert AuditEntry.objects.count() == 1


def test_after_a_rotation_both_are_valid_for_the_overlap_and_then_the_new_one(source, root):
    old = secrets.create(source, by=root, at=NOON)
    new = secrets.rotate(source, by=root, at=NOON)
    assert old != new
    assert AuditEntry.objects.latest("pk").action == "order_source.rotate_secret"
    just_before, after = NOON + timedelta(hours=23, minutes=59), NOON + timedelta(hours=24)
    assert (accepted(old, just_before), accepted(new, just_before)) == (True, True)
    assert (accepted(old, after), accepted(new, after)) == (False, True)


def test_a_leaked_one_ends_at_once(source, root):
    old = secrets.create(source, by=root, at=NOON)
    new = secrets.rotate(source, by=root, at=NOON, overlap=timedelta(0))
    assert (accepted(old, NOON), accepted(new, NOON)) == (False, True)


def test_a_second_rotation_prolongs_nothing(source, root):
    first = secrets.create(source, by=root, at=NOON)
    secrets.rotate(source, by=root, at=NOON)
    secrets.rotate(source, by=root, at=NOON + timedelta(hours=20))
    assert not accepted(first, NOON + timedelta(hours=24))


def test_without_a_valid_secret_there_is_nothing_to_rotate(source, root):
    with pytest.raises(secrets.NoSecret):
        secrets.rotate(source, by=root, at=NOON)
    assert not source.secrets.exists()
    assert not AuditEntry.objects.exists()


def test_a_window_counts_from_its_start_and_leaves_an_audit_row(root):
    merchant = make_merchant()
    window = choose_window(merchant, days=7, by=root, at=NOON)
    assert (window.days, window.effective_at) == (7, NOON)
    assert AuditEntry.objects.get().data["days"] == 7


@pytest.mark.parametrize(
    ("days", "start", "refusal"),
    [
        (0, NOON, WindowOutOfRange),
        (91, NOON, WindowOutOfRange),
        (7, NOON - timedelta(seconds=1), WindowInThePast),
        (7, NOON + timedelta(days=1), WindowExists),
    ],
)
def test_a_window_out_of_range_in_the_past_or_twice_is_refused(root, days, start, refusal):
    merchant = make_merchant()
    choose_window(merchant, days=30, by=root, at=NOON, effective_at=NOON + timedelta(days=1))
    with pytest.raises(refusal):
        choose_window(merchant, days=days, by=root, at=NOON, effective_at=start)
    assert merchant.attribution_windows.count() == 1
