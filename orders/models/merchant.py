"""Merchants, their people, their hosts and the machines that speak for them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate, Company
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
    # Null while the marketplace has told nothing of the legal entity.
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        verbose_name=_("company"),
        related_name="merchants",
        null=True,
        blank=True,
    )
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


class SellerAffiliate(models.Model):
    """That a seller of the marketplace promotes too: the affiliate of the same company (ONB-6)."""

    merchant = models.OneToOneField(
        Merchant, models.PROTECT, verbose_name=_("merchant"), related_name="seller_affiliate"
    )
    affiliate = models.OneToOneField(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="seller_affiliate"
    )
    enabled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("enabled by"), related_name="+"
    )
    enabled_at = models.DateTimeField(_("enabled at"))

    class Meta:
        verbose_name = _("seller with affiliate permission")
        verbose_name_plural = _("sellers with affiliate permission")

    def __str__(self) -> str:
        return f"{self.merchant} · {self.affiliate}"


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
