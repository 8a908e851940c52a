"""Log lines: JSON for machines, one coloured line for people; each with the id of its request, none with a secret.

`redact` goes over everything that a line says, so it doesn't matter whether a secret came in by the message, an
argument, an extra field or a traceback. It is a net, not a licence: nothing secret should be logged to begin with.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

# The id of the request or task that is being worked on. Follows into tasks by a message header (portal.celery).
request_id: ContextVar[str] = ContextVar("request_id", default="")

HIDDEN = "[hidden]"
SECRET_NAMES = (
    r"authorization|cookie|set-cookie|password\d?|passwd|secret|token|api[_-]?key|private[_-]?key|session(?:id|key)?|"
    r"csrf\w*|signature|webhook-signature|id_number|id_card|bank_account|account_number|card_number|secrets_keys?|"
    r"secret_key"
)
# A name that says that what follows is secret, in `name=value`, `name: value`, `'name': 'value'` and JSON.
_NAMED = re.compile(
    rf"""(?P<name>\b(?:[\w-]*[_-])?(?:{SECRET_NAMES})\\?["']?\s*[:=]\s*)(?P<value>\\?"[^"\\]*\\?"|'[^']*'|(?:(?:bearer|basic)\s+|v1[a-z]?,)?[^\s,;&"'}})\]]+)""",
    re.I,
)
_SECRET_NAME = re.compile(rf"(?:[\w-]*[_-])?(?:{SECRET_NAMES})", re.I)
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), f"whsec_{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.I), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<=://)([^\s:/@]*):[^\s@/]+@"), rf"\1:{HIDDEN}@"),
    # Links in mails that open an account: the path is the secret.
    (re.compile(r"(/(?:password/reset/key|confirm-email)/)[^/\s\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b[\w.+-]+(@[\w-]+(?:\.[\w-]+)+)"), rf"{HIDDEN}\1"),
    # A mainland ID number: region, birth date, order, check character.
    (re.compile(r"(?<![\w.-])[1-9]\d{5}(?:19|20)\d{2}(?:0\d|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?!\w)"), HIDDEN),
    # A mainland mobile number.
    (re.compile(r"(?<![\w.-])(?:\+?86[ -]?)?1[3-9]\d{9}(?!\w|\.\d)"), HIDDEN),
    # A payment card: 15 to 19 digits, maybe in groups, with a right check digit.
    (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){14,18}(?![\w-])"), lambda match: _card(match.group())),
)  # fmt: skip


def _card(text: str) -> str:
    """The placeholder if the digits pass the check of payment cards (ISO 7812), else the text."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    total = sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return HIDDEN if total % 10 == 0 else text


def redact(text: str) -> str:
    """`text` without passwords, keys, tokens, e-mail names, ID, card and phone numbers."""
    text = _NAMED.sub(lambda match: f"{match['name']}{_hidden_like(match['value'])}", text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _hidden_like(value: str) -> str:
    """The placeholder in the quotes of the value, so that JSON stays JSON."""
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote):
            return f"{quote}{HIDDEN}{quote}"
    return HIDDEN


def _clean(name: str, value: Any) -> Any:
    """A value of a JSON line: short numbers stay numbers, what is named as secret goes, all else is redacted text."""
    if value is None or isinstance(value, bool | float):
        return value
    if _SECRET_NAME.fullmatch(name):
        return HIDDEN
    if isinstance(value, dict):
        return {str(key): _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, inner) for inner in value]
    clean = redact(str(value))
    return value if isinstance(value, int) and clean == str(value) else clean


class WithRequestId(logging.Filter):
    """Puts the id of the request on every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class JsonLines(JsonFormatter):
    """One JSON object a line: time, level, logger, message, request_id and what `extra` brought."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s %(request_id)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Value by value: a placeholder in the finished line could take the place of a bare number."""
        return {name: _clean(name, value) for name, value in super().process_log_record(log_data).items()}


class ConsoleLines(logging.Formatter):
    """One line for a person: time, level where it matters, message, extras; in colour where there is a terminal."""

    COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "41;97"}
    PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request_id", "taskName"}
    # What libraries attach and people don't need to see.
    NOISE = {"request", "server_time", "status_code", "data", "color_message"}

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        extras = {
            name: value
            for name, value in record.__dict__.items()
            if name not in self.PLAIN and name not in self.NOISE
        }
        parts = [datetime.fromtimestamp(record.created).strftime("%H:%M:%S")]  # noqa: DTZ006  (a clock on a wall)
        if record.levelno >= logging.WARNING:
            parts.append(self._paint(record.levelname.lower(), self.COLOURS.get(record.levelno, "31")))
        parts.append(record.getMessage())
        if extras:
            parts.append(self._paint(" ".join(f"{name}={value}" for name, value in extras.items()), "2"))
        line = " ".join(parts)
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return redact(line)

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


def logging_config(*, style: str, level: str, colour: bool) -> dict[str, Any]:
    """Django's `LOGGING`: everything to standard error, in one style, libraries only when they warn."""
    lines: dict[str, Any] = {"()": JsonLines} if style == "json" else {"()": ConsoleLines, "colour": colour}
    chatty = (
        "celery",
        "kombu",
        "pgmq",
        "psycopg",
        "gunicorn",
        "urllib3",
        "amqp",
        "celery.beat",
        "django.request",
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": WithRequestId}},
        "formatters": {"lines": lines},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["request_id"]}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handlers go: one line per event, in our format. Requests are logged by our middleware.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            **{name: {"level": "WARNING"} for name in chatty},
            "django.request": {"level": "ERROR"},
        },
    }
