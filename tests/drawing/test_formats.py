"""The drawing of a network in other formats than SVG, read back."""

from __future__ import annotations

import io
import re
import zlib

from PIL import Image

from fishnet_search.drawing.formats import FORMATS, picture

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30" viewBox="0 0 60 30" font-family="no such font">'
    '<rect width="60" height="30" fill="#ffffff"/><rect width="20" height="30" fill="#2166ac"/>'
    '<text x="25" y="20" font-size="12" fill="#b2182b">tail</text></svg>'
)


def test_a_png_has_two_dots_a_pixel_and_the_colours_of_the_drawing():
    image = Image.open(io.BytesIO(picture(SVG, "png"))).convert("RGB")
    assert image.size == (120, 60)
    assert image.getpixel((20, 30)) == (0x21, 0x66, 0xAC)
    assert image.getpixel((110, 5)) == (255, 255, 255)


def test_text_is_drawn_whatever_fonts_the_system_has():
    image = Image.open(io.BytesIO(picture(SVG, "png"))).convert("RGB").crop((50, 0, 120, 60))
    assert (0xB2, 0x18, 0x2B) in {colour for _, colour in image.getcolors(5000)}


def test_a_pdf_is_one_page_as_large_as_the_drawing_at_96_pixels_an_inch():
    pdf = picture(SVG, "pdf")
    streams = b"".join(_inflated(data) for data in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL))
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf + streams)
    assert [tuple(map(float, box)) for box in boxes] == [(45, 22.5)]
    assert b"/FontFile" in pdf + streams  # text, and not its outlines


def test_the_same_drawing_gives_the_same_bytes_and_no_date():
    for suffix in FORMATS:
        assert picture(SVG, suffix) == picture(SVG, suffix)
    assert not re.search(rb"CreationDate|xmp:CreateDate", picture(SVG, "pdf"))


def _inflated(data):
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""
