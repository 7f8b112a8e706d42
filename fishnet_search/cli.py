"""The command line: parses words and calls one function each."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fishnet_search import __version__
from fishnet_search.errors import FishnetSearchError, StudyError

if TYPE_CHECKING:
    from fishnet_search.report.write import Report

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
    typer.Argument(metavar="STUDY", help="Name of the study; by default the one that ran last.", show_default=False),
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


@app.command()
def run(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="YAML file of the space.", show_default=False)],
    others: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="STUDY", help="More of what `--reuse` names: a shell writes `studies/*` out.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Images in place of the space's: `digits` or `imagefolder:PATH`.", show_default=False),
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
    name: Annotated[
        str | None,
        typer.Option(help="Name of the study; by default the file's.", show_default=False),
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
    folder = study_folder(studies, space.resolve().stem if name is None else name)
    refuse_if_locked(folder)
    load_space(space)
    if ray_address is None and engine != "local":
        ray_address = os.environ.get("RAY_ADDRESS")
    on_ray = engine == "ray" or (engine == "auto" and bool(ray_address))
    if not on_ray and jobs != 1:
        prepare()

    from fishnet_search.engine.plan import plan_study
    from fishnet_search.engine.run import Settings, jobs_for, run_study
    from fishnet_search.engine.tensorboard import TensorBoardLog
    from fishnet_search.engine.together import Together
    from fishnet_search.study.tracker import ProgressFile
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.live import LiveProgress
    from fishnet_search.terminal.words import planned

    console = make_console()
    plan = plan_study(space, folder, command=_command(), data=data, epochs=epochs, seeds=seeds, limit=limit)
    settings = Settings(
        engine="ray" if on_ray else "local",
        jobs=jobs_for(plan.space.space) if jobs is None else jobs,
        time_limit=time_limit,
        storage=storage,
        reuse=reused,
        ray_address=ray_address,
    )
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
        html = _write_report(folder, reports).html
        console.print(f"report: {html}   (fishnet-search report {folder.name} shows its table)", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def check(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="YAML file of the space.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(help="Images in place of the space's: `digits` or `imagefolder:PATH`.", show_default=False),
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
    with counting(console, "candidates") as on_candidate:
        found = survey(space, data=data, on_candidate=on_candidate)
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
    from fishnet_search.study.store import study_folder
    from fishnet_search.terminal import effects_table, make_console

    folder = _last_study(studies) if study is None else study_folder(studies, study)
    written = _write_report(folder, reports)
    console = make_console()
    console.print(effects_table(written.table))
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
    from fishnet_search.study.store import study_folder
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.status import status as lines_of

    console = make_console()
    folder = _last_study(studies) if study is None else study_folder(studies, study)
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
    from fishnet_search.study.store import study_folder
    from fishnet_search.terminal.console import make_console

    folder = _last_study(studies) if study is None else study_folder(studies, study)
    with (
        dashboard_server(folder, storage=storage, host=host, port=port) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        make_console().print(f"study {folder.name}: http://{host}:{server.server_port}/dashboard   (Ctrl-C ends it)")
        server.serve_forever()


@app.command()
def describe(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A preset's name or a YAML file.", show_default=False)],
    image_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels a side; by default those the spec names.", show_default=False),
    ] = None,
    by: Annotated[Literal["part", "stage", "node"], typer.Option(help="What a row of the table is.")] = "stage",
    batch: Annotated[int, typer.Option(min=1, help="Images a training step, for the memory it takes.")] = 64,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Write the spec out in full as YAML, and nothing else.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the network into an SVG file.", show_default=False)
    ] = None,
) -> None:
    """Show each stage's output, parameters and MACs, exactly and without building the network.

    MACs are the multiply-accumulates of convolutions and linear layers for one image, which the FishNet tables call
    FLOPs. "sees" is the receptive field in pixels a side, through windows: global averages beside them, as in
    squeeze-and-excitation, see the whole image; behind an upsampling it differs by position, by a few pixels.

    Example: `fishnet-search describe fishnet150 --svg fishnet150.svg`
    """
    from fishnet_search.cost.ledger import ledger_of
    from fishnet_search.graph.build import build_graph
    from fishnet_search.spec.loading import load_spec
    from fishnet_search.spec.resolving import as_yaml
    from fishnet_search.spec.resolving import resolved as written_out
    from fishnet_search.terminal import description, make_console

    loaded = load_spec(spec)
    graph = build_graph(loaded, image_size)
    loaded = loaded.model_copy(update={"image_size": graph.input_shapes[0].height})
    if svg is not None:
        from fishnet_search.drawing.fish import draw

        svg.write_text(draw(graph, title=spec), encoding="utf-8")
    if resolved:
        typer.echo(as_yaml(written_out(loaded)), nl=False)
        return
    console = make_console()
    for each in description(spec, ledger_of(graph), loaded.identity(), batch, by, console.width):
        console.print(each)
    if svg is not None:
        console.print(f"drawing: {svg}", soft_wrap=True)


@app.command()
def measure(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A preset's name or a YAML file.", show_default=False)],
    device: Annotated[
        str | None,
        typer.Option(help="`cpu`, `cuda` or `cuda:1`; by default the GPU if there is one.", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1_000_000, help="Images a pass.")] = 1,
    image_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels a side; by default those the spec names.", show_default=False),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Measure it under torch.compile too, which takes minutes on a CPU.")
    ] = False,
) -> None:
    """Measure a forward pass: its time, images a second and peak memory.

    The peak is what PyTorch's allocator gives: for weights, the batch, and the most that a pass holds beside them.

    Example: `fishnet-search measure fishnet99 --device cpu --batch 8`
    """
    from fishnet_search.cost.ledger import cost_of
    from fishnet_search.graph.build import build_graph
    from fishnet_search.spec.loading import load_spec
    from fishnet_search.terminal import make_console, measured_table

    graph = build_graph(load_spec(spec), image_size)
    cost = cost_of(graph)

    import torch

    from fishnet_search.network.measure import device_of
    from fishnet_search.network.measure import measure as measured
    from fishnet_search.study.environment import environment
    from fishnet_search.train.device import choose_device

    where = choose_device() if device is None else device_of(device)
    machine, load = environment(where, torch.get_num_threads()), os.getloadavg()[0]
    console = make_console()
    rows = []
    try:
        with console.status("measuring"):
            rows.append(measured(graph, device=where, batch=batch))
        if compiled:
            with console.status("compiling and measuring again"):
                rows.append(measured(graph, device=where, batch=batch, compiled=True))
    finally:  # what is measured is shown, whatever becomes of the compiler
        if rows:
            title = f"{spec}, image {graph.input_shapes[0]}, batch {batch}, {machine.device}"
            console.print(measured_table(title, rows, cost.macs))
            console.print(f"counted: {cost.params:,} parameters, {cost.macs:,} MACs for one image")
            console.print(
                f"{machine.processor}, threads {machine.threads}, torch {machine.packages['torch']}, "
                f"{rows[0].precision}"
            )
            if load > IDLE_LOAD:
                console.print(f"programs ran here just before (load {load:.1f}): if they still do, this is too slow")


@app.command()
def schema() -> None:
    """Print the JSON Schema of architecture files, by which editors complete and check them.

    Example: `fishnet-search schema > architecture.schema.json`
    """
    import json

    from fishnet_search.spec.schema import spec_schema

    typer.echo(json.dumps(spec_schema(), indent=2))


@app.command("list")
def list_() -> None:
    """Show the presets, the image sets, and the spaces and studies of this folder.

    Example: `fishnet-search list`
    """
    from rich.table import Table

    from fishnet_search.cost.ledger import cost_of
    from fishnet_search.graph.build import build_graph
    from fishnet_search.spec.loading import load_spec, preset_names
    from fishnet_search.study.record import EVIDENCE
    from fishnet_search.study.store import read_trials
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.words import counted

    console = make_console()
    table = Table("preset", "image", "parameters", "MACs", title="presets", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in preset_names():
        spec = load_spec(name)
        cost = cost_of(build_graph(spec))
        table.add_row(name, str(spec.image_size), f"{cost.params:,}", f"{cost.macs:,}")
    console.print(table)
    console.print("image sets: digits (comes with scikit-learn), imagefolder:PATH (train/ and test/ or val/)")
    for path in sorted(Path("spaces").glob("**/*.yaml")):
        console.print(f"space: {path}")
    for path in sorted(Path("studies").glob("*/study.json")):
        try:
            done = sum(record.state in EVIDENCE for record in read_trials(path.parent))
            console.print(f"study: {path.parent.name}, {counted(done, 'trial')} complete")
        except StudyError as problem:
            console.print(f"study: {path.parent.name}, damaged: {problem}")


def _write_report(folder: Path, reports: Path) -> Report:
    from fishnet_search.report.write import write_report
    from fishnet_search.study.store import read_study, read_trials

    return write_report(read_study(folder), read_trials(folder), reports / folder.name, command=_command())


def _studies_in(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return those of some folders that are studies: `studies/*` has other files too."""
    found = tuple(folder for folder in folders if (folder / "study.json").is_file())
    if folders and not found:
        raise StudyError(f"--reuse {folders[0]}: is no study; `fishnet-search list` shows which there are")
    return found


def _last_study(studies: Path) -> Path:
    files = sorted(studies.glob("*/study.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise StudyError(f"{studies}: holds no study; start one with `fishnet-search run spaces/downsample.yaml`")
    return files[-1].parent


def _command() -> str:
    """Return the command line as it was given, but for passwords in addresses, which are not for records."""
    words = shlex.join(["fishnet-search", *sys.argv[1:]])
    if os.environ.get(STORAGE_VARIABLE) and "--storage" not in sys.argv:
        words = f"{STORAGE_VARIABLE}=... {words}"
    return re.sub(r"(://[^:/@\s]+):[^@\s]+@", r"\1@", words)
