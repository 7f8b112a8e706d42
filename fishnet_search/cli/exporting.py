"""Commands that take a network out of the toolkit, and that ask one what is on an image."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishnet_search.cli.app import StudiesOption, app

if TYPE_CHECKING:
    from fishnet_search.export.choosing import Chosen


class FormatName(str, Enum):
    """What `--format` may be; `export.write` has the same."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    PT2 = "pt2"
    PYTHON = "python"
    BACKBONE = "backbone"


@app.command()
def export(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|CHECKPOINT|SPEC",
            help="A study's name or folder, a file with weights, or a preset's name or YAML file.",
            show_default=False,
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.", show_default=False)],
    trial: Annotated[
        str, typer.Option(metavar="best|pareto|TRIAL", help="Of a study; `pareto` gives each a folder in DIR.")
    ] = "best",
    formats: Annotated[
        list[FormatName] | None,
        typer.Option("--format", help="May be repeated.", show_default="safetensors, onnx, pt2"),
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
    from fishnet_search.export.choosing import PARETO, chosen
    from fishnet_search.export.write import prepare_folder

    found = chosen(asked, trial=trial, spec=spec, studies=studies)
    prepare_folder(to, force=force)
    folders = [to / one.model.name for one in found] if trial == PARETO and len(found) > 1 else [to]
    good = [
        _export(one, folder, formats, taps=taps, dynamic_size=dynamic_size, licence=licence)
        for one, folder in zip(found, folders, strict=True)
    ]
    if not all(good):
        raise typer.Exit(1)


def _export(
    one: Chosen,
    folder: Path,
    formats: list[FormatName] | None,
    *,
    taps: list[str] | None,
    dynamic_size: bool,
    licence: str | None,
) -> bool:
    """Write one network and say how it went; return whether every format computes what the network does."""
    from fishnet_search.export.trying import images_for
    from fishnet_search.export.write import DEFAULT_FORMATS, fold, write_card, write_formats
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import exported

    console = make_console()
    console.print(f"{one.model.name}: {one.why}", soft_wrap=True)
    with console.status("exporting"):
        images = images_for(one)
        names = DEFAULT_FORMATS if formats is None else [name.value for name in formats]
        written = write_formats(one.model, folder, names, images.images_NCHW, dynamic_size=dynamic_size, taps=taps)
        folding = fold(one.model, images.images_NCHW)
        write_card(one, folder, written, folding, images.told, licence=licence)
    for part in exported(one.model, folder, written, folding, images.told):
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

    Images are resized, cut and normalised as they were at the test. It ends with code 1 if an image cannot be read.

    Example: `fishnet-search predict models/downsample photos/`
    """
    from fishnet_search.export.predicting import image_files, load_model
    from fishnet_search.export.predicting import predict as guesses
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.exporting import prediction_line, prediction_table

    loaded = load_model(model)
    found = guesses(loaded, image_files(images), top=top, batch=batch)
    broken = False
    if as_json:
        for one in found:
            broken |= one.problem is not None
            typer.echo(prediction_line(one))
    else:
        shown = list(found)
        broken = any(one.problem is not None for one in shown)
        make_console().print(prediction_table(loaded.name, shown))
    if broken:
        raise typer.Exit(1)
