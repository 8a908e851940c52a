"""Orders and the events that happened to them.

An order's truth is the set of its events (`OrderEvent`), which is only ever added to. The columns of `Order`
beside its key are a reading of that set, refreshed with each new fact, so that lists and sweeps need no JSON.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.merchant import Merchant, OrderSource
from orders.models.tracking import Click


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
