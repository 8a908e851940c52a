"""The admin of affiliates: the people and their channels, the review of their cases, the working-time calendar."""

from affiliates.admin.calendar import CalendarDayAdmin
from affiliates.admin.people import AffiliateAdmin
from affiliates.admin.review import CaseAdmin

__all__ = ["AffiliateAdmin", "CalendarDayAdmin", "CaseAdmin"]
