"""The audit trail: who did what to what, when and why. Append-only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models

from portal.logs import request_id
from portal.models import AuditEntry, User


def record(
    action: str, *, by: User | None, target: models.Model, at: datetime, reason: str = "", **data: Any
) -> AuditEntry:
    """Write one audit row in the caller's transaction.

    `action` is `noun.verb` in the product's terms; `by` None means the system itself. `data` is small, JSON, and
    must hold no secret and no personal number.
    """
    return AuditEntry.objects.create(
        action=action,
        by=by,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        at=at,
        reason=reason,
        data=data,
        request_id=request_id.get(),
    )


def record_many(
    action: str, *, by: User | None, targets: Sequence[models.Model], at: datetime, reason: str = ""
) -> None:
    """Write one audit row for each of `targets`, in one statement."""
    AuditEntry.objects.bulk_create(
        AuditEntry(
            action=action,
            by=by,
            target_type=target._meta.label_lower,
            target_id=str(target.pk),
            at=at,
            reason=reason,
            request_id=request_id.get(),
        )
        for target in targets
    )
