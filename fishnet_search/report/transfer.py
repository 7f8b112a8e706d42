"""Whether ranks go over from study to study, as parts of a page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import ceil, factorial, isnan
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from fishnet_search.evidence.naming import rows_of
from fishnet_search.evidence.transfer import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    RANK_COLUMNS,
    Standing,
    agreement_frame,
    choice_frame,
    rank_frame,
)
from fishnet_search.evidence.wording import MINUS, NOTHING, listed, p_value, percent, points, seed_count
from fishnet_search.plots.figures import LINE_HEIGHT, WIDTH, legend_size
from fishnet_search.plots.looks import Look, line_count, looks
from fishnet_search.plots.transfer import plot_ranks, plot_two_studies
from fishnet_search.report.section import Section
from fishnet_search.task.figures import MEANINGS

MOST_PAIRS = 6
"""Pairs of studies that are drawn, of more the first, and told one by one."""

_A_ROW = 3
"""Of these side by side."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """What several studies say of the same variants."""

    standings: tuple[Standing, ...]
    baseline: str  # of the first study, which figures draw in black
    left_out: tuple[str, ...]  # variants that not all studies have
    begun_trained: tuple[str, ...]  # studies whose backbones began with trained weights

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """A row a study and variant, as from `rank_frame`."""
        return rank_frame(self.standings)

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """A row a pair of studies, as from `agreement_frame`."""
        return agreement_frame(self.standings)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """A row an ordered pair of studies, as from `choice_frame`."""
        return choice_frame(self.standings)

    @property
    def look(self) -> dict[str, Look]:
        """How the variants look."""
        return looks(self.standings[0].variants, self.baseline)


def summarise_transfer(transfer: Transfer) -> tuple[str, ...]:
    """Return what a reader should know first, a sentence an item."""
    if len(transfer.agreement) > MOST_PAIRS:
        return (_counted(transfer.agreement), *_by_chance(transfer))
    return (
        *(_agreed(row) for row in rows_of(transfer.agreement)),
        *_by_chance(transfer),
        *(_chosen(choices) for _, choices in transfer.choices.groupby("chosen_by", sort=False)),
        *_again(transfer),
    )


def ranks_section(transfer: Transfer) -> Section:
    """Show the place of every variant in every study."""
    ranks, variants = transfer.ranks, transfer.standings[0].variants
    height = max(3.0, 1.2 + 1.6 * LINE_HEIGHT * line_count(variants) * len(variants))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    plot_ranks(ranks, transfer.look, ax=figure.subplots())
    return Section(
        name="ranks",
        title="Ranks by study",
        figure=figure,
        caption="Rank of each variant by its mean test figure, the best on top; the line up and down is its 95 % "
        "interval over seeds.",
        table=_rank_table(transfer),
        words=("variant",),
        numbers=ranks,
        columns=RANK_COLUMNS,
        notes=tuple(_rank_notes(transfer)),
    )


def agreement_section(transfer: Transfer) -> Section:
    """Show how far the orders of each two studies agree."""
    return Section(
        name="agreement",
        title="Agreement of the orders",
        figure=_draw_pairs(transfer),
        caption="Mean test figure of each variant in one study against that in another, with 95 % intervals over "
        "seeds. Where two orders agree, points rise from left to right.",
        table=agreement_table(transfer.agreement),
        words=("study", "other"),
        numbers=transfer.agreement,
        columns=AGREEMENT_COLUMNS,
        notes=(
            "Kendall's τ is the share of pairs of variants in the same order minus that in reverse orders. Its "
            "interval tells what other seeds might have given with these variants; p holds it against orders that have "
            "nothing to do with each other.",
            "A study agrees with itself on other seeds only as far as its noise allows, by its intraclass correlation: "
            "no more can be expected of two studies than of the noisier one with itself.",
        ),
    )


def choices_section(transfer: Transfer) -> Section:
    """Show what is lost where one study chooses for another."""
    return Section(
        name="choices",
        title="Choosing by another study",
        table=_choice_table(transfer.choices, len(transfer.standings[0].variants)),
        words=("chosen by", "variant", "taken to", "best there"),
        numbers=transfer.choices,
        columns=CHOICE_COLUMNS,
        notes=(
            "By how many points the mean of the chosen variant is below the best mean of the other study, and what "
            "that is at most, with 95 % confidence over seeds. Test images choose here: this is about studies, and no "
            "way to choose a network.",
        ),
    )


def _agreed(row: Any) -> str:
    alike = f"{row.alike} of {row.pairs} pairs of variants in the same order"
    return f"{row.study} and {row.other} put {alike}, {_verdict(row)}: Kendall's τ {_tau(row)}."


def _counted(agreement: pd.DataFrame) -> str:
    alike, reverse = (agreement["tau_low"] > 0).sum(), (agreement["tau_high"] < 0).sum()
    return (
        f"Of {len(agreement)} pairs of studies, {alike} put variants in orders that agree beyond the noise of seeds, "
        f"and {reverse} in orders that contradict each other; other seeds could overturn the rest."
    )


def _verdict(row: Any) -> str:
    low, high = row.tau_low, row.tau_high
    if low > 0 or high < 0:
        return f"and {'agree' if low > 0 else 'contradict each other'} beyond the noise of seeds"
    return "which with one seed says little" if isnan(low) else "which other seeds could overturn"


def _by_chance(transfer: Transfer) -> list[str]:
    """Say so where no order of so few variants is unlikely."""
    variants = len(transfer.standings[0].variants)
    least = 2 / factorial(variants)
    if least < 0.05:
        return []
    return [
        f"Of {variants} variants, two orders that have nothing to do with each other are equal, or reverse, in "
        f"{100 * least:.1f} of 100 cases: these results are about these variants."
    ]


def _chosen(choices: pd.DataFrame) -> str:
    rows = rows_of(choices)
    where = [
        f"the best by {row.study} too"
        if row.variant == row.best
        else f"number {row.rank:g} by {row.study}, {_short(row)} below {row.best}"
        for row in rows
    ]
    return f"The best by {rows[0].chosen_by}, {rows[0].variant}, is {', and '.join(where)}."


def _short(row: Any) -> str:
    most = "" if isnan(row.shortfall_high) else f" (at most {percent(row.shortfall_high)})"
    label = MEANINGS[row.metric].label
    return f"{percent(row.shortfall)}{most} points of {label}"


def _again(transfer: Transfer) -> list[str]:
    known = [f"{one.study} {one.tau_again:.2f}" for one in transfer.standings if not isnan(one.tau_again)]
    if not known:
        return []
    return [f"Run again with other seeds, a study is expected to agree with itself by a τ of: {listed(known)}."]


def _rank_table(transfer: Transfer) -> pd.DataFrame:
    """Return a row a variant, and for every study its figure, its rank and the chance that it is the best."""
    columns: dict[str, list[str]] = {"variant": list(transfer.standings[0].variants)}
    for study, own in transfer.ranks.groupby("study", sort=False):
        rows = rows_of(own)
        columns[f"{study}: test {MEANINGS[rows[0].metric].label} (%)"] = [percent(row.mean) for row in rows]
        columns[f"{study}: rank"] = [_rank(row) for row in rows]
        columns[f"{study}: best (%)"] = [NOTHING if isnan(row.best) else f"{100 * row.best:.0f}" for row in rows]
    table: pd.DataFrame = pd.DataFrame(columns, dtype=str)
    return table


def _rank(row: Any) -> str:
    rank, low, high = row.rank, row.rank_low, row.rank_high
    return f"{rank:g}" if isnan(low) or low == high else f"{rank:g} ({low:g} to {high:g})"


def _rank_notes(transfer: Transfer) -> list[str]:
    counts = {one.study: one.seeds for one in transfer.standings}
    told = listed([f"{study} {n}" for study, n in counts.items()])
    over = seed_count(next(iter(counts.values()))) if len(set(counts.values())) == 1 else f"so many seeds: {told}"
    notes = [
        f"Means are over {over}, those that all variants have completed. Intervals of ranks and figures take the "
        "noise of a study to be normal and equally large for all its variants; what all variants of a seed share does "
        "not count. Best (%): the chance to be the best, as far as other seeds could tell."
    ]
    if 1 in counts.values():
        notes.append("One seed has no interval.")
    if transfer.left_out:
        left_out = listed(transfer.left_out)
        notes.append(f"Not ranked, since not every study has completed them, or as other names of what is: {left_out}.")
    if transfer.begun_trained:
        notes.append(
            f"The backbones of {listed(transfer.begun_trained)} began with trained weights. As far as these come from "
            "another study here, its agreement with that is inherited."
        )
    return notes


def agreement_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the agreement of each two studies as strings.

    Args:
        agreement: As from `agreement_frame`.
    """
    rows = rows_of(agreement)
    table: pd.DataFrame = pd.DataFrame(
        {
            "study": [row.study for row in rows],
            "other": [row.other for row in rows],
            "Kendall's τ": [_tau(row) for row in rows],
            "p": [p_value(row.p) for row in rows],
            "pairs alike": [f"{row.alike} of {row.pairs}" for row in rows],
            "study with itself": [_number(row.tau_again) for row in rows],
            "other with itself": [_number(row.tau_again_other) for row in rows],
        },
        dtype=str,
    )
    return table


