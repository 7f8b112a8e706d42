"""What the first epochs tell of the last, and what that says of early stopping, as a part of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.fidelity import BEST, FIDELITY_COLUMNS, MOST, Race, fidelity_frame, races_of
from fishnet_search.evidence.halving import (
    HURDLE_COLUMNS,
    KEEP,
    Replay,
    hurdle_frame,
    replay_halving,
    usual_hurdles,
)
from fishnet_search.evidence.naming import explained, rows_of
from fishnet_search.evidence.wording import NOTHING, listed, points, seed_count
from fishnet_search.plots.fidelity import plot_best_lost, plot_rank_agreement
from fishnet_search.plots.figures import WIDTH
from fishnet_search.report.section import Section
from fishnet_search.task.figures import MEANINGS

STRONG = 0.7
"""Kendall's τ from which on ranks are said to agree well: of 20 pairs 17 are in the order that they have in the end."""

_EPOCH = f"{FIDELITY_COLUMNS['epoch']}; where no trial was stopped, what is told of stops is empty"
WITH_STOPS_COLUMNS = FIDELITY_COLUMNS | HURDLE_COLUMNS | {"epoch": _EPOCH}
"""Of the numbers of a study that was stopped early."""


def fidelity_section(analysis: Analysis) -> Section | None:
    """Show how well ranks at an epoch agree with those in the end, and whom stopping there would have lost."""
    study = analysis.study
    races = races_of(analysis.trials, analysis.curves)
    asked = {variant.name: variant.recipe.epochs for variant in study.variants}
    stops = hurdle_frame(analysis.trials, analysis.curves, study.seeds[0], asked)
    if not races:
        return None if stops.empty else _only_stops(stops, analysis)
    epochs = races[0].curves.shape[1]
    keep = KEEP if stops.empty else _keep_of(stops["epoch"].tolist())
    hurdles = usual_hurdles(epochs, keep) if stops.empty else tuple(stops["epoch"].tolist())
    fidelity = fidelity_frame(races, keep=keep)
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_rank_agreement(fidelity, hurdles, ax=left)
    plot_best_lost(fidelity, hurdles, keep, ax=right)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)
    numbers = fidelity if stops.empty else _with_stops(fidelity, stops)
    told = _replayed(replay_halving(races, hurdles, keep), races) if stops.empty else _stopped(stops, analysis)
    return Section(
        name="fidelity",
        title="What the first epochs tell",
        text=(*_agreement(fidelity, hurdles, epochs), told),
        figure=figure,
        caption=f"Left: Kendall's τ between validation {MEANINGS[study.metric].label} after an epoch and that of the "
        f"best of {epochs} epochs, over {_compared(races)}, with its 95 % bootstrap interval over variants. Right: "
        f"share of the best 1 in {BEST} in the end that would be stopped there. Dotted: the epochs after which "
        f"{'early stopping judges by default' if stops.empty else 'trials were stopped'}.",
        table=_table(fidelity, stops, hurdles, keep),
        numbers=numbers,
        columns=explained(FIDELITY_COLUMNS if stops.empty else WITH_STOPS_COLUMNS, numbers),
        notes=tuple(_notes(races, stops)),
    )


def _only_stops(stops: pd.DataFrame, analysis: Analysis) -> Section:
    """Tell what is known where too few trials came to their end for ranks."""
    return Section(
        name="fidelity",
        title="What the first epochs tell",
        text=(_stopped(stops, analysis),),
        table=_stop_table(stops),
        numbers=stops,
        columns=HURDLE_COLUMNS,
        notes=("Too few trials came to their end to say how well ranks after an epoch agree with those in the end.",),
    )


def _agreement(fidelity: pd.DataFrame, hurdles: Sequence[int], epochs: int) -> list[str]:
    rows = {row.epoch: row for row in rows_of(fidelity)}
    asked = rows[min(hurdles)] if hurdles and min(hurdles) in rows else rows[1]
    sentences = [f"After epoch {asked.epoch} of {epochs}, Kendall's τ with the ranks in the end is {_tau(asked)}."]
    weak = [row.epoch for row in rows.values() if not row.tau >= STRONG]
    if not weak:
        sentences.append(f"It is {STRONG} or more after every epoch.")
    elif max(weak) == max(rows):
        sentences.append(f"It is less than {STRONG} to the last, so that no early epoch stands for the end.")
    else:
        sentences.append(f"From epoch {max(weak) + 1} on it is {STRONG} or more.")
    return sentences


