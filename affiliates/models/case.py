"""Review cases and what the applicant declares in them (ONB-1…5).

A case is one request for a decision by two reviewers: the onboarding of an affiliate, a change of its settlement
account, or the renewal of a paper that expires. Its declarations are rows of their own, one per step, so that
each step saves by itself. What has happened to a case is kept as `CaseEvent`s, which are only ever added to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from affiliates.models.affiliate import Affiliate
from affiliates.models.company import Company
from portal.encryption import EncryptedTextField


class CaseQuerySet(models.QuerySet["Case"]):
    def awaiting_review(self) -> CaseQuerySet:
        """Cases that it is a reviewer's turn to act on, the soonest due first."""
        return self.filter(state__in=Case.REVIEWERS_TURN).order_by("due_at", "id")

    def open(self) -> CaseQuerySet:
        return self.exclude(state__in=Case.CLOSED)

    def claimable(self, at: datetime) -> CaseQuerySet:
        """Cases that nobody holds a lease on at `at`."""
        return self.awaiting_review().filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=at))


class Case(models.Model):
    """One request for a decision: its state, its clock, who works on it and what was decided."""

    class Kind(models.TextChoices):
        ONBOARDING = "onboarding", _("onboarding")
        SETTLEMENT_CHANGE = "settlement_change", _("change of settlement account")
        RENEWAL = "renewal", _("renewal of papers")

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        SUBMITTED = "submitted", _("submitted")
        IN_REVIEW = "in_review", _("in review")
        AWAITING_SECOND_REVIEW = "awaiting_second_review", _("awaiting second review")
        APPROVED = "approved", _("approved")
        CHANGES_REQUESTED = "changes_requested", _("changes requested")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Outcome(models.TextChoices):
        APPROVE = "approve", _("approve")
        REJECT = "reject", _("reject")

    APPLICANTS_TURN = (State.DRAFT, State.CHANGES_REQUESTED)
    REVIEWERS_TURN = (State.SUBMITTED, State.IN_REVIEW, State.AWAITING_SECOND_REVIEW)
    CLOSED = (State.APPROVED, State.REJECTED, State.WITHDRAWN)

    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="cases"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=30, choices=State.choices, default=State.DRAFT)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("opened by"), related_name="+"
    )
    opened_at = models.DateTimeField(_("opened at"))
    # A company that was verified before, by the marketplace or in an earlier case: its papers aren't asked again.
    verified_company = models.ForeignKey(
        Company,
        models.PROTECT,
        verbose_name=_("verified company"),
        related_name="+",
        null=True,
        blank=True,
    )
    # The steps that a change request has opened again; the others stay as they are.
    reopened = ArrayField(
        models.CharField(max_length=20), verbose_name=_("reopened"), default=list, blank=True
    )
    first_submitted_at = models.DateTimeField(_("first submitted at"), null=True, blank=True)
    submitted_at = models.DateTimeField(_("last submitted at"), null=True, blank=True)

    # The clock (ONB-3): it runs while it is the reviewers' turn. `worked_seconds` is the working time used up
    # before it was last started; `due_at` is when the target runs out, null while it stands still.
    clock_started_at = models.DateTimeField(_("clock started at"), null=True, blank=True)
    worked_seconds = models.PositiveIntegerField(_("working seconds used"), default=0)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)

    # A reviewer's lease: who works on it and until when nobody else will be given it.
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("claimed by"),
        related_name="+",
        null=True,
        blank=True,
    )
    lease_expires_at = models.DateTimeField(_("lease expires at"), null=True, blank=True)

    # Two pairs of eyes (ONB-4). The digests are of all evidence as the person saw it.
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True, default="")
    reason_code = models.CharField(_("reason"), max_length=40, blank=True, default="")
    first_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("first reviewer"),
        related_name="+",
        null=True,
        blank=True,
    )
    first_at = models.DateTimeField(_("first decision at"), null=True, blank=True)
    first_digest = models.CharField(_("evidence of the first"), max_length=64, blank=True, default="")
    second_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("second reviewer"),
        related_name="+",
        null=True,
        blank=True,
    )
    second_at = models.DateTimeField(_("second decision at"), null=True, blank=True)
    second_digest = models.CharField(_("evidence of the second"), max_length=64, blank=True, default="")
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        permissions = [
            ("review_case", _("Can review cases and decide first")),
            ("decide_case", _("Can decide cases finally, as the second person")),
            ("reveal_papers", _("Can reveal masked numbers and download papers")),
            ("manage_review", _("Can see reviewers' workload and the SLA board")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["onboarding", "settlement_change", "renewal"]), name="case_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "draft",
                        "submitted",
                        "in_review",
                        "awaiting_second_review",
                        "approved",
                        "changes_requested",
                        "rejected",
                        "withdrawn",
                    ]
                ),
                name="case_state_known",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "approve", "reject"]), name="case_outcome_known"
            ),
            models.UniqueConstraint(
                fields=["affiliate", "kind"],
                condition=~Q(state__in=["approved", "rejected", "withdrawn"]),
                name="case_one_open_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(claimed_by__isnull=True, lease_expires_at__isnull=True)
                | Q(claimed_by__isnull=False, lease_expires_at__isnull=False),
                name="case_lease_of_somebody",
            ),
            models.CheckConstraint(
                condition=Q(first_by__isnull=True, first_at__isnull=True, first_digest="", outcome="")
                | (Q(first_by__isnull=False, first_at__isnull=False) & ~Q(first_digest="") & ~Q(outcome="")),
                name="case_first_decision_whole",
            ),
            models.CheckConstraint(
                condition=Q(second_by__isnull=True, second_at__isnull=True, second_digest="")
                | Q(
                    second_by__isnull=False,
                    second_at__isnull=False,
                    first_by__isnull=False,
                    second_digest=F("first_digest"),
                ),
                name="case_second_saw_what_the_first_saw",
            ),
            models.CheckConstraint(
                condition=Q(second_by__isnull=True) | ~Q(second_by=F("first_by")),
                name="case_two_different_people",
            ),
            # Final outcomes take both, and a first decision alone waits for its second.
            models.CheckConstraint(
                condition=Q(state="approved", outcome="approve", second_by__isnull=False)
                | Q(state="rejected", outcome="reject", second_by__isnull=False)
                | Q(state="awaiting_second_review", first_by__isnull=False, second_by__isnull=True)
                | (
                    ~Q(state__in=["approved", "rejected", "awaiting_second_review"])
                    & Q(second_by__isnull=True, first_by__isnull=True)
                ),
                name="case_decided_by_two",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["approved", "rejected", "withdrawn"], closed_at__isnull=False)
                | (~Q(state__in=["approved", "rejected", "withdrawn"]) & Q(closed_at__isnull=True)),
                name="case_closed_at_its_end",
            ),
            # The clock runs exactly while it is the reviewers' turn.
            models.CheckConstraint(
                condition=Q(
                    state__in=["submitted", "in_review", "awaiting_second_review"],
                    clock_started_at__isnull=False,
                    due_at__isnull=False,
                )
                | (
                    ~Q(state__in=["submitted", "in_review", "awaiting_second_review"])
                    & Q(clock_started_at__isnull=True, due_at__isnull=True)
                ),
                name="case_clock_runs_in_review",
            ),
        ]
        indexes = [
            # Serves the queue in the order of due time, and "claim next".
            models.Index(
                fields=["due_at", "id"],
                name="case_queue",
                condition=Q(state__in=["submitted", "in_review", "awaiting_second_review"]),
            ),
            # Serves a reviewer's workload and "my cases".
            models.Index(
                fields=["claimed_by", "lease_expires_at"],
                name="case_claimed",
                condition=Q(claimed_by__isnull=False),
            ),
            # Serves the SLA board and the retention job.
            models.Index(fields=["closed_at"], name="case_closed", condition=Q(closed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.affiliate}"

    @property
    def is_open(self) -> bool:
        return self.state not in self.CLOSED

    @property
    def clock_is_paused(self) -> bool:
        return self.state == self.State.CHANGES_REQUESTED


class CompanyDeclaration(models.Model):
    """What the applicant says of the company: step "business licence" (ONB-1)."""

    case = models.OneToOneField(Case, models.PROTECT, related_name="company")
    entity = models.CharField(_("legal form"), max_length=20, choices=Company.Entity.choices)
    name = models.CharField(_("company name"), max_length=200)
    uscc = models.CharField(_("unified social credit code"), max_length=18)
    address = models.CharField(_("registered address"), max_length=300, blank=True, default="")
    # As the licence names the legal representative, or the operator of a sole proprietor.
    representative_name = EncryptedTextField(_("legal representative on the licence"), blank=True, default="")
    # Null: valid for the long term (长期).
    valid_until = models.DateField(_("licence valid until"), null=True, blank=True)
    saved_at = models.DateTimeField(_("saved at"), db_default=Now())

    class Meta:
        verbose_name = _("business licence")
        verbose_name_plural = _("business licences")
        indexes = [
            # Serves the hint about a company that has applied before.
            models.Index(fields=["uscc"], name="declared_uscc"),
        ]

    def __str__(self) -> str:
        return self.name


class RepresentativeDeclaration(models.Model):
    """Who legally represents the company: step "legal representative" (ONB-1)."""

    case = models.OneToOneField(Case, models.PROTECT, related_name="representative")
    name = EncryptedTextField(_("name"))
    id_number = EncryptedTextField(_("ID number"))
    # Null: valid for the long term (长期).
    valid_until = models.DateField(_("ID valid until"), null=True, blank=True)
    saved_at = models.DateTimeField(_("saved at"), db_default=Now())

    class Meta:
        verbose_name = _("legal representative")
        verbose_name_plural = _("legal representatives")

    def __str__(self) -> str:
        return f"#{self.case_id}"


class AccountKind(models.TextChoices):
    """Where an affiliate may be paid (ONB-1)."""

    BANK = "bank", _("corporate bank account")
    ALIPAY = "alipay", _("enterprise Alipay account")


class SettlementDeclaration(models.Model):
    """Where the company wants to be paid: step "settlement account" (ONB-1)."""

    class AlipayKind(models.TextChoices):
        ENTERPRISE = "enterprise", _("enterprise")
        PERSONAL = "personal", _("personal")

    case = models.OneToOneField(Case, models.PROTECT, related_name="settlement")
    kind = models.CharField(_("kind"), max_length=10, choices=AccountKind.choices)
    account_name = models.CharField(_("account name"), max_length=200)
    # The bank account's number, or the Alipay login (e-mail address or phone number).
    account_number = EncryptedTextField(_("account number"))
    bank_name = models.CharField(_("bank"), max_length=100, blank=True, default="")
    branch_name = models.CharField(_("branch"), max_length=200, blank=True, default="")
    cnaps_code = models.CharField(_("CNAPS code"), max_length=12, blank=True, default="")
    alipay_kind = models.CharField(
        _("Alipay account"), max_length=10, choices=AlipayKind.choices, blank=True, default=""
    )
    saved_at = models.DateTimeField(_("saved at"), db_default=Now())

    class Meta:
        verbose_name = _("settlement account declaration")
        verbose_name_plural = _("settlement account declarations")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="bank", alipay_kind="") | (Q(kind="alipay") & ~Q(alipay_kind="")),
                name="settlement_declaration_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return self.account_name


class TaxDeclaration(models.Model):
    """What the company files about its taxes: step "tax filing" (ONB-1)."""

    class Proof(models.TextChoices):
        CERTIFICATES = "certificates", _("tax-payment certificates")
        REGISTRATION = "registration", _("tax registration certificate or registration-information form")

    case = models.OneToOneField(Case, models.PROTECT, related_name="tax")
    proof = models.CharField(_("proof"), max_length=20, choices=Proof.choices)
    taxpayer_name = models.CharField(_("taxpayer"), max_length=200)
    taxpayer_number = models.CharField(_("taxpayer number"), max_length=20)
    # The first days of the first and the last month covered; null for a registration.
    first_month = models.DateField(_("first month"), null=True, blank=True)
    last_month = models.DateField(_("last month"), null=True, blank=True)
    saved_at = models.DateTimeField(_("saved at"), db_default=Now())

    class Meta:
        verbose_name = _("tax filing")
        verbose_name_plural = _("tax filings")
        constraints = [
            models.CheckConstraint(
                condition=Q(proof="registration", first_month__isnull=True, last_month__isnull=True)
                | Q(
                    proof="certificates",
                    first_month__isnull=False,
                    last_month__isnull=False,
                    first_month__lte=F("last_month"),
                ),
                name="tax_declaration_months_of_certificates",
            ),
        ]

    def __str__(self) -> str:
        return self.taxpayer_name


class Consent(models.Model):
    """One consent as it was given: which text, by whom, when (ONB-9). Append-only."""

    class Kind(models.TextChoices):
        TERMS = "terms", _("programme terms")
        IDENTITY = "identity", _("use of identity papers")
        FACE = "face", _("use of the face for the liveness check")

    case = models.ForeignKey(Case, models.PROTECT, related_name="consents")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    # Which wording was agreed to, e.g. "2026-11".
    text_version = models.CharField(_("version of the text"), max_length=20)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("given by"), related_name="+"
    )
    given_at = models.DateTimeField(_("given at"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["case", "kind", "text_version"], name="consent_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.text_version}"


class CaseEvent(models.Model):
    """One step of a case's history. Append-only, by a trigger."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="events")
    # submit, claim, give_back, accept, request_changes, approve, reject, withdraw, void_decision, upload, note, …
    verb = models.CharField(_("what"), max_length=30)
    state_before = models.CharField(max_length=30, blank=True, default="")
    state_after = models.CharField(max_length=30, blank=True, default="")
    # Null: the system itself.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"), related_name="+", null=True
    )
    at = models.DateTimeField(_("at"))
    reason_code = models.CharField(_("reason"), max_length=40, blank=True, default="")
    # What only staff may read (ONB-5).
    internal_note = models.TextField(_("internal note"), blank=True, default="")
    # Small and without personal numbers: which document, which version.
    data = models.JSONField(default=dict, blank=True)
    # Working seconds that had been used up when it happened: stages of the SLA board are differences of it.
    worked_seconds = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("case event")
        verbose_name_plural = _("case events")
        indexes = [
            # Serves a case's history.
            models.Index(fields=["case", "id"], name="case_history"),
            # Serves the SLA board by reviewer and stage.
            models.Index(fields=["at"], name="case_event_recent"),
        ]

    def __str__(self) -> str:
        return f"#{self.case_id} {self.verb}"


def open_case_of(affiliate: Affiliate, kind: str) -> Any:
    """The affiliate's open case of this kind, or None."""
    return Case.objects.open().filter(affiliate=affiliate, kind=kind).first()
