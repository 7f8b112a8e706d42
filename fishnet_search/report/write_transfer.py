"""From several studies to a folder with a page on whether ranks go over from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fishnet_search.evidence.transfer import AGREEMENT_COLUMNS, CHOICE_COLUMNS, RANK_COLUMNS
from fishnet_search.report.files import figure_files, write_files
from fishnet_search.report.loaded import LoadedStudy
from fishnet_search.report.pages import Comparison, html_page, markdown_page
from fishnet_search.report.pictures import show
from fishnet_search.report.provenance import Facts, data_facts, environments, recipe_facts, space_facts
from fishnet_search.report.several import LoadedStudies
from fishnet_search.report.transfer import (
    agreement_section,
    agreement_table,
    choices_section,
    ranks_section,
    summarise_transfer,
)
from fishnet_search.study.redaction import redacted_command, redacted_study, redacted_trial

ABOUT = "Do the variants of these studies keep their ranks from one to another?"
FILES = {"figures/": "each figure as PNG, SVG and PDF"}


@dataclass(frozen=True)
class TransferReport:
    """What was written."""

    html: Path
    agreement: pd.DataFrame  # strings, one row a pair of studies
    summary: tuple[str, ...]  # the result in words


def write_transfer(studies: LoadedStudies, folder: Path, *, command: str) -> TransferReport:
    """Write `report.html`, `report.md`, `figures/` and the numbers as CSV files on the ranks in several studies.

    The same records give the same bytes. Files of these names are replaced. What looks like a credential is left out.

    Args:
        studies: Two or more.
        folder: Where to write; made if it is not there.
        command: The command line that makes this report.

    Raises:
        StudyError: There are too few studies, or too few variants that all of them have, or trials are incomplete.
    """
    transfer = studies.transfer
    sections = show(transfer, (ranks_section, agreement_section, choices_section))
    content = Comparison(
        title=", ".join(studies.studies),
        about=ABOUT,
        command=redacted_command(command),
        summary=summarise_transfer(transfer),
        sections=sections,
        origins=[
            (name, redacted_study(study.record).command, _origin(study)) for name, study in studies.studies.items()
        ],
        columns={"ranks.csv": RANK_COLUMNS, "agreement.csv": AGREEMENT_COLUMNS, "choices.csv": CHOICE_COLUMNS},
        files=FILES,
    )
    pages = {"report.md": markdown_page(content).encode(), "report.html": html_page(content).encode()}
    numbers = {"ranks.csv": transfer.ranks, "agreement.csv": transfer.agreement, "choices.csv": transfer.choices}
    write_files(folder, figure_files(sections) | pages, numbers)
    return TransferReport(folder / "report.html", agreement_table(transfer.agreement), content.summary)


def _origin(study: LoadedStudy) -> Facts:
    """Say what a study varied, on which images, how it trained, and where."""
    record = redacted_study(study.record)
    places = environments([redacted_trial(trial) for trial in study.records])
    variants = [variant.name for variant in record.variants]
    where = [(f"{what} of {trials}", told) for trials, facts in places for what, told in facts]
    return (*space_facts(record), *data_facts(record.data), *recipe_facts(record, variants), *where)
