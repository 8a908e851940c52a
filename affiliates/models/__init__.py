"""Who earns: affiliates, and their way to approval.

Nothing here knows of orders or money. What higher apps need to read about an affiliate at a point in time
(was it suspended, which minimum unit had it chosen) is kept as dated facts, never as a flag that is overwritten.
"""

from affiliates.models.affiliate import (
    DEFAULT_MINIMUM_UNIT,
    Affiliate,
    AffiliateMember,
    AffiliateQuerySet,
    Channel,
    CommissionPreference,
    Pid,
    Suspension,
    code_part,
    minimum_unit_at,
)

__all__ = [
    "DEFAULT_MINIMUM_UNIT",
    "Affiliate",
    "AffiliateMember",
    "AffiliateQuerySet",
    "Channel",
    "CommissionPreference",
    "Pid",
    "Suspension",
    "code_part",
    "minimum_unit_at",
]
