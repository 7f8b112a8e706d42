"""What a search, or a grid of many variants, has come to: in the order of time, on the front, and over all.

Figures are fractions from 0 to 1 on validation images, in each trial's best epoch. Test images have no part in this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fishnet_search.evidence.candidates import costs_of, lowest_usual
from fishnet_search.evidence.frames import MISSING, NOT_RUN
from fishnet_search.evidence.naming import column, explained, metric_of
from fishnet_search.evidence.plan import is_search
from fishnet_search.study.record import EVIDENCE, StudyRecord

FEWEST = 10
"""Candidates with figures that it takes before anything is said about them as a whole."""

UNSCORED = "without a score"


def has_order(study: StudyRecord) -> bool:
    """Return whether candidates came one by one, so that their order means something: proposed, or drawn at random."""
    return is_search(study) or study.design == "random"


def score_frame(study: StudyRecord, trials: pd.DataFrame) -> pd.DataFrame:
    """Return how each variant did: of a search with its first seed, of other designs in the mean over all seeds.

    A variant that lacks one of the seeds has no score: a mean over fewer would stand beside means over more. Twins at
    the baseline's cost are left out, since they stand at the levels of those that they rescale.

    Args:
        study: What was planned.
        trials: As from `trial_frame`.

    Returns:
        One row a variant in the order of the plan, with the columns that `SCORE_COLUMNS` explains.
    """
    seeds = study.seeds[:1] if is_search(study) else study.seeds
    costs, validation = costs_of(study), column(trials, "validation_metric")
    own = trials[trials["planned"] & trials["variant"].isin(costs) & trials["seed"].isin(seeds)]
    own = own.assign(counts=own["state"].isin(EVIDENCE), stopped=own["state"] == "pruned")
    scores = own.groupby("variant", sort=False).agg(
        **{
            "seeds": ("counts", "sum"),
            "stopped": ("stopped", "max"),
            validation: (validation, "mean"),
            "key": ("key", "first"),
        }
    )
    complete = scores["seeds"] == len(seeds)
    scores["state"] = np.select([complete, scores["stopped"]], ["complete", "pruned"], UNSCORED)
    scores[validation] = scores[validation].where(complete)
    scores = scores.reset_index()
    scores["cost"] = scores["variant"].map(costs).astype("float64")
    found: pd.DataFrame = scores[list(explained(SCORE_COLUMNS, scores))]
    return found


def progress_frame(study: StudyRecord, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with the first seed in the order in which they began, with what was known after each.

    Twins at the baseline's cost are left out, as in `score_frame`.

    Args:
        study: What was planned.
        trials: As from `trial_frame`.

    Returns:
        One row a trial that was begun, with the columns that `PROGRESS_COLUMNS` explains. A duplicate cost no epochs;
        when it was found is not recorded, so that it follows the candidate that was proposed before it.
    """
    costs, validation = costs_of(study), column(trials, "validation_metric")
    first = trials[trials["planned"] & trials["variant"].isin(costs) & (trials["seed"] == study.seeds[0])]
    begun = first[~first["state"].isin((MISSING, NOT_RUN))]
    copies = begun["state"] == "duplicate"
    when = pd.to_datetime(begun["started"], utc=True, format="ISO8601").mask(copies).ffill()
    begun = begun.assign(when=when).sort_values("when", kind="stable", na_position="first")
    counts = begun["state"].isin(EVIDENCE)
    spent = begun["epochs"].astype("float64").fillna(0).where(begun["state"] != "duplicate", 0).astype(int)
    progress = pd.DataFrame(
        {
            "trial": np.arange(1, len(begun) + 1),
            "variant": begun["variant"],
            "state": begun["state"],
            "epochs": spent,
            "epochs_spent": spent.cumsum(),
            validation: begun[validation],
            "cost": begun["variant"].map(costs).astype("float64"),
            f"best_{metric_of(trials)}": begun[validation].where(counts).cummax().ffill(),
        }
    )
    found: pd.DataFrame = progress.reset_index(drop=True)
    return found


@dataclass(frozen=True)
class Corner:
    """The two corners of the rectangle that a hypervolume is a share of."""

    highest_cost: float  # with `lowest_figure` the reference point
    lowest_figure: float
    lowest_cost: float  # with `highest_figure` the point that would be best of all
    highest_figure: float

    @property
    def area(self) -> float:
        """What a front that is one point at the best of all would dominate."""
        return (self.highest_cost - self.lowest_cost) * (self.highest_figure - self.lowest_figure)


