"""Commands that take a network out of the toolkit, and that ask one what is on an image."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishnet_search.cli.app import StudiesOption, app

if TYPE_CHECKING:
    from fishnet_search.export.choosing import Chosen


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
            help="May be repeated; by default safetensors, onnx and pt2 are written.",
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
    with the network on real images. It ends with code 1 if one differs; nothing is deleted then.

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
    from fishnet_search.export.write import CARD, DEFAULT_FORMATS, check_options, new_folder
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.words import literal

    names = DEFAULT_FORMATS if formats is None else tuple(formats)
    found = chosen(asked, trial=trial, spec=spec, studies=studies)
    check_options([one.model.spec for one in found], names, dynamic_size=dynamic_size, taps=taps)
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
    top: Annotated[int, typer.Option(min=1, help="Classes to show of each image.")] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images that go through the network at once.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")] = False,
) -> None:
    """Show which classes a network takes images for, with probabilities.

    Images are resized, cut and normalised as they were at the test. Folders are searched for images, inner ones too.
    It ends with code 1 if an image cannot be read.

    Example: `fishnet-search predict models/downsample photos/`
    """
    import warnings

    from PIL.Image import DecompressionBombWarning

    from fishnet_search.export.predicting import image_files, load_model
    from fishnet_search.export.predicting import predict as guesses
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import prediction_line, prediction_table
    from fishnet_search.terminal.words import counted

    warnings.simplefilter("ignore", DecompressionBombWarning)  # large images are taken; those that are not are named
    loaded = load_model(model)
    found = image_files(images)
    if not loaded.trained:
        typer.echo("note: the weights are those that training starts from, so this means nothing", err=True)
    if found.others:
        typer.echo(f"note: passed over {counted(found.others, 'other file')}", err=True)
    predictions = guesses(loaded, found.files, top=top, batch=batch)
    broken = False
    if as_json:
        for one in predictions:
            broken |= one.problem is not None
            typer.echo(prediction_line(one))
    else:
        shown = list(predictions)
        broken = any(one.problem is not None for one in shown)
        make_console().print(prediction_table(loaded.name, shown))
    if broken:
        raise typer.Exit(1)
