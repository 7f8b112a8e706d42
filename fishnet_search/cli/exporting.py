"""Commands that take a network out of the toolkit, and that ask one what is on an image."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishnet_search.cli.app import StudiesOption, app

if TYPE_CHECKING:
    from fishnet_search.export.choosing import Chosen
    from fishnet_search.export.finding import InImage
    from fishnet_search.export.model import Model
    from fishnet_search.export.predicting import Loaded


FORMAT_WORDS = "safetensors|onnx|pt2|python|backbone"
"""What `--format` may be; `export.write` has the same."""


@app.command()
def export(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|CHECKPOINT|SPEC",
            help="A study's name or folder, a file with weights, an exported folder, or a preset's name or YAML file.",
            show_default=False,
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.", show_default=False)],
    trial: Annotated[
        str | None,
        typer.Option(
            metavar="best|pareto|TRIAL|VARIANT",
            help="Of a study; `pareto` gives each a folder in DIR, a variant its best seed by validation.",
            show_default="best",
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar=FORMAT_WORDS,
            help="May be repeated; by default safetensors, onnx and pt2, of detectors safetensors and backbone.",
            show_default=False,
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(help="The network of a published checkpoint: a preset or a YAML file.", show_default=False),
    ] = None,
    taps: Annotated[
        list[str] | None,
        typer.Option(
            "--tap", metavar="STAGE", help="An output of the backbone; may be repeated.", show_default="all taps"
        ),
    ] = None,
    dynamic_size: Annotated[
        bool, typer.Option("--dynamic-size", help="ONNX and pt2 take images of other sizes too.")
    ] = False,
    licence: Annotated[str | None, typer.Option(help="For the model card, such as `mit`.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what an earlier export wrote into DIR.")] = False,
    studies: StudiesOption = Path("studies"),
) -> None:
    """Write the best network of a study, or any other, in standard formats, and check each of them.

    `safetensors` has config.json beside it and loads by `from_pretrained`; `onnx` runs in ONNX Runtime; `pt2` and
    `python` need PyTorch alone; `backbone` gives features of several resolutions. Each is loaded again and compared
    with the network on real images. It ends with code 1 if one differs; nothing is deleted then. Models for semantic
    segmentation have no `python`, and detectors `safetensors` and `backbone` alone.

    Example: `fishnet-search export downsample --to models/downsample`
    """
    for stop in (signal.SIGINT, signal.SIGTERM):  # what is half written goes away at either
        signal.signal(stop, signal.default_int_handler)
    try:
        good = _export(
            asked,
            to,
            trial,
            formats,
            spec=spec,
            taps=taps,
            dynamic_size=dynamic_size,
            licence=licence,
            force=force,
            studies=studies,
        )
    except KeyboardInterrupt:
        typer.echo(f"stopped; nothing was written to {to}")
        raise typer.Exit(130) from None
    if not good:
        raise typer.Exit(1)


def _export(
    asked: str,
    to: Path,
    trial: str | None,
    formats: list[str] | None,
    *,
    spec: str | None,
    taps: list[str] | None,
    dynamic_size: bool,
    licence: str | None,
    force: bool,
    studies: Path,
) -> bool:
    """Write what is asked for and say how it went; return whether every format computes what its network does."""
    from fishnet_search.export.choosing import PARETO, chosen
    from fishnet_search.export.write import CARD, check_options, default_formats, new_folder
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.words import literal

    found = chosen(asked, trial=trial, spec=spec, studies=studies)
    names = default_formats(found[0].model.task) if formats is None else tuple(formats)
    check_options([one.model for one in found], names, dynamic_size=dynamic_size, taps=taps)
    inner = [one.model.name for one in found] if trial == PARETO and len(found) > 1 else [""]
    with new_folder(to, force=force) as hidden:
        good = [
            _write(one, hidden / name, names, taps=taps, dynamic_size=dynamic_size, licence=licence)
            for one, name in zip(found, inner, strict=True)
        ]
    for name in inner:
        make_console().print(literal(f"model card: {to / name / CARD}"), soft_wrap=True)
    return all(good)


def _write(
    one: Chosen,
    folder: Path,
    formats: Sequence[str],
    *,
    taps: list[str] | None,
    dynamic_size: bool,
    licence: str | None,
) -> bool:
    """Write one network and say how it went; return whether every format computes what the network does."""
    from fishnet_search.export.trying import images_for
    from fishnet_search.export.write import fold, write_card, write_formats
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import exported
    from fishnet_search.terminal.words import literal

    console = make_console()
    console.print(literal(f"{one.model.name}: {one.why}"), soft_wrap=True)
    with console.status("preparing images") as status:
        images = images_for(one)
        written = write_formats(
            one.model,
            folder,
            formats,
            images.images_NCHW,
            dynamic_size=dynamic_size,
            taps=taps,
            tell=status.update,
        )
        status.update("measuring")
        folding = fold(one.model, images.images_NCHW)
        write_card(one, folder, written, folding, images.told, licence=licence)
    for part in exported(folder, written, folding, images.told):
        console.print(part, soft_wrap=True)
    return all(each.holds for each in (folding.parity, *(each.parity for each in written)))


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An exported folder or file, or a trial's TRIAL.safetensors.", show_default=False
        ),
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Files, and folders of them.", show_default=False)
    ],
    top: Annotated[
        int | None, typer.Option(min=1, help="Classes that a classifier shows of each image.", show_default="5")
    ] = None,
    least_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of the objects that a detector shows.", show_default="0.5")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder for pictures with what a detector or segmenter finds, and for maps.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images that go through the model at once.", show_default="32, or 8")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")] = False,
) -> None:
    """Show what a model says of images: classes with probabilities, objects with boxes, or the share of each class.

    Images are resized, cut and normalised as they were at the test. Folders are searched for images, inner ones too.
    Boxes are in pixels of the image, which is seen upright. It ends with code 1 if an image cannot be read.

    Example: `fishnet-search predict models/downsample photos/`
    """
    import warnings

    from PIL.Image import DecompressionBombWarning

    from fishnet_search.export.finding import BATCH, LEAST_SCORE
    from fishnet_search.export.predicting import Loaded, image_files, load_model
    from fishnet_search.terminal.words import counted

    warnings.simplefilter("ignore", DecompressionBombWarning)  # large images are taken; those that are not are named
    loaded = load_model(model)
    _check_asked(loaded, top=top, least_score=least_score, to=to)
    found = image_files(images)
    if not loaded.trained:
        typer.echo("note: the weights are those that training starts from, so this means nothing", err=True)
    if found.others:
        typer.echo(f"note: passed over {counted(found.others, 'other file')}", err=True)
    if isinstance(loaded, Loaded):
        whole = _guess(loaded, found.files, top=top or 5, batch=batch or 32, as_json=as_json)
    else:
        least = LEAST_SCORE if least_score is None else least_score
        whole = _find(loaded, found.files, least_score=least, to=to, batch=batch or BATCH, as_json=as_json)
    if not whole:
        raise typer.Exit(1)


def _check_asked(loaded: Loaded | Model, *, top: int | None, least_score: float | None, to: Path | None) -> None:
    """Refuse options that the model's task has no use for."""
    from fishnet_search.errors import ExportError
    from fishnet_search.export.predicting import Loaded

    task = "classification" if isinstance(loaded, Loaded) else loaded.task.kind
    objects = task in ("detection", "instance-segmentation")
    for option, value, applies in (
        ("--top", top, task == "classification"),
        ("--least-score", least_score, objects),
        ("--to", to, task != "classification"),
    ):
        if value is not None and not applies:
            raise ExportError(f"{option} {value}: does not apply: {loaded.name} is a model for {task}; leave it out")


