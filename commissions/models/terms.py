"""What a merchant pays: versions of its terms, and their rules."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from orders.models import Merchant

MIN_RATE_BPS = 50


MAX_RATE_BPS = 2000


RATE_VALIDATORS = [MinValueValidator(MIN_RATE_BPS), MaxValueValidator(MAX_RATE_BPS)]


class Mode(models.TextChoices):
    """When a commission is due: soon after payment, or days after completion (LIFE-10)."""

    PRE_PAYMENT = "pre_payment", _("pre-payment")
    TRADITIONAL = "traditional", _("traditional")


class TermsVersionQuerySet(models.QuerySet["TermsVersion"]):
    def in_force(self, at: datetime) -> TermsVersion | None:
        """The published version that orders placed at `at` use (RATE-3). One merchant's versions are given."""
        started = self.filter(published_at__isnull=False, starts_at__lte=at)
        return started.order_by("-starts_at", "-number").first()


class TermsVersion(models.Model):
    """One version of a merchant's terms. A draft may be edited; publishing makes it immutable (RATE-3)."""

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="terms_versions"
    )
    # Counts the published versions of a merchant; null on a draft.
    number = models.PositiveIntegerField(_("version"), null=True, editable=False)
    mode = models.CharField(_("mode"), max_length=15, choices=Mode.choices, default=Mode.PRE_PAYMENT)
    default_rate_bps = models.PositiveIntegerField(
        _("default rate (basis points)"),
        validators=RATE_VALIDATORS,
        help_text=_("50 to 2000; 790 is 7.9 %."),
    )
    # In cents of US dollars; 0 means no threshold (RATE-2).
    threshold_amount = models.BigIntegerField(
        _("minimum order (US cents)"), default=0, validators=[MinValueValidator(0)]
    )
    completion_days = models.PositiveSmallIntegerField(
        _("days after completion"),
        default=7,
        validators=[MaxValueValidator(90)],
        help_text=_("Traditional mode only."),
    )
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    published_at = models.DateTimeField(_("published at"), null=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("published by"),
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = TermsVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("terms version")
        verbose_name_plural = _("terms versions")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "number"], name="terms_number_once"),
            models.CheckConstraint(
                condition=Q(default_rate_bps__range=(MIN_RATE_BPS, MAX_RATE_BPS)), name="terms_rate_allowed"
            ),
            models.CheckConstraint(condition=Q(threshold_amount__gte=0), name="terms_threshold_positive"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="terms_mode_known"),
            models.CheckConstraint(
                condition=Q(number__isnull=True, published_at__isnull=True)
                | Q(
                    number__isnull=False,
                    published_at__isnull=False,
                    starts_at__isnull=False,
                    starts_at__gte=F("published_at"),
                ),
                name="terms_published_whole",
            ),
        ]
        indexes = [
            # Serves "the terms in force when the order was placed".
            models.Index(fields=["merchant", "starts_at"], name="terms_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant.code} v{self.number}" if self.number else f"{self.merchant.code} draft"

    @property
    def is_published(self) -> bool:
        return self.published_at is not None


class RateRule(models.Model):
    """A rule that narrows the default rate. What it leaves unset matches anything (RATE-1)."""

    terms = models.ForeignKey(
        TermsVersion, models.CASCADE, verbose_name=_("terms version"), related_name="rules"
    )
    position = models.PositiveIntegerField(_("position"))
    product_id = models.CharField(_("product"), max_length=100, blank=True, default="")
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), null=True, blank=True, related_name="+"
    )
    category_id = models.CharField(_("category"), max_length=100, blank=True, default="")
    country = models.CharField(_("buyer country"), max_length=2, blank=True, default="")
    # The campaign, [window_start, window_end) on the order's time.
    window_start = models.DateTimeField(_("campaign from"), null=True, blank=True)
    window_end = models.DateTimeField(_("campaign until"), null=True, blank=True)
    rate_bps = models.PositiveIntegerField(_("rate (basis points)"), validators=RATE_VALIDATORS)

    class Meta:
        verbose_name = _("rate rule")
        verbose_name_plural = _("rate rules")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["terms", "position"], name="rule_position_once"),
            models.CheckConstraint(
                condition=Q(rate_bps__range=(MIN_RATE_BPS, MAX_RATE_BPS)), name="rule_rate_allowed"
            ),
            models.CheckConstraint(
                condition=Q(window_start__isnull=True, window_end__isnull=True)
                | Q(window_start__lt=F("window_end")),
                name="rule_window_both_or_neither",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.rate_bps} bps"
