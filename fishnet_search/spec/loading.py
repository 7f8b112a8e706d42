"""Architectures by name or from a file, and the same architecture with some fields set otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fishnet_search.errors import SpecError
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.reading import Document, dotted, nearest, read_yaml, validated

_PRESETS = resources.files("fishnet_search.spec") / "presets"


def preset_names() -> list[str]:
    """List the architectures that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def load_spec(name_or_path: str | Path) -> FishSpec:
    """Return a preset by its name, or the architecture that a YAML file describes.

    Raises:
        SpecError: neither a preset nor a file, or a file that does not describe a network that can be built.
    """
    names = preset_names()
    text = str(name_or_path)
    if text in names:
        with resources.as_file(_PRESETS / f"{text}.yaml") as path:
            return validated(FishSpec, read_yaml(path))
    path = Path(name_or_path).expanduser()
    if not path.exists() and path.suffix not in {".yaml", ".yml"}:
        raise SpecError(f"{text}: neither a file nor a preset{nearest(text, names)}")
    return validated(FishSpec, read_yaml(path))


def with_fields(spec: FishSpec, fields: Mapping[str, Any], where: str = "fields") -> FishSpec:
    """Return the spec with fields set by path.

    Args:
        spec: where to start from.
        fields: path -> value. "tail.downsample" sets every stage of the tail, "tail[1].downsample" one (from 0),
            "bridge.width" the bridge's.
        where: what an error names in front of the path.

    Raises:
        SpecError: a path that leads nowhere, or a value that gives no network that can be built.
    """
    data = spec.model_dump(mode="json")
    for path, value in fields.items():
        _set(data, path, value, where)
    return validated(FishSpec, Document(where, data, {}))


def _set(data: Any, path: str, value: Any, where: str) -> None:
    """Set one field in plain data; validation comes later and sees all fields together."""
    steps: list[str | int] = [
        int(step) if re.fullmatch("[0-9]{1,4}", step) else step for step in re.findall(r"[^.\[\]]+", path)
    ]
    if not steps or dotted(tuple(steps)) != path:
        raise SpecError(f"{where}: {path!r} is not a path; write it like tail.downsample or tail[1].downsample")
    places = [data]
    for depth, step in enumerate(steps[:-1]):
        at = dotted(tuple(steps[: depth + 1]))
        places = [inner for place in _each(places, step) for inner in _inside(place, step, at, where)]
    for place in _each(places, steps[-1]):
        if not isinstance(place, dict) or not isinstance(steps[-1], str):
            raise SpecError(f"{where}: {path!r} does not name a field; end it with one, like tail[1].downsample")
        place[steps[-1]] = value


def _each(places: list[Any], step: str | int) -> list[Any]:
    """A field of a whole part is a field of each of its stages."""
    if isinstance(step, int):
        return places
    return [stage for place in places for stage in (place if isinstance(place, list) else [place])]


def _inside(place: Any, step: str | int, at: str, where: str) -> list[Any]:
    """Return what one step leads to."""
    if isinstance(place, dict) and isinstance(step, str):
        if step not in place:
            raise SpecError(f"{where}: {at}: unknown field{nearest(step, list(place))}")
        return [place[step]]
    if isinstance(place, list) and isinstance(step, int):
        if step >= len(place):
            raise SpecError(f"{where}: {at}: there are only {len(place)} stages, counted from 0")
        return [place[step]]
    raise SpecError(f"{where}: {at} leads nowhere; write paths like tail.downsample or tail[1].downsample")
