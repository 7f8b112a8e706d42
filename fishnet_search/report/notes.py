"""What is said below the tables: which trials lack figures, how the numbers were made, what they do not cover."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.frames import MISSING, NOT_RUN
from fishnet_search.evidence.naming import figures_in, metric_of, rows_of
from fishnet_search.evidence.paired import LEVEL, MOST_SEEDS
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.wording import listed, percent, points
from fishnet_search.study.record import DataRecord
from fishnet_search.task.figures import MEANINGS

ONE_SIDED = 1.645
"""Standard errors above a mean that 5 of 100 draws exceed."""

MOST_NAMED = 12
"""Trials of one state that are named."""


def incomplete_trials(analysis: Analysis) -> tuple[str, ...]:
    """Return a sentence for each state without figures that count and for trials outside the plan."""
    trials = analysis.trials
    titles = {
        "pruned": "Stopped early",
        "failed": "Failed",
        "interrupted": "Interrupted",
        NOT_RUN: "Not run, since their variant was stopped early with an earlier seed",
        MISSING: "Missing",
    }
    groups = {title: trials[trials["state"] == state] for state, title in titles.items()}
    groups["Outside the study's present plan"] = trials[~trials["planned"]]
    return tuple(f"{title}: {_which(group)}." for title, group in groups.items() if len(group))


def _which(trials: pd.DataFrame) -> str:
    if len(trials) > MOST_NAMED:
        return f"{len(trials)} trials, which trials.csv names"
    return ", ".join(f"{row.variant} seed {row.seed}" for row in rows_of(trials))


def method_notes(analysis: Analysis, *, environments: int) -> tuple[str, ...]:
    """Return how the numbers were made and what their intervals do not cover.

    Args:
        analysis: What the trials say.
        environments: In how many different ones the trials ran.
    """
    data, effects, label = analysis.study.data, analysis.effects, MEANINGS[analysis.study.metric].label
    is_classification = analysis.study.task.kind == "classification"
    share = f": one of the {data.test_images:,} test images is {100 / data.test_images:.2g} points"
    worth = share if is_classification else ""
    notes = [
        "MACs are multiply-accumulates of one image.",
        f"The epoch is chosen on validation {label}; test figures are of that epoch's weights, of complete trials "
        "only.",
        *_choice_of_epoch(effects),
        *_intervals(effects),
        *_verdicts(effects),
        f"Intervals cover what changes from seed to seed, not the choice of images{worth}.",
    ]
    notes += _chance(effects, data) if is_classification else []
    if is_classification and data.classes <= 5:
        notes.append(f"With {data.classes} classes, top-5 counts all guesses and is always 100 %.")
    if environments > 1:
        notes.append(f"The trials ran in {environments} different environments, which may add to the differences.")
    return (*notes, *_search_notes(analysis), *_reuse(analysis), *_split_batches(analysis))


def _choice_of_epoch(effects: pd.DataFrame) -> list[str]:
    """Tell how far the best epochs are above the last ones, both on validation images."""
    known = effects.dropna(subset="gap_best_last")
    if known.empty or len(effects) == 1:  # of a single variant the summary tells
        return []
    most = rows_of(known.sort_values("gap_best_last", ascending=False, kind="stable"))[0]
    label = MEANINGS[metric_of(effects)].label
    if most.gap_best_last == 0:
        return ["In all complete trials no epoch is better on validation images than the last."]
    return [
        f"Validation {label} of the best epoch is {points(known['gap_best_last'].mean()).lstrip('+')} points above "
        f"that of the last on average over variants, at most {points(most.gap_best_last).lstrip('+')} ({most.variant})."
    ]


def _intervals(effects: pd.DataFrame) -> list[str]:
    """Tell what ± is, and where it may go beyond what is possible."""
    if not (effects["seeds"] > 1).any():
        return []
    notes = ["± is half the width of the 95 % Student-t interval over seeds."]
    for figure in figures_in(effects):
        mean, half = effects[f"test_{figure}_mean"], effects[f"test_{figure}_ci95"]
        if ((mean + half > 1) | (mean - half < 0)).any():
            return [*notes, "Student's t knows no bounds, so an interval near 0 or 100 % may reach beyond it."]
    return notes


def _chance(effects: pd.DataFrame, data: DataRecord) -> list[str]:
    """Name the variants that are no better than guessing, of which differences say nothing."""
    guess = 1 / data.classes
    images = effects["seeds"] * data.test_images
    error = (guess * (1 - guess) / images.where(images > 0)) ** 0.5
    names = effects.loc[effects["test_top1_mean"] < guess + ONE_SIDED * error, "variant"].tolist()
    if not names:
        return []
    return [
        f"No better than guessing one of {data.classes} classes ({percent(guess)} %) on test images: {listed(names)}. "
        "What has not learnt says nothing of a design; train for longer."
    ]


def _verdicts(effects: pd.DataFrame) -> list[str]:
    """Tell what is asked of a difference that is called larger than the noise."""
    compared = int((effects["p"].notna() & effects["same_as"].isna()).sum())
    if not compared:
        return []
    if compared == 1:
        notes = [
            "The difference is paired by seed. It is larger than the noise if p of the paired t test is below "
            f"{LEVEL}; one comparison needs no correction."
        ]
    else:
        notes = [
            f"Differences are paired by seed. One is larger than the noise if p of its paired t test is below {LEVEL} "
            f"after Holm's correction for the {compared} comparisons of the table: of 20 tables in which nothing "
            "differs, at most one is expected to call any difference that. The intervals are of single comparisons and "
            "not corrected."
        ]
    notes.append("The effect size is the mean of the paired differences over their standard deviation (Cohen's d_z).")
    if effects["boot_low"].notna().any():
        notes.append("The bootstrap interval draws seeds again and again, and takes no distribution for granted.")
    if effects["more_seeds"].between(1, MOST_SEEDS).any():
        notes.append(
            "How many more seeds would settle a difference takes difference and spread for what they were here, which "
            "from few seeds is a rough guess. To add them to this study and judge again calls equal networks different "
            "about twice as often: take them for a study of its own, with other seeds."
        )
    return notes


def _search_notes(analysis: Analysis) -> list[str]:
    study = analysis.study
    if not is_search(study) or study.finalists is None:
        return []
    return [
        f"Finalists were chosen on validation {MEANINGS[study.metric].label} with seed {study.seeds[0]}, never on test "
        "images. That seed is among those of their means, and weights that were lucky on validation images in part are "
        "so on test images: it favours them over the baseline, the more so the more candidates there were."
    ]


def _reuse(analysis: Analysis) -> list[str]:
    """Tell whose figures the duplicates have."""
    records = analysis.records
    sources = [PurePosixPath(trial.duplicate_of) for trial in records if trial.duplicate_of is not None]
    outside = Counter(str(source.parent.parent) for source in sources if len(source.parts) > 2)
    own = sum(len(source.parts) <= 2 for source in sources)
    notes = []
    if own:
        have = "1 trial has" if own == 1 else f"{own} trials have"
        notes.append(f"{have} the figures of an equal trial of this study: same network, recipe, data and seed.")
    if outside:
        have = "1 trial has" if outside.total() == 1 else f"{outside.total()} trials have"
        where = ", ".join(f"{n} of {study}" for study, n in sorted(outside.items()))
        notes.append(f"{have} the figures of equal trials of other studies, seen from this one's folder: {where}.")
    return notes


def _split_batches(analysis: Analysis) -> list[str]:
    split = [trial for trial in analysis.records if trial.micro_batches > 1]
    if not split:
        return []
    names = listed([f"{trial.variant} seed {trial.seed} ({trial.micro_batches} parts)" for trial in split])
    return [
        "Batches were split after memory had run out, with gradients summed, so that batch normalisation saw fewer "
        f"images at a time: {names}."
    ]


def refusals(analysis: Analysis) -> tuple[str, ...]:
    """Return a sentence for each rule that refused candidates: how many, and which."""
    rules: dict[str, list[str]] = {}
    for refused in analysis.study.refused:
        rules.setdefault(refused.where, []).append(refused.name)
    return tuple(f"{rule} refused {len(names)}: {listed(names)}." for rule, names in rules.items())
