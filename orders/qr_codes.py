"""QR codes as SVG: a link to point a phone's camera at."""

from __future__ import annotations

import io

import segno

QUIET_ZONE = 4


def svg(text: str) -> bytes:
    """`text` as a QR code: black on white with the quiet zone that readers need, at any size."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass=None
    )
    return out.getvalue()
