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
    FreezeWarning,
    Pid,
    PidFreeze,
    PidQuerySet,
    Suspension,
    code_part,
    minimum_unit_at,
)
from affiliates.models.calendar import CalendarDay
from affiliates.models.case import (
    AccountKind,
    Case,
    CaseEvent,
    CaseQuerySet,
    CompanyDeclaration,
    Consent,
    RepresentativeDeclaration,
    SettlementDeclaration,
    TaxDeclaration,
    open_case_of,
)
from affiliates.models.company import Company
from affiliates.models.document import Document, DocumentFile, DocumentPage, LivenessCheck
from affiliates.models.retention import RetentionReport
from affiliates.models.settlement import PaperExpiry, SettlementAccount

__all__ = [
    "DEFAULT_MINIMUM_UNIT",
    "AccountKind",
    "Affiliate",
    "AffiliateMember",
    "AffiliateQuerySet",
    "CalendarDay",
    "Case",
    "CaseEvent",
    "CaseQuerySet",
    "Channel",
    "CommissionPreference",
    "Company",
    "CompanyDeclaration",
    "Consent",
    "Document",
    "DocumentFile",
    "DocumentPage",
    "FreezeWarning",
    "LivenessCheck",
    "PaperExpiry",
    "Pid",
    "PidFreeze",
    "PidQuerySet",
    "RepresentativeDeclaration",
    "RetentionReport",
    "SettlementAccount",
    "SettlementDeclaration",
    "Suspension",
    "TaxDeclaration",
    "code_part",
    "minimum_unit_at",
    "open_case_of",
]
