"""A trial's learning curve as a small SVG. There may be hundreds on a page, so it is written and not plotted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fishnet_search.drawing.svg import element, group, text
from fishnet_search.study.epochs import figures_of, rows_of
from fishnet_search.study.record import LOSS, TrialRecord
from fishnet_search.task.figures import MEANINGS

_INK, _QUIET, _GRID = "#1b1f24", "#5f6670", "#dfe3e8"
_TRAIN, _VALIDATION = "#b45f06", "#0b5cad"
_WIDTH, _HEIGHT = 260.0, 150.0  # of a panel, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 26.0, 28.0  # margins around its lines
_SIZE = 11.0

Numbers = Sequence[float]


@dataclass(frozen=True)
class _Scale:
    """Numbers onto pixels, along one side of a panel."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def curve_svg(trial: TrialRecord) -> str:
    """Return figure and loss of each epoch side by side, of training and validation; a dot marks the best epoch.

    There is no line of what a task does not measure there.

    Args:
        trial: With one epoch or more.
    """
    task = trial.task.kind
    rows = dict(zip(rows_of(task), figures_of(trial.epochs, task), strict=True))
    epochs = [int(epoch) for epoch in rows["epoch"]]
    train, validation = (_known(rows, f"{part}.{trial.metric}", 100) for part in ("train", "validation"))
    figure = _panel(f"{MEANINGS[trial.metric].label} (%)", epochs, train, validation, trial.best_epoch)
    train, validation = (_known(rows, f"{part}.{LOSS}") for part in ("train", "validation"))
    loss = _panel("loss", epochs, train, validation, trial.best_epoch)
    width = 2 * _WIDTH
    return element(
        "svg",
        figure,
        group([loss], transform=f"translate({_WIDTH:g} 0)"),
        viewBox=f"0 0 {width:g} {_HEIGHT:g}",
        role="img",
        aria_label=f"learning curve of {trial.variant} seed {trial.seed}",
    )


def _known(rows: Mapping[str, npt.NDArray[np.float64]], name: str, scale: float = 1) -> Numbers:
    """Return the numbers of a row, none where it lacks some."""
    row = rows.get(name)
    return [] if row is None or np.isnan(row).any() else (scale * row).tolist()


def _panel(title: str, epochs: Sequence[int], train: Numbers, validation: Numbers, best_epoch: int | None) -> str:
    low, high = _around([*train, *validation])
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    x = _Scale(first, last, _LEFT, _WIDTH - _RIGHT)
    y = _Scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    at = [x(epoch) for epoch in epochs]
    parts = [
        text(_LEFT, 13, title, _SIZE, fill=_INK, font_weight="600"),
        *([text(_WIDTH - _RIGHT - 62, 13, "training", _SIZE, fill=_TRAIN, text_anchor="end")] if train else []),
        *([text(_WIDTH - _RIGHT, 13, "validation", _SIZE, fill=_VALIDATION, text_anchor="end")] if validation else []),
        *(_level(value, y(value)) for value in (low, high)),
        text(_LEFT, _HEIGHT - 10, f"epoch {first}", _SIZE, fill=_QUIET),
        *([text(at[-1], _HEIGHT - 10, f"{last}", _SIZE, fill=_QUIET, text_anchor="end")] if len(epochs) > 1 else []),
        *([_line(at, train, y, _TRAIN, dashes="4 3")] if train else []),
        *([_line(at, validation, y, _VALIDATION)] if validation else []),
    ]
    if best_epoch is not None and validation:
        parts.append(element("circle", cx=x(best_epoch), cy=y(validation[best_epoch - 1]), r=3.5, fill=_VALIDATION))
    return "".join(parts)


def _around(values: Numbers) -> tuple[float, float]:
    """Return where an axis begins and ends."""
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


def _level(value: float, y: float) -> str:
    line = element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, stroke=_GRID)
    return line + text(_LEFT - 6, y + 4, f"{value:.4g}", _SIZE, fill=_QUIET, text_anchor="end")


def _line(at: Numbers, values: Numbers, y: _Scale, colour: str, dashes: str | None = None) -> str:
    """Return a line; a lone epoch is a ring."""
    if len(values) == 1:
        return element("circle", cx=at[0], cy=y(values[0]), r=2.5, fill="none", stroke=colour)
    points = " ".join(f"{x:.1f},{y(value):.1f}" for x, value in zip(at, values, strict=True))
    return element("polyline", points=points, fill="none", stroke=colour, stroke_width=1.6, stroke_dasharray=dashes)
