"""Early stopping on recorded curves: what it did to the best, and what it would have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fishnet_search.evidence.fidelity import Race, mean, survivors
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column
from fishnet_search.evidence.search import distinct
from fishnet_search.space.design import Stop

KEEP = Stop(kind="asha").keep
"""One trial in so many goes on where a space does not say otherwise."""


@dataclass(frozen=True)
class Replay:
    """What successive halving would have come to on curves that were run to the end."""

    hurdles: tuple[int, ...]  # epochs after which it stops trials
    keep: int  # one in so many goes on
    epochs_share: float  # of the epochs of all trials that it would have spent, mean over seeds
    shortfall: float  # how much less accurate the best of what is left is than the best of all, mean over seeds
    seeds_kept: int  # seeds in which the best of all is among what is left


def replay_halving(races: tuple[Race, ...], hurdles: tuple[int, ...], keep: int) -> Replay:
    """Return what stopping all but one in `keep` trials after each of these epochs would have saved and lost.

    All trials are taken to arrive at a hurdle together; ASHA, which does not wait, lets a few more go on.

    Args:
        races: As from `races_of`, one or more.
        hurdles: Rising, each less than the number of epochs.
        keep: One trial in so many goes on, of fewer the best one.
    """
    shares, shortfalls = [], []
    for race in races:
        left, spent, before = np.arange(len(race.variants)), 0, 0
        for hurdle in hurdles:
            spent, before = spent + len(left) * (hurdle - before), hurdle
            left = left[survivors(race.curves[left, hurdle - 1], keep)]
        spent += len(left) * (race.curves.shape[1] - before)
        shares.append(spent / race.curves.size)
        shortfalls.append(float(race.final.max() - race.final[left].max()))
    return Replay(hurdles, keep, mean(shares), mean(shortfalls), sum(one == 0 for one in shortfalls))


def usual_hurdles(epochs: int, keep: int) -> tuple[int, ...]:
    """Return the epochs after which `stop: asha`, without a word more, judges trials of so many epochs."""
    first = max(1, epochs // 9)
    return tuple(first * keep**i for i in range(epochs) if first * keep**i < epochs)


def hurdle_frame(trials: pd.DataFrame, curves: pd.DataFrame, seed: int, asked: Mapping[str, int]) -> pd.DataFrame:
    """Return where trials were stopped early, and how the one that was the best in the end stood there.

    All trials with the seed that came so far count, whatever became of them, if they were to have as many epochs as the
    best: a learning rate that falls faster makes a trial look better early on. The records have no rule, so hurdles are
    the epochs after which any trial was stopped.

    Args:
        trials: As from `trial_frame`.
        curves: As from `curve_frame`.
        seed: The one whose trials are looked at.
        asked: Variant -> epochs that its trials were to have.

    Returns:
        One row a hurdle, with the columns that `HURDLE_COLUMNS` explains; none if nothing was stopped.
    """
    own = distinct(trials[trials["planned"] & (trials["seed"] == seed)])
    complete = evidence(own)
    validation = column(trials, "validation_metric")
    rows = []
    if not complete.empty:
        best = complete["variant"].iloc[complete[validation].argmax()]
        alike = own[own["variant"].map(asked) == asked[best]]
        seen = curves[(curves["seed"] == seed) & curves["variant"].isin(alike["variant"])]
        stopped = alike.loc[alike["state"] == "pruned", "epochs"].astype(int)
        for epoch, n in stopped.value_counts().sort_index().items():
            there = seen[seen["epoch"] == epoch].set_index("variant")[validation]
            place = int((there > there[best]).sum()) + 1
            rows.append({"epoch": epoch, "reached": len(there), "stopped": n, "place_of_best": place})
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(HURDLE_COLUMNS))
    return frame


HURDLE_COLUMNS = {
    "epoch": "after which trials were stopped",
    "reached": "trials with the first seed that came so far, each experiment once, of those that were to have as many "
    "epochs as the best",
    "stopped": "of these, those that were stopped there",
    "place_of_best": "place, after this epoch, of the trial that was the best in the end, the first is 1",
}
