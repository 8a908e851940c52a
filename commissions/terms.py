"""Merchants' terms: which version was in force, and publishing a new one (RATE-1…3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from django.db import connection, transaction
from django.db.models import F, Max
from django.utils.translation import gettext_lazy as _

from commissions.models import RateRule, TermsVersion
from commissions.pricing import Rule, Terms
from orders.models import Merchant
from portal import audit
from portal.errors import DomainError
from portal.models import User


class StartsInThePast(DomainError):
    """Terms can't be changed for orders that are placed already (RATE-3)."""

    code = "starts_in_the_past"


class AlreadyPublished(DomainError):
    code = "already_published"


@lru_cache(maxsize=4096)
def load(version_id: int) -> Terms:
    """A published version as the calculator takes it. Published versions never change, so they are kept."""
    version = TermsVersion.objects.get(pk=version_id, published_at__isnull=False)
    rules = RateRule.objects.filter(terms=version).order_by("position")
    return terms_of(version, rules)


def terms_of(version: TermsVersion, rules: Iterable[RateRule]) -> Terms:
    """Any version, a draft too, as the calculator takes it."""
    return Terms(
        version_id=version.pk,
        number=version.number or 0,
        mode=version.mode,
        default_rate_bps=version.default_rate_bps,
        threshold_amount=version.threshold_amount,
        completion_days=version.completion_days,
        rules=tuple(
            Rule(
                rule_id=rule.pk,
                position=rule.position,
                product_id=rule.product_id,
                affiliate_id=rule.affiliate_id,
                category_id=rule.category_id,
                country=rule.country,
                window_start=rule.window_start,
                window_end=rule.window_end,
                rate_bps=rule.rate_bps,
            )
            for rule in rules
        ),
    )


def in_force(moments: Iterable[tuple[int, datetime]]) -> dict[tuple[int, datetime], Terms | None]:
    """The terms in force for each (merchant id, moment), None where a merchant had none. One query.

    Source: SPEC RATE-3.
    """
    wanted = list(set(moments))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.place, v.id
              FROM unnest(%s::bigint[], %s::timestamptz[]) WITH ORDINALITY AS w (merchant_id, moment, place)
              LEFT JOIN LATERAL (
                   SELECT id FROM commissions_termsversion t
                    WHERE t.merchant_id = w.merchant_id AND t.published_at IS NOT NULL
                      AND t.starts_at <= w.moment
                    ORDER BY t.starts_at DESC, t.number DESC LIMIT 1) v ON true""",
            [[merchant for merchant, _moment in wanted], [moment for _merchant, moment in wanted]],
        )
        rows = cursor.fetchall()
    return {wanted[place - 1]: load(version) if version else None for place, version in rows}


@transaction.atomic
def publish(
    draft: TermsVersion, *, by: User | None, at: datetime, starts_at: datetime | None = None
) -> TermsVersion:
    """Publish a draft: from then on it never changes. `starts_at` None means at once.

    Locks the merchant's row, so that version numbers follow each other.
    Raises: StartsInThePast, AlreadyPublished.
    Source: SPEC RATE-3.
    """
    starts_at = starts_at or at
    Merchant.objects.select_for_update().get(pk=draft.merchant_id)
    if starts_at < at:
        raise StartsInThePast(_("New terms can't start in the past."), field="starts_at")
    latest = TermsVersion.objects.filter(merchant=draft.merchant_id).aggregate(number=Max("number"))["number"]
    published = TermsVersion.objects.filter(pk=draft.pk, published_at__isnull=True).update(
        number=(latest or 0) + 1, published_at=at, published_by=by, starts_at=starts_at
    )
    if not published:
        raise AlreadyPublished(_("This version is published already. Make a new draft from it."))
    draft.refresh_from_db()
    audit.record("terms.publish", by=by, target=draft, at=at, number=draft.number)
    return draft


@transaction.atomic
def draft_from(version: TermsVersion) -> TermsVersion:
    """A new draft with the same terms and rules as `version`."""
    draft = TermsVersion.objects.create(
        merchant_id=version.merchant_id,
        mode=version.mode,
        default_rate_bps=version.default_rate_bps,
        threshold_amount=version.threshold_amount,
        completion_days=version.completion_days,
    )
    rules = list(version.rules.order_by(F("position")))
    for rule in rules:
        rule.pk = None
        rule.terms = draft
    RateRule.objects.bulk_create(rules)
    return draft
