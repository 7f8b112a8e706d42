"""Commands that train one network, and tell what weights are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fishnet_search.cli.app import (
    BackboneOption,
    BrokenOption,
    ReportsOption,
    SplitOption,
    StudiesOption,
    TaskSettings,
    app,
    asked_data,
    command,
    fields_of,
    task_of,
)
from fishnet_search.cli.studies import carry_out

SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="A preset's name or a YAML file.", show_default=False)
]


@app.command()
def train(
    spec: SpecArgument,
    data: Annotated[
        str, typer.Option(help="Images, such as `cifar10:PATH`; `fishnet-search list` shows all.", show_default=False)
    ],
    recipe: Annotated[
        str, typer.Option(help="A recipe's name or a YAML file; `fishnet-search list` shows all.", show_default=False)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A field of the recipe to be otherwise; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, the order of the images, and all draws.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=10_000, help="Processes that train it together, one a GPU.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Of each process; by default all cores together.", show_default=False),
    ] = None,
    split: SplitOption = None,
    broken: BrokenOption = "fail",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most images in each of train, validation and test.", show_default=False),
    ] = None,
    task: Annotated[
        Literal["classification", "detection", "instance-segmentation", "semantic-segmentation"],
        typer.Option(help="What is to be found in the images."),
    ] = "classification",
    settings: TaskSettings = None,
    backbone_from: BackboneOption = None,
    name: Annotated[
        str | None, typer.Option(help="Of the study; by default those of network and images.", show_default=False)
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs into the study.")] = False,
    studies: StudiesOption = Path("studies"),
    reports: ReportsOption = Path("reports"),
) -> None:
    """Train one network and write a report with its learning curve.

    It is a study with a single trial: it goes on where it was when the same command is given again, and its weights,
    record and checkpoint lie in the study's folder.

    Example: `fishnet-search train fishnet-nano --data digits --recipe digits --set epochs=8`
    """
    from fishnet_search.spec.reading import Document
    from fishnet_search.study.store import refuse_if_locked, study_folder

    folder = study_folder(studies, f"{Path(spec).stem}-{data.partition(':')[0]}" if name is None else name)
    refuse_if_locked(folder)

    from fishnet_search.engine.plan import plan_study
    from fishnet_search.engine.run import Settings, cores

    asked = {
        "description": f"{spec}, trained on {data} by the recipe {recipe}.",
        "base": spec,
        "recipe": {"base": recipe, **fields_of("--set", changes)},
        "task": task_of("train", task, settings).model_dump(),
        "data": asked_data("train", data, split, broken).model_dump(),
        "seeds": [seed],
        "workers": workers,
        "resources": {"cpu": threads or max(1, cores() // workers)},
    }
    plan = plan_study(Document("train", asked, {}), folder, command=command(), limit=limit, backbone_from=backbone_from)
    carry_out(plan, folder, Settings(), reports=reports, tensorboard=tensorboard)


@app.command()
def evaluate(
    weights: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="`TRIAL.safetensors` of a study, or a published checkpoint.", show_default=False
        ),
    ],
    data: Annotated[str, typer.Option(help="Images, such as `imagenet:PATH`.", show_default=False)],
    spec: Annotated[
        str | None,
        typer.Option(help="The network of a published checkpoint: a preset or a YAML file.", show_default=False),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="That says how images are cut and normalised; by default the trial's.", show_default=False),
    ] = None,
    part: Annotated[Literal["train", "validation", "test"], typer.Option(help="Of the images.")] = "test",
    split: SplitOption = None,
    broken: BrokenOption = "fail",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most images in each of train, validation and test.", show_default=False)
    ] = None,
) -> None:
    """Show the figures of weights on an image set: loss, top-1 and top-5, or those of the task of their study.

    Published checkpoints are evaluated as their authors did, at the centre of images whose short side is 8/7 of the
    network's, normalised by ImageNet's figures, unless a recipe says otherwise.

    Example: `fishnet-search evaluate fishnet150_ckpt.tar --spec fishnet150 --data imagenet:PATH`
    """
    from fishnet_search.spec.loading import load_spec
    from fishnet_search.study.evaluating import evaluated, trained
    from fishnet_search.terminal.console import make_console
    from fishnet_search.terminal.words import told
    from fishnet_search.train.device import choose_device, device_name
    from fishnet_search.train.named import load_recipe

    device = choose_device()
    console = make_console()
    known = trained(weights, None if spec is None else load_spec(spec), None if recipe is None else load_recipe(recipe))
    with console.status("evaluating"):
        found = evaluated(known, asked_data("evaluate", data, split, broken), part, limit=limit, device=device)
    console.print(f"{weights}: {found.images:,} {part} images of {data}, {device_name(device)}", soft_wrap=True)
    console.print(f"{told(found.figures)}, {found.images / found.seconds:,.0f} images a second")
    learnt = None if known.record is None else known.record.data
    if learnt is not None and learnt.source == data and learnt.fingerprint != found.fingerprint:
        console.print(
            f"These are not the parts of the training, which were: {learnt.split}"
            f"{'' if learnt.limit is None else f', at most {learnt.limit:,} images each'}. What it learnt from may be "
            "among them; give the same --split, --broken and --limit to see its own."
        )
