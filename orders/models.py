"""Merchants and what their order systems tell: clicks, orders and the events that happened to them.

An order's truth is the set of its events (`OrderEvent`), which is only ever added to. The columns of `Order`
beside its key are a reading of that set, refreshed with each new fact, so that lists and sweeps need no JSON.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Pid
from portal.encryption import EncryptedTextField
from portal.models import MemberRole


class MerchantQuerySet(models.QuerySet["Merchant"]):
    def of(self, user: Any) -> MerchantQuerySet:
        """The merchants that `user` is a member of."""
        return self.filter(members__user=user)


class Merchant(models.Model):
    """A shop that pays commission for the orders that affiliates bring."""

    class Rating(models.TextChoices):
        L1 = "L1"
        L2 = "L2"
        L3 = "L3"
        L4 = "L4"
        L5 = "L5"

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")

    code = models.CharField(
        _("code"),
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"\A[A-Za-z0-9-]+\Z", _("Use letters, digits and hyphens."))],
    )
    name = models.CharField(_("name"), max_length=200)
    store_rating = models.CharField(
        _("store rating"), max_length=2, choices=Rating.choices, default=Rating.L3
    )
    # A suspended merchant's clicks stop counting; its releases go on (LIFE-11).
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = MerchantQuerySet.as_manager()

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(store_rating__in=["L1", "L2", "L3", "L4", "L5"]),
                name="merchant_rating_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "suspended"]), name="merchant_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class MerchantMember(models.Model):
    """A user who may act for a merchant."""

    merchant = models.ForeignKey(Merchant, models.CASCADE, verbose_name=_("merchant"), related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="merchant_memberships"
    )
    role = models.CharField(_("role"), max_length=10, choices=MemberRole.choices, default=MemberRole.MEMBER)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("merchant member")
        verbose_name_plural = _("merchant members")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "user"], name="merchant_member_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=MemberRole.values), name="merchant_member_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.merchant}"


class MerchantDomain(models.Model):
    """A host that links may lead to, once verified (ATTR-2)."""

    merchant = models.ForeignKey(Merchant, models.CASCADE, verbose_name=_("merchant"), related_name="domains")
    host = models.CharField(
        _("host"),
        max_length=253,
        unique=True,
        validators=[
            RegexValidator(
                r"\A(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})+\Z",
                _("Give a bare host name in lower case, such as shop.example.com."),
            )
        ],
    )
    verified_at = models.DateTimeField(_("verified at"), null=True, blank=True)

    class Meta:
        verbose_name = _("merchant domain")
        verbose_name_plural = _("merchant domains")

    def __str__(self) -> str:
        return self.host


class AttributionWindow(models.Model):
    """How many days after its click an order still counts, from `effective_at` on (RATE-5). Append-only."""

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="attribution_windows"
    )
    days = models.PositiveSmallIntegerField(
        _("days"), validators=[MinValueValidator(1), MaxValueValidator(90)]
    )
    effective_at = models.DateTimeField(_("effective from"))

    class Meta:
        verbose_name = _("attribution window")
        verbose_name_plural = _("attribution windows")
        constraints = [
            models.CheckConstraint(condition=models.Q(days__range=(1, 90)), name="window_1_to_90_days"),
            # Serves "the window in force when the order was placed".
            models.UniqueConstraint(fields=["merchant", "effective_at"], name="window_one_per_instant"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant}: {self.days} d"


class OrderSource(models.Model):
    """A machine that posts signed order events, for the merchants bound to it and no others (SPEC §10)."""

    code = models.CharField(
        _("code"), max_length=40, unique=True, validators=[RegexValidator(r"\A[A-Za-z0-9-]+\Z")]
    )
    name = models.CharField(_("name"), max_length=200)
    merchants = models.ManyToManyField(Merchant, verbose_name=_("merchants"), related_name="order_sources")
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("order source")
        verbose_name_plural = _("order sources")

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class OrderSourceSecret(models.Model):
    """A signing secret of an order source. During a rotation two are valid at once (ATTR-8)."""

    source = models.ForeignKey(
        OrderSource, models.CASCADE, verbose_name=_("order source"), related_name="secrets"
    )
    secret = EncryptedTextField(_("secret"))
    created_at = models.DateTimeField(_("created at"))
    # Null: valid until rotated. Set: the end of the overlap.
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    class Meta:
        verbose_name = _("order source secret")
        verbose_name_plural = _("order source secrets")

    def __str__(self) -> str:
        return f"{self.source.code} · {self.created_at:%Y-%m-%d}"


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


class Order(models.Model):
    """A buyer's order at a merchant: the row that is locked whenever one of its facts is taken in."""

    class Flag(models.TextChoices):
        PAID_TWICE = "paid_twice", _("paid twice")
        OVER_REFUNDED = "over_refunded", _("refunded more than paid")

    merchant = models.ForeignKey(Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="orders")
    order_id = models.CharField(_("order number"), max_length=100)
    # Null while nothing but parked facts are known of it (LIFE-7).
    ordered_at = models.DateTimeField(_("ordered at"), null=True, editable=False)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="", editable=False)
    country = models.CharField(_("buyer country"), max_length=2, blank=True, default="", editable=False)
    category_id = models.CharField(_("category"), max_length=100, blank=True, default="", editable=False)
    paid_amount = models.BigIntegerField(_("paid"), null=True, editable=False)
    paid_at = models.DateTimeField(_("paid at"), null=True, editable=False)
    # Set while payment is awaited, cleared by payment, cancellation and expiry (LIFE-4).
    expires_at = models.DateTimeField(_("expires at"), null=True, editable=False)
    # The click that the order is attributed to, or why there is none (LIFE-8, DIAG-2).
    click = models.ForeignKey(
        Click,
        models.PROTECT,
        verbose_name=_("click"),
        related_name="orders",
        null=True,
        editable=False,
        db_constraint=False,
    )
    attribution_code = models.CharField(_("not attributed because"), max_length=30, blank=True, default="")
    flags = ArrayField(models.CharField(max_length=20), default=list, blank=True, editable=False)
    first_seen_at = models.DateTimeField(_("first seen at"), editable=False)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            # The same number may exist at another merchant (SPEC §10).
            models.UniqueConstraint(fields=["merchant", "order_id"], name="order_once_per_merchant"),
        ]
        indexes = [
            # Serves the sweep that expires unpaid orders.
            models.Index(
                fields=["expires_at"], name="order_expiring", condition=models.Q(expires_at__isnull=False)
            ),
            # Serves "facts parked for more than 24 hours".
            models.Index(
                fields=["first_seen_at"], name="order_parked", condition=models.Q(ordered_at__isnull=True)
            ),
            # Serves the search by number alone.
            models.Index(fields=["order_id"], name="order_number"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}"


class OrderEvent(models.Model):
    """One accepted event, kept for good: the allow-listed fields and a hash of the body (SPEC §10). Append-only."""

    class Type(models.TextChoices):
        AWAITING_PAYMENT = "order.awaiting_payment", _("awaiting payment")
        PAID = "order.paid", _("paid")
        CANCELLED = "order.cancelled", _("cancelled")
        COMPLETED = "order.completed", _("completed")
        REFUNDED = "order.refunded", _("refunded")
        DISPUTE_OPENED = "order.dispute_opened", _("dispute opened")
        DISPUTE_RESOLVED = "order.dispute_resolved", _("dispute resolved")

    source = models.ForeignKey(
        OrderSource,
        models.PROTECT,
        verbose_name=_("order source"),
        related_name="events",
        db_constraint=False,
    )
    event_id = models.CharField(_("event id"), max_length=100)
    order = models.ForeignKey(Order, models.PROTECT, verbose_name=_("order"), related_name="events")
    type = models.CharField(_("type"), max_length=30, choices=Type.choices)
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))
    facts = models.JSONField(_("facts"))
    body_hash = models.BinaryField(_("body hash"), max_length=32)
    answer = models.JSONField(_("first answer"))

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        constraints = [
            models.UniqueConstraint(fields=["source", "event_id"], name="event_once_per_source"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class RejectedEvent(models.Model):
    """An event that was refused, with the reason that its sender was told. Append-only.

    It does not use up its event id: once mended it may be sent again under the same id.
    """

    source = models.ForeignKey(
        OrderSource, models.PROTECT, verbose_name=_("order source"), related_name="rejected_events"
    )
    event_id = models.CharField(_("event id"), max_length=100, blank=True)
    merchant_code = models.CharField(_("merchant"), max_length=100, blank=True)
    order_number = models.CharField(_("order number"), max_length=100, blank=True)
    code = models.CharField(_("code"), max_length=40)
    field = models.CharField(_("field"), max_length=100, blank=True)
    message = models.CharField(_("message"), max_length=300)
    body_hash = models.BinaryField(_("body hash"), max_length=32)
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("rejected event")
        verbose_name_plural = _("rejected events")
        indexes = [
            # Serves a source's list of recent refusals.
            models.Index(fields=["source", "-received_at"], name="rejected_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.event_id}"
