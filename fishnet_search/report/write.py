"""From records to a folder with the report: the one place that touches the disk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fishnet_search.evidence.analysis import Analysis, analyse
from fishnet_search.evidence.effects import EFFECT_COLUMNS, LARGER
from fishnet_search.evidence.frames import CURVE_COLUMNS, TRIAL_COLUMNS
from fishnet_search.evidence.matched import MATCHED_COLUMNS, METRICS, with_matched
from fishnet_search.evidence.published import published_notes
from fishnet_search.evidence.wording import the_baseline
from fishnet_search.report.latex import latex_table
from fishnet_search.report.networks import Drawing, draw_networks
from fishnet_search.report.notes import incomplete_trials, method_notes, refusals
from fishnet_search.report.pages import Content, html_page, markdown_page
from fishnet_search.report.pictures import Shown, show
from fishnet_search.report.provenance import data_facts, environments, recipe_facts, space_facts
from fishnet_search.report.published import published_table, sources, with_published
from fishnet_search.report.redaction import redacted_study, redacted_trial, without_secrets
from fishnet_search.report.results import effects_section
from fishnet_search.report.sections import SECTIONS
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import (
    are_spelled_out,
    effect_table,
    level_table,
    matched_table,
    refused_table,
    result_table,
    trial_table,
    without_names,
    word_columns,
)
from fishnet_search.report.trials import anchors, trial_details
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.study.store import write_whole

FILES = {
    "table.tex": "the table of results for a paper",
    "figures/": "each figure as PNG, SVG and PDF, and the networks as SVG",
}
"""Beside the pages and the numbers."""


@dataclass(frozen=True)
class Report:
    """What was written."""

    folder: Path
    html: Path
    markdown: Path
    csv: Path
    table: pd.DataFrame  # strings, one row a variant
    summary: tuple[str, ...]  # the result in words


def write_report(study: StudyRecord, trials: Sequence[TrialRecord], folder: Path, *, command: str) -> Report:
    """Write `report.html`, `report.md`, `table.tex`, `figures/` and the numbers as CSV files.

    The same records give the same bytes. Files of these names are replaced. What looks like a credential in a command,
    an address or a message is left out.

    Args:
        study: What was planned.
        trials: What is recorded of it, in any order, trials outside the present plan included.
        folder: Where to write; made if it is not there.
        command: The command line that makes this report.

    Raises:
        StudyError: If no trial is complete, or the trials cannot be compared with each other.
    """
    analysis = analyse(redacted_study(study), [redacted_trial(trial) for trial in trials])
    published = analysis.published
    content = _content(analysis, without_secrets(command))
    figures = _figures([*content.lead, *content.sections], content.drawings)
    files = {
        "table.csv": _csv(_numbers(analysis)),
        "trials.csv": _csv(analysis.trials),
        "curves.csv": _csv(analysis.curves),
        "table.tex": _latex(content).encode(),
        "report.md": markdown_page(content).encode(),
        "report.html": html_page(content).encode(),
        **({} if published.empty else {"published.csv": _csv(published)}),
    }
    for name in _figures_of_earlier(folder) - figures.keys():
        (folder / name).unlink(missing_ok=True)
    for name, data in (figures | files).items():
        write_whole(folder / name, data)
    return Report(
        folder=folder,
        html=folder / "report.html",
        markdown=folder / "report.md",
        csv=folder / "table.csv",
        table=effect_table(analysis.effects),
        summary=content.summary,
    )


def _figures(shown: Sequence[Shown], drawings: Sequence[Drawing]) -> dict[str, bytes]:
    files = {f"figures/{one.section.name}.{suffix}": data for one in shown for suffix, data in one.files.items()}
    return files | {f"figures/{drawing.name}.svg": drawing.svg.encode() for drawing in drawings}


def _figures_of_earlier(folder: Path) -> set[str]:
    """Return the files of figures that the report shows which is there already, to be replaced."""
    page = folder / "report.md"
    found = re.findall(r"\]\(figures/([\w-]+)\.(?:png|svg)\)", page.read_text() if page.is_file() else "")
    return {f"figures/{name}.{suffix}" for name in found for suffix in ("png", "svg", "pdf")}


def _content(analysis: Analysis, command: str) -> Content:
    study, published = analysis.study, analysis.published
    places = environments(analysis.records)
    metric = METRICS.get(str(study.match), "")
    explained = EFFECT_COLUMNS if study.match is None else EFFECT_COLUMNS | MATCHED_COLUMNS
    details = trial_details(analysis)
    variants, of_variants = analysis.effects["variant"].tolist(), _levels(analysis)
    levels = level_table(list(study.axes), of_variants, variants)
    results = with_published(result_table(analysis.effects, levels), published)
    return Content(
        study=study,
        command=command,
        summary=summarise(analysis),
        notes=(*method_notes(analysis, environments=len(places)), *published_notes(study)),
        incomplete=incomplete_trials(analysis),
        lead=show(analysis, [effects_section]),
        results=results,
        table=without_names(results, levels.columns.tolist()) if are_spelled_out(variants, of_variants) else results,
        axes=tuple(levels.columns.tolist()),
        words=("variant", "verdict", *word_columns(levels)),
        sources=sources(published),
        published=published_table(published),
        matched=matched_table(analysis.effects, analysis.matched, metric),
        matched_by=metric,
        sections=show(analysis, SECTIONS),
        drawings=draw_networks(analysis),
        trials=trial_table(analysis.trials),
        anchors=anchors(details, analysis.trials),
        details=details,
        refusals=refusals(analysis),
        refused=refused_table(study.refused),
        failures=[trial for trial in analysis.records if trial.failure is not None],
        space=space_facts(study),
        data=data_facts(study.data),
        recipe=recipe_facts(study, analysis.effects["variant"].tolist()),
        environments=places,
        columns={"table.csv": explained, "trials.csv": TRIAL_COLUMNS, "curves.csv": CURVE_COLUMNS},
        files=FILES if published.empty else FILES | {"published.csv": "published figures with setting and source"},
        recorded=len(analysis.records),
    )


def _levels(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Return variant -> axis -> level, of variants outside the present plan too."""
    levels = {trial.variant: trial.levels for trial in analysis.records}
    return levels | {variant.name: variant.levels for variant in analysis.study.variants}


def _latex(content: Content) -> str:
    study = content.study
    return latex_table(
        without_names(content.results, content.axes).drop(columns=["validation top-1 (%)", "pairs"]),
        content.words,
        caption=f"Differences to {the_baseline(study.baseline)}, paired by seed, with 95 % intervals. Bold: {LARGER}.",
        label=f"tab:{re.sub('[^A-Za-z0-9-]', '-', study.name)}",
        notes=content.sources,
        origin=f"{study.name}, made by: {content.command}",
    )


def _numbers(analysis: Analysis) -> pd.DataFrame:
    return analysis.effects if analysis.study.match is None else with_matched(analysis.effects, analysis.matched)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()
