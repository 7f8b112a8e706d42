"""The epochs of a trial as one array, since a study may have a million of them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import overload

import numpy as np
import numpy.typing as npt

from fishnet_search.study.record import EpochRecord, Evaluation

Figures = npt.NDArray[np.float64]

FIGURES = (
    "epoch",
    "learning_rate",
    "train.loss",
    "train.top1",
    "train.top5",
    "validation.loss",
    "validation.top1",
    "validation.top5",
    "seconds",
    "images_per_second",
    "waiting",
    "peak_memory_mb",
)
"""Rows of the array: fields of `EpochRecord`. NaN stands for a peak that is None; nothing else can be NaN."""

_GET = attrgetter(*FIGURES)


class Epochs(Sequence[EpochRecord]):
    """Epochs that are made when they are asked for."""

    def __init__(self, figures: Figures) -> None:
        """Keep an array of shape (len(FIGURES), epochs)."""
        self.figures = figures

    def __len__(self) -> int:
        return int(self.figures.shape[1])

    @overload
    def __getitem__(self, index: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EpochRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> EpochRecord | tuple[EpochRecord, ...]:
        if isinstance(index, slice):
            return tuple(map(_epoch, self.figures[:, index].T.tolist()))
        return _epoch(self.figures[:, index].tolist())


def figures_of(epochs: Sequence[EpochRecord]) -> Figures:
    """Return an array of shape (len(FIGURES), epochs)."""
    if isinstance(epochs, Epochs):
        return epochs.figures
    figures: Figures = np.array([_GET(epoch) for epoch in epochs], np.float64)
    by_figure: Figures = figures.reshape(len(epochs), len(FIGURES)).T
    return by_figure


def _epoch(figures: Sequence[float]) -> EpochRecord:
    epoch, learning_rate, *of_parts, seconds, images_per_second, waiting, peak = figures
    train, validation = (
        Evaluation.model_construct(loss=loss, top1=top1, top5=top5) for loss, top1, top5 in (of_parts[:3], of_parts[3:])
    )
    return EpochRecord.model_construct(
        epoch=int(epoch),
        learning_rate=learning_rate,
        train=train,
        validation=validation,
        seconds=seconds,
        images_per_second=images_per_second,
        waiting=waiting,
        peak_memory_mb=None if np.isnan(peak) else peak,
    )
