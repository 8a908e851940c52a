"""A file is what its bytes say; only the picture survives (ONB-2, ONB-9)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from io import BytesIO

import pytest
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from affiliates import images, pdf_rendering
from affiliates.tests import pictures


def opened(page: images.PageImage) -> Image.Image:
    image = Image.open(BytesIO(page.content))
    image.load()
    return image


# --- what is taken --------------------------------------------------------------------------------------------


def test_a_jpeg_becomes_one_page_which_is_the_file_itself():
    content = pictures.jpeg()
    ready = images.prepare(content)
    assert (ready.media_type, len(ready.pages)) == ("image/jpeg", 1)
    assert ready.pages[0].content == ready.content
    assert (ready.pages[0].width, ready.pages[0].height) == (1200, 800)
    assert ready.uploaded_sha256 == hashlib.sha256(content).hexdigest()
    assert ready.sha256 == hashlib.sha256(ready.content).hexdigest() != ready.uploaded_sha256


def test_the_same_bytes_are_always_kept_as_the_same_bytes():
    content = pictures.jpeg()
    assert images.prepare(content) == images.prepare(content)


def test_a_png_stays_a_png_pixel_for_pixel():
    ready = images.prepare(pictures.png())
    assert ready.media_type == "image/png"
    assert opened(ready.pages[0]).tobytes() == pictures.card("SAMPLE").tobytes()


def test_a_pdf_is_kept_as_it_came_and_each_page_becomes_an_image():
    content = pictures.pdf(3)
    ready = images.prepare(content)
    assert ready.content == content
    assert ready.sha256 == ready.uploaded_sha256
    assert [(page.media_type, page.width, page.height) for page in ready.pages] == [
        ("image/jpeg", 1667, 2223)
    ] * 3
    assert len({page.content for page in ready.pages}) == 3


def test_a_huge_pdf_page_is_drawn_small_enough():
    poster = pictures.assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 14400 14400] >>",
        ]
    )
    page = images.prepare(poster).pages[0]
    assert (page.width, page.height) == (2400, 2400)


def test_a_telephones_picture_is_turned_as_its_exif_says_and_loses_it():
    image = pictures.card(size=(1200, 800))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "Maker of the telephone"
    exif.get_ifd(0x8825)[2] = (31.0, 14.0, 3.0)  # where it was
    page = images.prepare(pictures.encoded(image, exif=exif, comment=b"secret remark")).pages[0]
    kept = opened(page)
    assert kept.size == (800, 1200)
    assert not kept.getexif()
    assert set(kept.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"Maker" not in page.content
    assert b"secret" not in page.content


def test_texts_and_profiles_of_a_png_are_gone():
    from PIL import PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    texts.add_itxt("XML:com.adobe.xmp", "<x>place</x>")
    content = pictures.encoded(pictures.card(), "PNG", pnginfo=texts, icc_profile=b"profile" * 40)
    page = images.prepare(content).pages[0]
    assert opened(page).info == {}


def test_what_hides_behind_a_picture_is_not_kept():
    for content in (pictures.jpeg(), pictures.png()):
        ready = images.prepare(content + b"PK\x03\x04<script>alert(1)</script>%PDF-1.4")
        assert b"script" not in ready.content
        assert ready.sha256 == images.prepare(content).sha256


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("L", "JPEG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGBA", "PNG")],
)
def test_every_usual_kind_of_picture_becomes_rgb_or_grey(mode, kind):
    page = images.prepare(pictures.encoded(pictures.card().convert(mode), kind)).pages[0]
    assert opened(page).mode == ("L" if mode in ("L", "1") else "RGB")


def test_sixteen_bits_a_channel_become_eight_with_their_brightness():
    deep = Image.new("I;16", (1000, 800), 257 * 128)
    page = images.prepare(pictures.encoded(deep, "PNG")).pages[0]
    assert opened(page).getpixel((5, 5)) == 128


def test_what_is_transparent_is_paper_white():
    ghost = Image.new("RGBA", (1000, 800), (255, 0, 0, 0))
    assert opened(images.prepare(pictures.encoded(ghost, "PNG")).pages[0]).getpixel((5, 5)) == (255, 255, 255)


def test_a_very_large_picture_is_scaled_to_what_reading_needs():
    page = images.prepare(pictures.encoded(Image.new("RGB", (7000, 3500), "navy"))).pages[0]
    assert (page.width, page.height) == (4700, 2350)


# --- what is refused ------------------------------------------------------------------------------------------

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (pictures.jpeg() + bytes(images.MAX_BYTES), "too_large"),
        (b"just words, whatever the name says", "unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
        (b"GIF89a" + bytes(50), "unsupported"),
        (pictures.encoded(pictures.card(), "WEBP"), "unsupported"),
        (b"<html>%PDF-1.4", "unsupported"),
        (HEIC, "heic"),
        (pictures.jpeg()[:-4000], "broken_file"),
        (pictures.png()[:-4000], "broken_file"),
        (b"\xff\xd8\xff\xe0 not a picture", "broken_file"),
        (b"\x89PNG\r\n\x1a\n", "broken_file"),
        (pictures.png_bomb(), "too_many_pixels"),
        (pictures.png_bomb(9000), "too_many_pixels"),
        (pictures.animated_png(), "animated"),
        (b"%PDF-1.7\nnothing else", "broken_file"),
        (pictures.empty_pdf(), "broken_file"),
        (pictures.pdf_with_password(), "password_protected"),
        (pictures.pdf(21), "too_many_pages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_readable_paper_is_refused_with_its_reason(content, code):
    with pytest.raises(images.PaperRefused) as refusal, override("en"):
        images.prepare(content)
    assert refusal.value.code == code
    with override("en"):
        assert len(str(refusal.value.message)) > 15


def test_twenty_pages_are_still_taken():
    assert len(images.prepare(pictures.pdf(20)).pages) == 20


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_anywhere_ends_in_a_picture_or_a_refusal_never_in_a_crash(data):
    content = bytearray(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(3, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(8, len(content)))]
    with suppress(images.PaperRefused):
        assert images.prepare(bytes(content)).pages


SMALL = [
    pictures.jpeg(size=(120, 90)),
    pictures.png(size=(120, 90)),
    pictures.encoded(pictures.card(size=(120, 90)).convert("CMYK")),
    pictures.encoded(pictures.card(size=(120, 90)).convert("P"), "PNG"),
]


# --- the process that draws PDFs ------------------------------------------------------------------------------


def test_a_pdf_that_takes_too_long_is_refused():
    with pytest.raises(pdf_rendering.Unreadable, match="too long"):
        pdf_rendering.render(pictures.pdf(5), max_pages=20, seconds=0.01)


def test_the_child_limits_itself_before_it_looks_at_the_file():
    program = (
        f"import resource, runpy; module = runpy.run_path({pdf_rendering.__file__!r})\n"
        "module['limit_ourselves']()\n"
        "print(*(resource.getrlimit(getattr(resource, name))[1] for name in ('RLIMIT_AS', 'RLIMIT_CPU')))\n"
        "bytearray(2 * module['MEMORY'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [str(pdf_rendering.MEMORY), str(pdf_rendering.SECONDS)]
    assert "MemoryError" in done.stderr


def test_the_child_is_given_none_of_our_environment(monkeypatch):
    seen = {}
    real = subprocess.run

    def watch(*args, **named):
        seen.update(named)
        return real(*args, **named)

    monkeypatch.setenv("SECRETS_KEYS", "not for strangers")
    monkeypatch.setattr(pdf_rendering.subprocess, "run", watch)
    pdf_rendering.render(pictures.pdf(1), max_pages=1)
    assert os.environ["SECRETS_KEYS"] == "not for strangers"
    assert seen["env"] == {}


def test_a_child_that_dies_is_a_refusal(monkeypatch):
    monkeypatch.setattr(pdf_rendering.sys, "executable", "/bin/false")
    with pytest.raises(images.Broken):
        images.prepare(pictures.pdf(1))


# --- hints ----------------------------------------------------------------------------------------------------


def hints(image: Image.Image, **options) -> tuple[str, ...]:
    return images.prepare(pictures.encoded(image, quality=95), **options).pages[0].hints


def test_a_sharp_coloured_photo_of_a_card_has_no_hints():
    assert hints(pictures.card(), needs_colour=True) == ()


@pytest.mark.parametrize(("size", "small"), [((800, 500), False), ((799, 500), True), ((800, 499), True)])
def test_too_small_is_below_800_by_500(size, small):
    assert (images.TOO_SMALL in hints(pictures.card(size=size))) is small


def test_out_of_focus_is_said():
    assert images.BLURRED not in hints(pictures.card())
    assert images.BLURRED in hints(pictures.card(blur=6))


def test_a_photocopy_is_grey_where_colour_is_needed_and_fine_elsewhere():
    copy = pictures.card().convert("L").convert("RGB")
    assert hints(copy, needs_colour=True) == (images.GREY,)
    assert hints(copy) == ()


def test_a_page_of_a_pdf_is_never_too_small():
    tiny = pictures.encoded(pictures.card(size=(40, 40)), "PDF")
    assert images.TOO_SMALL not in images.prepare(tiny).pages[0].hints
