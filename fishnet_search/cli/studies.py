"""Commands on spaces and the studies that come of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fishnet_search.cli.app import (
    IDLE_LOAD,
    BackboneOption,
    ReportsOption,
    StorageOption,
    StudiesOption,
    StudyArgument,
    app,
    command,
    last_study,
    write_report_of,
)
from fishnet_search.errors import StudyError

SmallOption = Annotated[
    bool, typer.Option("--small", help="Take the small version of the space, which trains in minutes.")
]

if TYPE_CHECKING:
    from fishnet_search.engine.plan import Plan
    from fishnet_search.engine.run import Settings


@app.command()
def run(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="YAML file of the space.", show_default=False)],
    others: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="STUDY", help="More of what `--reuse` names: a shell writes `studies/*` out.", show_default=False
        ),
    ] = None,
    small: SmallOption = False,
    data: Annotated[
        str | None,
        typer.Option(help="Images in place of the space's, such as `imagefolder:PATH`.", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs in place of the recipe's.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Number of seeds (0, 1, ...) in place of the space's.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most images in each of train, validation and test.", show_default=False),
    ] = None,
    backbone_from: BackboneOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the study; by default the file's, with -small behind it for a small version.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["auto", "local", "ray"],
        typer.Option(help="Who runs the trials; `auto` takes Ray where a cluster's address is given."),
    ] = "auto",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Trials at a time on the local engine; by default as many as cores or GPUs allow.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds that a trial may take before it has failed.", show_default=False),
    ] = None,
    storage: StorageOption = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(metavar="STUDY", help="Folder of a study whose trials need not be run again, or `studies/*`."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster, or `auto` on one of its nodes.", show_default=False)
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs into the study.")] = False,
    studies: StudiesOption = Path("studies"),
    reports: ReportsOption = Path("reports"),
) -> None:
    """Train every variant of a space with every seed and write a report.

    A study that was stopped, or killed, goes on where it was: trials that are complete are not run again.

    Example: `fishnet-search run spaces/downsample.yaml --epochs 2 --seeds 2 --name quick`
    """
    from fishnet_search.engine.processes import prepare
    from fishnet_search.space.space import load_space
    from fishnet_search.study.store import refuse_if_locked, study_folder

    # What can be refused at once is, and the processes that train begin to import what they need, before this one does:
    # it takes seconds.
    if others and not reuse:
        raise StudyError(f"{others[0]}: a run takes one space; run them one after the other")
    reused = _studies_in([*(reuse or ()), *(others or ())])
    stem = space.resolve().stem
    folder = study_folder(studies, (f"{stem}-small" if small else stem) if name is None else name)
    refuse_if_locked(folder)
    load_space(space, small=small)
    if ray_address is None and engine != "local":
        ray_address = os.environ.get("RAY_ADDRESS")
    on_ray = engine == "ray" or (engine == "auto" and bool(ray_address))
    if not on_ray and jobs != 1:
        prepare()

    from fishnet_search.engine.plan import plan_study
    from fishnet_search.engine.run import Settings, jobs_for

    plan = plan_study(
        space,
        folder,
        command=command(),
        data=data,
        epochs=epochs,
        seeds=seeds,
        limit=limit,
        small=small,
        backbone_from=backbone_from,
    )
    settings = Settings(
        engine="ray" if on_ray else "local",
        jobs=jobs_for(plan.space.space) if jobs is None else jobs,
        time_limit=time_limit,
        storage=storage,
        reuse=reused,
        ray_address=ray_address,
    )
    carry_out(plan, folder, settings, reports=reports, tensorboard=tensorboard)


@app.command()
def check(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="YAML file of the space.", show_default=False)],
    small: SmallOption = False,
    data: Annotated[
        str | None,
        typer.Option(help="Images in place of the space's, such as `imagefolder:PATH`.", show_default=False),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Train two networks for seconds, and estimate the time of the study.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List all candidates and refusals.")] = False,
) -> None:
    """Show what a space asks for before anything is built or trained.

    Candidates with their exact costs, what is refused and by which rule, what is the same twice, and how many trials
    there are to train.

    Example: `fishnet-search check spaces/downsample.yaml --probe`
    """
    from fishnet_search.engine.survey import survey
    from fishnet_search.terminal.check import check as lines_of
    from fishnet_search.terminal.check import estimated
    from fishnet_search.terminal.console import counting, make_console

    console = make_console()
    with counting(console, "counting candidates") as on_candidate:
        found = survey(space, data=data, small=small, on_candidate=on_candidate)
    for line in lines_of(found, console.width, everything=everything):
        console.print(line)
    if probe:
        load = os.getloadavg()[0]
        with console.status("training for a few seconds"):
            from fishnet_search.engine.probe import estimate
            from fishnet_search.train.device import choose_device, device_name

            device = choose_device()
            told = estimate(found, device, device_name(device))
        for line in estimated(told, found):
            console.print(line)
        if load > IDLE_LOAD:
            console.print(f"programs ran here just before (load {load:.1f}): without them it goes faster, even tenfold")


@app.command()
def report(
    study: StudyArgument = None,
    studies: StudiesOption = Path("studies"),
    reports: ReportsOption = Path("reports"),
) -> None:
    """Write the report of a study: Markdown, CSV, figures and one HTML page; show its table.

    Example: `fishnet-search report downsample`
    """
    from fishnet_search.study.store import find_study
    from fishnet_search.terminal import make_console, results

    folder = last_study(studies) if study is None else find_study(studies, study)
    written = write_report_of(folder, reports)
    console = make_console()
    for part in results(written.table, written.csv):
        console.print(part)
    for sentence in written.summary:
        console.print(sentence)
    console.print(f"\nreport: {written.html}", soft_wrap=True)


@app.command()
def transfer(
    named: Annotated[
        list[str],
        typer.Argument(metavar="STUDY...", help="Names of studies, or paths of their folders: two or more."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the report; by default those of the studies.", show_default=False)
    ] = None,
    studies: StudiesOption = Path("studies"),
    reports: ReportsOption = Path("reports"),
) -> None:
    """Compare the ranks of variants in several studies, whatever these are judged by.

    Do the ways of downsampling that are best for whole images also suit a detector? Variants go by their names.

    Example: `fishnet-search transfer image region pixel`
    """
    from fishnet_search.report.several import load_studies
    from fishnet_search.report.write_transfer import write_transfer
    from fishnet_search.study.store import study_folder
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.tables import text_table

    loaded = load_studies(named, studies)
    title = "-".join(study.name for study in loaded.studies.values()) if name is None else name
    written = write_transfer(loaded, study_folder(reports, title), command=command())
    console = make_console()
    console.print(text_table(written.agreement, words=("study", "other")))
    for sentence in written.summary:
        console.print(sentence)
    console.print(f"\nreport: {written.html}", soft_wrap=True)


@app.command()
def status(
    study: StudyArgument = None,
    studies: StudiesOption = Path("studies"),
) -> None:
    """Show how far a study is, from any shell, whether it runs or not.

    Example: `fishnet-search status downsample`, or `watch fishnet-search status downsample` to follow it
    """
    from fishnet_search.study.store import find_study
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.status import status as lines_of

    console = make_console()
    folder = last_study(studies) if study is None else find_study(studies, study)
    for line in lines_of(folder, console.width):
        console.print(line)


@app.command()
def dashboard(
    study: StudyArgument = None,
    studies: StudiesOption = Path("studies"),
    storage: StorageOption = None,
    host: Annotated[str, typer.Option(help="Name or address to listen at; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes one that is free.")] = 8080,
) -> None:
    """Serve Optuna's dashboard on a study, to look at only, until Ctrl-C.

    Example: `fishnet-search dashboard downsample --port 8081`
    """
    from fishnet_search.engine.dashboard import dashboard_server
    from fishnet_search.study.store import find_study
    from fishnet_search.terminal.console import make_console

    folder = last_study(studies) if study is None else find_study(studies, study)
    with (
        dashboard_server(folder, storage=storage, host=host, port=port) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        make_console().print(f"study {folder.name}: http://{host}:{server.server_port}/dashboard   (Ctrl-C ends it)")
        server.serve_forever()


def carry_out(plan: Plan, folder: Path, settings: Settings, *, reports: Path, tensorboard: bool) -> None:
    """Run a study, show how far it is, and write its report.

    Raises:
        typer.Exit: with 130 after Ctrl-C or SIGTERM, with 1 if a trial failed.
    """
    from fishnet_search.engine.run import run_study
    from fishnet_search.engine.tensorboard import TensorBoardLog
    from fishnet_search.engine.together import Together
    from fishnet_search.study.tracker import ProgressFile
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.live import LiveProgress
    from fishnet_search.terminal.words import planned

    console = make_console()
    for stop in (signal.SIGINT, signal.SIGTERM):  # a batch system's end is as orderly as Ctrl-C
        signal.signal(stop, signal.default_int_handler)
    for line in planned(plan.study):
        console.print(line)
    logs = [TensorBoardLog(folder / "tensorboard")] if tensorboard else []
    try:
        with LiveProgress(console) as live, ProgressFile(folder) as told:
            records = run_study(plan, folder, Together(live, told, *logs), settings)
    except KeyboardInterrupt:
        console.print(f"stopped; what is complete is kept in {folder}. The same command goes on from there.")
        raise typer.Exit(130) from None
    failed = [record.trial for record in records if record.state == "failed"]
    if failed:
        console.print(f"{len(failed)} of {len(records)} trials failed; their records in {folder}/trials say why.")
    if len(failed) < len(records):
        html = write_report_of(folder, reports).html
        console.print(f"report: {html}   (fishnet-search report {folder.name} shows its table)", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _studies_in(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return those of some folders that are studies: `studies/*` has other files too."""
    found = tuple(folder for folder in folders if (folder / "study.json").is_file())
    if folders and not found:
        raise StudyError(f"--reuse {folders[0]}: is no study; `fishnet-search list` shows which there are")
    return found
