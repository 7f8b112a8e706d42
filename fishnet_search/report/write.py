"""From records to a folder with the report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from fishnet_search.drawing.formats import FORMATS, picture
from fishnet_search.evidence.analysis import Analysis, analyse
from fishnet_search.evidence.effects import BASELINE, EFFECT_COLUMNS, LARGER
from fishnet_search.evidence.frames import CURVE_COLUMNS, TRIAL_COLUMNS
from fishnet_search.evidence.matched import MATCHED_COLUMNS, METRICS, with_matched
from fishnet_search.evidence.naming import explained
from fishnet_search.evidence.published import PUBLISHED_COLUMNS, published_notes
from fishnet_search.evidence.wording import the_baseline
from fishnet_search.report.files import CURVES, figure_files, write_files
from fishnet_search.report.latex import latex_table
from fishnet_search.report.networks import Drawing, draw_networks
from fishnet_search.report.notes import incomplete_trials, method_notes, refusals
from fishnet_search.report.pages import MOST_ROWS, Content, html_page, markdown_page
from fishnet_search.report.pictures import Shown, show
from fishnet_search.report.provenance import data_facts, environments, recipe_facts, space_facts
from fishnet_search.report.published import (
    published_meanings,
    published_numbers,
    published_table,
    sources,
    with_published,
)
from fishnet_search.report.results import drawn, effects_section
from fishnet_search.report.sections import SECTIONS
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import (
    are_spelled_out,
    axis_numbers,
    effect_table,
    level_table,
    matched_table,
    refused_table,
    result_table,
    shortened,
    trial_table,
    without_names,
    word_columns,
)
from fishnet_search.report.trials import anchors, trial_details
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.study.redaction import redacted_command, redacted_study, redacted_trial
from fishnet_search.task.figures import MEANINGS
from fishnet_search.task.findings import Findings

FILES = {
    "table.tex": "the table of results for a paper",
    "figures/": "each figure and network as PNG, SVG and PDF",
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


def write_report(
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    folder: Path,
    *,
    command: str,
    findings: Mapping[str, Findings] = MappingProxyType({}),
) -> Report:
    """Write `report.html`, `report.md`, `table.tex`, `figures/` and the numbers as CSV files.

    The same records give the same bytes. Files of these names are replaced. What looks like a credential in a command,
    an address or a message is left out.

    Args:
        study: What was planned.
        trials: What is recorded of it, in any order, trials outside the present plan included.
        folder: Where to write; made if it is not there.
        command: The command line that makes this report.
        findings: What networks found in test images, by trial, in tasks that have any.

    Raises:
        StudyError: If no trial is complete, or the trials cannot be compared with each other.
    """
    analysis = analyse(redacted_study(study), [redacted_trial(trial) for trial in trials], findings)
    sections = show(analysis, SECTIONS)
    numbers = _numbers(analysis, sections)
    columns = {name: meanings for name, (_, meanings) in numbers.items()}
    content = _content(analysis, sections, redacted_command(command), columns)
    files = figure_files([*content.lead, *sections]) | _drawn(content.drawings)
    write_files(
        folder,
        files
        | {
            "table.tex": _latex(content, analysis).encode(),
            "report.md": markdown_page(content).encode(),
            "report.html": html_page(content).encode(),
        },
        {name: frame for name, (frame, _) in numbers.items()},
    )
    return Report(
        folder=folder,
        html=folder / "report.html",
        markdown=folder / "report.md",
        csv=folder / "table.csv",
        table=effect_table(analysis.effects),
        summary=content.summary,
    )


def _drawn(drawings: Sequence[Drawing]) -> dict[str, bytes]:
    return {
        f"figures/{drawing.name}.{suffix}": picture(drawing.svg, suffix) for drawing in drawings for suffix in FORMATS
    }


def _content(
    analysis: Analysis, sections: Sequence[Shown], command: str, columns: Mapping[str, Mapping[str, str]]
) -> Content:
    study, published = analysis.study, analysis.published
    places = environments(analysis.records)
    metric = METRICS.get(str(study.match), "")
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
        sources=sources(published, results),
        published=published_table(published),
        matched=matched_table(analysis.effects, analysis.matched, metric),
        matched_by=metric,
        sections=sections,
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
        columns=columns,
        files=FILES,
        recorded=len(analysis.records),
    )


def _levels(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Return variant -> axis -> level, of variants outside the present plan too."""
    levels = {trial.variant: trial.levels for trial in analysis.records}
    return levels | {variant.name: variant.levels for variant in analysis.study.variants}


def _latex(content: Content, analysis: Analysis) -> str:
    study, results = content.study, content.results
    rows = results
    if len(results) > MOST_ROWS:
        some = results[results["variant"].isin(drawn(analysis)["variant"])]
        rows = some.sort_values("verdict", key=lambda verdicts: verdicts != BASELINE, kind="stable")
    best = f"the baseline and the best by validation {MEANINGS[study.metric].label}"
    cut = f"{len(rows)} of {len(results):,} variants, {best}; table.csv has all."
    return latex_table(
        shortened(without_names(rows, content.axes)),
        content.words,
        caption=f"Differences to {the_baseline(study.baseline)}, paired by seed, with 95 % intervals. Bold: {LARGER}.",
        label=f"tab:{re.sub('[^A-Za-z0-9-]', '-', study.name)}",
        notes=[*sources(analysis.published, rows), *([cut] if len(rows) < len(results) else [])],
        origin=f"{study.name}, made by: {content.command}",
    )


def _numbers(analysis: Analysis, sections: Sequence[Shown]) -> dict[str, tuple[pd.DataFrame, Mapping[str, str]]]:
    """Return the frames that are written, and what their columns mean, by file."""
    study, effects = analysis.study, analysis.effects
    matched = effects if study.match is None else with_matched(effects, analysis.matched)
    axes = axis_numbers(list(study.axes), _levels(analysis), effects["variant"])
    beside = published_numbers(analysis.published, effects["variant"])
    meanings = explained(EFFECT_COLUMNS | ({} if study.match is None else MATCHED_COLUMNS), matched)
    meanings |= {f"axis {axis}": f"level of the axis, which sets {', '.join(of)}" for axis, of in study.axes.items()}
    parts = [shown.section for shown in sections]
    numbers: dict[str, tuple[pd.DataFrame, Mapping[str, str]]] = {
        "table.csv": (pd.concat([matched, axes, beside], axis="columns"), meanings | published_meanings(beside)),
        "trials.csv": (analysis.trials, explained(TRIAL_COLUMNS, analysis.trials)),
        CURVES: (analysis.curves, explained(CURVE_COLUMNS, analysis.curves)),
        **{f"{one.name}.csv": (one.numbers, one.columns) for one in parts if one.numbers is not None},
    }
    if not analysis.published.empty:
        told = explained(PUBLISHED_COLUMNS, analysis.published, study.task.figures)
        numbers["published.csv"] = (analysis.published, told)
    return numbers
