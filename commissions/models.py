"""What orders are worth and where the money is.

`TermsVersion` and `RateRule` say what a merchant pays; `Commission` is what one order earns one affiliate;
`Account`, `Journal` and `Transfer` are the books. What must hold of them whatever the code does (append-only
books, balances that equal their transfers, no overdraft, published terms that never change) is held by
constraints and triggers of the database, see migration 0002.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from orders.models import Click, Merchant, Order, OrderEvent
from portal.paging import Mark

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


class State(models.TextChoices):
    """Where a commission is in its life (LIFE-11)."""

    AWAITING_PAYMENT = "awaiting_payment", _("awaiting payment")
    LOCKED = "locked", _("locked")
    CONFIRMED = "confirmed", _("confirmed")
    HELD = "held", _("held")
    RELEASED = "released", _("released")
    VOID = "void", _("void")
    CLAWED_BACK = "clawed_back", _("clawed back")


class Reason(models.TextChoices):
    """Why a commission is nothing, less, or waiting: the part of DIAG-2's codes that concerns money."""

    NO_RATE = "no_rate", _("no terms in force")
    ZERO_BASE = "zero_base", _("nothing to pay commission on")
    BELOW_ORDER_THRESHOLD = "below_order_threshold", _("below the minimum order")
    BELOW_MINIMUM_UNIT = "below_minimum_unit", _("below the minimum unit")
    UNPAID_EXPIRED = "unpaid_expired", _("not paid in time")
    ORDER_CANCELLED = "order_cancelled", _("order cancelled")
    REFUNDED = "refunded", _("refunded")
    DISPUTE_OPEN = "dispute_open", _("dispute open")
    SELF_PURCHASE = "self_purchase", _("own purchase")
    RISK_HOLD = "risk_hold", _("held for a risk check")
    AFFILIATE_SUSPENDED = "affiliate_suspended", _("affiliate suspended")
    MERCHANT_LIMIT = "merchant_limit", _("merchant over its credit limit")
    EVIDENCE_CONFLICT = "evidence_conflict", _("better evidence points elsewhere")
    CLICK_NOT_FOUND = "click_not_found", _("no click found")
    CLICK_INVALID = "click_invalid", _("click not valid")
    CLICK_EXPIRED = "click_expired", _("click outside the window")
    CLICK_OTHER_MERCHANT = "click_other_merchant", _("click made for another merchant")
    PID_FROZEN = "pid_frozen", _("PID frozen")


class CommissionQuerySet(models.QuerySet["Commission"]):
    def due(self, at: datetime) -> CommissionQuerySet:
        """Confirmed commissions whose time has come (LIFE-3)."""
        return self.filter(state=State.CONFIRMED, release_due_at__lte=at)

    def pending(self) -> CommissionQuerySet:
        """What an affiliate waits for: locked, confirmed and held (REP-2)."""
        return self.filter(state__in=[State.LOCKED, State.CONFIRMED, State.HELD])

    def page_after(self, mark: Mark | None, size: int) -> tuple[list[Any], Mark | None]:
        """A page of `size`, newest first, that begins after `mark`, and where the next one begins."""
        page = self.order_by("-created_at", "-pk")
        if mark is not None:
            page = page.filter(Q(created_at__lt=mark.at) | Q(created_at=mark.at, pk__lt=mark.pk))
        found = list(page[: size + 1])
        last = found[size - 1] if len(found) > size else None
        return found[:size], Mark(last.created_at, last.pk) if last else None


