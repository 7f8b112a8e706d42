"""The epochs of a trial as one array, since a study may have a million of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import overload

import numpy as np
import numpy.typing as npt

from fishnet_search.study.record import LOSS, EpochRecord
from fishnet_search.task.figures import OF_TASK, TaskName

Figures = npt.NDArray[np.float64]

BEGINNING = ("epoch", "learning_rate")
END = ("seconds", "images_per_second", "waiting", "peak_memory_mb")


@cache
def train_figures(task: TaskName) -> tuple[str, ...]:
    """Return what is measured while the weights move."""
    return (LOSS, *OF_TASK[task]) if task == "classification" else (LOSS,)


@cache
def validation_figures(task: TaskName) -> tuple[str, ...]:
    """Return what is measured after the pass."""
    return (LOSS, *OF_TASK[task])


@cache
def rows_of(task: TaskName) -> tuple[str, ...]:
    """Return the rows of the array: fields of `EpochRecord`, such as "validation.top1".

    NaN stands for a figure that an epoch does not have, and for a peak that is None; nothing else can be NaN.
    """
    train = (f"train.{name}" for name in train_figures(task))
    validation = (f"validation.{name}" for name in validation_figures(task))
    return (*BEGINNING, *train, *validation, *END)


class Epochs(Sequence[EpochRecord]):
    """Epochs that are made when they are asked for."""

    def __init__(self, figures: Figures, task: TaskName) -> None:
        """Keep an array of shape (len(rows_of(task)), epochs)."""
        self.figures, self.task = figures, task

    def __len__(self) -> int:
        return int(self.figures.shape[1])

    @overload
    def __getitem__(self, index: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EpochRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> EpochRecord | tuple[EpochRecord, ...]:
        if isinstance(index, slice):
            return tuple(_epoch(epoch, self.task) for epoch in self.figures[:, index].T.tolist())
        return _epoch(self.figures[:, index].tolist(), self.task)


def figures_of(epochs: Sequence[EpochRecord], task: TaskName) -> Figures:
    """Return an array of shape (len(rows_of(task)), epochs)."""
    if isinstance(epochs, Epochs):
        return epochs.figures
    figures: Figures = np.array([_figures(epoch, task) for epoch in epochs], np.float64)
    by_figure: Figures = figures.reshape(len(epochs), len(rows_of(task))).T
    return by_figure


def _figures(epoch: EpochRecord, task: TaskName) -> list[float | None]:
    return [
        *(getattr(epoch, name) for name in BEGINNING),
        *map(epoch.train.get, train_figures(task)),
        *map(epoch.validation.get, validation_figures(task)),
        *(getattr(epoch, name) for name in END),
    ]


def _epoch(figures: Sequence[float], task: TaskName) -> EpochRecord:
    train, end = len(BEGINNING) + len(train_figures(task)), len(figures) - len(END)
    epoch, learning_rate = figures[: len(BEGINNING)]
    seconds, images_per_second, waiting, peak = figures[end:]
    return EpochRecord.model_construct(
        epoch=int(epoch),
        learning_rate=learning_rate,
        train=_known(dict(zip(train_figures(task), figures[len(BEGINNING) : train], strict=True))),
        validation=_known(dict(zip(validation_figures(task), figures[train:end], strict=True))),
        seconds=seconds,
        images_per_second=images_per_second,
        waiting=waiting,
        peak_memory_mb=None if np.isnan(peak) else peak,
    )


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figure for name, figure in figures.items() if not math.isnan(figure)}
