"""What a task takes of its backbone: the outputs, and the levels of the pyramid on them. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fishnet_search.errors import SpecError
from fishnet_search.graph.graph import Graph, Tap, features_only, taps_of
from fishnet_search.task.settings import Detection, SemanticSegmentation

STRIDES = range(4, 33)
"""Of the taps that a pyramid stands on by default."""

PADDED = 32
"""Sides of images are padded to multiples of it, as in torchvision, or of the network's stride where that is more."""

ASPECTS = (0.5, 1.0, 2.0)
"""Height over width of the anchors at each place of a level."""

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""Proposals of so many pixels a side are pooled from level 4, of stride 2⁴ (arXiv 1612.03144, equation 1)."""

BOX_SIDE, MASK_SIDE = 7, 14
"""Places a side that a proposal is pooled to for its box, and for its mask, which is drawn in twice as many."""

MASK_LAYERS = 4
"""3×3 convolutions before a mask is drawn."""

DETECTIONS = 100
"""Boxes that are kept of an image, as COCO judges them."""


class Level(NamedTuple):
    """A level of the pyramid."""

    name: str  # of its tap; "head2/2" is what comes behind the tap head2 in half its resolution
    stride: int  # input resolution over its resolution
    anchor: float  # pixels a side of its anchors, before their aspect
    pooled_from: float | None  # least side of the proposals that are pooled from it, in pixels; None: it gives none


def side_multiple(graph: Graph) -> int:
    """Return what a detector pads the sides of images to multiples of."""
    return math.lcm(PADDED, graph.stride)


def detector_graph(graph: Graph, task: Detection) -> Graph:
    """Return the backbone of a detector, its outputs from fine to coarse.

    Args:
        graph: of the whole network.
        task: which names the taps, or leaves it at those of strides 4 to 32; all, if none is of these.

    Raises:
        SpecError: there is no such tap, or a tap is finer than one before it.
    """
    offered = sorted(taps_of(graph), key=lambda tap: tap.stride)
    usual = [tap.name for tap in offered if tap.stride in STRIDES]
    backbone = features_only(graph, task.taps or usual or [tap.name for tap in offered])
    _check_order(taps_of(backbone))
    return backbone


def segmenter_graph(graph: Graph, task: SemanticSegmentation) -> Graph:
    """Return the backbone of a segmenter, with one output: a fish's body's end, the last tap of others by default.

    Args:
        graph: of the whole network.
        task: which may name the tap.

    Raises:
        SpecError: there is no such tap.
    """
    body = [node.name for node in graph.nodes if is_fish(graph) and node.name.startswith("body")]
    return features_only(graph, [task.tap or (body[-1] if body else graph.taps[-1][0])])


def is_fish(graph: Graph) -> bool:
    """Return whether a network comes back to fine resolutions by a body."""
    return graph.label == "fish"


def levels_of(backbone: Graph, task: Detection) -> tuple[Level, ...]:
    """Return the levels of a pyramid: one a tap, and one behind them in half the resolution of the last.

    Anchors double from level to level. A level takes the proposals that equation 1 of the paper gives to its stride;
    the finest one also those that are smaller, the last one those that are larger. Where strides stay, as at the end
    of a DetNet, each further level counts as the next one all the same: it takes anchors and proposals of twice the
    side. A pyramid that ends so has no level behind the taps: DetNet's own last stage takes its place.

    Args:
        backbone: from `detector_graph`.
        task: which says how large the smallest anchors are.

    Source: arXiv 1612.03144, sections 4.1 and 4.2 (feature pyramids); arXiv 1804.06215 (DetNet). How the proposals
        are shared among levels of one stride is our own reading: torchvision, ops/poolers.py, infers levels from
        resolutions, and cannot tell such levels apart.
    """
    taps = taps_of(backbone)
    levels = [
        Level(tap.name, tap.stride, task.smallest_anchor * 2**i, CANONICAL_SIDE * 2.0 ** (number - CANONICAL_LEVEL))
        for i, (tap, number) in enumerate(zip(taps, _numbers(taps), strict=True))
    ]
    last = levels[-1]
    if len(taps) == 1 or taps[-2].stride < last.stride:
        levels.append(Level(f"{last.name}/2", 2 * last.stride, 2 * last.anchor, None))
    return tuple(levels)


def _numbers(taps: Sequence[Tap]) -> list[int]:
    """Number levels as the paper does, by the logarithm of their stride, but no two alike."""
    numbers: list[int] = []
    for tap in taps:
        number = tap.stride.bit_length() - 1
        numbers.append(max(number, numbers[-1] + 1) if numbers else number)
    return numbers


def _check_order(taps: Sequence[Tap]) -> None:
    if any(fine.stride > coarse.stride for fine, coarse in pairwise(taps)):
        strides = ", ".join(f"{tap.name} of stride {tap.stride}" for tap in taps)
        use = ", ".join(tap.name for tap in sorted(taps, key=lambda tap: tap.stride))
        raise SpecError(f"taps go from fine to coarse, not {strides}; use {use}")
