"""Image files of every kind that PIL reads, as upright RGB.

- Grey, palette, black-and-white, CMYK and YCbCr images become RGB as PIL converts them.
- What is transparent (RGBA, LA, a palette or a colour marked as such) is laid on white: the colour that lies hidden
  under transparent pixels is whatever the drawing program left there.
- An image that its EXIF data says lies on its side or stands on its head is turned upright.
- More than 8 bits a pixel and channel are refused where PIL would cut them off at 255 instead of scaling them.
"""

from __future__ import annotations

import re
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from fishnet_search.errors import BrokenImage, DataError

_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
DAMAGE = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)


def read_image(file: str, *, upright: bool = True) -> tuple[bytes, Image.Image]:
    """Return what is in a file and the image that it is.

    Args:
        file: path.
        upright: as `decoded`.

    Raises:
        BrokenImage: as `decoded`.
        DataError: the file cannot be read at all, which says nothing about the image.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; check the disk and the file's rights") from error
    return content, decoded(content, file, upright=upright)


def decoded(content: bytes, name: str, *, upright: bool = True) -> Image.Image:
    """Return the RGB image that the bytes of a file stand for.

    Args:
        content: of the file.
        name: for the sentence that refuses.
        upright: turned as its EXIF data says. Boxes are drawn on the pixels as they are stored.

    Raises:
        BrokenImage: they are no image, or damaged, or have more than 8 bits a pixel and channel.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            if image.mode not in _DEEP_MODES:
                return _rgb(_upright(image) if upright else image)
    except UnidentifiedImageError as error:
        raise BrokenImage(name, "not a readable image: no format that is known; replace or remove it") from error
    except Image.DecompressionBombError as error:
        raise BrokenImage(name, f"has {_pixels(error)} more than can be taken; make it smaller") from error
    except DAMAGE as error:
        reason = str(error).rstrip(".")
        raise BrokenImage(name, f"not a readable image: {reason}; replace or remove it") from error
    raise BrokenImage(name, "has more than 8 bits a pixel and channel; convert it to 8 bits")


def _pixels(problem: Image.DecompressionBombError) -> str:
    """Return how many pixels an image has, which PIL tells in its sentence alone."""
    found = re.search(r"(\d+) pixels", str(problem))
    return f"{int(found[1]):,} pixels," if found else "pixels,"


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # what is wrong with the image itself is not put down to its EXIF data
    with suppress(Exception):  # PIL fails in many ways on damaged EXIF data, and the image is good without them
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