def corner_of(scores: pd.DataFrame) -> Corner | None:
    """Return the rectangle of all complete candidates, accuracies that are far out below left out.

    Args:
        scores: As from `score_frame`; of a progress its rows that count would do as well.

    Returns:
        None if all cost the same or are equally accurate, so that there is no trade to be made.
    """
    validation = column(scores, "validation_metric")
    seen = scores[scores["state"].isin(EVIDENCE)].dropna(subset=["cost", validation])
    if seen.empty:
        return None
    accuracies, cost = seen[validation], seen["cost"]
    found = Corner(float(cost.max()), lowest_usual(accuracies), float(cost.min()), float(accuracies.max()))
    return found if found.area > 0 else None


def hypervolumes(costs: NDArray[np.float64], accuracies: NDArray[np.float64], corner: Corner) -> NDArray[np.float64]:
    """Return what share of the rectangle is dominated after each candidate: no dearer, and no less accurate.

    Args:
        costs: In the order of time; NaN for a candidate that does not count.
        accuracies: The same.
        corner: The rectangle, whose corner of highest cost and lowest accuracy is the reference point.

    Returns:
        As many shares from 0 to 1, never falling.

    Source: Zitzler and Thiele 1998, Multiobjective Optimization Using Evolutionary Algorithms (the size of the space
    covered), for two objectives.
    """
    front: list[tuple[float, float]] = []  # cost and accuracy, both rising
    shares = np.zeros(len(costs))
    share = 0.0
    for i, point in enumerate(zip(costs.tolist(), accuracies.tolist(), strict=True)):
        cost, accuracy = point
        news = cost <= corner.highest_cost and accuracy > corner.lowest_figure  # not of NaN
        if news and not any(one <= cost and other >= accuracy for one, other in front):
            front = sorted([*(each for each in front if each[0] < cost or each[1] > accuracy), point])
            share = _area(front, corner) / corner.area
        shares[i] = share
    return shares


def _area(front: list[tuple[float, float]], corner: Corner) -> float:
    """Sum up the strips of a staircase, each as wide as from its cost to the next one's."""
    edges = [cost for cost, _ in front[1:]] + [corner.highest_cost]
    return sum(
        (end - cost) * (accuracy - corner.lowest_figure) for (cost, accuracy), end in zip(front, edges, strict=True)
    )


def distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates or trials with each experiment once: of those of equal keys the first, complete if one is.

    Args:
        rows: As from `score_frame`, or of one seed from `trial_frame`.
    """
    complete_first = rows.sort_values("state", key=lambda states: ~states.isin(EVIDENCE), kind="stable")
    again = complete_first["key"].notna() & complete_first.duplicated("key")
    once: pd.DataFrame = rows[~again.reindex(rows.index)]
    return once


def error_distribution(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the empirical distribution of the error, 1 − the figure: how many candidates err at most so often.

    Candidates that were stopped early count among all, and never as having come below an error: so a share is the
    least that it can be. Without any this is the distribution that Radosavovic et al. compare design spaces by.

    Args:
        scores: As from `score_frame`, each experiment once; those without a score are left out.

    Returns:
        Columns `error` and `share`, both from 0 to 1 and rising, one row a distinct error.

    Source: Radosavovic et al. 2019, On Network Design Spaces for Visual Recognition, arXiv 1905.13214, section 3.
    """
    complete = scores[scores["state"] == "complete"]
    errors, n = np.unique(1 - complete[column(scores, "validation_metric")].to_numpy(), return_counts=True)
    everyone = len(complete) + int((scores["state"] == "pruned").sum())
    found: pd.DataFrame = pd.DataFrame({"error": errors, "share": np.cumsum(n) / max(everyone, 1)})
    return found


SCORE_COLUMNS = {  # for `explained`
    "variant": "name of the architecture, and of how it is trained",
    "state": f"complete; pruned: stopped early with a seed that counts; {UNSCORED}: failed, interrupted or missing",
    "seeds": "complete trials that the score is the mean of; of a search only the first seed counts",
    "validation_{metric}": "mean over these of the best epoch's, fraction from 0 to 1; NaN if a seed is lacking",
    "cost": "by the cost that is sought to be low, or MACs",
    "key": "of the first trial: equal keys are one experiment",
}

PROGRESS_COLUMNS = {  # for `explained`
    "trial": "place in the order of time; the first is 1",
    "variant": "name of the architecture, and of how it is trained",
    "state": "of the trial",
    "epochs": "passes over the training images that it cost; none for the figures of an equal trial",
    "epochs_spent": "the same of this trial and all before it",
    "validation_{metric}": "of the best epoch so far, fraction from 0 to 1; counts only of complete trials and "
    "duplicates",
    "cost": "by the cost that is sought to be low, or MACs",
    "best_{metric}": "the highest validation_{metric} of the trials that count, up to this one; NaN before the first",
}
