"""Taking papers in, and who may look at them (ONB-2, ONB-9).

A document is one version of one paper. What is uploaded becomes a new version that supersedes the one before; bytes
are kept in the private storage first and named in the database last, so a kill in between leaves nothing but bytes
that `affiliates.retention` finds and erases. Versions share the bytes of the pages they have in common.

Everybody who sees a page, a file or a number leaves a row in the audit trail of the case, written before they see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from affiliates import cases, images
from affiliates.case_steps import belongs, write_event
from affiliates.models import Case, Document, DocumentFile, DocumentPage, LivenessCheck
from affiliates.steps import may_upload
from portal import audit, private_files
from portal.errors import DomainError
from portal.models import AuditEntry, MemberRole, User

MAX_FILES = images.MAX_PAGES
IN_COLOUR = (Document.Kind.ID_FRONT, Document.Kind.ID_BACK)
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
VIEWED, DOWNLOADED, REVEALED = "paper.viewed", "paper.downloaded", "number.revealed"


class NotNow(DomainError):
    """This paper can't be changed in the state that the case is in."""

    code = "upload_not_possible_now"


class NoFile(images.PaperRefused):
    code = "no_file"


class SameFile(images.PaperRefused):
    """The very bytes that are there already, or that were refused."""

    code = "same_file"


class NotCurrent(DomainError):
    """Somebody has uploaded a newer version meanwhile."""

    code = "not_current"


class LastPage(DomainError):
    code = "last_page"


class PartOfPdf(DomainError):
    code = "part_of_pdf"


class Erased(DomainError):
    """Its time of keeping is over (ONB-9)."""

    code = "erased"
    status = 410


class MayNotSee(DomainError):
    code = "may_not_see_papers"
    status = 403


class ReasonNeeded(DomainError):
    code = "reason_needed"
    status = 422


class UnknownNumber(DomainError):
    code = "unknown_number"
    status = 404


# --- taking in ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One file of a new version: just prepared, or shared with the version before."""

    sha256: str
    uploaded_sha256: str
    media_type: str
    size: int
    key: str
    pages: tuple[dict[str, Any], ...]


def take(case: Case, *, kind: str, uploads: Sequence[UploadedFile], by: User, at: datetime) -> Document:
    """Keep `uploads`, in their order, as the new version of the paper `kind`; the one before is superseded.

    Uploading the pending version's very files again returns that version. Takes the time of decoding outside any
    lock, then locks the case. Raises: NotNow, NoFile, SameFile, a subclass of PaperRefused with the file's name.
    Source: SPEC ONB-2, ONB-9.
    """
    check_changeable(case, kind)
    with keeping(uploads, kind=kind) as parts:
        return register(case, kind=kind, parts=parts, by=by, at=at, replaces=None)


def add_pages(document: Document, *, uploads: Sequence[UploadedFile], by: User, at: datetime) -> Document:
    """A new version: the files of `document`, then `uploads`. Raises: as `take`, NotCurrent, Erased."""
    check_changeable(document.case, document.kind)
    old = parts_of(document)
    with keeping(uploads, kind=document.kind, beside=old) as parts:
        return register(
            document.case, kind=document.kind, parts=[*old, *parts], by=by, at=at, replaces=document
        )


def remove_page(page: DocumentPage, *, by: User, at: datetime) -> Document:
    """A new version without the file of `page`. Raises: NotNow, NotCurrent, LastPage, PartOfPdf, Erased."""
    document = page.document
    check_changeable(document.case, document.kind)
    if page.file.pages.count() > 1:
        raise PartOfPdf(_("This page is part of a PDF. Upload the PDF again without it."))
    kept = [part for part in parts_of(document) if part.key != page.file.key]
    if not kept:
        raise LastPage(_("This is the only page. Upload another instead."))
    return register(document.case, kind=document.kind, parts=kept, by=by, at=at, replaces=document)


@transaction.atomic
def rotate(page: DocumentPage, *, by: User, at: datetime) -> DocumentPage:
    """Show `page` a quarter turn further, clockwise. No byte changes, nor the version. Locks the page.

    Raises: MayNotSee. Source: SPEC ONB-2.
    """
    locked = (
        DocumentPage.objects.select_for_update(of=("self",)).select_related("document__case").get(pk=page.pk)
    )
    case = locked.document.case
    if not may_see(case, by):
        raise MayNotSee(_("You may not see the papers of this case."))
    locked.rotation = (locked.rotation + 90) % 360
    locked.save(update_fields=["rotation"])
    audit.record("paper.rotated", by=by, target=case, at=at, page=locked.pk, rotation=locked.rotation)
    return locked


def check_changeable(case: Case, kind: str) -> None:
    if not may_upload(case, kind):
        raise NotNow(_("This paper can't be changed now."))


