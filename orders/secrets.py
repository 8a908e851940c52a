"""The signing secrets of order sources: made, rotated with an overlap, never shown again (ATTR-8).

Whoever makes one gets its text as the return value, once; after that only its dates are shown.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models import OrderSource, OrderSourceSecret
from portal import audit
from portal.errors import DomainError
from portal.models import User

OVERLAP = timedelta(hours=24)
SECRET_BYTES = 32


class SecretExists(DomainError):
    """The source has a valid secret: a second one comes by rotation."""

    code = "secret_exists"


class NoSecret(DomainError):
    """There is no valid secret that could be rotated."""

    code = "no_secret"


def new_secret() -> str:
    """A fresh secret as Standard Webhooks writes them: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _valid(source: OrderSource, at: datetime) -> Q:
    return Q(source=source) & (Q(expires_at__isnull=True) | Q(expires_at__gt=at))


@transaction.atomic
def create(source: OrderSource, *, by: User | None, at: datetime) -> str:
    """Give `source` its first secret and return its text. Locks the source's row.

    Raises: SecretExists while one is valid.
    Source: SPEC ATTR-8.
    """
    OrderSource.objects.select_for_update().get(pk=source.pk)
    if OrderSourceSecret.objects.filter(_valid(source, at)).exists():
        raise SecretExists(_("This order source has a valid secret already. Rotate it instead."))
    return _add(source, "order_source.create_secret", by=by, at=at)


@transaction.atomic
def rotate(source: OrderSource, *, by: User | None, at: datetime, overlap: timedelta = OVERLAP) -> str:
    """Give `source` a new secret and return its text; those valid until now end after `overlap`.

    A secret that ends sooner already isn't prolonged. Locks the source's row.
    Raises: NoSecret when there is nothing to rotate.
    Source: SPEC ATTR-8.
    """
    OrderSource.objects.select_for_update().get(pk=source.pk)
    valid = OrderSourceSecret.objects.filter(_valid(source, at))
    if not valid.exists():
        raise NoSecret(_("This order source has no valid secret. Create one instead."))
    end = at + overlap
    valid.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=end)).update(expires_at=end)
    return _add(
        source, "order_source.rotate_secret", by=by, at=at, overlap_hours=overlap.total_seconds() / 3600
    )


def _add(source: OrderSource, action: str, *, by: User | None, at: datetime, **data: float) -> str:
    text = new_secret()
    OrderSourceSecret.objects.create(source=source, secret=text, created_at=at)
    audit.record(action, by=by, target=source, at=at, reason="", **data)
    return text
