"""The admin of what orders earn: terms, commissions and holds, the books, the timer board.

Orders are registered here too, because their page ends with their commissions and postings.
"""

from commissions.admin.commissions import CommissionAdmin, OrderWithMoneyAdmin
from commissions.admin.holds import HoldAdmin
from commissions.admin.ledger import AccountAdmin, JournalAdmin, TransferAdmin
from commissions.admin.terms import TermsVersionAdmin

__all__ = [
    "AccountAdmin",
    "CommissionAdmin",
    "HoldAdmin",
    "JournalAdmin",
    "OrderWithMoneyAdmin",
    "TermsVersionAdmin",
    "TransferAdmin",
]
