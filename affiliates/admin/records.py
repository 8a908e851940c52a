"""What reviews leave behind, to look at: verified companies."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from affiliates import masking
from affiliates.models import Company
from portal.admin_lists import ReadOnlyLongList


@admin.register(Company)
class CompanyAdmin(ReadOnlyLongList):
    """Verified companies; the number of the legal representative's ID stays masked."""

    list_display = ("name", "uscc", "entity", "is_mainland", "verified_at")
    list_filter = ("entity", "is_mainland")
    search_fields = ("uscc__exact", "name")
    search_help_text = _("Unified code, whole, or part of the name")
    fields = (
        "name",
        "uscc",
        "entity",
        "is_mainland",
        "representative_name",
        "masked_id_number",
        "licence_valid_until",
        "id_valid_until",
        "verified_at",
    )
    readonly_fields = fields

    @admin.display(description=_("ID number"))
    def masked_id_number(self, company: Company) -> str:
        return masking.mask_id_number(company.representative_id_number) or "—"
