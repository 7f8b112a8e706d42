"""Architecture search and ablation for vision backbones.

from fishnet_search import build_graph, build_network, cost_of, load_spec

spec = load_spec("fishnet150")
graph = build_graph(spec)
cost_of(graph).params               # exact, and known without torch
network = build_network(graph)      # torch is imported here
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fishnet_search.cost.ledger import cost_of, ledger_of
    from fishnet_search.errors import FishnetSearchError
    from fishnet_search.graph.build import build_graph
    from fishnet_search.graph.graph import features_only, taps_of
    from fishnet_search.network.network import build_network
    from fishnet_search.network.reference import load_reference_weights
    from fishnet_search.report.loaded import load_study
    from fishnet_search.report.several import load_studies
    from fishnet_search.space.space import load_space
    from fishnet_search.spec.fish import FishSpec
    from fishnet_search.spec.loading import load_spec, preset_names, with_fields

__version__ = "0.7.0"

_HOME = {
    "FishSpec": "fishnet_search.spec.fish",
    "FishnetSearchError": "fishnet_search.errors",
    "build_graph": "fishnet_search.graph.build",
    "build_network": "fishnet_search.network.network",
    "cost_of": "fishnet_search.cost.ledger",
    "features_only": "fishnet_search.graph.graph",
    "ledger_of": "fishnet_search.cost.ledger",
    "load_reference_weights": "fishnet_search.network.reference",
    "load_space": "fishnet_search.space.space",
    "load_spec": "fishnet_search.spec.loading",
    "load_studies": "fishnet_search.report.several",
    "load_study": "fishnet_search.report.loaded",
    "preset_names": "fishnet_search.spec.loading",
    "taps_of": "fishnet_search.graph.graph",
    "with_fields": "fishnet_search.spec.loading",
}

__all__ = [
    "FishSpec",
    "FishnetSearchError",
    "build_graph",
    "build_network",
    "cost_of",
    "features_only",
    "ledger_of",
    "load_reference_weights",
    "load_space",
    "load_spec",
    "load_studies",
    "load_study",
    "preset_names",
    "taps_of",
    "with_fields",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, so that nothing heavy is imported before it is needed."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
