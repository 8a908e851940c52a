"""What the retention job did (ONB-9)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RetentionReport(models.Model):
    """One run that erased: when, and how much of what. A run that was killed has no end; the next one goes on."""

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    documents = models.PositiveIntegerField(_("documents"), default=0)
    frames = models.PositiveIntegerField(_("liveness frames"), default=0)
    numbers = models.PositiveIntegerField(_("numbers"), default=0)
    # Bytes that no row knew of: left by a kill between the storage and the database.
    strays = models.PositiveIntegerField(_("stray files"), default=0)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    # Ids of what was erased, by rule: {"rejected": [12, 13]}.
    details = models.JSONField(_("details"), default=dict, blank=True)

    class Meta:
        verbose_name = _("retention report")
        verbose_name_plural = _("retention reports")

    def __str__(self) -> str:
        return f"#{self.pk} {self.started_at:%Y-%m-%d}"
