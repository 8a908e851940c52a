"""Makes images of a PDF's pages in a process of its own: little memory, little time, none of our secrets.

PDFium reads what strangers send. The child gets the bytes on its standard input and an empty environment; it limits
itself before it looks at them. It answers with one JSON line, then the pages as JPEG files one after the other.
This file is both sides: run as a program, it is the child, and imports nothing of the product.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from io import BytesIO
from typing import Any

SECONDS = 30
# Address space, which PDFium and Pillow map far more of than they use.
MEMORY = 1024 * 1024 * 1024
# A page is drawn at 200 dpi, but never larger than this.
DPI, LONGEST_SIDE = 200, 2400


class Unreadable(Exception):
    """Broken, empty, or too much for the limits."""


class NeedsPassword(Exception):
    """It can't be opened without a password."""


class HasTooManyPages(Exception):
    """It has more pages than asked for."""


REFUSALS = {"password": NeedsPassword, "pages": HasTooManyPages}


def render(content: bytes, *, max_pages: int, seconds: float = SECONDS) -> list[bytes]:
    """A JPEG of each page. Raises: NeedsPassword, HasTooManyPages, Unreadable."""
    command = [sys.executable, "-I", __file__, str(max_pages)]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=seconds, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unreadable("took too long") from error
    line, _newline, body = done.stdout.partition(b"\n")
    if done.returncode or not line:
        raise Unreadable(f"the child ended with {done.returncode}")
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise REFUSALS.get(answer["refused"], Unreadable)(answer["refused"])
    pages, start = [], 0
    for size in answer["sizes"]:
        pages.append(body[start : start + size])
        start += size
    if not pages or start != len(body):
        raise Unreadable("the child's answer is incomplete")
    return pages


def limit_ourselves() -> None:
    import resource

    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


def draw(content: bytes, max_pages: int) -> tuple[dict[str, Any], list[bytes]]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        return {"refused": "password" if "assword" in str(error) else "broken"}, []
    if not len(document):
        return {"refused": "broken"}, []
    if len(document) > max_pages:
        return {"refused": "pages"}, []
    pages = []
    try:
        for page in document:
            width, height = page.get_size()
            if min(width, height) < 1:
                return {"refused": "broken"}, []
            scale = min(DPI / 72, LONGEST_SIDE / max(width, height))
            image = page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
            out = BytesIO()
            image.save(out, "JPEG", quality=85)
            pages.append(out.getvalue())
            page.close()
    except (pypdfium2.PdfiumError, MemoryError, ValueError, OSError):
        return {"refused": "broken"}, []
    return {"sizes": [len(page) for page in pages]}, pages


if __name__ == "__main__":
    given = sys.stdin.buffer.read()
    # Before the limits: libraries want to be mapped.
    for library in ("PIL.JpegImagePlugin", "pypdfium2.raw"):
        importlib.import_module(library)

    limit_ourselves()
    verdict, images = draw(given, int(sys.argv[1]))
    sys.stdout.buffer.write(json.dumps(verdict).encode() + b"\n")
    for jpeg in images:
        sys.stdout.buffer.write(jpeg)
