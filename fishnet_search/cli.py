"""The command line: parses words and calls one function each."""

from __future__ import annotations

import os
import shlex
import signal
import sys
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

StudiesOption = Annotated[Path, typer.Option("--studies", help="Folder that holds the studies.")]
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
    studies: StudiesOption = Path("studies"),
    reports: ReportsOption = Path("reports"),
) -> None:
    """Train every variant of a space with every seed and write a report.

    A study that was stopped, or killed, goes on where it was: trials that are complete are not run again.

    Example: `fishnet-search run spaces/downsample.yaml --epochs 2 --seeds 2 --name quick`
    """
    from fishnet_search.space.space import load_space

    spelled = load_space(space)

    from fishnet_search.engine.plan import plan_study
    from fishnet_search.study.store import study_folder
    from fishnet_search.terminal import LiveProgress, make_console

    console = make_console()
    folder = study_folder(studies, spelled.name if name is None else name)
    study, images = plan_study(
        spelled, name=folder.name, command=_command(), data=data, epochs=epochs, seeds=seeds, limit=limit
    )

    from fishnet_search.engine.local import run_study
    from fishnet_search.study.trial import Interrupted

    for stop in (signal.SIGINT, signal.SIGTERM):  # a batch system's end is as orderly as Ctrl-C
        signal.signal(stop, signal.default_int_handler)
    console.print(
        f"study {study.name}: variants {len(study.variants)}, seeds {len(study.seeds)}, epochs {study.recipe.epochs}, "
        f"{study.data.source} with {study.data.train_images:,} training, {study.data.validation_images:,} validation "
        f"and {study.data.test_images:,} test images"
    )
    try:
        with LiveProgress(console, study.recipe.epochs) as progress:
            records = run_study(study, images, folder, progress)
    except (Interrupted, KeyboardInterrupt):
        console.print(f"stopped; what is complete is kept in {folder}. The same command goes on from there.")
        raise typer.Exit(130) from None
    failed = [record.trial for record in records if record.state == "failed"]
    if failed:
        console.print(f"{len(failed)} of {len(records)} trials failed; their records in {folder}/trials say why.")
    if len(failed) < len(records):
        html = _write_report(folder, reports).html
        console.print(f"report: {html}   (fishnet-search report {study.name} shows its table)", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def report(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY", help="Name of the study; by default the one that ran last.", show_default=False
        ),
    ] = None,
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

    from fishnet_search.network.measure import device_of
    from fishnet_search.network.measure import measure as measured
    from fishnet_search.study.environment import environment
    from fishnet_search.train.device import choose_device

    where = choose_device() if device is None else device_of(device)
    machine, load = environment(where), os.getloadavg()[0]
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
    from fishnet_search.study.store import read_trials
    from fishnet_search.terminal import make_console

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
            states = [record.state for record in read_trials(path.parent)]
            console.print(f"study: {path.parent.name}, {states.count('complete')} trials complete")
        except StudyError as problem:
            console.print(f"study: {path.parent.name}, damaged: {problem}")


def _write_report(folder: Path, reports: Path) -> Report:
    from fishnet_search.report.write import write_report
    from fishnet_search.study.store import read_study, read_trials

    return write_report(read_study(folder), read_trials(folder), reports / folder.name, command=_command())


def _last_study(studies: Path) -> Path:
    files = sorted(studies.glob("*/study.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise StudyError(f"{studies}: holds no study; start one with `fishnet-search run spaces/downsample.yaml`")
    return files[-1].parent


def _command() -> str:
    return shlex.join(["fishnet-search", *sys.argv[1:]])
