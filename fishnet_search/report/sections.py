"""Which parts a report has, in the order in which they stand on its pages."""

from __future__ import annotations

from fishnet_search.report.pictures import Provider
from fishnet_search.report.results import accuracy_section, candidates_section, learning_curves_section

SECTIONS: tuple[Provider, ...] = (candidates_section, accuracy_section, learning_curves_section)
"""Of those below the table of results. What shows the differences stands above it."""
