"""What one order earns one affiliate, each step of it, and what holds it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from commissions.models.terms import Mode
from orders.models import Click, Merchant, Order, OrderEvent
from portal.paging import Mark


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
