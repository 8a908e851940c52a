"""What refusals and papers are called, for templates that only know their codes."""

from __future__ import annotations

from django import template

from affiliates.models import Document, PaperExpiry
from affiliates.refusals import REASONS

register = template.Library()


@register.filter
def reason_text(code: str) -> str:
    """What was wrong, as the applicant reads it; "" for an unknown code."""
    return str(REASONS[code].text) if code in REASONS else ""


@register.filter
def reason_hint(code: str) -> str:
    """How to mend it; "" for an unknown code."""
    return str(REASONS[code].hint) if code in REASONS else ""


@register.filter
def paper_label(kind: str) -> str:
    return str(Document.Kind(kind).label) if kind in Document.Kind.values else kind


@register.filter
def expiry_label(paper: str) -> str:
    return str(PaperExpiry.Paper(paper).label) if paper in PaperExpiry.Paper.values else paper
