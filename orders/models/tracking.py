"""Tracking links and clicks: what a link leads to, and what it records of each visit (ATTR-2, ATTR-3)."""

from __future__ import annotations

import secrets
import string

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Pid
from orders.models.merchant import Merchant

LINK_ALPHABET = string.ascii_letters + string.digits


def new_link_code() -> str:
    """A link's short code: ten letters and digits, about 59 random bits."""
    return "".join(secrets.choice(LINK_ALPHABET) for _ in range(10))


class Link(models.Model):
    """A tracking link: a merchant's page, a PID and what the affiliate wants to tell its links apart by (ATTR-2).

    What it leads to never changes; another target is another link.
    """

    code = models.CharField(_("code"), max_length=16, unique=True, default=new_link_code)
    pid = models.ForeignKey(Pid, models.PROTECT, verbose_name="PID", related_name="links")
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="links"
    )
    merchant = models.ForeignKey(Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="links")
    target = models.URLField(_("target"), max_length=2000)
    label = models.CharField(_("label"), max_length=100, blank=True, default="")
    # `utm_medium` is always "affiliate".
    utm_source = models.CharField("utm_source", max_length=100, blank=True, default="")
    utm_campaign = models.CharField("utm_campaign", max_length=100, blank=True, default="")
    utm_content = models.CharField("utm_content", max_length=100, blank=True, default="")
    utm_term = models.CharField("utm_term", max_length=100, blank=True, default="")
    sub_ids = ArrayField(
        models.CharField(max_length=100), verbose_name=_("sub-ids"), default=list, blank=True, size=5
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("made by"), related_name="+", null=True
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    # Hidden from lists; it goes on redirecting, since it may be printed somewhere.
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    # What the link says, hashed, so that a repeat of the request makes no second one.
    fingerprint = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - null is no repeat

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = [
            models.UniqueConstraint(
                fields=["affiliate", "fingerprint"],
                condition=models.Q(archived_at__isnull=True),
                name="link_said_once",
            ),
        ]
        indexes = [
            # Serves an affiliate's list of links, the newest first.
            models.Index(fields=["affiliate", "-id"], name="link_of_affiliate"),
        ]

    def __str__(self) -> str:
        return self.label or self.code


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
        # The affiliate is a seller whose store is rated below L3 (ONB-6).
        SELLER_RATING = "seller_rating", _("seller's store rating below L3")
        # The page that leads out of an in-app browser was shown; the buyer has not reached the shop (ATTR-5).
        IN_APP = "in_app", _("opened inside an app")

    click_id = models.CharField(_("click id"), max_length=64, unique=True, default=new_click_id)
    # Null for clicks from before links were kept.
    link = models.ForeignKey(
        Link,
        models.PROTECT,
        verbose_name=_("link"),
        related_name="clicks",
        null=True,
        blank=True,
        db_index=False,  # click_link_recent begins with it
    )
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
            # Serves the admin's click list and a PID's health (ATTR-4).
            models.Index(fields=["pid", "-clicked_at"], name="click_pid_recent"),
            # Serves a link's clicks by day and a list's counts, from the index alone.
            models.Index(
                fields=["link", "-clicked_at"], include=["invalid_reason"], name="click_link_recent"
            ),
        ]

    def __str__(self) -> str:
        return self.click_id

    @property
    def is_valid(self) -> bool:
        return not self.invalid_reason
