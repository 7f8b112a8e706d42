"""Drawings of the networks that a report is about: the baseline's, and that of the best variant."""

from __future__ import annotations

from dataclasses import dataclass

from fishnet_search.drawing.fish import draw
from fishnet_search.evidence.analysis import Analysis
from fishnet_search.evidence.candidates import best_variant
from fishnet_search.evidence.wording import percent, seed_count, the_baseline
from fishnet_search.graph.build import build_graph
from fishnet_search.spec.families import Spec
from fishnet_search.task.figures import MEANINGS


@dataclass(frozen=True)
class Drawing:
    """A network as a picture."""

    name: str  # of its file
    title: str
    svg: str  # a whole document, without ids


def draw_networks(analysis: Analysis) -> tuple[Drawing, ...]:
    """Draw the baseline, and the best variant where that is another network."""
    baseline = analysis.study.baseline
    specs: dict[str, Spec] = {trial.variant: trial.spec for trial in reversed(analysis.records)}
    specs |= {variant.name: variant.spec for variant in analysis.study.variants}
    best = best_variant(analysis.effects)
    is_other = specs[best.variant].identity() != specs[baseline].identity()
    # with one seed another candidate may be higher, which the summary tells
    among = " of the finalists and the baseline" if analysis.study.finalists else ""
    figure, seeds = percent(best.validation_metric_mean), seed_count(int(best.seeds))
    words = f"has the highest validation {MEANINGS[analysis.study.metric].label}{among}, {figure} % over {seeds}"
    capital = the_baseline(baseline)[0].upper() + the_baseline(baseline)[1:]
    if best.seeds == 0:
        return (_drawing("network-baseline", capital, baseline, specs[baseline]),)
    if best.variant == baseline:
        return (_drawing("network-baseline", f"{capital}, which {words}", baseline, specs[baseline]),)
    if not is_other:
        same = f"{capital}; {best.variant}, which {words}, is the same network trained otherwise"
        return (_drawing("network-baseline", same, baseline, specs[baseline]),)
    return (
        _drawing("network-baseline", capital, baseline, specs[baseline]),
        _drawing("network-best", f"{best.variant} {words}", best.variant, specs[best.variant]),
    )


def _drawing(name: str, title: str, variant: str, spec: Spec) -> Drawing:
    return Drawing(name, title, draw(build_graph(spec), title=variant))
