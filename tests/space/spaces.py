"""Spaces for tests: a file beside the small fish, and random ones."""

from pathlib import Path

import yaml
from hypothesis import strategies as st

from fishnet_search.space.candidates import SpelledSpace
from fishnet_search.space.space import load_space
from tests.fishes import MINNOW


def space_from(folder: Path, text: str, **arguments) -> SpelledSpace:
    """Load a space from its text, with the small fish beside it."""
    (folder / "mine.yaml").write_text(text)
    (folder / "minnow.yaml").write_text(MINNOW)
    return load_space(folder / "mine.yaml", **arguments)


_FIELDS = {
    "pooling": (["tail.downsample", "head.downsample"], ["max-2x2", "avg-2x2", "blur", "conv-1x1"]),
    "dilation": (["body.dilation"], [1, 2, [3], 4]),
    "attention": (["bridge.attention"], [True, False]),
    "depth": (["tail[0].depth"], [1, 2, 3]),
    "width": (["tail[2].width"], [32, 48, 64]),  # this one is concatenated to nothing
    "activation": (["activation"], ["relu", "silu"]),
    "schedule": (["recipe.schedule"], ["step", "cosine"]),
    "batch": (["recipe.batch_size"], [8, 16]),
}
_RANGES = {
    "kernel": (["body[0].kernel"], {"from": 1, "to": 7, "step": 2}, 3),
    "bridge": (["bridge.depth"], {"from": 1, "to": 3}, 1),
    "smoothing": (["recipe.label_smoothing"], {"from": 0, "to": 0.3, "step": 0.1}, 0.0),
}


@st.composite
def spaces(draw, designs: tuple[str, ...], *, conditions: bool = True) -> str:
    """Small spaces of one to four axes, whose every combination is a network, as YAML."""
    names = draw(st.lists(st.sampled_from([*_FIELDS, *_RANGES]), min_size=1, max_size=4, unique=True))
    axes: dict[str, dict] = {}
    levels: dict[str, list] = {}
    baseline = {}
    for name in names:
        if name in _RANGES:
            path, numbers, baseline[name] = _RANGES[name]
            axes[name] = {"path": path, "range": numbers}
        else:
            path, values = _FIELDS[name]
            levels[name] = draw(st.lists(st.sampled_from(values), min_size=1, unique_by=str))
            axes[name] = {"path": path, "values": levels[name]}
            baseline[name] = draw(st.sampled_from(levels[name]))
            if draw(st.booleans()):
                named = {f"level{i}": value for i, value in enumerate(levels[name])}
                axes[name]["values"] = named
                baseline[name] = f"level{levels[name].index(baseline[name])}"
                levels[name] = [*named]
        above = [one for one in axes if one in levels and one != name]
        if above and conditions and draw(st.booleans()):
            other = draw(st.sampled_from(above))
            axes[name]["when"] = {other: [draw(st.sampled_from(levels[other]))]}
    design = draw(st.sampled_from(designs))
    if design == "random":
        design = {"kind": "random", "candidates": draw(st.integers(1, 12)), "seed": draw(st.integers(0, 3))}
    elif design == "one-factor" and len(names) > 1:
        pairs = [[one, two] for i, one in enumerate(names) for two in names[i + 1 :]]
        some = st.lists(st.sampled_from(pairs), unique_by=str)
        design = {"kind": design, "pairs": draw(st.just(pairs) if conditions else some)}  # all, so that each is reached
    return yaml.safe_dump(
        {"base": "minnow.yaml", "axes": axes, "baseline": baseline, "design": design}, sort_keys=False
    )
