"""The application that commands belong to, and what they share."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fishnet_search import __version__
from fishnet_search.errors import FishnetSearchError, SpaceError, StudyError

if TYPE_CHECKING:
    from fishnet_search.data.description import Data
    from fishnet_search.report.write import Report
    from fishnet_search.task.settings import Task

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare vision backbones: describe them, train them with several seeds, report differences with intervals.",
)

STORAGE_VARIABLE = "FISHNET_SEARCH_STORAGE"

StudyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY",
        help="Name of the study, or path of its folder; by default the one that ran last.",
        show_default=False,
    ),
]
StudiesOption = Annotated[Path, typer.Option("--studies", help="Folder that holds the studies.")]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="URL of a database for Optuna, by which several machines share a study.",
        envvar=STORAGE_VARIABLE,
        show_default=False,
    ),
]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder that reports are written to.")]
SplitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="PART=IMAGES",
        help="How many images a part has, drawn by class, such as `validation=10000`, or the `seed` of that; may be "
        "repeated.",
    ),
]

BrokenOption = Annotated[Literal["fail", "skip"], typer.Option(help="What becomes of images that cannot be decoded.")]
_EXAMPLE = {
    "--set": "--set epochs=10",
    "--split": "--split validation=10000",
    "--task-set": "--task-set smallest_anchor=16",
}

IDLE_LOAD = 0.5
"""Most load of a machine that a time can be measured on: beside one busy program two threads can be tenfold slower."""


def main() -> None:
    """Run the command line; what a person can mend is said without a traceback, with exit code 2."""
    try:
        app()
    except FishnetSearchError as problem:
        typer.echo(f"error: {problem}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:  # before or after the trials, which end in their own way
        sys.exit(130)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        typer.echo(f"error: {where}{problem.strerror or problem}", err=True)
        sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fishnet-search {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand in front of a command."""


def fields_of(option: str, given: list[str] | None) -> dict[str, Any]:
    """Read every FIELD=VALUE of a repeated option, the values as YAML would.

    Raises:
        SpaceError: something has another form.
    """
    import yaml

    fields: dict[str, Any] = {}
    for one in given or ():
        field, _, value = one.partition("=")
        if not (field and value):
            raise SpaceError(f"{option} {one}: write a name, = and a value, such as {_EXAMPLE[option]}")
        if field in fields:
            raise SpaceError(f"{option} {one}: {field} is given twice; keep one")
        try:
            fields[field] = yaml.safe_load(value)
        except yaml.YAMLError as problem:
            raise SpaceError(f"{option} {one}: {value!r} is no YAML; put it in quotes") from problem
    return fields


def asked_data(verb: str, source: str, split: list[str] | None, broken: str) -> Data:
    """Return the images that a command asks for.

    Raises:
        DataError: the split is none.
    """
    from fishnet_search.data.description import Data
    from fishnet_search.errors import DataError
    from fishnet_search.spec.reading import Document, validated

    asked = {"source": source, "split": fields_of("--split", split) or None, "broken": broken}
    return validated(Data, Document(verb, asked, {}), DataError)


TaskSettings = Annotated[
    list[str] | None,
    typer.Option("--task-set", metavar="FIELD=VALUE", help="A field of the task to be otherwise; may be repeated."),
]


def task_of(verb: str, kind: str, settings: list[str] | None) -> Task:
    """Return a task from what a command line says of it.

    Raises:
        SpaceError: a setting is none of this task, or out of its range.
    """
    from fishnet_search.spec.reading import Document, validated
    from fishnet_search.task.settings import TASKS

    asked = {"kind": kind, **fields_of("--task-set", settings)}
    task: Task = validated(TASKS[kind], Document(verb, asked, {}), SpaceError)  # type: ignore[assignment]
    return task


BackboneOption = Annotated[
    Path | None,
    typer.Option(
        metavar="STUDY|FILE",
        help="Trained weights that the backbones of detectors and segmenters begin with.",
        show_default=False,
    ),
]


def write_report_of(folder: Path, reports: Path) -> Report:
    """Write the report of a study."""
    from fishnet_search.report.write import write_report
    from fishnet_search.study.reading import study_and_evidence
    from fishnet_search.study.store import read_findings

    study, records = study_and_evidence(folder)
    findings = read_findings(folder, records) if study.task.kind != "classification" else {}
    return write_report(study, records, reports / folder.resolve().name, command=command(), findings=findings)


def last_study(studies: Path) -> Path:
    """Return the folder of the study that ran last.

    Raises:
        StudyError: there is none.
    """
    files = sorted(studies.glob("*/study.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise StudyError(f"{studies}: holds no study; start one with `fishnet-search run spaces/downsample.yaml`")
    return files[-1].parent


def command() -> str:
    """Return the command line as it was given, but for credentials, which are not for records."""
    from fishnet_search.study.redaction import redacted_command

    words = redacted_command(shlex.join(["fishnet-search", *sys.argv[1:]]))
    if os.environ.get(STORAGE_VARIABLE) and "--storage" not in sys.argv:
        words = f"{STORAGE_VARIABLE}=... {words}"
    return words
