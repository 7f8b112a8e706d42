"""Pictures in the formats that papers and slides take, made from an SVG document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

Format = Literal["svg", "png", "pdf"]
FORMATS: Final[tuple[Format, ...]] = ("svg", "png", "pdf")
DOTS_PER_INCH = 192.0

_PAGE = """\
#set document(date: none)  // the same picture whenever it is made
#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg", width: float(sys.inputs.width) * 0.75pt)  // 96 pixels an inch
"""


def picture(svg: str, to: Format) -> bytes:
    """Return a picture as the contents of a file: SVG as it is, PNG with two dots a pixel, PDF whose text is text.

    Args:
        svg: One whole document whose element `svg` says its width in pixels, such as `draw` returns.
        to: The format.
    """
    if to == "svg":
        return svg.encode()
    import matplotlib
    import typst

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # where the system has none, these are there
    compiled: Any = typst.compile  # its types refuse a page as bytes together with folders as paths
    inputs = {"svg": svg, "width": re.findall(r'\bwidth="([\d.]+)"', svg)[0]}
    data: bytes = compiled(_PAGE.encode(), format=to, sys_inputs=inputs, ppi=DOTS_PER_INCH, font_paths=[fonts])
    return data
