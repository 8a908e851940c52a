"""Affiliates, their people, the channels they promote on, their PIDs and what they have chosen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext_lazy as _

from affiliates.models.company import Company
from portal.models import MemberRole

code_part = RegexValidator(r"\A[a-z0-9]{1,20}\Z", _("Use 1 to 20 lower-case letters and digits."))
"""PIDs are joined by underscores (ATTR-1), so none of their parts may contain one."""


class AffiliateQuerySet(models.QuerySet["Affiliate"]):
    def of(self, user: Any) -> AffiliateQuerySet:
        """The affiliates that `user` is a member of."""
        return self.filter(members__user=user)


class Affiliate(models.Model):
    """Someone who promotes merchants and earns commission: a KOC, an MCN or an independent site."""

    class Kind(models.TextChoices):
        KOC = "koc", _("KOC (key opinion consumer)")
        MCN = "mcn", _("MCN (multi-channel network)")
        INDEPENDENT_SITE = "independent_site", _("Independent site")

    code = models.CharField(_("code"), max_length=20, unique=True, validators=[code_part])
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("type"), max_length=20, choices=Kind.choices)
    # Null until its onboarding is approved. Two affiliates of one company are possible, and shown to reviewers.
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        verbose_name=_("company"),
        related_name="affiliates",
        null=True,
        blank=True,
    )
    # Where and what it promotes (ONB-8): country codes, category ids.
    regions = ArrayField(models.CharField(max_length=2), verbose_name=_("regions"), default=list, blank=True)
    categories = ArrayField(
        models.CharField(max_length=100), verbose_name=_("categories"), default=list, blank=True
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    # Null while on probation; set once, by the first promoted order that is really paid (ONB-7).
    unlocked_at = models.DateTimeField(_("unlocked at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = AffiliateQuerySet.as_manager()

    class Meta:
        verbose_name = _("affiliate")
        verbose_name_plural = _("affiliates")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["koc", "mcn", "independent_site"]), name="affiliate_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    @property
    def on_probation(self) -> bool:
        return self.unlocked_at is None


class AffiliateMember(models.Model):
    """A user who may act for an affiliate."""

    affiliate = models.ForeignKey(
        Affiliate, models.CASCADE, verbose_name=_("affiliate"), related_name="members"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="affiliate_memberships"
    )
    role = models.CharField(_("role"), max_length=10, choices=MemberRole.choices, default=MemberRole.MEMBER)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("affiliate member")
        verbose_name_plural = _("affiliate members")
        constraints = [
            models.UniqueConstraint(fields=["affiliate", "user"], name="affiliate_member_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=MemberRole.values), name="affiliate_member_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.affiliate}"


class Suspension(models.Model):
    """A span of time in which an affiliate's clicks don't count and its unreleased commissions are held."""

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="suspensions"
    )
    reason = models.CharField(_("reason"), max_length=500)
    suspended_at = models.DateTimeField(_("suspended at"))
    suspended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("suspended by"), related_name="+"
    )
    reinstated_at = models.DateTimeField(_("reinstated at"), null=True, blank=True)
    reinstated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("reinstated by"),
        related_name="+",
        null=True,
        blank=True,
    )

    class Meta:
        verbose_name = _("suspension")
        verbose_name_plural = _("suspensions")
        constraints = [
            # One suspension at a time; also serves "is this affiliate suspended now?".
            models.UniqueConstraint(
                fields=["affiliate"],
                condition=models.Q(reinstated_at__isnull=True),
                name="suspension_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(reinstated_at__isnull=True, reinstated_by__isnull=True)
                | models.Q(reinstated_at__isnull=False, reinstated_by__isnull=False),
                name="suspension_reinstated_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate}: {self.reason}"


class Channel(models.Model):
    """Where an affiliate promotes: a platform account or a site of its own."""

    class Platform(models.TextChoices):
        WECHAT = "wechat", _("WeChat")
        QQ = "qq", "QQ"
        TIKTOK = "tiktok", "TikTok"
        YOUTUBE = "youtube", "YouTube"
        INSTAGRAM = "instagram", "Instagram"
        TELEGRAM = "telegram", "Telegram"
        VK = "vk", "VK"
        WEBSITE = "website", _("Website")
        OTHER = "other", _("Other")

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="channels"
    )
    code = models.CharField(_("code"), max_length=20, validators=[code_part])
    platform = models.CharField(_("platform"), max_length=20, choices=Platform.choices)
    handle = models.CharField(_("handle or URL"), max_length=300)
    audience = models.PositiveIntegerField(_("followers or daily visitors"), null=True, blank=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.UniqueConstraint(fields=["affiliate", "code"], name="channel_code_once_per_affiliate"),
        ]

    def __str__(self) -> str:
        return f"{self.get_platform_display()} · {self.handle}"


class PidQuerySet(models.QuerySet["Pid"]):
    def quiet(self, *, before: datetime) -> PidQuerySet:
        """Those not frozen that have had no valid click since `before`, as the last sweep knew it (ATTR-4)."""
        since = Greatest("active_since", Coalesce("last_valid_click_at", "active_since"))
        return self.filter(frozen_at__isnull=True).alias(since=since).filter(since__lte=before)


class Pid(models.Model):
    """A promotion id, `mm_<affiliate>_<channel>_<placement>`: the placement a click came from (ATTR-1)."""

    channel = models.ForeignKey(Channel, models.PROTECT, verbose_name=_("channel"), related_name="pids")
    # The channel's affiliate, repeated here so that attribution needs no second join.
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="pids", editable=False
    )
    placement = models.CharField(_("placement"), max_length=20, validators=[code_part])
    value = models.CharField(_("PID"), max_length=80, unique=True, editable=False)
    # Thirty days without a valid click are counted from here: its making, or its last reactivation (ATTR-4).
    active_since = models.DateTimeField(_("counted from"), db_default=Now(), editable=False)
    # As the last sweep knew it; the clicks themselves may be newer. Never written by a click.
    last_valid_click_at = models.DateTimeField(_("last valid click"), null=True, blank=True, editable=False)
    # Set while it is frozen; `PidFreeze` keeps what was.
    frozen_at = models.DateTimeField(_("frozen at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = PidQuerySet.as_manager()

    class Meta:
        verbose_name = "PID"
        verbose_name_plural = "PID"
        constraints = [
            models.UniqueConstraint(fields=["channel", "placement"], name="pid_placement_once_per_channel"),
        ]
        indexes = [
            # Serves the sweep: who has been quiet for longest among those that aren't frozen.
            models.Index(
                Greatest("active_since", Coalesce("last_valid_click_at", "active_since")),
                name="pid_quiet_since",
                condition=models.Q(frozen_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.value

    @property
    def quiet_since(self) -> datetime:
        """When the thirty days began that end in its freezing, as the last sweep knew it."""
        return max(self.active_since, self.last_valid_click_at or self.active_since)


class PidFreeze(models.Model):
    """A span of time in which a PID was frozen: its clicks of that time never attribute (ATTR-4)."""

    pid = models.ForeignKey(Pid, models.PROTECT, verbose_name="PID", related_name="freezes")
    frozen_at = models.DateTimeField(_("frozen at"))
    reactivated_at = models.DateTimeField(_("reactivated at"), null=True, blank=True)
    reactivated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("reactivated by"),
        related_name="+",
        null=True,
        blank=True,
    )

    class Meta:
        verbose_name = _("freeze of a PID")
        verbose_name_plural = _("freezes of PIDs")
        constraints = [
            models.UniqueConstraint(
                fields=["pid"],
                condition=models.Q(reactivated_at__isnull=True),
                name="pid_frozen_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(reactivated_at__isnull=True, reactivated_by__isnull=True)
                | models.Q(reactivated_at__isnull=False, reactivated_by__isnull=False),
                name="pid_reactivated_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pid} · {self.frozen_at:%Y-%m-%d}"


class FreezeWarning(models.Model):
    """That a PID's affiliate was warned of its freezing, once for each quiet period (ATTR-4)."""

    pid = models.ForeignKey(Pid, models.PROTECT, verbose_name="PID", related_name="warnings")
    # The quiet period: from the last valid click, or from when the PID began to count.
    quiet_since = models.DateTimeField(_("quiet since"))
    freezes_at = models.DateTimeField(_("freezes at"))
    warned_at = models.DateTimeField(_("warned at"))

    class Meta:
        verbose_name = _("freeze warning")
        verbose_name_plural = _("freeze warnings")
        constraints = [
            models.UniqueConstraint(fields=["pid", "quiet_since"], name="freeze_warning_once_per_period"),
        ]

    def __str__(self) -> str:
        return f"{self.pid} · {self.freezes_at:%Y-%m-%d}"


