"""Plots put on pages: each figure as PNG for Markdown and as SVG that can stand inside HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.candidates import cost_metric
from fishnet_search.evidence.effects import SAME
from fishnet_search.evidence.frames import evidence
from fishnet_search.evidence.matched import METRICS
from fishnet_search.evidence.wording import seed_count, the_baseline
from fishnet_search.plots.figures import (
    draw_accuracy_against_macs,
    draw_candidates,
    draw_effects,
    draw_learning_curves,
    draw_matched_effects,
)
from fishnet_search.plots.looks import COLOURS, Look, looks
from fishnet_search.plots.scatter import lowest_shown

NAMES = ("effects", "candidates", "accuracy-against-macs", "learning-curves")


@dataclass(frozen=True)
class Picture:
    """A figure that is ready to be written."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes


def draw_figures(analysis: Analysis) -> tuple[Picture, ...]:
    """Draw those of `NAMES` that there is data for."""
    study, effects = analysis.study, analysis.effects
    twins = {variant.name: variant.matches for variant in study.variants if variant.matches is not None}
    look = looks(effects["variant"].tolist(), study.baseline, twins)
    with _style():
        pictures = [
            _effects(analysis, look) if study.match is None else _matched_effects(analysis, look),
            _candidates(analysis, look),
            _accuracy_against_macs(analysis, look),
            _learning_curves(analysis, look),
        ]
    return tuple(picture for picture in pictures if picture is not None)


def _effects(analysis: Analysis, look: Mapping[str, Look]) -> Picture | None:
    effects = analysis.effects
    compared = effects[(effects["pairs"] > 0) & (effects["verdict"] != SAME)]
    if compared.empty:
        return None
    pairs = analysis.pairs[analysis.pairs["variant"].isin(compared["variant"])]
    return _picture(
        draw_effects(compared, pairs, look),
        "effects",
        f"Differences to {the_baseline(analysis.study.baseline)}",
        f"Mean of the differences paired by seed, with its 95 % interval. {_MARKERS}",
    )


def _matched_effects(analysis: Analysis, look: Mapping[str, Look]) -> Picture | None:
    matched, metric = analysis.matched, METRICS[str(analysis.study.match)]
    compared = analysis.effects[analysis.effects["pairs"] > 0]
    rows = matched[matched["variant"].isin(compared["variant"]) | matched["matched_by"].isin(compared["variant"])]
    if rows.empty:
        return None
    return _picture(
        draw_matched_effects(compared, rows, analysis.pairs, look, metric),
        "effects",
        f"Differences to {the_baseline(analysis.study.baseline)}",
        f"Above in each row the variant as it is, below it with its widths rescaled to the baseline's {metric}: "
        f"mean of the differences paired by seed, with its 95 % interval. {_MARKERS}",
    )


_MARKERS = (
    "The grey dots below are the single seeds. "
    "Filled and bold: the interval excludes 0, the difference is larger than the noise. "
    "Hollow: within the noise, or one seed only."
)


def _candidates(analysis: Analysis, look: Mapping[str, Look]) -> Picture | None:
    study, candidates = analysis.study, analysis.candidates
    seen = evidence(candidates)
    if seen.empty:
        return None
    stopped = " Those that were stopped early are left out." if (candidates["state"] == "pruned").any() else ""
    below = (seen["validation_top1"] < (lowest := lowest_shown(candidates, list(look)))).sum()
    cut = f" {below} below {100 * lowest:.1f} % are left out." if below else ""
    marked = "the finalists" if study.finalists is not None else "the best so far"
    return _picture(
        draw_candidates(candidates, look, cost_metric(study)),
        "candidates",
        f"All {len(candidates)} candidates",
        f"Validation top-1 of each candidate with seed {study.seeds[0]} alone, so that single points are noisy. "
        f"Named: the baseline and {marked}. On the line: no other is more accurate at this cost or less."
        f"{stopped}{cut}",
    )


def _accuracy_against_macs(analysis: Analysis, look: Mapping[str, Look]) -> Picture | None:
    effects = analysis.effects
    measured = effects[effects["seeds"] > 0]
    if len(measured) < 2:  # a point is no picture
        return None
    return _picture(
        draw_accuracy_against_macs(measured, look),
        "accuracy-against-macs",
        "Accuracy against MACs",
        f"Mean test top-1 {_over(effects['seeds'])}, with its 95 % interval; one seed has none. "
        "Variants of equal MACs are drawn side by side. These intervals are not paired: judge differences by "
        "the table.",
    )


def _learning_curves(analysis: Analysis, look: Mapping[str, Look]) -> Picture | None:
    curves = evidence(analysis.curves[analysis.curves["variant"].isin(look)])
    if curves.empty:
        return None
    states = analysis.compared["state"]
    band = "; the band goes from the lowest to the highest seed" if len(look) <= COLOURS else ""
    stopped = " Trials that were stopped early are left out." if (states == "pruned").any() else ""
    return _picture(
        draw_learning_curves(curves, look),
        "learning-curves",
        "Learning curves",
        f"Mean of complete trials {_over(analysis.effects['seeds'])}{band}. "
        "The accuracy axis leaves out what only the first quarter of the epochs reaches. "
        f"Training loss is measured while the weights move.{stopped}",
    )


@contextmanager
def _style() -> Iterator[None]:
    """Set the look of all figures for as long as they are made and written.

    Names are never read as mathematics; SVG text stays text, and its ids depend on nothing but the drawing.
    """
    settings = {
        **sns.axes_style("whitegrid"),
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: the same everywhere
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "grid.color": "#e6e8eb",
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "fishnet-search",
    }
    with mpl.rc_context(settings):
        yield


def _over(seeds: pd.Series[int]) -> str:
    fewer = "" if seeds.nunique() == 1 else " (n where a variant has fewer)"
    return f"over {seed_count(seeds.max())}{fewer}"


def _picture(figure: Figure, name: str, title: str, caption: str) -> Picture:
    return Picture(name, title, caption, svg=_svg(figure, prefix=name), png=_png(figure))


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=200, metadata={"Software": None})
    return file.getvalue()


def _svg(figure: Figure, *, prefix: str) -> str:
    """Return an `<svg>` element without prolog, size and metadata, whose ids no other figure of the page has."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue()
    svg = svg[svg.index("<svg ") :]
    return re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}-", svg)
