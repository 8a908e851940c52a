"""Links by the file: reading a CSV, making what can be made, and saying of each other row why not (ATTR-2).

A file is refused as a whole only where its rows can't be told apart: no text, no known columns, too large. Otherwise
each row is made or refused by itself, and what became of it is kept with the upload.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from affiliates.models import Affiliate
from orders.links import MAX_SUB_IDS, UTM, BadText, Outcome, Wish, make_links
from orders.models import LinkUpload
from portal.errors import DomainError
from portal.models import User

MAX_ROWS = 5_000
MAX_BYTES = 5 * 1024 * 1024
MAX_CELL = 2_000  # what is kept of a cell that nobody could use
SUBS = tuple(f"sub{number}" for number in range(1, MAX_SUB_IDS + 1))
COLUMNS = ("target", "pid", "label", *UTM, *SUBS)
REQUIRED = ("target", "pid")


class BadFile(DomainError):
    """A file whose rows can't be told apart."""

    code = "bad_file"
    status = 400


@dataclass(frozen=True)
class Row:
    """A row that isn't empty: its line in the file and its cells by column; `extra` cells have no column."""

    line: int
    cells: dict[str, str]
    extra: int = 0


def decode(content: bytes) -> str:
    """A file's text: by its mark, else UTF-8, else GB18030, which is what a Chinese Excel saves. Pure.

    Raises: BadFile.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise BadFile(_("This is no text file in UTF-8 or GB18030. Save it as CSV and try again."), field="file")


def read_rows(content: bytes) -> list[Row]:
    """The rows of a file, blank ones left out. Pure.

    The first line names the columns, in any order and case; commas, semicolons and tabs separate them.
    Raises: BadFile.
    """
    if len(content) > MAX_BYTES:
        raise BadFile(_("The file is larger than 5 MB. Split it up."), field="file")
    text = decode(content)
    first_line = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    columns: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells)
                continue
            if len(rows) == MAX_ROWS:
                raise BadFile(_("The file has more than 5,000 rows. Split it up."), field="file")
            given = dict(zip(columns, cells, strict=False))
            extra = sum(bool(cell.strip()) for cell in cells[len(columns) :])
            rows.append(Row(reader.line_num, given, extra))
    except csv.Error:
        message = _(
            "The file can't be read as CSV at line %(line)d. A quotation mark is missing, or a cell is too long."
        )
        raise BadFile(message % {"line": reader.line_num}, field="file") from None
    if not rows:
        raise BadFile(_("The file has no rows."), field="file")
    return rows


def _columns(cells: list[str]) -> list[str]:
    """The header's names. Raises: BadFile."""
    names = [cell.strip().lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        message = _("Unknown columns: %(names)s. The columns are %(known)s.")
        raise BadFile(
            message
            % {"names": ", ".join(name[:40] or "?" for name in unknown[:10]), "known": ", ".join(COLUMNS)},
            field="file",
        )
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadFile(_("Missing columns: %(names)s.") % {"names": ", ".join(missing)}, field="file")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadFile(_("Columns that appear twice: %(names)s.") % {"names": ", ".join(twice)}, field="file")
    return names


def _wish(row: Row) -> Wish:
    return Wish(
        target=row.cells.get("target", ""),
        pid=row.cells.get("pid", ""),
        label=row.cells.get("label", ""),
        sub_ids=[row.cells.get(name, "") for name in SUBS],
        **{name: row.cells.get(name, "") for name in UTM},
    )


@transaction.atomic
def take_in(affiliate: Affiliate, *, file_name: str, content: bytes, by: User, at: datetime) -> LinkUpload:
    """Make the links of a file and keep what became of each row. Locks the affiliate's row.

    The words of a refusal are kept as they were said, in the language of whoever uploaded.

    Raises: BadFile, NotApproved, AffiliateSuspended; then nothing is made or kept.
    Source: SPEC ATTR-2, ONB-7.
    """
    rows = read_rows(content)
    sound = [row for row in rows if not row.extra]
    outcomes = dict(
        zip(
            [row.line for row in sound],
            make_links(affiliate, [_wish(row) for row in sound], by=by, at=at),
            strict=True,
        )
    )
    too_many = Outcome(refusal=BadText(_("This row has more cells than there are columns."), code="bad_row"))
    return LinkUpload.objects.create(
        affiliate=affiliate,
        file_name=clean_name(file_name),
        rows=[_kept(row, outcomes.get(row.line, too_many)) for row in rows],
        uploaded_by=by,
        uploaded_at=at,
    )


def clean_name(name: str) -> str:
    """A file's name without what can't be shown or kept."""
    return "".join(sign for sign in name if sign.isprintable())[:200] or "links.csv"


def _kept(row: Row, outcome: Outcome) -> dict[str, Any]:
    """What is kept of one row."""
    cells = {name: cell[:MAX_CELL] for name, cell in row.cells.items()}
    kept: dict[str, Any] = {"line": row.line, "cells": cells}
    if outcome.link is not None:
        return {**kept, "status": "made" if outcome.made else "known", "link": outcome.link.code}
    refusal = outcome.refusal
    assert refusal is not None  # noqa: S101 - an outcome is one or the other
    return {
        **kept,
        "status": "refused",
        "code": refusal.code,
        "field": refusal.field or "",
        "message": str(refusal.message),
    }