def _replayed(replay: Replay, races: Sequence[Race]) -> str:
    kept = f"the best of all is among what is left with {replay.seeds_kept} of {seed_count(len(races))}"
    if len(races) == 1:
        kept = (
            "the best of all is among what is left"
            if replay.seeds_kept
            else "the best of all is not among what is left"
        )
    often = "" if len(races) == 1 else " on average"
    lost = f", and the best that is left is{often} {points(replay.shortfall).lstrip('+')} points below it"
    return (
        f"Successive halving on these curves, with 1 in {replay.keep} trials going on after "
        f"{_epochs(replay.hurdles)}, would have spent {100 * replay.epochs_share:.0f} % of the epochs: {kept}"
        f"{lost if replay.shortfall > 0 else ''}."
    )


def _stopped(stops: pd.DataFrame, analysis: Analysis) -> str:
    where = [f"{row.stopped:,} of {row.reached:,} after epoch {row.epoch}" for row in rows_of(stops)]
    placed = [f"{row.place_of_best:,} of {row.reached:,}" for row in rows_of(stops)]
    rule = str(analysis.study.stop or "early stopping")
    mixed = len({variant.recipe.epochs for variant in analysis.study.variants}) > 1
    alike = ", among the trials that were to have as many epochs as the best," if mixed else ","
    return (
        f"With seed {analysis.study.seeds[0]}{alike} {rule} stopped {listed(where)}. There the trial that was the best "
        f"in the end had place {listed(placed)}."
    )


def _table(fidelity: pd.DataFrame, stops: pd.DataFrame, hurdles: Sequence[int], keep: int) -> pd.DataFrame:
    """Return a row a hurdle before the last epoch."""
    rows = [row for row in rows_of(fidelity) if row.epoch in hurdles]
    table: pd.DataFrame = pd.DataFrame(
        {
            "after epoch": [f"{row.epoch}" for row in rows],
            "Kendall's τ": [_tau(row) for row in rows],
            f"of the best, lost if 1 in {keep} goes on (%)": [f"{100 * row.best_lost:.0f}" for row in rows],
            "what is left falls short by (points)": [points(row.shortfall_metric).lstrip("+") for row in rows],
        },
        dtype=str,
    )
    return table if stops.empty else _stop_table(stops).merge(table, on="after epoch", how="left").fillna(NOTHING)


def _with_stops(fidelity: pd.DataFrame, stops: pd.DataFrame) -> pd.DataFrame:
    """Return every epoch that one of the two tells something of; counts stay whole numbers."""
    both = fidelity.merge(stops, on="epoch", how="outer")
    counted: pd.DataFrame = both.astype(dict.fromkeys([*stops.columns, "variants", "seeds", "keep"], "Int64"))
    return counted


def _stop_table(stops: pd.DataFrame) -> pd.DataFrame:
    table: pd.DataFrame = pd.DataFrame(
        {
            "after epoch": stops["epoch"].map(str),
            "trials so far": stops["reached"].map(str),
            "stopped": stops["stopped"].map(str),
            "place of the best in the end": stops["place_of_best"].map(str),
        },
        dtype=str,
    )
    return table


def _notes(races: Sequence[Race], stops: pd.DataFrame) -> list[str]:
    notes = []
    if not stops.empty:
        notes.append(
            "Trials that were stopped have no end, so that τ and what is lost are those of the trials that were not: "
            "the better ones, which are harder to tell apart. What became of the others is not known."
        )
        notes.append("Records do not have the rule of early stopping; its epochs are those after which trials ended.")
    if max(len(race.variants) for race in races) == MOST:
        notes.append(f"Of more than {MOST} variants {MOST} are compared, chosen at random.")
    return notes


def _keep_of(hurdles: Sequence[int]) -> int:
    """Return which one in how many trials went on, as far as hurdles show it: each is so many times the one before."""
    ratios = np.divide(hurdles[1:], hurdles[:-1])
    whole = [int(ratio) for ratio in ratios if ratio == int(ratio)]
    return min(whole, default=KEEP)


def _compared(races: Sequence[Race]) -> str:
    sizes = [len(race.variants) for race in races]
    span = f"{sizes[0]}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    seeds = f"with seed {races[0].seed}" if len(races) == 1 else f"a seed, the mean over {seed_count(len(races))}"
    return f"{span} complete variants {seeds}"


def _tau(row: object) -> str:
    tau, low, high = (getattr(row, name) for name in ("tau", "tau_low", "tau_high"))
    if np.isnan(tau):
        return NOTHING
    return f"{tau:.2f}" + ("" if np.isnan(low) else f" ({low:.2f} to {high:.2f})").replace("-", "−")


def _epochs(epochs: Sequence[int]) -> str:
    return f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {listed([str(epoch) for epoch in epochs])}"
