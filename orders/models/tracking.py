"""Clicks: what a tracking link records of each visit."""

from __future__ import annotations

import secrets

from django.db import models
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Pid
from orders.models.merchant import Merchant


def new_click_id() -> str:
    """An opaque click id of 192 random bits (ATTR-2 asks for 128 or more)."""
    return secrets.token_urlsafe(24)


class Click(models.Model):
    """One click on a tracking link, valid or not; the status at click time counts (ATTR-3)."""

    class Invalid(models.TextChoices):
        BOT = "bot", _("bot or preview fetch")
        PREFETCH = "prefetch", _("prefetch")
        HEAD = "head", _("HEAD request")
        PID_FROZEN = "pid_frozen", _("PID frozen")
        AFFILIATE_SUSPENDED = "affiliate_suspended", _("affiliate suspended")
        MERCHANT_INACTIVE = "merchant_inactive", _("merchant inactive")
        RATE_LIMITED = "rate_limited", _("repeated beyond the limit")
        DATACENTRE = "datacentre", _("datacentre pattern")

    click_id = models.CharField(_("click id"), max_length=64, unique=True, default=new_click_id)
    pid = models.ForeignKey(Pid, models.PROTECT, verbose_name="PID", related_name="clicks")
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="clicks"
    )
    merchant = models.ForeignKey(Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="clicks")
    clicked_at = models.DateTimeField(_("clicked at"))
    # Empty: the click is valid.
    invalid_reason = models.CharField(
        _("invalid because"), max_length=30, choices=Invalid.choices, blank=True, default=""
    )

    class Meta:
        verbose_name = _("click")
        verbose_name_plural = _("clicks")
        indexes = [
            # Serves the admin's click list and, later, a PID's health (ATTR-4).
            models.Index(fields=["pid", "-clicked_at"], name="click_pid_recent"),
        ]

    def __str__(self) -> str:
        return self.click_id

    @property
    def is_valid(self) -> bool:
        return not self.invalid_reason
