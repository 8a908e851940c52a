"""Papers: immutable versions of documents, their files and the page images made of them (ONB-2, ONB-9).

Nothing of a paper is in the database but its outline: the bytes are in the private storage, under random names.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from affiliates.models.case import Case


class Document(models.Model):
    """One version of one paper of a case, with its verdict. A new upload supersedes, never overwrites (ONB-2)."""

    class Kind(models.TextChoices):
        BUSINESS_LICENCE = "business_licence", _("business licence")
        ID_FRONT = "id_front", _("ID card, side with the portrait")
        ID_BACK = "id_back", _("ID card, side with the emblem")
        SETTLEMENT_PROOF = "settlement_proof", _("proof of the settlement account")
        TAX_PROOF = "tax_proof", _("tax certificates or registration")

    class Verdict(models.TextChoices):
        PENDING = "pending", _("to be reviewed")
        ACCEPTED = "accepted", _("accepted")
        RESUBMIT = "resubmit", _("to be submitted again")
        REJECTED = "rejected", _("rejected")
        SUPERSEDED = "superseded", _("superseded")

    case = models.ForeignKey(Case, models.PROTECT, verbose_name=_("case"), related_name="documents")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    version = models.PositiveSmallIntegerField(_("version"))
    # Of the digests of its files in order: what a decision is bound to.
    sha256 = models.CharField("SHA-256", max_length=64)
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices, default=Verdict.PENDING)
    reason_code = models.CharField(_("reason"), max_length=40, blank=True, default="")
    internal_note = models.TextField(_("internal note"), blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("decided by"),
        related_name="+",
        null=True,
        blank=True,
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("uploaded by"), related_name="+"
    )
    uploaded_at = models.DateTimeField(_("uploaded at"))
    # Set by the retention job once its files are gone (ONB-9).
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=["business_licence", "id_front", "id_back", "settlement_proof", "tax_proof"]
                ),
                name="document_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["pending", "accepted", "resubmit", "rejected", "superseded"]),
                name="document_verdict_known",
            ),
            models.UniqueConstraint(fields=["case", "kind", "version"], name="document_version_once"),
            models.UniqueConstraint(
                fields=["case", "kind"], condition=~Q(verdict="superseded"), name="document_one_current"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="document_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["pending", "superseded"]) | Q(decided_by__isnull=False),
                name="document_verdict_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(verdict__in=["resubmit", "rejected"]) | ~Q(reason_code=""),
                name="document_refused_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} v{self.version}"


class DocumentFile(models.Model):
    """One file of a document as it is kept: images without metadata, PDFs as they came."""

    document = models.ForeignKey(Document, models.PROTECT, related_name="files")
    position = models.PositiveSmallIntegerField()
    media_type = models.CharField(max_length=30)
    size = models.PositiveIntegerField()
    # Of the bytes that are kept, and of those that were uploaded.
    sha256 = models.CharField(max_length=64)
    uploaded_sha256 = models.CharField(max_length=64)
    # Its name in the private storage: random, without meaning.
    key = models.CharField(max_length=100)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="document_file_position"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}/{self.position}"


class DocumentPage(models.Model):
    """One page as an image to look at: the only form in which a paper is shown."""

    document = models.ForeignKey(Document, models.PROTECT, related_name="pages")
    file = models.ForeignKey(DocumentFile, models.PROTECT, related_name="pages")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=100)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    # Degrees clockwise that it is to be shown turned by; it changes no byte.
    rotation = models.PositiveSmallIntegerField(default=0)
    # What the picture itself shows, codes of `affiliates.checks`: too_small, blurred, grey.
    hints = ArrayField(models.CharField(max_length=30), default=list, blank=True)

    class Meta:
        verbose_name = _("page")
        verbose_name_plural = _("pages")
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="document_page_position"),
            models.CheckConstraint(
                condition=Q(rotation__in=[0, 90, 180, 270]), name="document_page_rotation_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} p{self.position}"


class LivenessCheck(models.Model):
    """One attempt at the liveness check of a legal representative (ONB-1)."""

    class State(models.TextChoices):
        STARTED = "started", _("started")
        PASSED = "passed", _("passed")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("expired")

    case = models.ForeignKey(Case, models.PROTECT, related_name="liveness_checks")
    vendor = models.CharField(_("vendor"), max_length=20)
    # The vendor's name for the attempt, by which its result is fetched server to server.
    reference = models.CharField(_("reference"), max_length=64)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.STARTED)
    # The vendor's own code for a failure.
    failure = models.CharField(_("failure"), max_length=40, blank=True, default="")
    # Of name and ID number that it was made for: another number needs another check.
    subject_digest = models.CharField(max_length=64)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    # The best frame in the private storage; empty when there is none, or no more (ONB-9).
    frame_key = models.CharField(max_length=100, blank=True, default="")
    frame_sha256 = models.CharField(max_length=64, blank=True, default="")
    frame_erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("liveness check")
        verbose_name_plural = _("liveness checks")
        constraints = [
            models.UniqueConstraint(fields=["vendor", "reference"], name="liveness_reference_once"),
            models.CheckConstraint(
                condition=Q(state__in=["started", "passed", "failed", "expired"]), name="liveness_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="started", finished_at__isnull=True)
                | (~Q(state="started") & Q(finished_at__isnull=False)),
                name="liveness_finished_at_its_end",
            ),
        ]
        indexes = [
            # Serves the case's latest attempt.
            models.Index(fields=["case", "-started_at"], name="liveness_of_case"),
        ]

    def __str__(self) -> str:
        return f"{self.vendor} {self.reference}"
