"""What orders are worth and where the money is.

`TermsVersion` and `RateRule` say what a merchant pays; `Commission` is what one order earns one affiliate;
`Account`, `Journal` and `Transfer` are the books.
"""

from commissions.models.commission import Commission, CommissionQuerySet, Hold, Reason, State, Transition
from commissions.models.ledger import (
    CREDIT_SIDE,
    Account,
    AccountKind,
    Journal,
    JournalKind,
    SourceKind,
    Transfer,
)
from commissions.models.terms import (
    MAX_RATE_BPS,
    MIN_RATE_BPS,
    RATE_VALIDATORS,
    Mode,
    RateRule,
    TermsVersion,
    TermsVersionQuerySet,
)

__all__ = [
    "CREDIT_SIDE",
    "MAX_RATE_BPS",
    "MIN_RATE_BPS",
    "RATE_VALIDATORS",
    "Account",
    "AccountKind",
    "Commission",
    "CommissionQuerySet",
    "Hold",
    "Journal",
    "JournalKind",
    "Mode",
    "RateRule",
    "Reason",
    "SourceKind",
    "State",
    "TermsVersion",
    "TermsVersionQuerySet",
    "Transfer",
    "Transition",
]
