"""Log lines carry the request's id and no secret, whichever way the secret came in."""

from __future__ import annotations

import io
import json
import logging

import pytest

from portal.logs import ConsoleLines, JsonLines, WithRequestId, redact, request_id

SECRETS = [
    ("Authorization: Bearer abcdef123456", "abcdef123456"),
    ("authorization=Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
    ("key whsec_YW5vdGhlci1zZWNyZXQtZm9yLXRoZQ== given", "YW5vdGhlci1zZWNyZXQ"),
    ("password=hunter2hunter2", "hunter2hunter2"),
    ("{'password': 'with spaces in it'}", "with spaces in it"),
    ('{"new_password1": "s3cret-word"}', "s3cret-word"),
    ('{"api_key": "ak_live_0123456789"}', "ak_live_0123456789"),
    ("Cookie: sessionid=0123456789abcdefghij", "0123456789abcdefghij"),
    ("csrftoken=AbCdEf0123456789", "AbCdEf0123456789"),
    ("postgresql://network:pa55word@db.internal/network", "pa55word"),
    ("holder 11010519491231002X was seen", "11010519491231002X"),
    ("ID 440524188001010014 looks wrong, 440524198001010014 looks right", "440524198001010014"),
    ("card 4111 1111 1111 1111 refused", "4111 1111 1111 1111"),
    ("card 6222021234567890128", "6222021234567890128"),
    ("call +86 13812345678", "13812345678"),
    ("mail to li.wei+shop@example.cn", "li.wei"),
    ("GET /account/password/reset/key/3-c8k2q1-0a1b2c3d/", "3-c8k2q1-0a1b2c3d"),
    ("webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "K5oZfzN95Z9"),
]
HARMLESS = [
    "order 8211114279848963 of merchant M1001",
    "914403001922038216 is a unified code, which is public",
    "released commissions=12 cents=185",
    "POST /api/v1/order-events status=200 ms=12",
    "at 2026-11-20T08:00:03Z, number 1732089603123",
    "request 75b83e0e370841ec951bf37eacb01cf6",
    "commission 0192f0e1-2222-7abc-8def-0123456789ab",
]


@pytest.fixture
def lines():
    """A logger of its own with both formats; `lines()` gives what they wrote."""
    logger = logging.getLogger("portal.tests.lines")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    outputs = {}
    for name, formatter in (("json", JsonLines()), ("console", ConsoleLines())):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter)
        handler.addFilter(WithRequestId())
        logger.addHandler(handler)
        outputs[name] = handler.stream
    yield logger, lambda: {name: stream.getvalue() for name, stream in outputs.items()}
    logger.handlers.clear()


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_taken_out_whichever_way_it_came(lines, text, secret):
    logger, written = lines
    logger.info(text)
    logger.info("it was %s", text)
    logger.info("extra", extra={"detail": text})
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")
    for output in written().values():
        assert secret not in output
        assert output.count("[hidden]") >= 4
    for line in written()["json"].splitlines():
        json.loads(line)


@pytest.mark.parametrize("name", ["password", "secret", "access_token", "id_number", "card_number"])
def test_a_field_with_a_telling_name_is_taken_out(lines, name):
    logger, written = lines
    logger.info("extra", extra={name: "plain words, 12345"})
    assert "plain" not in written()["json"]
    assert "12345" not in written()["json"]
    assert json.loads(written()["json"])[name] == "[hidden]"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_a_json_line_has_time_level_logger_message_and_request(lines):
    logger, written = lines
    token = request_id.set("req-12345678")
    try:
        logger.warning("slow", extra={"ms": 1200})
    finally:
        request_id.reset(token)
    line = json.loads(written()["json"])
    assert {**line, "time": ""} == {
        "level": "WARNING",
        "logger": "portal.tests.lines",
        "message": "slow",
        "request_id": "req-12345678",
        "ms": 1200,
        "time": "",
    }
    assert line["time"].startswith("20")


def test_a_console_line_is_short(lines):
    logger, written = lines
    logger.info("released", extra={"commissions": 3})
    assert written()["console"][9:] == "released commissions=3\n"


# --- requests ----------------------------------------------------------------------------------------------


@pytest.fixture
def access(caplog):
    caplog.set_level(logging.INFO, logger="portal.access")
    return caplog


def test_a_plausible_request_id_is_kept_and_answered(client, access):
    response = client.get("/account/login/", headers={"X-Request-ID": "proxy-0123456789"})
    assert response.headers["X-Request-ID"] == "proxy-0123456789"


@pytest.mark.parametrize(
    "bad", ["", "short", "x" * 65, "a b c d e f g h", "${jndi:ldap://x/a}", "-starts-with-dash"]
)
def test_any_other_request_id_is_replaced(client, bad):
    answered = client.get("/healthz", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
    assert answered != bad
    assert len(answered) == 32
    assert request_id.get() == ""


@pytest.mark.django_db
def test_a_request_is_one_line_without_its_query(client, access):
    client.get("/account/login/?next=/secret-place/")
    (record,) = [record for record in access.records if record.name == "portal.access"]
    assert record.getMessage() == "GET /account/login/"
    assert record.status == 200
    assert isinstance(record.ms, int)


def test_who_watches_the_house_is_not_logged(client, access):
    client.get("/healthz")
    assert access.records == []


def test_a_number_that_looks_like_a_card_leaves_the_line_readable(lines):
    logger, written = lines
    logger.info(
        "counted", extra={"card": 4111111111111111, "cents": 185, "inner": {"password": "s3cret-word"}}
    )
    line = json.loads(written()["json"])
    assert line["cents"] == 185
    assert "4111111111111111" not in written()["json"]
    assert "s3cret-word" not in written()["json"]
