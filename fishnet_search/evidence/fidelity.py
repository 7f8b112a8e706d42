"""What the first epochs tell of the last: whether variants keep their ranks, and whom early stopping would have lost.

Only complete trials are judged, since the others have no end to be compared with, and only those with the number of
epochs that most have: a learning rate that falls faster makes a trial look better early on. Ranks are taken within
each seed and then averaged, so that the luck of a seed is no rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.naming import column, metric_of
from fishnet_search.evidence.paired import CONFIDENCE
from fishnet_search.evidence.search import FEWEST
from fishnet_search.task.figures import Figure

MOST = 200
"""Variants of one seed that are drawn at random of more, which keeps the error of τ below 0.05."""

DRAWS = 500
"""Bootstrap samples."""

SOUND = 0.95
"""Share of these that must have a τ, which equal figures have not, for an interval of those that have one."""

BEST = 10
"""One in so many counts as the best, at least one."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Race:
    """Complete trials of one seed and one number of epochs, each experiment once."""

    seed: int
    variants: tuple[str, ...]
    curves: Matrix  # validation figure after each epoch [variants, epochs]
    metric: Figure = "top1"  # which figure it is

    @property
    def final(self) -> Matrix:
        """Validation figure of the best epoch [variants], by which candidates are chosen."""
        best: Matrix = self.curves.max(axis=1)
        return best


def races_of(trials: pd.DataFrame, curves: pd.DataFrame, *, seed: int = 0) -> tuple[Race, ...]:
    """Return the seeds that have enough complete trials to speak of ranks, with their curves.

    Args:
        trials: As from `trial_frame`.
        curves: As from `curve_frame`.
        seed: Of the choice of `MOST` of more variants.

    Returns:
        One a seed that has `FEWEST` variants or more with the number of epochs, two or more, that most trials have.
    """
    complete = evidence(trials[trials["planned"]]).drop_duplicates("key").dropna(subset="epochs")
    if complete.empty:
        return ()
    epochs = int(complete["epochs"].mode().max())
    complete = complete[complete["epochs"] == epochs]
    groups = [group for _, group in complete.groupby("seed") if len(group) >= FEWEST and epochs > 1]
    rng = np.random.default_rng(seed)
    races = (_race(group["variant"].to_numpy(), curves, int(group["seed"].iloc[0]), epochs, rng) for group in groups)
    return tuple(race for race in races if np.ptp(race.final) > 0)  # equals have no ranks


def _race(names: NDArray[np.object_], curves: pd.DataFrame, seed: int, epochs: int, rng: np.random.Generator) -> Race:
    if len(names) > MOST:
        names = names[np.sort(rng.choice(len(names), MOST, replace=False))]
    own = curves[curves["seed"] == seed]
    rows = pd.Index(names).get_indexer(own["variant"])
    own, rows = own[rows >= 0], rows[rows >= 0]
    matrix = np.full((len(names), epochs), np.nan)
    matrix[rows, own["epoch"].to_numpy() - 1] = own[column(curves, "validation_metric")]
    return Race(seed, tuple(names), matrix, metric_of(curves))


def fidelity_frame(races: tuple[Race, ...], *, keep: int, seed: int = 0) -> pd.DataFrame:
    """Return for every epoch but the last how well ranks after it agree with those in the end.

    Args:
        races: As from `races_of`, one or more.
        keep: One trial in so many would go on.
        seed: Of the bootstrap, which draws variants; a variant is drawn with all its seeds.

    Returns:
        One row an epoch, with the columns that `FIDELITY_COLUMNS` explains.
    """
    epochs = range(1, races[0].curves.shape[1])
    low, high = _intervals(races, seed)
    shortfall = f"shortfall_{races[0].metric}"
    taus = [
        mean([float(stats.kendalltau(race.curves[:, k - 1], race.final).statistic) for race in races]) for k in epochs
    ]
    frame: pd.DataFrame = pd.DataFrame(
        {
            "epoch": list(epochs),
            "variants": len({variant for race in races for variant in race.variants}),
            "seeds": len(races),
            "keep": keep,
            "tau": taus,
            "tau_low": low,
            "tau_high": high,
            "best_lost": [mean([_lost(race, k, keep) for race in races]) for k in epochs],
            "best_lost_of_half": [mean([_lost(race, k, 2) for race in races]) for k in epochs],
            shortfall: [mean([_shortfall(race, k, keep) for race in races]) for k in epochs],
        }
    )
    return frame