@contextmanager
def keeping(
    uploads: Sequence[UploadedFile], *, kind: str, beside: Sequence[Part] = ()
) -> Iterator[list[Part]]:
    """The uploads as parts whose bytes are in the storage; erased again if what follows fails."""
    if not uploads:
        raise NoFile(_("Choose a file first."))
    if len(uploads) > MAX_FILES:
        raise images.too_many_pages()
    prepared = []
    pages = sum(len(part.pages) for part in beside)
    seen = {part.sha256 for part in beside}
    for upload in uploads:
        ready = prepare(upload, kind=kind)
        pages += len(ready.pages)
        if pages > images.MAX_PAGES:
            raise images.too_many_pages()
        if ready.sha256 in seen:
            raise SameFile(_("%(name)s: this file is there already.") % {"name": upload.name})
        seen.add(ready.sha256)
        prepared.append(ready)
    made: list[str] = []
    try:
        yield [keep(ready, made) for ready in prepared]
    except BaseException:
        for key in made:
            private_files.erase(key)
        raise


def prepare(upload: UploadedFile, *, kind: str) -> images.Prepared:
    """The upload judged by its content. Raises: a subclass of PaperRefused that names the file."""
    try:
        if (upload.size or 0) > images.MAX_BYTES:
            raise images.too_large()
        return images.prepare(upload.read(), needs_colour=kind in IN_COLOUR)
    except images.PaperRefused as refusal:
        refusal.message = f"{upload.name}: {refusal.message}"
        refusal.args = (refusal.message,)
        raise


def keep(ready: images.Prepared, made: list[str]) -> Part:
    """Put the file and its page images into the private storage; their keys are added to `made`."""
    key = private_files.put(ready.content, media_type=ready.media_type)
    made.append(key)
    pages = []
    for page in ready.pages:
        page_key = key
        if ready.is_pdf:
            page_key = private_files.put(page.content, media_type=page.media_type)
            made.append(page_key)
        pages.append({"key": page_key, "width": page.width, "height": page.height, "hints": list(page.hints)})
    return Part(ready.sha256, ready.uploaded_sha256, ready.media_type, len(ready.content), key, tuple(pages))


def parts_of(document: Document) -> list[Part]:
    """The files of a version, to be shared with the next one. Raises: Erased."""
    if document.erased_at is not None:
        raise Erased(_("This paper has been erased."))
    parts = []
    for file in document.files.order_by("position").prefetch_related("pages"):
        pages = sorted(file.pages.all(), key=lambda page: page.position)
        shared = tuple(
            {name: getattr(page, name) for name in ("key", "width", "height", "hints", "rotation")}
            for page in pages
        )
        parts.append(Part(file.sha256, file.uploaded_sha256, file.media_type, file.size, file.key, shared))
    return parts


@transaction.atomic
def register(
    case: Case, *, kind: str, parts: Sequence[Part], by: User, at: datetime, replaces: Document | None
) -> Document:
    """Write the new version down; a decision that waits for its second is void (ONB-4). Locks the case.

    Raises: NotNow, NotCurrent, SameFile.
    """
    case = Case.objects.select_for_update(of=("self",)).select_related("affiliate").get(pk=case.pk)
    check_changeable(case, kind)
    before = case.documents.filter(kind=kind).exclude(verdict=Document.Verdict.SUPERSEDED).first()
    if replaces is not None and before != replaces:
        raise NotCurrent(_("There is a newer version of this paper. Look at it first."))
    sha256 = images.digest_of_all(part.sha256 for part in parts)
    if before is not None and before.sha256 == sha256 and before.erased_at is None:
        if before.verdict == Document.Verdict.PENDING:
            discard(parts, replaces)
            return before
        raise SameFile(_("This is the very file that is there already. Choose another."))
    if before is not None:
        case.documents.filter(pk=before.pk).update(verdict=Document.Verdict.SUPERSEDED)
    latest = case.documents.filter(kind=kind).order_by("-version").first()
    document = case.documents.create(
        kind=kind,
        version=latest.version + 1 if latest else 1,
        sha256=sha256,
        uploaded_by=by,
        uploaded_at=at,
    )
    write_parts(document, parts)
    what: dict[str, Any] = {
        "document": document.pk,
        "kind": kind,
        "version": document.version,
        "files": len(parts),
    }
    write_event(case, "upload", before=case.state, by=by, at=at, data=what)
    audit.record("paper.uploaded", by=by, target=case, at=at, **what)
    cases.evidence_changed(case, by=by, at=at)
    return document


def discard(parts: Sequence[Part], replaces: Document | None) -> None:
    """Erase what was just put for a version that turned out to exist."""
    if replaces is None:
        for part in parts:
            for key in {part.key, *(page["key"] for page in part.pages)}:
                private_files.erase(key)


def write_parts(document: Document, parts: Sequence[Part]) -> None:
    position = 0
    for number, part in enumerate(parts, start=1):
        file = document.files.create(
            position=number,
            media_type=part.media_type,
            size=part.size,
            sha256=part.sha256,
            uploaded_sha256=part.uploaded_sha256,
            key=part.key,
        )
        for page in part.pages:
            position += 1
            document.pages.create(file=file, position=position, **page)


# --- looking --------------------------------------------------------------------------------------------------


def is_member(case: Case, user: User) -> bool:
    """Whether the person belongs to the affiliate that the case is about."""
    return case.affiliate.members.filter(user_id=user.pk).exists()


