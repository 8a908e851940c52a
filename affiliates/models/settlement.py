"""What an approval leaves behind: the account an affiliate is paid to, and the papers that will expire."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from affiliates.models.affiliate import Affiliate
from affiliates.models.case import AccountKind, Case
from portal.encryption import EncryptedTextField


class SettlementAccount(models.Model):
    """An approved account (ONB-1, PAY-2). One is current; a change replaces it and keeps the old one."""

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="settlement_accounts"
    )
    case = models.OneToOneField(
        Case, models.PROTECT, verbose_name=_("approved in case"), related_name="approved_account"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=AccountKind.choices)
    account_name = models.CharField(_("account name"), max_length=200)
    account_number = EncryptedTextField(_("account number"))
    bank_name = models.CharField(_("bank"), max_length=100, blank=True, default="")
    branch_name = models.CharField(_("branch"), max_length=200, blank=True, default="")
    cnaps_code = models.CharField(_("CNAPS code"), max_length=12, blank=True, default="")
    approved_at = models.DateTimeField(_("approved at"))
    replaced_at = models.DateTimeField(_("replaced at"), null=True, blank=True)

    class Meta:
        verbose_name = _("settlement account")
        verbose_name_plural = _("settlement accounts")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["bank", "alipay"]), name="settlement_kind_known"),
            models.UniqueConstraint(
                fields=["affiliate"], condition=Q(replaced_at__isnull=True), name="settlement_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate}: {self.get_kind_display()}"


class PaperExpiry(models.Model):
    """When an approved paper runs out, and that its owner has been warned (ONB-10)."""

    class Paper(models.TextChoices):
        BUSINESS_LICENCE = "business_licence", _("business licence")
        ID_CARD = "id_card", _("ID card of the legal representative")

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="paper_expiries"
    )
    paper = models.CharField(_("paper"), max_length=20, choices=Paper.choices)
    # The last day on which it is valid, Shanghai time.
    valid_until = models.DateField(_("valid until"))
    warned_at = models.DateTimeField(_("owner warned at"), null=True, blank=True)

    class Meta:
        verbose_name = _("expiry of a paper")
        verbose_name_plural = _("expiries of papers")
        constraints = [
            models.UniqueConstraint(fields=["affiliate", "paper"], name="paper_expiry_once"),
        ]
        indexes = [
            # Serves the daily warning and "whose payouts wait".
            models.Index(fields=["valid_until"], name="paper_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate}: {self.get_paper_display()} {self.valid_until}"
