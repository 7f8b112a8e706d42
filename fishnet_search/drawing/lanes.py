"""Lanes above and below the boxes of a row, for what passes them: transfers and the flags of taps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeVar

from fishnet_search.drawing.anatomy import Transfer
from fishnet_search.drawing.columns import SMALL, Box, Vertical, output_label_width
from fishnet_search.drawing.text import fitting, text_width
from fishnet_search.graph.graph import Tap

TEE = 11.0  # from an output to where a transfer leaves the main path
JOIN = 13.0  # from there to the box, or to the concatenation
LONGEST_NAME = 150.0


@dataclass(frozen=True, slots=True)
class Arc:
    """A transfer: from its source along a lane, then along the row to its target."""

    transfer: Transfer
    row: int
    above: bool
    left: float  # where it goes to its lane
    right: float  # where it comes back
    end: float
    end_row: int
    into: Literal["point", "path", "box"]  # a concatenation, the main path in front of a box, or a box on its own
    label: str
    label_x: float
    label_in_lane: bool
    level: int = 0  # 0 is the lane beside the boxes


@dataclass(frozen=True, slots=True)
class Flag:
    """A tap, on a pole at an output."""

    tap: Tap
    row: int
    above: bool
    pole: float
    left: float
    right: float
    text: str
    level: int = 0


_Placed = TypeVar("_Placed", Arc, Flag)


def arcs_of(transfers: Iterable[Transfer], boxes: Sequence[Box], verticals: Sequence[Vertical]) -> tuple[Arc, ...]:
    """Return the transfers' ways, on lanes where no two overlap."""
    by_name = {box.stage.name: box for box in boxes}
    arcs = [_arc(each, by_name[each.source], by_name[each.target], boxes, verticals) for each in transfers]
    return _levelled(arcs)


def flags_of(taps: Iterable[Tap], boxes: Sequence[Box], verticals: Sequence[Vertical]) -> tuple[Flag, ...]:
    """Return the taps' flags, on levels where no two overlap."""
    by_name = {box.stage.name: box for box in boxes}
    return _levelled([_flag(tap, by_name[tap.node], verticals) for tap in taps])


def label_width(text: str) -> float:
    """Return the width of the frame around a label."""
    return text_width(text, SMALL) + 8


def _arc(transfer: Transfer, source: Box, target: Box, boxes: Sequence[Box], verticals: Sequence[Vertical]) -> Arc:
    row, into_point = source.output_row, target.stage.concatenates
    into: Literal["point", "path", "box"] = "point" if into_point else "path" if target.stage.follows else "box"
    end = target.output if into_point else target.left
    end_row = target.output_row if into_point else target.row
    left = source.output + TEE
    passed = [box.right for box in boxes if box.row == row and left < box.right < end]
    passed += [box.output for box in boxes if box.output_row == row and left < box.output < end]
    right = end - JOIN
    if into_point:  # back in the row's middle as soon as nothing stands there any more
        right = min(right, max(passed, default=left) + TEE)
    crossed = {
        above: [each.x for each in verticals if left < each.x < right and each.crosses(row, above=above)]
        for above in (True, False)
    }
    above = len(crossed[True]) <= len(crossed[False])
    label = "" if transfer.blocks is None else f"{transfer.blocks} × transfer"
    free = end - right - JOIN - output_label_width(target.stage)
    in_lane = free < label_width(label)
    label_x = _middle(left, right, crossed[above]) if in_lane else right + 6 + free / 2
    return Arc(transfer, row, above, left, right, end, end_row, into, label, label_x, in_lane)


def _middle(left: float, right: float, crossed: Iterable[float]) -> float:
    """Return the middle of the longest piece between what is crossed."""
    stops = [left, *sorted(crossed), right]
    start, end = max(pairwise(stops), key=lambda piece: piece[1] - piece[0])
    return (start + end) / 2


def _flag(tap: Tap, box: Box, verticals: Sequence[Vertical]) -> Flag:
    """Return a flag on the side from which the main path does not come, left of its pole unless it is freer right."""
    above = box.row >= box.output_row
    text = f"{fitting(tap.name, SMALL, LONGEST_NAME)} · {tap.channels}"
    width = label_width(text)

    def crossed(left: float) -> int:
        return sum(left < each.x < left + width and each.crosses(box.output_row, above=above) for each in verticals)

    left = min(box.output - width, box.output, key=crossed)
    return Flag(tap, box.output_row, above, box.output, left, left + width, text)


def _levelled(items: Sequence[_Placed]) -> tuple[_Placed, ...]:
    """Give short ones the levels next to the boxes, so that long ones pass over them."""
    placed: list[_Placed] = []
    for item in sorted(items, key=lambda each: (each.right - each.left, each.left)):
        beside = [
            each.level
            for each in placed
            if (each.row, each.above) == (item.row, item.above)
            and each.left < item.right + 4
            and item.left < each.right + 4
        ]
        level = next(level for level in range(len(beside) + 1) if level not in beside)
        placed.append(replace(item, level=level))
    return tuple(placed)
