"""The sections of what every study has: differences, accuracy against cost, learning curves."""

from __future__ import annotations

import pandas as pd

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.effects import SAME
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.matched import METRICS
from fishnet_search.evidence.naming import column, rows_of
from fishnet_search.evidence.wording import seed_count, the_baseline
from fishnet_search.plots.curves import has_bands, leaves_out
from fishnet_search.plots.figures import (
    draw_accuracy_against_macs,
    draw_effects,
    draw_learning_curves,
    draw_matched_effects,
)
from fishnet_search.plots.looks import DIFFERENT, Look, looks
from fishnet_search.report.section import Section
from fishnet_search.task.figures import MEANINGS, word_of

_MARKERS = (
    "The grey dots below are the single seeds. "
    "Filled and bold: larger than the noise, by the verdict of the table. Hollow: within the noise, or one seed only."
)


def effects_section(analysis: Analysis) -> Section | None:
    """Show which differences to the baseline are larger than the noise."""
    if analysis.study.match is not None:
        return _matched_effects(analysis)
    effects = drawn(analysis)
    compared = effects[(effects["pairs"] > 0) & (effects["verdict"] != SAME)]
    if compared.empty:
        return None
    pairs = analysis.pairs[analysis.pairs["variant"].isin(compared["variant"])]
    return Section(
        "effects",
        f"Differences to {the_baseline(analysis.study.baseline)}",
        figure=draw_effects(compared, pairs, look_of(analysis)),
        caption=f"Test {_label(analysis)}: mean of the differences paired by seed{_fewer(compared)}, with its 95 % "
        f"interval, which is for this one difference. {_MARKERS}{_left_out(analysis)}",
    )


def _matched_effects(analysis: Analysis) -> Section | None:
    matched, effects, metric = analysis.matched, drawn(analysis), METRICS[str(analysis.study.match)]
    compared = effects[effects["pairs"] > 0]
    rows = matched[matched["variant"].isin(effects["variant"])]
    rows = rows[rows["variant"].isin(compared["variant"]) | rows["matched_by"].isin(compared["variant"])]
    if rows.empty:
        return None
    return Section(
        "effects",
        f"Differences to {the_baseline(analysis.study.baseline)}",
        figure=draw_matched_effects(compared, rows, analysis.pairs, look_of(analysis), metric),
        caption=f"Test {_label(analysis)}: above in each row the variant as it is, below it with its widths rescaled "
        f"to the baseline's {metric}. Mean of the differences paired by seed{_fewer(compared)}, with its 95 % "
        f"interval, which is for this one difference. {_MARKERS}{_left_out(analysis)}",
    )


def accuracy_section(analysis: Analysis) -> Section | None:
    """Show accuracy against cost."""
    effects = drawn(analysis)
    measured = effects[effects["seeds"] > 0]
    if len(measured) < 2:  # a point is no picture
        return None
    return Section(
        "accuracy-against-macs",
        f"Test {word_of(analysis.study.metric)} against MACs",
        figure=draw_accuracy_against_macs(measured, look_of(analysis)),
        caption=f"Mean test {_label(analysis)} {_over(effects['seeds'])}, with its 95 % interval; one seed has none. "
        "Variants of equal MACs are drawn side by side. These intervals are not paired: judge differences by "
        f"the table.{_left_out(analysis)}",
    )


def learning_curves_section(analysis: Analysis) -> Section | None:
    """Show how the variants learnt."""
    look = look_of(analysis)
    curves = evidence(analysis.curves[analysis.curves["variant"].isin(look)])
    if curves.empty:
        return None
    states = analysis.compared["state"]
    band = "; the band goes from the lowest to the highest seed" if has_bands(look) else ""
    early = (
        f" The {word_of(analysis.study.metric)} axis leaves out what only the first quarter of the epochs reaches."
        if leaves_out(curves, look, column=column(curves, "validation_metric"))
        else ""
    )
    stopped = " Trials that were stopped early are left out." if (states == "pruned").any() else ""
    return Section(
        "learning-curves",
        "Learning curves",
        figure=draw_learning_curves(curves, look),
        caption=f"Mean of complete trials {_over(drawn(analysis)['seeds'])}{band}.{early} "
        f"Training loss is measured while the weights move.{stopped}{_left_out(analysis)}",
    )


def drawn(analysis: Analysis) -> pd.DataFrame:
    """Return the effects that figures show: all, or of many the baseline and the best on validation images.

    A variant and its twin at the baseline's cost are shown together.
    """
    effects = analysis.effects
    kept = set(best_few(effects, analysis.study.baseline)["variant"])
    kept |= {row.matched_by for row in rows_of(analysis.matched) if row.variant in kept}
    kept |= {row.variant for row in rows_of(analysis.matched) if row.matched_by in kept}
    some: pd.DataFrame = effects[effects["variant"].isin(kept)]
    return some


def best_few(effects: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return all variants if each can have a look of its own, else the baseline and the best on validation images."""
    if len(effects) <= DIFFERENT + 1:
        return effects
    others = effects[effects["variant"] != baseline]
    best = others.sort_values(column(others, "validation_metric_mean"), ascending=False, kind="stable").head(DIFFERENT)
    some: pd.DataFrame = effects[effects["variant"].isin({baseline, *best["variant"]})]
    return some


def look_of(analysis: Analysis) -> dict[str, Look]:
    """Return how the variants of figures look, which is the same in all of them."""
    shown = drawn(analysis)["variant"].tolist()
    twins = {
        variant.name: variant.matches
        for variant in analysis.study.variants
        if variant.matches is not None and variant.name in shown
    }
    return looks(shown, analysis.study.baseline, twins)


def _left_out(analysis: Analysis) -> str:
    shown, all_of_them = len(drawn(analysis)), len(analysis.effects)
    if shown == all_of_them:
        return ""
    best = f"the best by validation {_label(analysis)}"
    return f" Of {all_of_them:,} variants, the baseline and {best} are shown ({shown} in all)."


def _label(analysis: Analysis) -> str:
    return MEANINGS[analysis.study.metric].label


def _over(seeds: pd.Series[int]) -> str:
    fewer = "" if seeds.nunique() == 1 else " (n where a variant has fewer)"
    return f"over {seed_count(seeds.max())}{fewer}"


def _fewer(compared: pd.DataFrame) -> str:
    some = (compared["pairs"] < compared[["seeds", "seeds_planned"]].to_numpy().max(initial=0)).any()
    return " (n where these are fewer than the seeds)" if some else ""