def survivors(values: Matrix, keep: int) -> NDArray[np.bool_]:
    """Tell which trials are in the best one of `keep` parts, as Optuna's pruner has it: equals of its last one are."""
    kept: NDArray[np.bool_] = values >= np.sort(values)[::-1][max(len(values) // keep, 1) - 1]
    return kept


def _lost(race: Race, epoch: int, keep: int) -> float:
    """Return which share of the best in the end does not survive an epoch."""
    best = race.final >= np.sort(race.final)[::-1][ceil(len(race.final) / BEST) - 1]
    return float(np.mean(~survivors(race.curves[:, epoch - 1], keep)[best]))


def _shortfall(race: Race, epoch: int, keep: int) -> float:
    """Return how much less accurate the best that survives an epoch is in the end than the best of all."""
    kept = survivors(race.curves[:, epoch - 1], keep)
    return float(race.final.max() - race.final[kept].max())


def _intervals(races: tuple[Race, ...], seed: int) -> tuple[Matrix, Matrix]:
    """Return percentile bootstrap intervals of the mean τ of each epoch but the last."""
    names = {name: i for i, name in enumerate(dict.fromkeys(name for race in races for name in race.variants))}
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS).astype("float32")
    drawn = [_drawn_taus(race, counts[:, [names[name] for name in race.variants]]) for race in races]
    with np.errstate(all="ignore"):
        means = np.mean(drawn, axis=0)
    tail = 50 * (1 - CONFIDENCE)
    sound = np.mean(~np.isnan(means), axis=0) >= SOUND
    ends = np.full((2, means.shape[1]), np.nan)
    ends[:, sound] = np.nanpercentile(means[:, sound], [tail, 100 - tail], axis=0)
    return ends[0], ends[1]


def _drawn_taus(race: Race, counts: NDArray[np.float32]) -> Matrix:
    """Return τ-b of each bootstrap sample and epoch but the last [draws, epochs − 1].

    Each variant is there as often as it was drawn. With the signs s of all pairs' differences, τ-b of a sample with
    counts w is Σ w w s_x s_y / √(Σ w w s_x² · Σ w w s_y²): a variant and its copy are no pair, having no difference.
    """
    y = _signs(race.final)
    taus = []
    in_y = _weighed(np.abs(y), counts)
    for epoch in range(race.curves.shape[1] - 1):
        x = _signs(race.curves[:, epoch])
        with np.errstate(all="ignore"):
            taus.append(_weighed(x * y, counts) / np.sqrt(_weighed(np.abs(x), counts) * in_y))
    return np.stack(taus, axis=1)


def _signs(values: Matrix) -> NDArray[np.float32]:
    return np.sign(values[:, None] - values[None, :]).astype("float32")


def _weighed(pairs: NDArray[np.float32], counts: NDArray[np.float32]) -> Matrix:
    summed: Matrix = np.einsum("di,di->d", counts @ pairs, counts, dtype="float64")
    return summed


def mean(values: list[float]) -> float:
    """Return the mean over seeds."""
    return float(np.mean(values))


FIDELITY_COLUMNS = {  # for `explained`
    "epoch": "after which ranks are compared with those in the end, by validation {label} of the best epoch",
    "variants": "complete ones that are compared, over all seeds",
    "seeds": "over which the figures are averaged, each ranked by itself",
    "keep": "one trial in so many would go on",
    "tau": "Kendall's τ-b: 1 for the same order, 0 for no relation; NaN if all are equal",
    "tau_low": "lower end of its 95 % percentile bootstrap interval over variants, of the samples that have a τ; NaN "
    f"if fewer than {100 * SOUND:.0f} % have",
    "tau_high": "upper end of the same",
    "best_lost": f"share of the best 1 in {BEST} in the end that is not among the best 1 in `keep` after this epoch",
    "best_lost_of_half": "the same for the best half after this epoch",
    "shortfall_{metric}": "validation {label} of the best of all minus that of the best among the best 1 in `keep`, "
    "fraction",
}
