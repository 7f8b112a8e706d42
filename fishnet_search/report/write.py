"""From records to a folder with the report: the one place that touches the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fishnet_search.report.effects import EFFECT_COLUMNS, variant_effects
from fishnet_search.report.figures import NAMES, draw_figures
from fishnet_search.report.frames import (
    CURVE_COLUMNS,
    TRIAL_COLUMNS,
    check_comparable,
    curve_frame,
    in_order_of_plan,
    trial_frame,
)
from fishnet_search.report.pages import Content, html_page, markdown_page
from fishnet_search.report.provenance import data_facts, environments, recipe_facts, space_facts
from fishnet_search.report.summary import incomplete_trials, method_notes, summarise
from fishnet_search.report.table import effect_table, trial_table
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
    check_comparable(study, trials)
    trials = in_order_of_plan(study, trials)
    rows, curves = trial_frame(study, trials), curve_frame(trials)
    effects = variant_effects(rows, study.baseline)
    pictures = draw_figures(rows, curves, effects, study.baseline)
    places = environments(trials)
    content = Content(
        study=study,
        command=command,
        summary=summarise(study.baseline, rows, effects),
        notes=method_notes(study.data, effects, environments=len(places)),
        incomplete=incomplete_trials(rows),
        table=effect_table(effects),
        trials=trial_table(rows),
        failures=[trial for trial in trials if trial.failure is not None],
        pictures=pictures,
        space=space_facts(study),
        data=data_facts(study.data),
        recipe=recipe_facts(study.recipe),
        environments=places,
        columns={"table.csv": EFFECT_COLUMNS, "trials.csv": TRIAL_COLUMNS, "curves.csv": CURVE_COLUMNS},
    )
    figures = {f"figures/{picture.name}.png": picture.png for picture in pictures}
    files = figures | {
        "table.csv": _csv(effects),
        "trials.csv": _csv(rows),
        "curves.csv": _csv(curves),
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


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()
