"""Pages from templates: everything that comes from records is escaped unless a template says otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fishnet_search.evidence.effects import LARGER
from fishnet_search.report.pictures import Picture
from fishnet_search.report.provenance import Facts
from fishnet_search.study.record import StudyRecord, TrialRecord


@dataclass(frozen=True)
class Content:
    """All that a page shows; the tables are strings already."""

    study: StudyRecord
    command: str
    summary: tuple[str, ...]
    notes: tuple[str, ...]
    incomplete: tuple[str, ...]
    table: pd.DataFrame
    matched: pd.DataFrame
    matched_by: str  # name of the metric
    trials: pd.DataFrame
    refusals: tuple[str, ...]  # a sentence a rule
    refused: pd.DataFrame
    failures: Sequence[TrialRecord]
    pictures: Sequence[Picture]
    space: Facts
    data: Facts
    recipe: Facts
    environments: Sequence[tuple[str, Facts]]
    columns: dict[str, dict[str, str]]  # file -> column -> meaning
    larger: str = LARGER  # the verdict that stands out
    most_rows: int = 60  # of a table that is not folded
    most_failures: int = 20  # that are told with their tracebacks


def html_page(content: Content) -> str:
    """Return one page that needs no other file and no network."""
    environment = Environment(
        loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["breakable"] = breakable
    return environment.get_template("report.html.jinja").render(vars(content))


def markdown_page(content: Content) -> str:
    """Return a page that shows the figures beside it."""
    environment = Environment(
        loader=_LOADER,
        autoescape=False,
        finalize=escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.md.jinja").render(vars(content))


def breakable(text: str) -> Markup:
    """Return text in whose long names a line may end between two levels."""
    return Markup(re.sub(r",(?=[^\s\d])", ",<wbr>", str(escape(text))))


def escape_markdown(value: object) -> str:
    """Return text that Markdown shows as it is, on one line, in a table too. What a template marks safe is left."""
    if isinstance(value, Markup):
        return str(value)
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", " ".join(str(value).split()))


_LOADER = PackageLoader("fishnet_search.report")