def may_see(case: Case, user: User) -> bool:
    """Owners see their own papers; reviewers those of companies that they don't belong to (ONB-4, ONB-9)."""
    return may_provide(case, user) or is_reviewer(case, user, "affiliates.review_case")


def may_see_frame(case: Case, user: User) -> bool:
    """The frame of a liveness check is evidence for reviewers alone."""
    return is_reviewer(case, user, "affiliates.review_case")


def may_provide(case: Case, user: User) -> bool:
    """Owners hand in and take back the papers of their affiliate."""
    return user.is_active and case.affiliate.members.filter(user_id=user.pk, role=MemberRole.OWNER).exists()


def may_reveal(case: Case, user: User) -> bool:
    """Numbers in clear and original files: staff with the permission, never about their own company."""
    return is_reviewer(case, user, "affiliates.reveal_papers")


def is_reviewer(case: Case, user: User, permission: str) -> bool:
    """Whether the person is staff with the permission and has no part in the company (ONB-4)."""
    return user.is_active and user.is_staff and user.has_perm(permission) and not belongs(case, user)


@transaction.atomic
def page_link(page: DocumentPage, *, by: User, reason: str = "", at: datetime) -> str:
    """An address at which `by` may look at `page` for a minute; leaves its audit row.

    Raises: MayNotSee, Erased. Source: SPEC ONB-9.
    """
    document = page.document
    check_may_see(document.case, by)
    check_kept(document)
    leave_row(VIEWED, document, by=by, at=at, reason=reason, page=page.position)
    media_type = "image/jpeg" if page.file.media_type == "application/pdf" else page.file.media_type
    return private_files.link(page.key, media_type=media_type, to=by, at=at)


@transaction.atomic
def file_link(file: DocumentFile, *, by: User, reason: str, at: datetime) -> str:
    """An address at which `by` may save the kept file for a minute; leaves its audit row with the reason.

    Raises: MayNotSee, ReasonNeeded, Erased. Source: SPEC ONB-9.
    """
    document = file.document
    check_may_reveal(document.case, by, reason)
    check_kept(document)
    leave_row(DOWNLOADED, document, by=by, at=at, reason=reason, file=file.position)
    name = f"case-{document.case_id}-{document.kind}-v{document.version}-{file.position}"
    return private_files.link(
        file.key,
        media_type=file.media_type,
        to=by,
        at=at,
        filename=f"{name}.{EXTENSIONS[file.media_type]}",
    )


@transaction.atomic
def frame_link(check: LivenessCheck, *, by: User, reason: str = "", at: datetime) -> str:
    """An address at which a reviewer may look at the best frame for a minute. Raises: MayNotSee, Erased."""
    if not may_see_frame(check.case, by):
        raise MayNotSee(_("You may not see the papers of this case."))
    if not check.frame_key or check.frame_erased_at is not None:
        raise Erased(_("This picture has been erased."))
    audit.record(
        VIEWED, by=by, target=check.case, at=at, reason=reason, kind="liveness_frame", check=check.pk
    )
    return private_files.link(check.frame_key, media_type="image/jpeg", to=by, at=at)


NUMBERS = ("id_number", "account_number")


@transaction.atomic
def reveal(case: Case, *, number: str, by: User, reason: str, at: datetime) -> str:
    """A masked number of the case in clear; leaves its audit row with the reason, not with the number.

    `number` is one of NUMBERS. Raises: MayNotSee, ReasonNeeded, UnknownNumber. Source: SPEC ONB-9.
    """
    check_may_reveal(case, by, reason)
    plain = ""
    if number == "id_number":
        plain = getattr(getattr(case, "representative", None), "id_number", "")
    elif number == "account_number":
        plain = getattr(getattr(case, "settlement", None), "account_number", "")
    if not plain:
        raise UnknownNumber(_("There is no such number."))
    audit.record(REVEALED, by=by, target=case, at=at, reason=reason, number=number)
    return plain


def access_log(case: Case) -> QuerySet[AuditEntry]:
    """Who looked at papers and numbers of the case, latest first. Append-only, as the whole trail."""
    return (
        AuditEntry.objects.filter(
            target_type=case._meta.label_lower,
            target_id=str(case.pk),
            action__in=(VIEWED, DOWNLOADED, REVEALED),
        )
        .select_related("by")
        .order_by("-at", "-id")
    )


def check_may_see(case: Case, by: User) -> None:
    if not may_see(case, by):
        raise MayNotSee(_("You may not see the papers of this case."))


def check_may_reveal(case: Case, by: User, reason: str) -> None:
    if not may_reveal(case, by):
        raise MayNotSee(_("You may not see this."))
    if not reason.strip():
        raise ReasonNeeded(_("Say why you need it."), field="reason")


def check_kept(document: Document) -> None:
    if document.erased_at is not None:
        raise Erased(_("This paper has been erased."))


def leave_row(action: str, document: Document, *, by: User, at: datetime, reason: str, **data: Any) -> None:
    audit.record(
        action,
        by=by,
        target=document.case,
        at=at,
        reason=reason,
        document=document.pk,
        kind=document.kind,
        version=document.version,
        **data,
    )
