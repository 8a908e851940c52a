"""Sellers of the marketplace who promote too: affiliate permission for the same company (ONB-6)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates import cases
from affiliates.approvals import free_code
from affiliates.models import Affiliate, AffiliateMember, Case
from orders.models import Merchant, SellerAffiliate
from portal import audit
from portal.errors import DomainError
from portal.models import MemberRole, User

SUSPENDED_RATINGS = (Merchant.Rating.L1, Merchant.Rating.L2)
"""Store ratings below L3: no new permission, and clicks of one that exists don't count."""


class CompanyUnknown(DomainError):
    """The marketplace has not told us whose store it is, so nothing verified could be used again."""

    code = "company_unknown"


class NotMainland(DomainError):
    code = "not_mainland"


class RatingTooLow(DomainError):
    code = "rating_too_low"


class PromotesAlready(DomainError):
    code = "promotes_already"


def refusal(merchant: Merchant) -> DomainError | None:
    """Why this merchant can't turn affiliate permission on now; None when it can."""
    if SellerAffiliate.objects.filter(merchant=merchant).exists():
        return PromotesAlready(_("Affiliate permission is on already."))
    if merchant.company is None:
        return CompanyUnknown(_("The marketplace has not confirmed your company yet."))
    if not merchant.company.is_mainland:
        return NotMainland(_("Only companies and sole proprietors of mainland China can join."))
    if merchant.store_rating in SUSPENDED_RATINGS:
        return RatingTooLow(_("Your store must be rated L3 or better."))
    return None


@transaction.atomic
def enable(merchant: Merchant, *, by: User, at: datetime) -> Case:
    """Turn affiliate permission on: an affiliate of the same company, and its case, with what is verified filled in.

    Licence and legal representative aren't asked again; settlement account, tax filing and consents are.
    Locks the merchant's row. Raises: PromotesAlready, CompanyUnknown, NotMainland, RatingTooLow.
    Source: SPEC ONB-6.
    """
    locked = Merchant.objects.select_for_update(of=("self",)).select_related("company").get(pk=merchant.pk)
    if (refused := refusal(locked)) is not None:
        raise refused
    affiliate = Affiliate.objects.create(
        code=free_code(), name=locked.name, kind=Affiliate.Kind.INDEPENDENT_SITE
    )
    AffiliateMember.objects.create(affiliate=affiliate, user=by, role=MemberRole.OWNER)
    SellerAffiliate.objects.create(merchant=locked, affiliate=affiliate, enabled_by=by, enabled_at=at)
    audit.record("merchant.enable_affiliate", by=by, target=locked, at=at, affiliate=affiliate.code)
    return cases.open_case(
        affiliate, kind=Case.Kind.ONBOARDING, by=by, at=at, verified_company=locked.company
    )
