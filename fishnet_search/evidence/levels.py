"""What each level of each axis does, over all variants that differ in nothing else.

A cell is a setting of all axes but one. Within a seed, the effect of a level is the mean over the cells that the level
and the baseline's level have both completed with that seed, of the difference between the two; over seeds these means
are then treated as any paired differences. So a design that lacks cells compares like with like, but a cell that one
seed lacks is missing from that seed's mean alone: `cells_least` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fishnet_search.evidence.effects import SAME, judged, more_seeds
from fishnet_search.evidence.frames import evidence, worth_of_an_image
from fishnet_search.evidence.naming import explained, figures_in, metric_of, names_of, rows_of
from fishnet_search.evidence.paired import BOOTSTRAP_FROM, LEVEL, MOST_SEEDS, comparisons, holm, next_level
from fishnet_search.evidence.plan import is_search
from fishnet_search.space.axes import label_of
from fishnet_search.study.record import StudyRecord, VariantRecord
from fishnet_search.task.figures import Figure

PARTS = ("stem", "tail", "bridge", "body", "head", "stages", "recipe")
"""What the paths of axes may begin with, from the image to the classes; any other field is of the whole network."""

WHOLE = "whole"


@dataclass(frozen=True)
class _Figure:
    """The test figure of a trial, and what is one experiment with it."""

    value: float
    key: str


_Cells = Sequence[tuple[str, str]]
"""Variants at a level, each beside the one at the baseline's level that differs in nothing else."""


def level_effects(study: StudyRecord, trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row a level of an axis other than the baseline's: its main effect, and whether the table bears it out.

    Args:
        study: What was planned. Variants that are rescaled to the baseline's cost, or that it no longer has, are left
            out; a seed that it no longer has counts like the others, as in the table of variants.
        trials: As from `trial_frame`.

    Returns:
        The columns that `LEVEL_COLUMNS` explains. No rows if the table of variants tells all that there is, with one
        axis, or where no level has two cells and all axes are of one part; nor for a search, which chooses what it
        tries.
    """
    baseline = next(variant for variant in study.variants if variant.name == study.baseline)
    cells = {} if is_search(study) else dict(_matched_cells(study, baseline))
    parts = {axis: part_of(paths) for axis, paths in study.axes.items()}
    varied = {axis for axis, _ in cells}
    crossed = any(len(found) > 1 for found in cells.values())
    if len(varied) < 2 or not (crossed or len({parts[axis] for axis in varied}) > 1):
        nothing: pd.DataFrame = pd.DataFrame(columns=names_of(LEVEL_COLUMNS, figures_in(trials)))
        return nothing
    figures = {(row.variant, row.seed): _Figure(row.test_metric, row.key) for row in rows_of(evidence(trials))}
    seeds = sorted({seed for _, seed in figures})
    rows = [
        {
            "axis": axis,
            "part": parts[axis],
            "level": level,
            "baseline_level": label_of(baseline.levels[axis]),
            "cells": len(found),
            **_by_seed(found, seeds, figures),
        }
        for (axis, level), found in cells.items()
    ]
    return _tested(pd.DataFrame(rows), worth_of_an_image(trials), metric_of(trials))


def part_of(paths: Iterable[str]) -> str:
    """Return which part of a network the fields belong to: "tail", "tail and head", "recipe", "whole"."""
    first = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}
    parts = [part for part in PARTS if part in first]
    if first - set(PARTS) or not parts:
        return WHOLE
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _matched_cells(study: StudyRecord, baseline: VariantRecord) -> Iterable[tuple[tuple[str, str], _Cells]]:
    """Yield the matched cells of each axis and level; axes that are inactive in the baseline have none."""
    variants = [variant for variant in study.variants if variant.matches is None]
    for axis, own in baseline.levels.items():
        at: dict[str, dict[tuple[tuple[str, str], ...], str]] = {}
        for variant in variants:
            if axis in variant.levels:
                at.setdefault(label_of(variant.levels[axis]), {})[_others(variant, axis)] = variant.name
        reference = at.pop(label_of(own))
        for level, found in at.items():
            cells = [(name, reference[others]) for others, name in found.items() if others in reference]
            if cells:
                yield (axis, level), cells


def _others(variant: VariantRecord, axis: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, label_of(level)) for name, level in variant.levels.items() if name != axis))


def _by_seed(cells: _Cells, seeds: Sequence[int], figures: Mapping[tuple[str, int], _Figure]) -> dict[str, Any]:
    """Return each seed's mean difference over its cells, the fewest that one has, and whether all are of equals."""
    means, counts, same = [], [], True
    for seed in seeds:
        both = [
            (figures[one, seed], figures[other, seed])
            for one, other in cells
            if (one, seed) in figures and (other, seed) in figures
        ]
        if both:
            means.append(float(np.mean([one.value - other.value for one, other in both])))
            counts.append(len(both))
            same = same and all(one.key == other.key for one, other in both)
    return {"differences": means, "cells_least": min(counts, default=0), "same": same and bool(means)}


def _tested(rows: pd.DataFrame, step: float, metric: Figure) -> pd.DataFrame:
    # rounding errors of many cells even out
    steps = step / np.sqrt(rows["cells_least"].clip(lower=1))
    levels = rows.join(comparisons(rows["differences"].to_dict(), steps.to_dict(), metric))
    # they differ by 0 by what they are
    levels.loc[levels["same"], ["difference_ci95", "p", "effect_size"]] = [0.0, np.nan, np.nan]
    levels["p_holm"] = holm(levels["p"])
    levels["verdict"] = [SAME if row.same else judged(row.pairs, row.p_holm) for row in rows_of(levels)]
    levels["more_seeds"] = more_seeds(levels, next_level(levels["p_holm"]))
    tested: pd.DataFrame = levels[list(explained(LEVEL_COLUMNS, levels))]
    return tested


LEVEL_COLUMNS = {  # for `explained`
    "axis": "name",
    "part": "of the network that the axis's fields belong to, or recipe",
    "level": "of the axis",
    "baseline_level": "the baseline's level of the axis, which the level is compared with",
    "cells": "settings of the other axes that the study has with both levels",
    "cells_least": "the fewest of them that a seed has completed with both levels",
    "pairs": "seeds that have completed a cell with both levels",
    "difference_{metric}": "mean over seeds of the mean over cells of test {label} minus that at the baseline's level, "
    "fraction",
    "difference_ci95": "half the width of the 95 % Student-t interval over seeds, not corrected, fraction",
    "boot_low": f"lower end of the 95 % bootstrap interval of the difference, fraction; from {BOOTSTRAP_FROM} pairs on",
    "boot_high": "upper end of it",
    "p": "of the paired t test, two-sided, of this one comparison",
    "p_holm": "p corrected by Holm's method for all comparisons of the table of levels",
    "effect_size": "Cohen's d_z: the mean of the seeds' differences over their standard deviation{floor}",
    "more_seeds": "seeds beyond the pairs there are that would settle a difference as large as the one seen, in 80 of "
    f"100 studies, at the corrected level; 0: it is settled; inf: more than {MOST_SEEDS:,} in all",
    "verdict": f"larger than the noise: p_holm is below {LEVEL}; within the noise: it is not; same network: the level "
    "changes nothing",
}
