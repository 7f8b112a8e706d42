"""Pictures of what was found in images: boxes and masks drawn, and maps of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.errors import ExportError
from fishnet_search.export.finding import InImage
from fishnet_search.plots.scenes import class_colours, plot_map, plot_objects

_LONGEST_INCHES = (3.0, 8.0)  # of a picture: small ones are enlarged, so that names of classes can be read
_DPI = 200
_BACKGROUND = "background"


def check_names(paths: Sequence[Path]) -> None:
    """Refuse images whose pictures would be written over one another.

    Raises:
        ExportError: two images have one name.
    """
    known: dict[str, Path] = {}
    for path in paths:
        other = known.setdefault(path.name, path)
        if other != path:
            raise ExportError(
                f"--to: {other} and {path} have one name, and so would their pictures; ask for one of them"
            )


def write_pictures(found: InImage, classes: Sequence[str], folder: Path) -> None:
    """Write `IMAGE.png`, the image with what was found, and `IMAGE.map.png`, the class of each pixel, of maps.

    The map has one byte a pixel, the number of the class; what shows them as colours is its palette.

    Args:
        found: in an image.
        classes: by their numbers.
        folder: to write into.

    Raises:
        OSError: they cannot be written.
    """
    height, width = found.sides
    least, most = _LONGEST_INCHES
    inches = min(max(max(height, width) / _DPI, least), most) / max(height, width)
    figure = Figure(figsize=(width * inches, height * inches), dpi=_DPI)
    ax = figure.add_axes((0, 0, 1, 1))
    colours = class_colours(classes)
    if found.map_HW is None:
        plot_objects(found.picture_HW3, found.objects or (), classes, colours, ax=ax)
    else:
        plot_map(found.picture_HW3, found.map_HW, classes, colours, ax=ax)
        _write_map(found.map_HW, classes, folder / f"{found.path.name}.map.png")
    ax.set_axis_off()
    figure.savefig(folder / f"{found.path.name}.png")


def _write_map(map_HW: NDArray[np.uint8], classes: Sequence[str], path: Path) -> None:
    colours = class_colours(classes)
    paints = ["#000000" if name == _BACKGROUND else colours[name] for name in classes]
    image = Image.fromarray(map_HW)
    image.putpalette([round(255 * share) for paint in paints for share in to_rgb(paint)])
    image.save(path)
