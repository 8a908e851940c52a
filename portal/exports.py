"""Tables as CSV files that spreadsheets open safely and read rightly."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, value: str) -> str:
        return value


def csv_response(name: str, header: list[str], rows: Iterable[list[Any]]) -> StreamingHttpResponse:
    """A table as a file `name`, streamed row by row."""

    def content() -> Iterator[str]:
        writer = csv.writer(_Echo())
        # Spreadsheets take a file for UTF-8 only if it begins with this mark.
        yield "\ufeff"
        yield writer.writerow(header)
        for row in rows:
            yield writer.writerow(row)

    response = StreamingHttpResponse(content(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def text_cell(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula: strangers choose it."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
