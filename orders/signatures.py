"""Who signed this request? Standard Webhooks signatures of order sources (ATTR-8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orders.models import OrderSource, OrderSourceSecret
from portal.errors import DomainError

SOURCE_HEADER = "webhook-source"


class BadSignature(DomainError):
    """No valid secret of an active source fits, or the time is more than 5 minutes off."""

    code = "bad_signature"


def signing_source(body: bytes, headers: Mapping[str, str], *, at: datetime) -> OrderSource:
    """The active order source whose secret, valid at `at`, signed `body`.

    The optional header `webhook-source` names the source and saves trying the others' secrets; it proves
    nothing by itself. During a rotation both secrets are good.

    Raises: BadSignature.
    Source: SPEC ATTR-8.
    """
    secrets = (
        OrderSourceSecret.objects.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=at), source__is_active=True
        )
        .select_related("source")
        .order_by("-created_at")
    )
    named = headers.get(SOURCE_HEADER, "")
    if named:
        secrets = secrets.filter(source__code=named)
    lower = {name.lower(): value for name, value in headers.items()}
    for secret in secrets:
        try:
            Webhook(secret.secret).verify(body, lower, json_parse=False)
        except (WebhookVerificationError, ValueError):
            continue
        return secret.source
    raise BadSignature(_("The signature does not fit."))