class Commission(models.Model):
    """What one order earns one affiliate. Its state is a function of the order's facts (LIFE-11)."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, verbose_name=_("order"), related_name="commissions")
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="commissions"
    )
    merchant = models.ForeignKey(
        Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="commissions"
    )
    click = models.ForeignKey(
        Click, models.PROTECT, verbose_name=_("click"), related_name="commissions", db_constraint=False
    )
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    state = models.CharField(_("state"), max_length=20, choices=State.choices)
    reason = models.CharField(_("reason"), max_length=30, choices=Reason.choices, blank=True, default="")
    mode = models.CharField(_("mode"), max_length=15, choices=Mode.choices, default=Mode.PRE_PAYMENT)
    # Cents that the books carry for this commission right now; what is held is part of it.
    amount = models.BigIntegerField(_("amount"))
    held_amount = models.BigIntegerField(_("held"), default=0)
    # PRICE-4's cents before refunds, and what PRICE-5 forgoes.
    priced_amount = models.BigIntegerField(_("priced"), default=0)
    forgone_amount = models.BigIntegerField(_("forgone"), default=0)
    # The amount it was first locked at, for the accuracy figure (REP-6).
    locked_amount = models.BigIntegerField(_("first locked at"), null=True)
    sheet = models.JSONField(_("calculation sheet"))
    ordered_at = models.DateTimeField(_("ordered at"))
    paid_at = models.DateTimeField(_("paid at"), null=True)
    release_due_at = models.DateTimeField(_("release due at"), null=True)
    # The later of the due time and our receipt of what made it releasable: lateness counts from here (LIFE-3).
    ready_at = models.DateTimeField(_("ready at"), null=True)
    released_at = models.DateTimeField(_("released at"), null=True)
    # How many transfers of its own it has posted so far: the next `sequence` in the books (LEDGER-3).
    posting_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(_("created at"))
    updated_at = models.DateTimeField(_("updated at"))

    objects = CommissionQuerySet.as_manager()

    class Meta:
        verbose_name = _("commission")
        verbose_name_plural = _("commissions")
        constraints = [
            models.UniqueConstraint(fields=["order", "affiliate"], name="commission_once_per_order"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="commission_state_known"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="commission_amount_positive"),
            models.CheckConstraint(
                condition=Q(held_amount__gte=0) & Q(held_amount__lte=F("amount")),
                name="commission_held_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(held_amount=0) | Q(state=State.HELD), name="commission_held_only_while_held"
            ),
            models.CheckConstraint(
                condition=Q(amount=0) | ~Q(state__in=[State.VOID, State.CLAWED_BACK, State.AWAITING_PAYMENT]),
                name="commission_ended_is_nothing",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.RELEASED) | Q(released_at__isnull=False),
                name="commission_released_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[State.LOCKED, State.CONFIRMED, State.AWAITING_PAYMENT])
                | Q(released_at__isnull=True),
                name="commission_unreleased_has_no_time",
            ),
        ]
        indexes = [
            # Serves the release timer: nothing but confirmed rows, in the order they fall due (LIFE-3).
            models.Index(
                fields=["release_due_at", "id"], name="commission_due", condition=Q(state="confirmed")
            ),
            # Serves the timer board and the recovery of debts after a release.
            models.Index(
                fields=["released_at"], name="commission_released", condition=Q(released_at__isnull=False)
            ),
            # Serves an affiliate's lists, newest first.
            models.Index(fields=["affiliate", "-created_at"], name="commission_of_affiliate"),
            # Serves Pending Commission and its totals (REP-2).
            models.Index(
                fields=["affiliate", "state"],
                name="commission_pending",
                condition=Q(state__in=["locked", "confirmed", "held"]),
            ),
            # Serves a merchant's lists, newest first.
            models.Index(fields=["merchant", "-created_at"], name="commission_of_merchant"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class Transition(models.Model):
    """One step in a commission's life: what it was, what it became, because of what. Append-only."""

    class Verb(models.TextChoices):
        LOCK = "lock", _("locked")
        CONFIRM = "confirm", _("confirmed")
        ADJUST = "adjust", _("adjusted")
        HOLD = "hold", _("held")
        RESUME = "resume", _("resumed")
        RELEASE = "release", _("released")
        VOID = "void", _("voided")
        CLAW_BACK = "claw_back", _("clawed back")

    commission = models.ForeignKey(
        Commission,
        models.PROTECT,
        verbose_name=_("commission"),
        related_name="transitions",
        db_constraint=False,
    )
    verb = models.CharField(_("verb"), max_length=10, choices=Verb.choices)
    at = models.DateTimeField(_("at"))
    state_before = models.CharField(_("from"), max_length=20, choices=State.choices, blank=True)
    state_after = models.CharField(_("to"), max_length=20, choices=State.choices)
    amount_before = models.BigIntegerField(_("amount before"))
    amount_after = models.BigIntegerField(_("amount after"))
    reason = models.CharField(_("reason"), max_length=30, choices=Reason.choices, blank=True, default="")
    # The newest event that was taken in with this step; null for a timer's or a person's step.
    event = models.ForeignKey(
        OrderEvent,
        models.PROTECT,
        verbose_name=_("order event"),
        null=True,
        related_name="+",
        db_constraint=False,
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("by"),
        null=True,
        related_name="+",
        db_constraint=False,
    )
    # The postings of this step; null when no money moved.
    journal_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        indexes = [
            # Serves a commission's timeline.
            models.Index(fields=["commission", "id"], name="transition_timeline"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.amount_before}→{self.amount_after}"


class Hold(models.Model):
    """A reason of ours, not of the shop, to hold a commission back (LIFE-11). Disputes are facts of the order."""

    class Reason(models.TextChoices):
        SELF_PURCHASE = "self_purchase", _("own purchase")
        RISK_HOLD = "risk_hold", _("held for a risk check")
        AFFILIATE_SUSPENDED = "affiliate_suspended", _("affiliate suspended")
        MERCHANT_LIMIT = "merchant_limit", _("merchant over its credit limit")

    commission = models.ForeignKey(
        Commission, models.PROTECT, verbose_name=_("commission"), related_name="holds"
    )
    reason = models.CharField(_("reason"), max_length=30, choices=Reason.choices)
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    placed_at = models.DateTimeField(_("placed at"))
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("placed by"),
        null=True,
        blank=True,
        related_name="+",
    )
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("lifted by"),
        null=True,
        blank=True,
        related_name="+",
    )
    # Forfeiting takes two persons; the money goes back to the merchant for good.
    forfeit_proposed_at = models.DateTimeField(_("forfeit proposed at"), null=True, blank=True)
    forfeit_proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("forfeit proposed by"),
        null=True,
        blank=True,
        related_name="+",
    )
    forfeited_at = models.DateTimeField(_("forfeited at"), null=True, blank=True)
    forfeited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("forfeited by"),
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.UniqueConstraint(
                fields=["commission", "reason"], condition=Q(lifted_at__isnull=True), name="hold_one_open"
            ),
            models.CheckConstraint(
                condition=Q(forfeited_at__isnull=True, forfeited_by__isnull=True)
                | Q(
                    forfeited_at__isnull=False,
                    forfeited_by__isnull=False,
                    forfeit_proposed_by__isnull=False,
                    lifted_at__isnull=True,
                )
                & ~Q(forfeited_by=F("forfeit_proposed_by")),
                name="hold_forfeited_by_two",
            ),
        ]
        indexes = [
            # Serves "open holds by reason", the risk queue and the end of a suspension.
            models.Index(fields=["reason"], name="hold_open", condition=Q(lifted_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.reason}: {self.commission}"


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