def _choice_table(choices: pd.DataFrame, variants: int) -> pd.DataFrame:
    rows = rows_of(choices)
    table: pd.DataFrame = pd.DataFrame(
        {
            "chosen by": [row.chosen_by for row in rows],
            "variant": [row.variant for row in rows],
            "taken to": [row.study for row in rows],
            "rank there": [f"{row.rank:g} of {variants}" for row in rows],
            "best there": [row.best for row in rows],
            "falls short by (points)": [points(row.shortfall).lstrip("+") for row in rows],
            "at most (points)": [points(row.shortfall_high).lstrip("+") for row in rows],
        },
        dtype=str,
    )
    return table


def _draw_pairs(transfer: Transfer) -> Figure:
    """Return the figure with a plot a pair of studies, and one legend."""
    pairs = list(combinations([one.study for one in transfer.standings], 2))[:MOST_PAIRS]
    across, down = min(len(pairs), _A_ROW), ceil(len(pairs) / _A_ROW)
    columns, legend = legend_size(transfer.standings[0].variants)
    figure = Figure(figsize=(WIDTH, (2.9 if across > 1 else 4.2) * down + legend), layout="constrained")
    plots = figure.subplots(down, across, squeeze=False).flat
    taus = transfer.agreement.set_index(["study", "other"])["tau"]
    for pair, ax in zip(pairs, plots, strict=False):
        plot_two_studies(transfer.ranks, *pair, transfer.look, ax=ax)
        ax.set_title(f"τ = {_number(taus[pair])}")
    for ax in list(plots):
        ax.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    return figure


def _tau(row: Any) -> str:
    tau, low, high = row.tau, row.tau_low, row.tau_high
    return _number(tau) if isnan(low) else f"{_number(tau)} ({_number(low)} to {_number(high)})"


def _number(tau: float) -> str:
    return NOTHING if isnan(tau) else f"{tau:.2f}".replace("-", MINUS)
