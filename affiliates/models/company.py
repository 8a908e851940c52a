"""Companies: the legal entities behind affiliates, and behind sellers of the marketplace."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from portal.encryption import EncryptedTextField


class Company(models.Model):
    """A legal entity whose licence and legal representative have been verified, by our review or the marketplace."""

    class Entity(models.TextChoices):
        COMPANY = "company", _("company")
        SOLE_PROPRIETOR = "sole_proprietor", _("sole proprietor")

    uscc = models.CharField(_("unified social credit code"), max_length=18, unique=True)
    name = models.CharField(_("company name"), max_length=200)
    entity = models.CharField(_("legal form"), max_length=20, choices=Entity.choices)
    is_mainland = models.BooleanField(_("mainland China"), default=True)
    representative_name = EncryptedTextField(_("legal representative"), blank=True, default="")
    representative_id_number = EncryptedTextField(_("ID number"), blank=True, default="")
    # Null with `licence_is_long_term` for one that doesn't expire; the ID card's likewise.
    licence_valid_until = models.DateField(_("licence valid until"), null=True, blank=True)
    id_valid_until = models.DateField(_("ID valid until"), null=True, blank=True)
    verified_at = models.DateTimeField(_("verified at"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        constraints = [
            models.CheckConstraint(
                condition=Q(entity__in=["company", "sole_proprietor"]), name="company_entity_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.uscc})"