class CommissionPreference(models.Model):
    """One choice of the "$0.01起佣" switch, in force from `effective_at` on (PRICE-5). Append-only."""

    ONE_CENT = 1
    TEN_CENTS = 10

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="preferences"
    )
    # In cents; commissions below it are not paid.
    minimum_unit = models.PositiveSmallIntegerField(
        _("minimum unit"), choices=[(ONE_CENT, "$0.01"), (TEN_CENTS, "$0.10")]
    )
    effective_at = models.DateTimeField(_("effective from"))
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("chosen by"),
        related_name="+",
        null=True,
        blank=True,
    )

    class Meta:
        verbose_name = _("commission preference")
        verbose_name_plural = _("commission preferences")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(minimum_unit__in=[1, 10]), name="preference_minimum_unit_known"
            ),
            # Serves "the latest choice at the time of the order".
            models.UniqueConstraint(fields=["affiliate", "effective_at"], name="preference_one_per_instant"),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate}: {self.get_minimum_unit_display()}"


DEFAULT_MINIMUM_UNIT = CommissionPreference.TEN_CENTS


def minimum_unit_at(choices: list[tuple[datetime, int]], at: datetime) -> int:
    """The minimum unit in cents in force at `at`, given (effective_at, minimum_unit) pairs in any order (PRICE-5)."""
    past = [choice for choice in choices if choice[0] <= at]
    return max(past)[1] if past else DEFAULT_MINIMUM_UNIT
