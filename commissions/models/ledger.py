"""The books: accounts, journals and transfers.

What must hold of them whatever the code does (append-only, balances that equal their transfers, no overdraft)
is held by constraints and triggers of the database, see migration 0002.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from orders.models import Merchant, Order


class AccountKind(models.TextChoices):
    """The chart of accounts (LEDGER-5)."""

    MERCHANT_COMMITTED = "merchant.committed", _("merchant: committed")
    MERCHANT_RECEIVABLE = "merchant.receivable", _("merchant: receivable")
    AFFILIATE_PENDING = "affiliate.pending", _("affiliate: pending")
    AFFILIATE_HELD = "affiliate.held", _("affiliate: held")
    AFFILIATE_AVAILABLE = "affiliate.available", _("affiliate: available")
    AFFILIATE_IN_PAYOUT = "affiliate.in_payout", _("affiliate: in payout")
    AFFILIATE_DEBT = "affiliate.debt", _("affiliate: debt")
    FX_CLEARING = "fx_clearing", _("currency clearing")
    BANK = "bank", _("bank")
    BAD_DEBT = "bad_debt", _("bad debt")


class Account(models.Model):
    """One account of the books. `debits` and `credits` are kept by the trigger that posts transfers (LEDGER-4)."""

    kind = models.CharField(_("kind"), max_length=30, choices=AccountKind.choices)
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), null=True, related_name="accounts"
    )
    merchant = models.ForeignKey(
        Merchant, models.PROTECT, verbose_name=_("merchant"), null=True, related_name="accounts"
    )
    currency = models.CharField(_("currency"), max_length=3)
    debits = models.BigIntegerField(_("debits"), default=0)
    credits = models.BigIntegerField(_("credits"), default=0)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["affiliate", "merchant", "kind", "currency"],
                name="account_once_per_owner",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind__startswith="affiliate.", affiliate__isnull=False, merchant__isnull=True)
                | Q(kind__startswith="merchant.", affiliate__isnull=True, merchant__isnull=False)
                | Q(
                    kind__in=["fx_clearing", "bank", "bad_debt"],
                    affiliate__isnull=True,
                    merchant__isnull=True,
                ),
                name="account_owner_fits_kind",
            ),
            models.CheckConstraint(
                condition=~Q(
                    kind__in=[
                        "affiliate.pending",
                        "affiliate.held",
                        "affiliate.available",
                        "affiliate.in_payout",
                    ]
                )
                | Q(credits__gte=F("debits")),
                name="account_credit_side_not_overdrawn",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["merchant.committed", "affiliate.debt"]) | Q(debits__gte=F("credits")),
                name="account_debit_side_not_overdrawn",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.currency}"

    @property
    def balance(self) -> int:
        """The balance on the account's normal side, in minor units."""
        credit_side = self.kind in CREDIT_SIDE
        return self.credits - self.debits if credit_side else self.debits - self.credits


CREDIT_SIDE = frozenset(
    {
        AccountKind.AFFILIATE_PENDING,
        AccountKind.AFFILIATE_HELD,
        AccountKind.AFFILIATE_AVAILABLE,
        AccountKind.AFFILIATE_IN_PAYOUT,
    }
)


class JournalKind(models.TextChoices):
    """What a group of transfers records (LEDGER-5, LEDGER-7)."""

    LOCK = "lock", _("lock")
    ADJUST = "adjust", _("adjustment")
    RELEASE = "release", _("release")
    HOLD = "hold", _("hold")
    RESUME = "resume", _("resumption")
    CLAW_BACK = "claw_back", _("clawback")
    VOID = "void", _("void")
    RECOVER = "recover", _("debt recovery")
    PAYOUT_REQUEST = "payout_request", _("payout requested")
    PAYOUT_FAIL = "payout_fail", _("payout failed")
    SETTLE = "settle", _("payout settled")
    MERCHANT_PAYMENT = "merchant_payment", _("merchant's payment")
    WRITE_OFF = "write_off", _("write-off")
    REVERSAL = "reversal", _("reversal")


class SourceKind(models.TextChoices):
    """What kind of fact a transfer is booked for (LEDGER-3)."""

    COMMISSION = "commission", _("commission")
    PAYOUT = "payout", _("payout")
    MERCHANT_PAYMENT = "merchant_payment", _("merchant's payment")
    DEBT = "debt", _("debt")
    TRANSFER = "transfer", _("transfer")


class Journal(models.Model):
    """What belongs together in the books: a kind, an order, a time (LEDGER-1). Append-only."""

    kind = models.CharField(_("kind"), max_length=20, choices=JournalKind.choices)
    order = models.ForeignKey(
        Order,
        models.PROTECT,
        verbose_name=_("order"),
        null=True,
        related_name="journals",
        db_constraint=False,
    )
    posted_at = models.DateTimeField(_("posted at"))
    memo = models.CharField(_("memo"), max_length=200, blank=True, default="")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("by"),
        null=True,
        related_name="+",
        db_constraint=False,
    )

    class Meta:
        verbose_name = _("journal")
        verbose_name_plural = _("journals")
        indexes = [
            # Serves an order's postings in the admin and in diagnosis.
            models.Index(fields=["order"], name="journal_of_order", condition=Q(order__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Transfer(models.Model):
    """`amount` minor units from the account debited to the account credited. Append-only (LEDGER-1, 2).

    The foreign keys carry no database constraint of their own: the posting trigger checks both accounts of
    every row in one pass and moves their balances, at a third of the cost.
    """

    journal = models.ForeignKey(
        Journal,
        models.PROTECT,
        verbose_name=_("journal"),
        related_name="transfers",
        db_constraint=False,
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=20, choices=JournalKind.choices)
    source_kind = models.CharField(_("source"), max_length=20, choices=SourceKind.choices)
    source_id = models.BigIntegerField(_("source number"))
    sequence = models.IntegerField(_("sequence"))
    debit_account = models.ForeignKey(
        Account,
        models.PROTECT,
        verbose_name=_("debit account"),
        related_name="debit_transfers",
        db_constraint=False,
        db_index=False,
    )
    credit_account = models.ForeignKey(
        Account,
        models.PROTECT,
        verbose_name=_("credit account"),
        related_name="credit_transfers",
        db_constraint=False,
        db_index=False,
    )
    amount = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    posted_at = models.DateTimeField(_("posted at"))

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        constraints = [
            # LEDGER-3: idempotent by the fact. Also serves "the transfers of this commission".
            models.UniqueConstraint(
                fields=["source_id", "source_kind", "kind", "sequence"], name="transfer_once_per_fact"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(
                condition=~Q(debit_account=F("credit_account")), name="transfer_between_two_accounts"
            ),
            models.CheckConstraint(condition=Q(kind__in=JournalKind.values), name="transfer_kind_known"),
            models.CheckConstraint(
                condition=Q(source_kind__in=SourceKind.values), name="transfer_source_known"
            ),
            # A reversal undoes a transfer, whole and once.
            models.CheckConstraint(
                condition=(Q(kind="reversal") & Q(source_kind="transfer") & Q(sequence=0))
                | (~Q(kind="reversal") & ~Q(source_kind="transfer")),
                name="transfer_reversal_of_a_transfer",
            ),
        ]
        indexes = [
            # Serve an account's lines and an affiliate's report by day, on either side.
            models.Index(fields=["debit_account", "posted_at"], name="transfer_debit_side"),
            models.Index(fields=["credit_account", "posted_at"], name="transfer_credit_side"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"
