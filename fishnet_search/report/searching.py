"""How a search went, and the front that it has found, as parts of a report."""

from __future__ import annotations

from math import ceil

import pandas as pd
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.candidates import cost_metric, pareto_front
from fishnet_search.evidence.frames import TRIAL_COLUMNS, evidence
from fishnet_search.evidence.naming import column, explained, metric_of, rows_of
from fishnet_search.evidence.plan import is_search
from fishnet_search.evidence.search import (
    FEWEST,
    SCORE_COLUMNS,
    Corner,
    corner_of,
    has_order,
    hypervolumes,
    progress_frame,
    score_frame,
)
from fishnet_search.evidence.wording import counts, percent
from fishnet_search.plots.figures import WIDTH, legend_size
from fishnet_search.plots.search import MOST_POINTS, plot_front, plot_hypervolume, plot_progress
from fishnet_search.report.results import look_of
from fishnet_search.report.scored import COSTS, cost_in_words, cut, drawn, incomplete, is_space, of_seeds
from fishnet_search.report.section import Section
from fishnet_search.study.record import EVIDENCE, StudyRecord
from fishnet_search.task.figures import MEANINGS, word_of

FEW_TRIALS = 3
"""Complete trials that a search must have before its course is drawn."""


def progress_section(analysis: Analysis) -> Section | None:
    """Show the best so far of a search against trials and against the epochs that they took."""
    study = analysis.study
    if not has_order(study):
        return None
    progress = progress_frame(study, analysis.trials)
    counted = evidence(progress)
    if len(counted) < FEW_TRIALS:
        return None
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    plot_progress(progress, against="trial", baseline=study.baseline, ax=left)
    plot_progress(progress, against="epochs_spent", baseline=study.baseline, ax=right)
    right.set_ylabel("")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    return Section(
        name="progress",
        title="How the search went",
        text=tuple(_course(progress, study)),
        figure=figure,
        caption=f"Validation {_label(study)} of the best epoch with seed {study.seeds[0]} alone, in the order in which "
        "trials began. The best of many single trials is in part luck. A candidate with the figures of an equal one "
        f"cost no epochs.{_crosses(progress)}{drawn(len(counted), MOST_POINTS)}{cut(counted)}",
    )


def _label(study: StudyRecord) -> str:
    return MEANINGS[study.metric].label


def _crosses(progress: pd.DataFrame) -> str:
    stopped = (progress["state"] == "pruned").any()
    return " Crosses at the lower edge had come to that or less when they were stopped." if stopped else ""


def _course(progress: pd.DataFrame, study: StudyRecord) -> list[str]:
    so_far = column(progress, "best_metric")
    best = rows_of(progress[progress[so_far] == progress[so_far].max()])[0]
    later = len(progress) - best.trial
    spent = int(progress["epochs"].sum())
    since = f" The {later:,} trials since have found nothing better." if later > 1 else ""
    sentences = [
        f"The best validation {_label(study)}, {percent(best.best_metric)} %, came with trial {best.trial:,} of "
        f"{len(progress):,} ({best.variant}), when {best.epochs_spent:,} of {spent:,} epochs were spent.{since}"
    ]
    asked = {variant.name: variant.recipe.epochs for variant in study.variants}
    stopped = progress[progress["state"] == "pruned"]
    if len(stopped):
        saved = int(stopped["variant"].map(asked).sum() - stopped["epochs"].sum())
        sentences.append(
            f"Early stopping ended {len(stopped):,} of the trials, which saved {saved:,} epochs: "
            f"{100 * saved / (saved + spent):.0f} % of what all would have taken."
        )
    return sentences


def pareto_section(analysis: Analysis) -> Section | None:
    """Show accuracy against cost and, if there is a trade between them, what the front dominates and how that grew."""
    study, metric = analysis.study, cost_metric(analysis.study)
    scores = score_frame(study, analysis.trials)
    seen = evidence(scores).dropna(subset=["cost"])
    if not is_space(study) or len(seen) < (FEW_TRIALS if has_order(study) else FEWEST):
        return None
    corner = corner_of(seen)
    shares = None if corner is None else _history(analysis, scores, corner)
    front = pareto_front(seen)
    numbers = _front_numbers(front, study, metric)
    meanings = explained(TRIAL_COLUMNS | SCORE_COLUMNS, numbers)
    return Section(
        name="pareto",
        title=f"The front: validation {word_of(study.metric)} against cost",
        text=tuple(_front_in_words(seen, front, corner, metric)) + _growth(shares),
        figure=_draw_front(analysis, scores, corner, shares),
        caption=f"Validation {_label(study)} {of_seeds(study)} against {COSTS[metric]}. {_shaded(corner)}"
        f"Named: {_named(study)}.{incomplete(scores)}{drawn(len(seen), MOST_POINTS)}{cut(seen)}",
        table=_front_table(numbers, metric),
        words=("variant",),
        numbers=numbers,
        columns={name: meanings[name] for name in numbers.columns.tolist()},
    )


