"""Affiliates in the admin: people and channels, the review of their cases, working days, what is kept and erased."""

from affiliates.admin import calendar, cases, people, records

__all__ = ["calendar", "cases", "people", "records"]
