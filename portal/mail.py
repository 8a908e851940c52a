"""E-mail that is neither lost nor sent twice by us: an outbox in the database.

`post` writes a row in the caller's transaction, so that a mail exists if and only if what it tells of happened. A
task sends what waits, each row locked while it is being sent; after a failure it is tried again, ever later. A kill
between the server's yes and our commit may send one mail twice: that is the protocol's own limit.

A mail is two templates, `<name>_subject.txt` and `<name>_body.txt`, rendered in the recipient's language.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

import psycopg
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation
from kombu.exceptions import OperationalError

from portal.models import OutgoingMail, User

logger = logging.getLogger(__name__)

ATTEMPTS = 8
FIRST_PAUSE = timedelta(minutes=1)
BATCH = 50


def post(user: User, template: str, *, at: datetime, to: str = "", **context: Any) -> OutgoingMail:
    """Write a mail to `user` into the outbox, in the caller's transaction.

    `context` is small, JSON, and holds no secret and no personal number. `to` overrides the address, for mail to
    one that the user has just given up.
    """
    mail = OutgoingMail.objects.create(
        user=user, address=to or user.email, template=template, context=context, created_at=at, next_at=at
    )
    transaction.on_commit(nudge)
    return mail


def nudge() -> None:
    """Ask for a round right away. Losing the nudge, for want of a broker too, only means waiting for the next."""
    from portal.tasks import send_mail

    try:
        send_mail.apply_async(expires=60, retry=False)
    except (OperationalError, OSError, psycopg.Error):
        logger.warning("no broker to nudge the outbox; its next round sends what waits")


def send_waiting(*, at: datetime) -> int:
    """Send what waits, each in a transaction of its own; returns how many were sent."""
    sent = 0
    for _ in range(BATCH):
        with transaction.atomic():
            waiting = OutgoingMail.objects.filter(
                sent_at__isnull=True, given_up_at__isnull=True, next_at__lte=at
            )
            mail = (
                waiting.select_for_update(skip_locked=True, of=("self",))
                .select_related("user")
                .order_by("pk")
                .first()
            )
            if mail is None:
                break
            sent += _send(mail, at=at)
    return sent


def waiting_for_long(*, at: datetime) -> int:
    """How many mails have not gone out although they were due an hour ago, or were given up."""
    overdue = Q(given_up_at__isnull=False) | Q(created_at__lt=at - timedelta(hours=1))
    return OutgoingMail.objects.filter(overdue, sent_at__isnull=True).count()


def _send(mail: OutgoingMail, *, at: datetime) -> bool:
    subject, body = render(mail.template, mail.context, language=mail.user.language)
    try:
        EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [mail.address]).send()
    except (SMTPException, OSError) as error:
        mail.attempts += 1
        mail.next_at = at + FIRST_PAUSE * 4 ** (mail.attempts - 1)
        mail.given_up_at = at if mail.attempts >= ATTEMPTS else None
        mail.save(update_fields=["attempts", "next_at", "given_up_at"])
        logger.warning("mail not sent", extra={"mail": mail.pk, "error": type(error).__name__})
        return False
    mail.sent_at = at
    mail.save(update_fields=["sent_at"])
    return True


def render(template: str, context: dict[str, Any], *, language: str) -> tuple[str, str]:
    """The mail's subject, on one line, and its body, as plain text in `language`."""
    values = {**context, "site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}
    with translation.override(language):
        subject = render_to_string(f"{template}_subject.txt", values)
        body = render_to_string(f"{template}_body.txt", values)
    return " ".join(subject.split()), body.strip() + "\n"
