"""The working-time calendar: which days count towards the review target (ONB-3)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class CalendarDay(models.Model):
    """A day that differs from its weekday's rule: a public holiday, or a weekend day that is worked (调休)."""

    class Source(models.TextChoices):
        OFFICIAL = "official", _("official")
        ESTIMATED = "estimated", _("estimated")
        STAFF = "staff", _("entered by staff")

    day = models.DateField(_("day"), primary_key=True)
    is_working = models.BooleanField(_("worked"))
    name = models.CharField(_("occasion"), max_length=100, blank=True, default="")
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)

    class Meta:
        verbose_name = _("calendar day")
        verbose_name_plural = _("calendar days")
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(source__in=["official", "estimated", "staff"]),
                name="calendar_source_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"
