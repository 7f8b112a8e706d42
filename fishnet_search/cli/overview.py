"""What there is."""

from __future__ import annotations

from pathlib import Path

from fishnet_search.cli.app import app
from fishnet_search.errors import SpaceError, StudyError


@app.command("list")
def list_() -> None:
    """Show the presets, the image sets, the recipes, and the spaces and studies of this folder.

    Example: `fishnet-search list`
    """
    from rich.table import Table

    from fishnet_search.cost.ledger import cost_of
    from fishnet_search.data.sources import source_names
    from fishnet_search.graph.build import build_graph
    from fishnet_search.space.space import is_space
    from fishnet_search.spec.loading import load_spec, preset_names
    from fishnet_search.spec.reading import read_yaml
    from fishnet_search.study.record import EVIDENCE
    from fishnet_search.study.store import read_trials
    from fishnet_search.terminal import make_console
    from fishnet_search.terminal.words import counted
    from fishnet_search.train.named import recipe_names

    console = make_console()
    table = Table("preset", "image", "parameters", "MACs", title="presets", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in preset_names():
        spec = load_spec(name)
        cost = cost_of(build_graph(spec))
        table.add_row(name, str(spec.image_size), f"{cost.params:,}", f"{cost.macs:,}")
    console.print(table)
    console.print(f"image sets: {', '.join(source_names())}", soft_wrap=True)
    console.print(f"recipes: {', '.join(recipe_names())}", soft_wrap=True)
    for path in sorted(Path("spaces").glob("**/*.yaml")):
        try:
            if is_space(read_yaml(path, SpaceError)):
                console.print(f"space: {path}")
        except SpaceError as problem:
            console.print(f"space: {path}, damaged: {problem}")
    for path in sorted(Path("studies").glob("*/study.json")):
        try:
            done = sum(record.state in EVIDENCE for record in read_trials(path.parent))
            console.print(f"study: {path.parent.name}, {counted(done, 'trial')} complete")
        except StudyError as problem:
            console.print(f"study: {path.parent.name}, damaged: {problem}")
