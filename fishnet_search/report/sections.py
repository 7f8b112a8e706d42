"""Which parts a report has, in the order in which they stand on its pages."""

from __future__ import annotations

from fishnet_search.report.costs import costs_section
from fishnet_search.report.design_space import coordinates_section, errors_section, importance_section
from fishnet_search.report.fidelity import fidelity_section
from fishnet_search.report.levels import levels_section
from fishnet_search.report.pictures import Provider
from fishnet_search.report.results import accuracy_section, learning_curves_section
from fishnet_search.report.scenes import precision_section, predictions_section, sizes_section
from fishnet_search.report.searching import pareto_section, progress_section

SECTIONS: tuple[Provider, ...] = (
    levels_section,
    progress_section,
    pareto_section,
    importance_section,
    errors_section,
    coordinates_section,
    predictions_section,
    precision_section,
    sizes_section,
    costs_section,
    accuracy_section,
    learning_curves_section,
    fidelity_section,
)
"""Of those below the table of results. What shows the differences stands above it."""