def _draw_front(
    analysis: Analysis, scores: pd.DataFrame, corner: Corner | None, shares: pd.Series[float] | None
) -> Figure:
    study, look = analysis.study, look_of(analysis)
    if not is_search(study):  # all stand in the table
        look = {study.baseline: look[study.baseline]}
    columns, height = legend_size(list(look))
    figure = Figure(figsize=(WIDTH, 3.6 + height), layout="constrained")
    panels = figure.subplots(1, 1 if shares is None else 2, squeeze=False)[0]
    plot_front(scores, corner, cost_metric(study), look, ax=panels[0])
    if shares is not None:
        plot_hypervolume(shares, ax=panels[1])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=columns, frameon=False)
    return figure


def _named(study: StudyRecord) -> str:
    if not is_search(study):
        return "the baseline"
    return "the baseline and the best so far" if study.finalists is None else "the baseline and the finalists"


def _shaded(corner: Corner | None) -> str:
    if corner is None:
        return ""
    return (
        "On the line: no other candidate is as accurate at this cost or less. Shaded: what these dominate of the "
        "rectangle between the reference point (the cross) and the corner of least cost and highest accuracy; its "
        "share is the hypervolume. "
    )


def _history(analysis: Analysis, scores: pd.DataFrame, corner: Corner) -> pd.Series[float] | None:
    """Return the hypervolume after each trial, by its place; None if the scores are not those of single trials."""
    study = analysis.study
    if not has_order(study) or (len(study.seeds) > 1 and not is_search(study)):
        return None
    progress = progress_frame(study, analysis.trials)
    validation = column(progress, "validation_metric")
    known = progress[["cost", validation]].where(progress["state"].isin(EVIDENCE))
    shares = hypervolumes(known["cost"].to_numpy(), known[validation].to_numpy(), corner)
    return pd.Series(shares, index=progress["trial"])


def _front_in_words(seen: pd.DataFrame, front: pd.DataFrame, corner: Corner | None, metric: str) -> list[str]:
    name, label = COSTS[metric], MEANINGS[metric_of(seen)].label
    on_it = f"{len(front)} of {len(seen):,} complete candidates {'is' if len(front) == 1 else 'are'} on the front"
    sentences = [
        f"{on_it}: no other is as accurate at the same {name} or less. Accuracies are of single choices on validation "
        "images, so that the front is a little too good."
    ]
    if corner is None:
        alike = "All cost the same" if seen["cost"].nunique() == 1 else "All that are not far out are equally accurate"
        return [*sentences, f"{alike}, so that there is no trade between accuracy and {name}."]
    final = hypervolumes(seen["cost"].to_numpy(), seen[column(seen, "validation_metric")].to_numpy(), corner)[-1]
    dearest, cheapest = (cost_in_words(cost, metric) for cost in (corner.highest_cost, corner.lowest_cost))
    return [
        *sentences,
        f"The front dominates {percent(final)} % of the rectangle whose reference point is {dearest} {name} and "
        f"{percent(corner.lowest_figure)} % {label} (the dearest and the least accurate of those that are not far out) "
        f"and whose other corner is {cheapest} and {percent(corner.highest_figure)} %.",
    ]


def _growth(shares: pd.Series[float] | None) -> tuple[str, ...]:
    if shares is None:
        return ()
    last = int(shares.index[int(shares.argmax())])  # the first trial with the highest share
    half = float(shares.iloc[ceil(len(shares) / 2) - 1])
    return (
        f"Half of the {len(shares):,} trials had come to {percent(half)} %; the last to add to it was trial {last:,}.",
    )


def _front_numbers(front: pd.DataFrame, study: StudyRecord, metric: str) -> pd.DataFrame:
    """Return the front with each cost under its own name, as whole a number as it is in the plan."""
    variants = {variant.name: variant for variant in study.variants}
    costs = {cost: [getattr(variants[name], cost) for name in front["variant"]] for cost in (metric, "params")}
    numbers = front[["variant"]].assign(**costs).join(front[["seeds", column(front, "validation_metric")]])
    in_order: pd.DataFrame = numbers.reset_index(drop=True)
    return in_order


def _front_table(front: pd.DataFrame, metric: str) -> pd.DataFrame:
    label = MEANINGS[metric_of(front)].label
    columns = {
        "variant": front["variant"].tolist(),
        COSTS[metric]: [cost_in_words(cost, metric) for cost in front[metric]],
        "parameters": counts(front["params"].tolist()),
        f"validation {label} (%)": [percent(row.validation_metric) for row in rows_of(front)],
    }
    table: pd.DataFrame = pd.DataFrame(columns, dtype=str)
    return table
