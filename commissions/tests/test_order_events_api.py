"""`POST /api/v1/order-events` as a machine sees it (SPEC §10, ATTR-8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from commissions.models import Commission
from commissions.tests.factories import Shop, make_terms
from orders.models import Order, OrderEvent, OrderSourceSecret, RejectedEvent
from orders.tests.factories import SECRET, make_merchant, make_source, pricing_event

pytestmark = pytest.mark.django_db
URL = "/api/v1/order-events"
OTHER_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtZm9yLXRoZS1yb3RhdGlvbi0xMjM0"


def signed(
    body: bytes, *, secret: str = SECRET, at: datetime | None = None, **headers: str
) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
        **headers,
    }


def post(client, document, *, headers: dict[str, str] | None = None, **kwargs):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return client.post(URL, body, content_type="application/json", headers=headers or signed(body, **kwargs))


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def now_event(shop):
    now = datetime.now(UTC)
    shop.click.clicked_at = now - timedelta(hours=1)
    shop.click.save()
    return shop.awaiting(at=now, ordered_at=now)


def nothing_stored() -> bool:
    return not (Order.objects.exists() or OrderEvent.objects.exists() or RejectedEvent.objects.exists())


def test_a_signed_batch_is_answered_event_by_event(client, shop, now_event):
    bad = {**now_event, "event_id": "evt_bad", "amounts": {"paid": -1}}
    response = post(client, {"events": [bad, now_event]})
    assert response.status_code == 200
    rejected, applied = response.json()["results"]
    assert rejected == {
        "event_id": "evt_bad",
        "status": "rejected",
        "error": {"code": "negative", "message": "An amount must not be negative.", "field": "amounts.paid"},
    }
    commission = Commission.objects.get()
    assert applied == {
        "event_id": now_event["event_id"],
        "status": "applied",
        "commission": {"id": str(commission.public_id), "state": "locked", "amount": 79, "reason": ""},
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "x", "webhook-timestamp": "now", "webhook-signature": "v1"},
        {"webhook-id": "x", "webhook-timestamp": "nan", "webhook-signature": "v1,***"},
    ],
)
def test_a_missing_or_malformed_signature_is_refused(client, shop, now_event, headers):
    body = orjson.dumps({"events": [now_event]})
    response = client.post(URL, body, content_type="application/json", headers=headers)
    assert response.status_code == 401
    assert response.json()["code"] == "bad_signature"
    assert nothing_stored()


def test_a_signature_by_another_secret_is_refused(client, shop, now_event):
    assert post(client, {"events": [now_event]}, secret=OTHER_SECRET).status_code == 401
    assert nothing_stored()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_stale_or_early_signature_is_refused(client, shop, now_event, minutes):
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert post(client, {"events": [now_event]}, at=at).status_code == 401
    assert nothing_stored()


def test_a_changed_body_is_refused(client, shop, now_event):
    body = orjson.dumps({"events": [now_event]})
    response = post(client, body + b" ", headers=signed(body))
    assert response.status_code == 401
    assert nothing_stored()


def test_both_secrets_are_good_during_a_rotation_and_the_old_one_ends(client, shop, now_event):
    old = shop.source.secrets.get()
    OrderSourceSecret.objects.create(source=shop.source, secret=OTHER_SECRET, created_at=datetime.now(UTC))
    old.expires_at = datetime.now(UTC) + timedelta(minutes=1)
    old.save()
    assert post(client, {"events": [now_event]}).status_code == 200
    assert post(client, {"events": [now_event]}, secret=OTHER_SECRET).status_code == 200
    old.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    old.save()
    assert post(client, {"events": [now_event]}).status_code == 401


def test_an_inactive_source_is_refused(client, shop, now_event):
    shop.source.is_active = False
    shop.source.save()
    assert post(client, {"events": [now_event]}).status_code == 401


def test_a_source_may_post_only_for_its_own_merchants(client, shop, now_event):
    stranger = make_merchant()
    make_terms(stranger)
    make_source(stranger, secret=OTHER_SECRET)
    foreign = {**now_event, "merchant": stranger.code}
    unknown = {**now_event, "merchant": "NOBODY"}
    answers = [
        post(client, {"events": [event]}).json()["results"][0]["error"] for event in (foreign, unknown)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "unknown_merchant"
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b'{"events": {}}', 400, "malformed"),
        (b'{"events": []}', 400, "malformed"),
        (b'{"events": [NaN]}', 400, "malformed"),
        (b'\xff\xfe{"events": [1]}', 401, "bad_signature"),
        (orjson.dumps({"events": [{}] * 1001}), 413, "too_large"),
    ],
)
def test_a_malformed_body_is_refused_whole(client, shop, body, status, code):
    headers = signed(body if status != 401 else b"x")
    response = post(client, body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "message", "fields"}
    assert nothing_stored()


def test_a_body_beyond_the_limit_answers_413(client, shop, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = post(client, {"events": [{"x": "y" * 2000}]})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("junk", [None, 1, "x", [], {}, True, {"event_id": 7}, {"event_id": "a\x00b"}])
def test_junk_among_the_events_is_rejected_by_itself(client, shop, now_event, junk):
    response = post(client, {"events": [junk, now_event]})
    assert [result["status"] for result in response.json()["results"]] == ["rejected", "applied"]
    assert RejectedEvent.objects.count() == 1


def test_too_many_requests_answer_429_with_retry_after(client, shop, now_event, settings):
    settings.ORDER_EVENTS_RATE = "2/min"
    codes = [post(client, {"events": [now_event]}).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    response = post(client, {"events": [now_event]})
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_get_is_not_allowed(client):
    response = client.get(URL)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


def test_a_currency_without_a_rate_is_rejected(client, shop):
    now = datetime.now(UTC)
    event = pricing_event("paid", shop.merchant, "E1", at=now, ordered_at=now, currency="EUR")
    error = post(client, {"events": [event]}).json()["results"][0]["error"]
    assert (error["code"], error["field"]) == ("currency_unsupported", "currency")
