"""Pictures with what is in them or was found: takes data and axes and returns the axes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.data.scenes import UNJUDGED
from fishnet_search.task.findings import SeenObject

SET_ASIDE = "#8a8f98"
"""Colour of objects that are not asked for."""

_SHARE = 0.45  # of a mask's colour in what is seen
_LABEL = 0.09  # of a picture's height: room for a label, which else stands inside its box
_COLOURS = (
    *("#e6194b", "#0082c8", "#3cb44b", "#f58231", "#911eb4"),
    *("#46f0f0", "#f032e6", "#d2f53c", "#fabebe", "#008080"),
)


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Give each class a colour that is seen on photographs; further ones go round the colour circle."""
    more = sns.husl_palette(max(0, len(classes) - len(_COLOURS)), l=0.6).as_hex()
    return dict(zip(classes, (*_COLOURS, *more), strict=False))


def picture_of(content: str) -> NDArray[np.uint8]:
    """Return a picture, (height, width, 3) uint8, that is kept as base64."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def map_of(content: str) -> NDArray[np.uint8]:
    """Return a map of classes, (height, width) uint8, that is kept as base64."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def plot_objects(
    picture_HW3: NDArray[np.uint8],
    objects: Sequence[SeenObject],
    classes: Sequence[str],
    colours: Mapping[str, str],
    *,
    ax: Axes,
) -> Axes:
    """Draw a picture with boxes, the class and the score of those that were found, and masks that are seen through.

    Args:
        picture_HW3: uint8.
        objects: in pixels of it.
        classes: by the labels.
        colours: of each class.
        ax: to draw on.
    """
    seen_HW3 = picture_HW3.astype(np.float64)
    for one in objects:
        if one.mask is not None:
            inside_HW = _decoded(one.mask, picture_HW3.shape[:2])
            colour = 255 * np.array(to_rgb(colours[classes[one.label]]))
            seen_HW3[inside_HW] = (1 - _SHARE) * seen_HW3[inside_HW] + _SHARE * colour
    _bare(ax).imshow(seen_HW3.astype(np.uint8))
    for one in objects:
        left, top, right, bottom = one.box
        edge = SET_ASIDE if one.set_aside else colours[classes[one.label]]
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec=edge, lw=1.2))
        told = classes[one.label] if one.score is None else f"{classes[one.label]} {one.score:.2f}"
        ax.text(
            max(left, 0), max(top - 1.5, 0), told, color=_readable_on(edge), fontsize=5, clip_on=True,
            va="bottom" if top > _LABEL * len(picture_HW3) else "top",
            bbox={"facecolor": edge, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )  # fmt: skip
    return ax


def plot_map(
    picture_HW3: NDArray[np.uint8],
    map_HW: NDArray[np.uint8],
    classes: Sequence[str],
    colours: Mapping[str, str],
    *,
    ax: Axes,
) -> Axes:
    """Draw a picture below its map of classes; a class named background is left clear, what is not judged is white.

    Args:
        picture_HW3: uint8.
        map_HW: class of each pixel of it.
        classes: by the values of the map.
        colours: of each class.
        ax: to draw on.
    """
    seen_HW3 = picture_HW3.astype(np.float64)
    for label, name in enumerate(classes):
        if name != "background":
            inside_HW = map_HW == label
            seen_HW3[inside_HW] = (1 - _SHARE) * seen_HW3[inside_HW] + _SHARE * 255 * np.array(to_rgb(colours[name]))
    seen_HW3[map_HW == UNJUDGED] = 255
    _bare(ax).imshow(seen_HW3.astype(np.uint8))
    return ax


def plot_precision(curves: Mapping[str, Sequence[float]], colours: Mapping[str, str], *, ax: Axes) -> Axes:
    """Draw the best precision at each recall or more, a line a class, both in per cent.

    Args:
        curves: class -> precision at recalls evenly from 0 to 1.
        colours: of each class.
        ax: to draw on.
    """
    for name, precision in curves.items():
        recall = np.linspace(0, 100, len(precision))
        ax.plot(recall, 100 * np.asarray(precision), color=colours[name], lw=1.4, label=name)
    ax.set(xlim=(0, 100), ylim=(0, 102), xlabel="recall (%)", ylabel="precision (%)")
    return ax


def _readable_on(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.6 else "white"


def _bare(ax: Axes) -> Axes:
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    return ax


def _decoded(mask: str, sides: Sequence[int]) -> NDArray[np.bool_]:
    from faster_coco_eval.core import mask as run_lengths

    decoded = run_lengths.decode({"size": list(sides), "counts": mask.encode("ascii")})
    return np.asarray(decoded, np.bool_)