def _guess(loaded: Loaded, files: Sequence[Path], *, top: int, batch: int, as_json: bool) -> bool:
    """Show which classes a network takes images for; return whether all could be read."""
    from fishnet_search.export.predicting import predict as guesses
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import prediction_line, prediction_table

    shown = []
    for one in guesses(loaded, files, top=top, batch=batch):
        shown.append(one)
        if as_json:
            typer.echo(prediction_line(one))
    if not as_json:
        make_console().print(prediction_table(loaded.name, shown))
    return all(one.problem is None for one in shown)


def _find(
    model: Model, files: Sequence[Path], *, least_score: float, to: Path | None, batch: int, as_json: bool
) -> bool:
    """Show what a model finds in images; return whether all could be read."""
    from fishnet_search.export.finding import InImage, class_names, find
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import found_line, found_rows, found_table

    classes, rows, whole = class_names(model), [], True
    write = None if to is None else _writer(files, classes, to)
    for one in find(model, files, least_score=least_score, batch=batch):
        if isinstance(one, InImage) and write is not None:
            write(one)
        whole &= isinstance(one, InImage)
        if as_json:
            typer.echo(found_line(one, classes))
        else:
            rows += found_rows(one, classes, least_score)
    if not as_json:
        make_console().print(found_table(model.name, rows, maps=model.task.kind == "semantic-segmentation"))
    return whole


def _writer(files: Sequence[Path], classes: Sequence[str], to: Path) -> Callable[[InImage], None]:
    """Make a folder and return what writes the pictures of an image into it."""
    from fishnet_search.export.showing import check_names, write_pictures

    check_names(files)
    to.mkdir(parents=True, exist_ok=True)
    return lambda found: write_pictures(found, classes, to)
