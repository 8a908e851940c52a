"""What an uploaded file really is, and the page images made of it (ONB-2, ONB-9). Pure: bytes in, bytes out.

A file is judged by its content, never by its name or the type that the browser said. Pictures are decoded and
written anew, so that nothing but the picture survives: no EXIF, no place where it was taken, nothing appended.
A PDF is kept as it came, and only images of its pages are ever shown; another process makes them
(`affiliates.pdf_rendering`), which may crash, hang or grow without hurting anybody.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from affiliates import pdf_rendering
from portal.errors import DomainError

MAX_BYTES = 10 * 1024 * 1024
MAX_PAGES = 20
# A telephone's 50 megapixels fit; what unfolds to more from a small file is a bomb.
MAX_PIXELS = 64_000_000
# Larger pictures are scaled down to this: an A4 page at 400 dpi.
LONGEST_SIDE = 4700
JPEG_QUALITY = 90

TOO_SMALL, BLURRED, GREY = "too_small", "blurred", "grey"
SHORT_SIDE_NEEDED, LONG_SIDE_NEEDED = 500, 800
# Measured at SHARPNESS_SIDE: photos of text are in the hundreds and thousands, out of focus below a few dozen.
SHARPNESS_SIDE, SHARPNESS_NEEDED = 1000, 60.0
# How much of a page must have a colour: an ID card's pattern alone covers half of it.
COLOUR_DIFFERENCE, COLOURED_PART = 20, 0.02

# Pillow's decoders answer damaged files with any of these.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    NotImplementedError,
)


class PaperRefused(DomainError):
    """A file can't be taken; its message says why and how to mend it."""

    code = "paper_refused"
    status = 422


class Empty(PaperRefused):
    code = "empty"


class TooLarge(PaperRefused):
    code = "too_large"


class Unsupported(PaperRefused):
    code = "unsupported"


class Heic(PaperRefused):
    code = "heic"


class Broken(PaperRefused):
    code = "broken_file"


class PasswordProtected(PaperRefused):
    code = "password_protected"


class TooManyPages(PaperRefused):
    code = "too_many_pages"


class TooManyPixels(PaperRefused):
    code = "too_many_pixels"


class Animated(PaperRefused):
    code = "animated"


@dataclass(frozen=True)
class PageImage:
    """One page to look at."""

    content: bytes
    media_type: str
    width: int
    height: int
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A file as it will be kept, and its pages. Of a picture the only page is the file itself."""

    media_type: str
    content: bytes
    uploaded_sha256: str
    pages: tuple[PageImage, ...]

    @property
    def sha256(self) -> str:
        return digest(self.content)

    @property
    def is_pdf(self) -> bool:
        return self.media_type == "application/pdf"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of_all(digests: Iterable[str]) -> str:
    """What a document of these files, in this order, is known by."""
    return digest("\n".join(digests).encode())


def prepare(content: bytes, *, needs_colour: bool = False) -> Prepared:
    """Judge an uploaded file by its content and make its page images.

    `needs_colour` asks for the hint `grey`. Raises: a subclass of PaperRefused.
    Source: SPEC ONB-2, ONB-9.
    """
    if not content:
        raise Empty(_("The file is empty."))
    if len(content) > MAX_BYTES:
        raise too_large()
    kind = media_type_of(content)
    uploaded = digest(content)
    if kind == "application/pdf":
        return Prepared(kind, content, uploaded, pages_of_pdf(content, needs_colour=needs_colour))
    page = picture(content, kind, needs_colour=needs_colour)
    return Prepared(page.media_type, page.content, uploaded, (page,))


def media_type_of(content: bytes) -> str:
    """JPEG, PNG or PDF, by the first bytes. Raises: Heic, Unsupported."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:64].lstrip(b"\xef\xbb\xbf\0\t\n\f\r ").startswith(b"%PDF-"):
        return "application/pdf"
    if content[4:8] == b"ftyp" and content[8:12] in (
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif",
    ):  # fmt: skip
        raise Heic(
            _(
                "This is a HEIC photo, which can't be read here. On the phone choose Settings › Camera › Formats › "
                "Most Compatible, or take the photo with the button on this page, or send a screenshot of it."
            )
        )
    raise Unsupported(_("This is not a JPEG, PNG or PDF file, whatever its name says."))


