"""From records to a folder with the report: the one place that touches the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fishnet_search.evidence.analysis import Analysis, analyse
from fishnet_search.evidence.effects import EFFECT_COLUMNS
from fishnet_search.evidence.frames import CURVE_COLUMNS, TRIAL_COLUMNS
from fishnet_search.evidence.matched import MATCHED_COLUMNS, METRICS, with_matched
from fishnet_search.report.notes import incomplete_trials, method_notes, refusals
from fishnet_search.report.pages import Content, html_page, markdown_page
from fishnet_search.report.pictures import NAMES, Picture, draw_figures
from fishnet_search.report.provenance import data_facts, environments, recipe_facts, space_facts
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import effect_table, matched_table, refused_table, trial_table
from fishnet_search.study.record import StudyRecord, TrialRecord
from fishnet_search.study.store import write_whole


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
    """Write `report.html`, `report.md`, `figures/*.png` and the numbers as `table.csv`, `trials.csv`, `curves.csv`.

    The same records give the same bytes. Files of these names are replaced.

    Args:
        study: What was planned.
        trials: What is recorded of it, in any order, trials outside the present plan included.
        folder: Where to write; made if it is not there.
        command: The command line that makes this report.

    Raises:
        StudyError: If no trial is complete, or the trials cannot be compared with each other.
    """
    analysis = analyse(study, trials)
    pictures = draw_figures(analysis)
    content = _content(analysis, pictures, command)
    figures = {f"figures/{picture.name}.png": picture.png for picture in pictures}
    files = figures | {
        "table.csv": _csv(_numbers(analysis)),
        "trials.csv": _csv(analysis.trials),
        "curves.csv": _csv(analysis.curves),
        "report.md": markdown_page(content).encode(),
        "report.html": html_page(content).encode(),
    }
    for name, data in files.items():
        write_whole(folder / name, data)
    for name in NAMES:  # of an earlier report, which had data for a figure that this one has not
        if f"figures/{name}.png" not in figures:
            (folder / "figures" / f"{name}.png").unlink(missing_ok=True)
    return Report(
        folder=folder,
        html=folder / "report.html",
        markdown=folder / "report.md",
        csv=folder / "table.csv",
        table=content.table,
        summary=content.summary,
    )


def _content(analysis: Analysis, pictures: Sequence[Picture], command: str) -> Content:
    study = analysis.study
    places = environments(analysis.records)
    metric = METRICS.get(str(study.match), "")
    explained = EFFECT_COLUMNS if study.match is None else EFFECT_COLUMNS | MATCHED_COLUMNS
    return Content(
        study=study,
        command=command,
        summary=summarise(analysis),
        notes=method_notes(analysis, environments=len(places)),
        incomplete=incomplete_trials(analysis),
        table=effect_table(analysis.effects),
        matched=matched_table(analysis.effects, analysis.matched, metric),
        matched_by=metric,
        trials=trial_table(analysis.trials),
        refusals=refusals(analysis),
        refused=refused_table(study.refused),
        failures=[trial for trial in analysis.records if trial.failure is not None],
        pictures=pictures,
        space=space_facts(study),
        data=data_facts(study.data),
        recipe=recipe_facts(study, analysis.effects["variant"].tolist()),
        environments=places,
        columns={"table.csv": explained, "trials.csv": TRIAL_COLUMNS, "curves.csv": CURVE_COLUMNS},
    )


def _numbers(analysis: Analysis) -> pd.DataFrame:
    return analysis.effects if analysis.study.match is None else with_matched(analysis.effects, analysis.matched)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()
