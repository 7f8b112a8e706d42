"""Commands on image sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fishnet_search.cli.app import BrokenOption, SplitOption, app, asked_data

data = typer.Typer(no_args_is_help=True, help="Fetch image sets, and pack them so that training need not wait.")
app.add_typer(data, name="data")


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="`cifar10`, `cifar100` or `tiny-imagenet`.")],
    folder: Annotated[Path, typer.Option("--to", help="Folder that it is unpacked in.")] = Path("data"),
) -> None:
    """Download an image set that is given out freely, and unpack it; nothing else here uses the network.

    Example: `fishnet-search data fetch cifar10 --to data`
    """
    from fishnet_search.data.fetch import fetch as fetched
    from fishnet_search.terminal.console import make_console

    console = make_console()
    with console.status(f"fetching {name}"):
        path = fetched(name, folder)
    console.print(f"{name}: use it as --data {name}:{path}", soft_wrap=True)


@data.command()
def pack(
    source: Annotated[str, typer.Argument(metavar="DATA", help="Images, such as `imagenet:PATH`.", show_default=False)],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="That they are packed into.", show_default=False)],
    side: Annotated[int, typer.Option(min=1, help="Pixels that the short side of each image is kept with.")] = 256,
    split: SplitOption = None,
    broken: BrokenOption = "fail",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most images in each of train, validation and test.", show_default=False)
    ] = None,
) -> None:
    """Decode and resize an image set once and for all, into one file that training maps into memory.

    Example: `fishnet-search data pack imagenet:PATH imagenet-256.pack --side 256`, and then `--data
    pack:imagenet-256.pack`
    """
    from fishnet_search.data.packing import write_pack
    from fishnet_search.terminal.console import counting, make_console

    wanted = asked_data("data pack", source, split, broken)
    console = make_console()
    with counting(console, "packing images") as on_image:
        header = write_pack(wanted, file, side=side, limit=limit, progress=on_image)
    counts = ", ".join(f"{getattr(header, part).images:,} {part}" for part in ("train", "validation", "test"))
    console.print(f"{file}: {counts} images of {len(header.classes):,} classes", soft_wrap=True)
    console.print(f"{file}: {file.stat().st_size / 2**20:,.0f} MiB; use it as --data pack:{file}", soft_wrap=True)
    if header.skipped:
        console.print(f"{len(header.skipped):,} images could not be decoded: {', '.join(header.skipped[:5])}")