def picture(content: bytes, media_type: str, *, needs_colour: bool) -> PageImage:
    """The picture in `content`, upright, in RGB or grey, with nothing else in it."""
    try:
        with Image.open(
            BytesIO(content), formats=["JPEG", "MPO"] if media_type == "image/jpeg" else ["PNG"]
        ) as source:
            if source.width * source.height > MAX_PIXELS:
                raise TooManyPixels(
                    _("The picture has more than 64 megapixels. Send a smaller version of it.")
                )
            # Telephones put a second picture for depth behind a JPEG; a PNG has no reason to move.
            if media_type == "image/png" and getattr(source, "n_frames", 1) > 1:
                raise Animated(_("The picture is animated. Send a still picture."))
            source.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            image = upright(source)
        return encode(image, media_type, needs_colour=needs_colour)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise TooManyPixels(
            _("The picture has more than 64 megapixels. Send a smaller version of it.")
        ) from error
    except DECODING_ERRORS as error:
        raise Broken(
            _("The file is damaged or incomplete. Save it again, or take the photo again.")
        ) from error


def upright(source: Image.Image) -> Image.Image:
    """The first frame as people see it: turned as EXIF says, on white, eight bits a channel."""
    source.load()
    image = ImageOps.exif_transpose(source)
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits a channel
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        paper = Image.new("RGBA", coloured.size, "white")
        image = Image.alpha_composite(paper, coloured)
    return image.convert("L" if image.mode in ("L", "1") else "RGB")


def encode(image: Image.Image, media_type: str, *, needs_colour: bool) -> PageImage:
    """Write the picture anew. A new image is pasted into, so that none of the old one's extras is carried along."""
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    clean = Image.new(image.mode, image.size)
    clean.paste(image)
    out = BytesIO()
    if media_type == "image/png":
        clean.save(out, "PNG")
    else:
        clean.save(out, "JPEG", quality=JPEG_QUALITY)
    hints = hints_of(clean, needs_colour=needs_colour)
    return PageImage(out.getvalue(), media_type, clean.width, clean.height, hints)


def pages_of_pdf(content: bytes, *, needs_colour: bool) -> tuple[PageImage, ...]:
    """An image of each page. Raises: PasswordProtected, TooManyPages, Broken."""
    try:
        rendered = pdf_rendering.render(content, max_pages=MAX_PAGES)
    except pdf_rendering.NeedsPassword as error:
        raise PasswordProtected(
            _("The PDF asks for a password. Save it without one, or print it to a new PDF.")
        ) from error
    except pdf_rendering.HasTooManyPages as error:
        raise too_many_pages() from error
    except pdf_rendering.Unreadable as error:
        raise Broken(_("The PDF can't be read. Open it, print it to a new PDF, and send that.")) from error
    pages = []
    for image in rendered:
        with Image.open(BytesIO(image), formats=["JPEG"]) as opened:
            opened.load()
            # Too small doesn't apply: it is as large as we made it.
            hints = tuple(hint for hint in hints_of(opened, needs_colour=needs_colour) if hint != TOO_SMALL)
            pages.append(PageImage(image, "image/jpeg", opened.width, opened.height, hints))
    return tuple(pages)


def too_large() -> TooLarge:
    return TooLarge(_("The file is larger than 10 MB. Take the photo with fewer pixels, or scan at 200 dpi."))


def too_many_pages() -> TooManyPages:
    return TooManyPages(
        ngettext(
            "A paper may have %(count)d page at most.", "A paper may have %(count)d pages at most.", MAX_PAGES
        )
        % {"count": MAX_PAGES}
    )


def hints_of(image: Image.Image, *, needs_colour: bool) -> tuple[str, ...]:
    """What the picture itself suggests; never a decision."""
    found = []
    if min(image.size) < SHORT_SIDE_NEEDED or max(image.size) < LONG_SIDE_NEEDED:
        found.append(TOO_SMALL)
    if sharpness(image) < SHARPNESS_NEEDED:
        found.append(BLURRED)
    if needs_colour and coloured_part(image) < COLOURED_PART:
        found.append(GREY)
    return tuple(found)


def sharpness(image: Image.Image) -> float:
    """The variance of the Laplacian of the grey picture, at one size for all."""
    grey = image.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BILINEAR)
    edges = grey.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    return float(ImageStat.Stat(edges).var[0])


def coloured_part(image: Image.Image) -> float:
    """How much of the picture is neither white, grey nor black: 0 to 1."""
    small = image.convert("RGB")
    small.thumbnail((300, 300), Image.Resampling.BILINEAR)
    red, green, blue = small.split()
    highest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    lowest = ImageChops.darker(ImageChops.darker(red, green), blue)
    counts = ImageChops.difference(highest, lowest).histogram()
    return sum(counts[COLOUR_DIFFERENCE:]) / (small.width * small.height)
