"""The letter that PIDs freeze soon: one an affiliate, to each owner in the owner's language (ATTR-4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from affiliates.models import Affiliate, FreezeWarning
from portal.models import MemberRole, User


def unwritten(*, at: datetime) -> list[int]:
    """The affiliates with warnings that still hold and that nobody was written about, by key."""
    warnings = FreezeWarning.objects.filter(
        mailed_at__isnull=True, freezes_at__gt=at, pid__frozen_at__isnull=True
    )
    return sorted(set(warnings.values_list("pid__affiliate_id", flat=True)))


@transaction.atomic
def send(affiliate_id: int, *, at: datetime) -> int:
    """Write to the owners of an affiliate about its warnings; returns how many letters went out.

    Locks the warnings, so that two workers write once. They are marked after the letters went out: a worker that
    is killed in between writes twice rather than never.
    """
    locked = list(
        FreezeWarning.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pid__affiliate=affiliate_id, mailed_at__isnull=True, freezes_at__gt=at)
        .select_related("pid")
        .order_by("freezes_at", "pk")
    )
    FreezeWarning.objects.filter(pk__in=[warning.pk for warning in locked]).update(mailed_at=at)
    warnings = [one for one in locked if not one.pid.frozen_at and one.quiet_since >= one.pid.quiet_since]
    if not warnings:
        return 0
    affiliate = Affiliate.objects.get(pk=affiliate_id)
    owners = User.objects.filter(
        affiliate_memberships__affiliate=affiliate,
        affiliate_memberships__role=MemberRole.OWNER,
        is_active=True,
    ).order_by("pk")
    letters = [_letter(owner, affiliate, warnings) for owner in owners]
    get_connection().send_messages(letters)
    return len(letters)


def _letter(owner: User, affiliate: Affiliate, warnings: Sequence[FreezeWarning]) -> EmailMessage:
    """The letter in the owner's language."""
    context = {
        "name": owner.get_short_name(),
        "affiliate": affiliate,
        "warnings": warnings,
        "site_name": settings.SITE_NAME,
    }
    with translation.override(owner.language):
        subject = render_to_string("affiliate/email/freezing_subject.txt", context)
        body = render_to_string("affiliate/email/freezing_message.txt", context)
    return EmailMessage(" ".join(subject.split()), body, to=[owner.email])
