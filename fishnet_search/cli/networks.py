"""Commands on architectures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fishnet_search.cli.app import IDLE_LOAD, TaskSettings, app, task_of

if TYPE_CHECKING:
    from fishnet_search.drawing.formats import Format


@app.command()
def describe(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A preset's name or a YAML file.", show_default=False)],
    image_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels a side; by default those the spec names.", show_default=False),
    ] = None,
    task: Annotated[
        Literal["classification", "detection", "instance-segmentation", "semantic-segmentation"],
        typer.Option(help="Whose whole model is counted as well, its backbone apart."),
    ] = "classification",
    settings: TaskSettings = None,
    by: Annotated[Literal["part", "stage", "node"], typer.Option(help="What a row of the table is.")] = "stage",
    batch: Annotated[int, typer.Option(min=1, help="Images a training step, for the memory it takes.")] = 64,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Write the spec out in full as YAML, and nothing else.")
    ] = False,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the network into a .svg, .png or .pdf file.", show_default=False),
    ] = None,
) -> None:
    """Show each stage's output, parameters and MACs, exactly and without building the network.

    MACs are the multiply-accumulates of convolutions and linear layers for one image, which the FishNet tables call
    FLOPs. "sees" is the receptive field in pixels a side, through windows: global averages beside them, as in
    squeeze-and-excitation, see the whole image; behind an upsampling it differs by position, by a few pixels.

    Example: `fishnet-search describe fishnet150 --draw fishnet150.svg`
    """
    from fishnet_search.cost.ledger import ledger_of
    from fishnet_search.graph.build import build_graph
    from fishnet_search.spec.loading import load_spec
    from fishnet_search.spec.resolving import as_yaml
    from fishnet_search.spec.resolving import resolved as written_out
    from fishnet_search.task.cost import model_cost
    from fishnet_search.terminal import description, make_console, model_cost_table

    loaded = load_spec(spec)
    graph = build_graph(loaded, image_size)
    loaded = loaded.model_copy(update={"image_size": graph.input_shapes[0].height})
    if draw is not None:
        from fishnet_search.drawing.fish import draw as drawn
        from fishnet_search.drawing.formats import picture

        draw.write_bytes(picture(drawn(graph, title=spec), _format_of(draw)))
    if resolved:
        typer.echo(as_yaml(written_out(loaded)), nl=False)
        return
    console = make_console()
    for each in description(spec, ledger_of(graph), loaded.identity(), batch, by, console.width):
        console.print(each)
    if task != "classification":
        asked = task_of("describe", task, settings)
        console.print(model_cost_table(f"{spec} for {task}", model_cost(loaded, asked, loaded.classes)))
    if draw is not None:
        console.print(f"drawing: {draw}", soft_wrap=True)


def _format_of(file: Path) -> Format:
    from fishnet_search.drawing.formats import FORMATS

    for suffix in FORMATS:
        if file.suffix.lower() == f".{suffix}":
            return suffix
    raise typer.BadParameter(f"{file}: the name ends in neither .svg nor .png nor .pdf", param_hint="--draw")


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
