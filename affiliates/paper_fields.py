"""What the upload field of one paper shows (templates/affiliates/paper_field.html)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from affiliates import images, papers
from affiliates.models import Case, Document, DocumentPage
from portal.errors import DomainError

HINTS: dict[str, Promise] = {
    images.TOO_SMALL: _("The picture is very small; the text may not be readable."),
    images.BLURRED: _("The picture looks blurred; check that every character can be read."),
    images.GREY: _("The picture has no colours; ID cards are needed in colour."),
}
HELP: dict[str, Promise] = {
    Document.Kind.BUSINESS_LICENCE: _("The whole licence, stamped with the company seal."),
    Document.Kind.ID_FRONT: _("In colour, all four corners visible, no reflections."),
    Document.Kind.ID_BACK: _("In colour, all four corners visible, no reflections."),
    Document.Kind.SETTLEMENT_PROOF: _(
        "Account-opening permit, basic-deposit-account information or a bank receipt; for Alipay, a screenshot "
        "of the enterprise certification."
    ),
    Document.Kind.TAX_PROOF: _(
        "Tax-payment certificates of the last three full months, or the tax registration certificate."
    ),
}


@dataclass(frozen=True)
class Shown:
    """One page as the field lists it."""

    page: DocumentPage
    hints: list[Promise | str]
    # Whether it can be taken out by itself: a page of a longer PDF can't.
    removable: bool


@dataclass(frozen=True)
class PaperField:
    case: Case
    kind: str
    label: str
    help: Promise | str
    document: Document | None
    pages: list[Shown]
    may_change: bool
    error: str = ""

    @property
    def html_id(self) -> str:
        return f"paper-{self.kind}"

    @property
    def limit_mb(self) -> int:
        return images.MAX_BYTES // (1024 * 1024)

    @property
    def max_pages(self) -> int:
        return images.MAX_PAGES

    @property
    def max_bytes(self) -> int:
        return images.MAX_BYTES

    @property
    def to_be_mended(self) -> bool:
        return self.document is not None and self.document.verdict in (
            Document.Verdict.RESUBMIT,
            Document.Verdict.REJECTED,
        )


def paper_field(case: Case, kind: str, *, user: Any, error: str = "") -> PaperField:
    """The current version of a paper, for its owners; who may not see papers gets none."""
    allowed = papers.may_see(case, user)
    document = (
        case.documents.filter(kind=kind, erased_at__isnull=True)
        .exclude(verdict=Document.Verdict.SUPERSEDED)
        .prefetch_related("pages__file")
        .first()
        if allowed
        else None
    )
    pages = sorted(document.pages.all(), key=lambda page: page.position) if document else []
    many = len({page.file_id for page in pages}) > 1
    of_file = [page.file_id for page in pages]
    return PaperField(
        case=case,
        kind=kind,
        label=str(Document.Kind(kind).label),
        help=HELP[kind],
        document=document,
        pages=[
            Shown(
                page,
                [HINTS.get(hint, hint) for hint in page.hints],
                many and of_file.count(page.file_id) == 1,
            )
            for page in pages
        ],
        may_change=may_change(case, kind, user),
        error=error,
    )


def may_change(case: Case, kind: str, user: Any) -> bool:
    """Whether this person may upload this paper now."""
    if not papers.may_provide(case, user):
        return False
    try:
        papers.check_changeable(case, kind)
    except DomainError:
        return False
    return True
