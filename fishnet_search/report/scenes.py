"""What networks found in pictures: predictions beside the truth, precision over recall, precision by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.wording import listed
from fishnet_search.plots.looks import Look, in_legend, wrapped
from fishnet_search.plots.scenes import class_colours, map_of, picture_of, plot_map, plot_objects, plot_precision
from fishnet_search.plots.sizes import SIZES, plot_sizes
from fishnet_search.report.results import look_of
from fishnet_search.report.section import Section
from fishnet_search.study.record import TrialRecord
from fishnet_search.task.figures import MEANINGS
from fishnet_search.task.findings import LEAST_SCORE, RECALLS, Findings, SeenObject, Shown

_PICTURE = 1.75  # inches across
_MOST_LINES = 12  # of precision, or classes of maps, that a figure names
_BELOW: Mapping[str, Any] = {
    "fontsize": 7,
    "frameon": False,
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.17),
}


def predictions_section(analysis: Analysis) -> Section | None:
    """Show what the baseline and the best network found in a few images, beside what is there."""
    shown = shown_trials(analysis.records, analysis.study.baseline)
    findings = {trial.variant: analysis.findings[trial.trial] for trial in shown if trial.trial in analysis.findings}
    if not findings:
        return None
    first = next(iter(findings.values()))
    objects = "" if first.iou else f" Boxes of scores from {LEAST_SCORE:g} on are drawn; grey ones are not asked for."
    seeds = {trial.seed for trial in shown}
    return Section(
        "predictions",
        "Predictions beside the truth",
        figure=_draw_predictions(findings, analysis.study.data.class_names),
        caption=f"A few test images, evenly spread over the set and the same in every study of it: what is there, and "
        f"what {' and '.join(findings)} found with seed {listed([str(seed) for seed in sorted(seeds)])}.{objects}",
    )


def precision_section(analysis: Analysis) -> Section | None:
    """Show precision over recall: of each class, and of the variants on average over classes."""
    chosen = {
        trial.variant: analysis.findings[trial.trial]
        for trial in _first_seeds(analysis.records)
        if trial.trial in analysis.findings and analysis.findings[trial.trial].precision
    }
    if not chosen:
        return None
    look = {variant: seen for variant, seen in look_of(analysis).items() if variant in chosen}
    means = {variant: np.mean(list(chosen[variant].precision.values()), axis=0) for variant in look}
    best = shown_trials(analysis.records, analysis.study.baseline)[-1].variant
    frame = pd.DataFrame(
        [
            (variant, name, point / (RECALLS - 1), value)
            for variant, found in chosen.items()
            for name, precision in found.precision.items()
            for point, value in enumerate(precision)
        ],
        columns=["variant", "class", "recall", "precision"],
    )
    return Section(
        "precision-recall",
        "Precision over recall",
        figure=_draw_precision(chosen.get(best, next(iter(chosen.values()))), best, means, look),
        caption="The best precision at each recall or more, of boxes at IoU 0.5 on the test images, as the weights of "
        f"the first complete seed have it. Left: {best}, by class. Right: the variants, mean over classes.",
        numbers=frame,
        columns={
            "variant": "name in the study",
            "class": "of the objects",
            "recall": "fraction of the objects that are found",
            "precision": "largest fraction of right boxes at that recall or more, IoU 0.5",
        },
    )


def sizes_section(analysis: Analysis) -> Section | None:
    """Show the precision of small, medium and large objects."""
    trials = evidence(analysis.compared)
    columns = {
        size: f"test_{size}" for size in SIZES if f"test_{size}" in trials and trials[f"test_{size}"].notna().any()
    }
    if len(columns) < 2:
        return None
    look = look_of(analysis)
    rows = trials[trials["variant"].isin(look)]
    figure = Figure(figsize=(6.4, 0.5 + 0.42 * len(columns) * max(2, len(look) / 2)), layout="constrained")
    plot_sizes(rows, columns, look, ax=figure.subplots())
    meant = "; ".join(f"{MEANINGS[size].label}: {MEANINGS[size].explained}" for size in columns)
    return Section(
        "precision-by-size",
        "Precision by size",
        figure=figure,
        caption=f"Test figures of each seed, and their mean. {meant}.",
    )


def shown_trials(records: Sequence[TrialRecord], baseline: str) -> list[TrialRecord]:
    """Return the first complete trial of the baseline, and that of the best variant by validation, if another."""
    firsts = {trial.variant: trial for trial in _first_seeds(records)}
    means = {
        variant: float(
            np.mean([_validation(trial) for trial in records if trial.variant == variant and _counts(trial)])
        )
        for variant in firsts
    }
    best = max(means, key=lambda variant: means[variant], default=baseline)
    return [firsts[variant] for variant in dict.fromkeys((baseline, best)) if variant in firsts]


def _first_seeds(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    firsts: dict[str, TrialRecord] = {}
    for trial in records:
        if _counts(trial):
            firsts.setdefault(trial.variant, trial)
    return list(firsts.values())


def _counts(trial: TrialRecord) -> bool:
    return trial.state == "complete" and trial.best_validation is not None


def _validation(trial: TrialRecord) -> float:
    best = trial.best_validation
    return 0.0 if best is None else best[trial.metric]


def _draw_predictions(findings: Mapping[str, Findings], classes: Sequence[str]) -> Figure:
    first = next(iter(findings.values()))
    colours = class_colours([name for name in classes if name != "background"])
    rows, columns = 1 + len(findings), len(first.shown)
    tallest = max(height / width for height, width, _ in (picture_of(one.picture).shape for one in first.shown))
    figure = Figure(figsize=(_PICTURE * columns + 0.3, _PICTURE * rows * min(tallest, 1.5)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for column, shown in enumerate(first.shown):
        _draw_shown(shown, shown.truth, classes, colours, ax=axes[0, column])
        for row, found in enumerate(findings.values(), start=1):
            _draw_shown(found.shown[column], found.shown[column].found, classes, colours, ax=axes[row, column])
    if first.iou:  # boxes say their class
        named = [Patch(color=colour, label=name) for name, colour in list(colours.items())[:_MOST_LINES]]
        figure.legend(handles=named, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    for row, name in enumerate(["truth", *findings]):
        axes[row, 0].set_ylabel(wrapped(name), fontsize=7)
    return figure


def _draw_shown(
    shown: Shown, seen: Sequence[SeenObject] | str, classes: Sequence[str], colours: Mapping[str, str], *, ax: Axes
) -> None:
    picture_HW3 = picture_of(shown.picture)
    if isinstance(seen, str):
        plot_map(picture_HW3, map_of(seen), classes, colours, ax=ax)
    else:
        plot_objects(picture_HW3, seen, classes, colours, ax=ax)


def _draw_precision(
    findings: Findings, best: str, means: Mapping[str, Sequence[float]], look: Mapping[str, Look]
) -> Figure:
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    by_class, by_variant = figure.subplots(1, 2, sharey=True)
    shown = dict(list(findings.precision.items())[:_MOST_LINES])
    plot_precision(shown, class_colours(findings.classes), ax=by_class)
    by_class.set_title(wrapped(best))
    by_class.legend(**_BELOW, ncols=4)
    for variant, mean in means.items():
        seen = look[variant]
        plot_precision({in_legend(wrapped(variant)): mean}, {in_legend(wrapped(variant)): seen.colour}, ax=by_variant)
        by_variant.lines[-1].set(dashes=seen.dashes or (None, None), linewidth=seen.width)
    by_variant.set(title="mean over classes", ylabel="")
    by_variant.legend(**_BELOW, ncols=2)
    return figure
