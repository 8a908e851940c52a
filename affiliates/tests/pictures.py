"""Pictures and PDFs for tests: photographs of papers that never existed."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageDraw, ImageFilter

PALE_BLUE = (190, 215, 235)


def card(
    text: str = "中华人民共和国\n居民身份证\nSAMPLE 样本",
    *,
    size: tuple[int, int] = (1200, 800),
    colour: tuple[int, int, int] = PALE_BLUE,
    blur: float = 0,
) -> Image.Image:
    """A card with a pattern and lines of text."""
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    ink = tuple(channel // 3 for channel in colour)
    for x in range(0, size[0], 12):
        draw.line((x, 0, x + 40, size[1]), fill=tuple(max(0, channel - 25) for channel in colour), width=2)
    for number, line in enumerate(text.splitlines() * 3):
        draw.text((60, 60 + number * 70), line, fill=ink, font_size=48, font=None)
    return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(text: str = "SAMPLE", **options: Any) -> bytes:
    return encoded(card(text, **options))


def png(text: str = "SAMPLE", **options: Any) -> bytes:
    return encoded(card(text, **options), "PNG")


def pdf(pages: int = 1, *, text: str = "PAGE") -> bytes:
    """A PDF of so many pages, each a picture."""
    first, *rest = (card(f"{text} {number}", size=(600, 800)) for number in range(1, pages + 1))
    long_ago = time.gmtime(0)  # the same bytes each time
    return encoded(first, "PDF", save_all=True, append_images=rest, creationDate=long_ago, modDate=long_ago)


def pdf_with_password() -> bytes:
    """A PDF whose pages can't be read without a password, which nobody knows."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"ab" * 32 + b"> /U <" + b"cd" * 32 + b"> >>",
    ]
    return assembled(objects, trailer=b"/Encrypt 4 0 R /ID [<" + b"01" * 16 + b"> <" + b"01" * 16 + b">]")


def empty_pdf() -> bytes:
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"])


def assembled(objects: list[bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is its catalogue."""
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        start,
    )
    return out


def png_bomb(side: int = 30_000) -> bytes:
    """A PNG of a few hundred bytes that says it is side × side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def animated_png() -> bytes:
    frames = [Image.new("RGB", (900, 900), colour) for colour in ("red", "blue")]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)


def upload(content: bytes, name: str = "scan.jpg", media_type: str = "image/jpeg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type=media_type)
