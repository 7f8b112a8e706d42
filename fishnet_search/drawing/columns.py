"""Where stages stand from left to right, and in which rows.

Rows are resolutions, the highest on top; columns are stages in the order of computation. A box stands in the row in
which the stage's blocks work, its output in the row of its own resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fishnet_search.drawing.anatomy import INPUT, Stage
from fishnet_search.drawing.text import text_width
from fishnet_search.graph.build import CLASSIFIER

NAME_SIZE = 13.0
SMALL = 11.5
LINE = 14.5
PADDING = 5.0
GAP = 28.0  # from an output to the next box
STUB = 16.0  # from a box to its output in the same row
TAKE_OFF = 0.6  # where along its box an arrow up or down begins
GROWTH = 40.0  # by which the box of most channels is higher than that of fewest


@dataclass(frozen=True, slots=True)
class Box:
    """A stage with its output."""

    stage: Stage
    row: int
    output_row: int
    left: float
    right: float
    height: float
    output: float  # its x


@dataclass(frozen=True, slots=True)
class Vertical:
    """A piece of the main path from row to row."""

    x: float
    start: int
    end: int
    words: str  # how the resolution changes

    def crosses(self, row: int, *, above: bool) -> bool:
        """Say whether it passes what stands above, or below, the boxes of a row."""
        low, high = sorted((self.start, self.end))
        return low < row <= high if above else low <= row < high


def boxes_of(stages: Sequence[Stage]) -> tuple[Box, ...]:
    """Return the stages' boxes from left to right. No two in the same row touch."""
    rows = rows_of(stages)
    width = max(map(_text_width, stages))
    height = _heights(stages)
    boxes: list[Box] = []
    taken = dict.fromkeys(rows.values(), -math.inf)  # how far each row is
    for stage in stages:
        row, output_row = rows[stage.side], rows[stage.output_side]
        left = max(boxes[-1].output if boxes else 0.0, taken[row]) + GAP
        right = left + (_text_width(stage) if stage.part == INPUT else width)
        taken[row] = right
        output = right + STUB if row == output_row else left + TAKE_OFF * width
        boxes.append(Box(stage, row, output_row, left, right, height[stage.name], output))
    return tuple(boxes)


def rows_of(stages: Sequence[Stage]) -> Mapping[int, int]:
    """Return the row of every resolution, 0 on top."""
    sides = {side for stage in stages for side in (stage.side, stage.output_side)}
    return {side: row for row, side in enumerate(sorted(sides, reverse=True))}


def verticals_of(boxes: Sequence[Box]) -> Iterator[Vertical]:
    """Yield where the main path changes rows: behind a stage's blocks, or in front of its box."""
    for box in boxes:
        if box.row != box.output_row:
            yield Vertical(box.output, box.row, box.output_row, box.stage.change)
    for before, box in pairwise(boxes):
        if box.stage.follows and before.output_row != box.row:
            yield Vertical(before.output, before.output_row, box.row, box.stage.change)


def output_label_width(stage: Stage) -> float:
    """Return the room for the channels that are written beside a concatenation."""
    return text_width(str(stage.output_channels), SMALL) + 8 if stage.concatenates else 0.0


def _text_width(stage: Stage) -> float:
    return max(text_width(stage.name, NAME_SIZE), *(text_width(line, SMALL) for line in stage.words)) + 2 * PADDING


def _heights(stages: Sequence[Stage]) -> Mapping[str, float]:
    """Return the heights of the boxes: room for the text, and more by the logarithm of the channels."""
    lines = 1 + max(len(stage.words) for stage in stages)
    least = lines * LINE + 2 * PADDING
    sized = [stage for stage in stages if stage.part not in {INPUT, CLASSIFIER}]
    logarithms = {stage.name: math.log2(stage.channels) for stage in sized}
    low, high = min(logarithms.values(), default=0.0), max(logarithms.values(), default=0.0)
    heights = {stage.name: (1 + len(stage.words)) * LINE + PADDING for stage in stages}
    return heights | {name: least + GROWTH * (value - low) / (high - low or 1.0) for name, value in logarithms.items()}
