"""Files of links as they were taken in."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate


class LinkUpload(models.Model):
    """A file of links that was taken in, with what became of each of its rows (ATTR-2)."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    affiliate = models.ForeignKey(
        Affiliate, models.PROTECT, verbose_name=_("affiliate"), related_name="link_uploads"
    )
    file_name = models.CharField(_("file"), max_length=200)
    # Per row: line, status, link, code, field, message, and the cells as they were given (orders.link_files).
    rows = models.JSONField(_("rows"))
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("uploaded by"), related_name="+"
    )
    uploaded_at = models.DateTimeField(_("uploaded at"))

    class Meta:
        verbose_name = _("file of links")
        verbose_name_plural = _("files of links")
        indexes = [
            # Serves an affiliate's list of its latest files.
            models.Index(fields=["affiliate", "-uploaded_at"], name="link_upload_recent"),
        ]

    def __str__(self) -> str:
        return self.file_name
