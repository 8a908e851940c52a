"""People who sign in.

A user signs in by e-mail. What a user may see follows from memberships (of an affiliate in `affiliates`, of a
merchant in `orders`) and, for staff, from the groups named in `StaffGroup`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class StaffGroup(models.TextChoices):
    """The names of the staff groups. A migration creates them; permissions hang on them."""

    KYC_REVIEWER = "kyc_reviewer", _("KYC reviewer")
    KYC_SENIOR = "kyc_senior", _("senior KYC reviewer")
    FINANCE = "finance", _("finance")
    RISK = "risk", _("risk")
    SUPPORT = "support", _("support")


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail; the address is compared without regard to case."""

    use_in_migrations = True

    def _create(self, email: str, password: str | None, **extra: Any) -> User:
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        extra.setdefault("is_staff", False)
        extra.setdefault("is_superuser", False)
        return self._create(email, password, **extra)

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self._create(email, password, **{**extra, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person who signs in with an e-mail address."""

    class Language(models.TextChoices):
        ZH_HANS = "zh-hans", "简体中文"
        EN = "en", "English"

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    language = models.CharField(
        _("language"), max_length=10, choices=Language.choices, default=Language.ZH_HANS
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            # Two people can't share an address that differs only by case.
            models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.split("@")[0]


class MemberRole(models.TextChoices):
    """What a member may do in a merchant or an affiliate: an owner also manages members and keys."""

    OWNER = "owner", _("owner")
    MEMBER = "member", _("member")


class AuditEntry(models.Model):
    """One row of the audit trail: who did what to what, when and why. Append-only, by a trigger."""

    action = models.CharField(_("action"), max_length=60)
    # Null: the system itself, by a timer.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    target_type = models.CharField(_("what"), max_length=60)
    target_id = models.CharField(_("which"), max_length=60)
    at = models.DateTimeField(_("at"))
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    data = models.JSONField(_("details"), default=dict, blank=True)
    # Leads to the log lines of the request or task; empty for a command.
    request_id = models.CharField(_("request"), max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        indexes = [
            # Serves "what happened to this object".
            models.Index(fields=["target_type", "target_id", "-at"], name="audit_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"


class OutgoingMail(models.Model):
    """A mail that is to be sent, or was: the outbox that `portal.mail` works off."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("to"), related_name="+")
    # As it was when the mail was written: a notice of a change goes to the address before it.
    address = models.EmailField(_("e-mail address"))
    template = models.CharField(_("template"), max_length=100)
    context = models.JSONField(_("details"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next attempt at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    given_up_at = models.DateTimeField(_("given up at"), null=True, blank=True)

    class Meta:
        verbose_name = _("outgoing mail")
        verbose_name_plural = _("outgoing mail")
        indexes = [
            # Serves the round that sends what waits.
            models.Index(
                fields=["next_at"],
                name="mail_waiting",
                condition=models.Q(sent_at__isnull=True, given_up_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.pk}"
