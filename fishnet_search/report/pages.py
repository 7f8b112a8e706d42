"""Pages from templates: everything that comes from records is escaped unless a template says otherwise."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fishnet_search.evidence.effects import LARGER
from fishnet_search.report.networks import Drawing
from fishnet_search.report.pictures import Shown
from fishnet_search.report.provenance import Facts
from fishnet_search.report.trials import TrialDetail
from fishnet_search.study.record import StudyRecord, TrialRecord

MOST_ROWS = 60
"""Rows of a table that is not folded."""

MOST_ROWS_FOLDED = 1_000
"""Rows of one that is; the rest is in the files."""

MOST_FAILURES = 20
"""Failures that are told with their tracebacks."""


@dataclass(frozen=True)
class Content:
    """All that a page shows; the tables are strings already."""

    study: StudyRecord
    command: str
    summary: tuple[str, ...]
    notes: tuple[str, ...]
    incomplete: tuple[str, ...]
    lead: Sequence[Shown]  # what stands above the results
    results: pd.DataFrame  # one row a variant, with all columns
    table: pd.DataFrame  # the same without names that only repeat the levels
    axes: Sequence[str]  # columns of both that are levels
    words: Collection[str]  # columns of both that are no numbers
    sources: tuple[str, ...]  # of published values in the table
    published: pd.DataFrame
    matched: pd.DataFrame
    matched_by: str  # name of the metric
    sections: Sequence[Shown]
    drawings: Sequence[Drawing]
    trials: pd.DataFrame
    anchors: Sequence[str | None]  # of their details, one a row
    details: Sequence[TrialDetail]
    recorded: int  # trials that have a record
    refusals: tuple[str, ...]  # a sentence a rule
    refused: pd.DataFrame
    failures: Sequence[TrialRecord]
    space: Facts
    data: Facts
    recipe: Facts
    environments: Sequence[tuple[str, Facts]]
    columns: Mapping[str, Mapping[str, str]]  # file -> column -> meaning
    files: Mapping[str, str]  # other files -> what they are

    template: ClassVar = "report"

    @property
    def title(self) -> str:
        """What stands above everything."""
        return self.study.name

    @property
    def about(self) -> str:
        """What the study asks."""
        return self.study.description


@dataclass(frozen=True)
class Comparison:
    """All that a page on several studies shows."""

    title: str
    about: str
    command: str
    summary: tuple[str, ...]
    sections: Sequence[Shown]
    origins: Sequence[tuple[str, str, Facts]]  # study, the command that ran it, and where its numbers come from
    columns: Mapping[str, Mapping[str, str]]  # file -> column -> meaning
    files: Mapping[str, str]  # other files -> what they are

    template: ClassVar = "transfer"


def html_page(content: Content | Comparison) -> str:
    """Return one page that needs no other file and no network, and forbids the browser to ask for any.

    It is read without its script too, which sorts tables and unfolds what is linked to.
    """
    environment = Environment(
        loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= _limits()
    environment.filters["breakable"] = breakable
    script = _template("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(f"{content.template}.html.jinja").render(
        _told(content), style=Markup(_template("page.css")), script=Markup(script), script_sha256=digest
    )


def markdown_page(content: Content | Comparison) -> str:
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
    environment.globals |= _limits()
    return environment.get_template(f"{content.template}.md.jinja").render(_told(content))


def breakable(text: str) -> Markup:
    """Return text in whose long names a line may end between two levels."""
    return Markup(re.sub(r",(?=[^\s\d])", ",<wbr>", str(escape(text))))


def escape_markdown(value: object) -> str:
    """Return text that Markdown shows as it is, on one line, in a table too. What a template marks safe is left."""
    if isinstance(value, Markup):
        return str(value)
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", " ".join(str(value).split()))


def _told(content: Content | Comparison) -> dict[str, Any]:
    return vars(content) | {"title": content.title, "about": content.about}


def _limits() -> dict[str, Any]:
    limits = {"most_rows": MOST_ROWS, "most_rows_folded": MOST_ROWS_FOLDED, "most_failures": MOST_FAILURES}
    return limits | {"larger": LARGER}


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


_LOADER = PackageLoader("fishnet_search.report")
