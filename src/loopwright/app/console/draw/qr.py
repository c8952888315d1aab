"""QR codes as SVG (library: segno, extra `console`)."""

from __future__ import annotations

import io

from loopwright.app.console.markup import Safe
from loopwright.core.errors import MissingExtra


def drawn(words: str) -> Safe:
    """The QR code of those words, dark on light, with a border of two modules around it.

    Error correction M: readable with 15 % of it covered. Source: ISO/IEC 18004:2015, table 8.
    """
    try:
        import segno
    except ModuleNotFoundError as error:
        raise MissingExtra("console/draw/qr", "segno", "console") from error
    out = io.BytesIO()
    segno.make(words, error="m", micro=False).save(
        out, kind="svg", scale=4, border=2, xmldecl=False, svgns=True, omitsize=True, dark="#1b2124", light="#ffffff"
    )
    return Safe(out.getvalue().decode())
