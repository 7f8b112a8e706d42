"""Architectures by name or from a file, and the same architecture with some fields set otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fishnet_search.errors import SpecError
from fishnet_search.spec.fish import FishSpec, Location
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
    if "\0" in text:
        raise SpecError(f"{text!r}: is no path; it has a zero byte")
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
    data: Any = spec.model_dump(mode="json")
    for path, value in fields.items():
        for *steps, field in field_locations(spec, path, where):
            place = data
            for step in steps:
                place = place[step]
            place[field] = value
    return validated(FishSpec, Document(where, data, {}))


def field_locations(spec: FishSpec, path: str, where: str) -> list[Location]:
    """Return the places that a path names: one, or one in every stage of a part.

    Raises:
        SpecError: the path leads to no field.
    """
    steps: list[str | int] = [
        int(step) if re.fullmatch("[0-9]{1,4}", step) else step for step in re.findall(r"[^.\[\]]+", path)
    ]
    if not steps or dotted(tuple(steps)) != path:
        raise SpecError(f"{where}: {path!r} is not a path; write it like tail.downsample or tail[1].downsample")
    found: list[tuple[Location, Any]] = [((), spec.model_dump(mode="json"))]
    for step in steps:
        if isinstance(step, str):  # a field of a whole part is a field of each of its stages
            found = [inner for each in found for inner in _stages(*each)]
        found = [_entered(location, value, step, where) for location, value in found]
    if isinstance(found[0][1], (dict, list)):
        raise SpecError(f"{where}: {path!r} does not name a single field; write it like tail.downsample")
    return [location for location, _ in found]


def _stages(location: Location, value: Any) -> list[tuple[Location, Any]]:
    return (
        [((*location, i), stage) for i, stage in enumerate(value)] if isinstance(value, list) else [(location, value)]
    )


def _entered(location: Location, value: Any, step: str | int, where: str) -> tuple[Location, Any]:
    """Take one step into plain data."""
    at: Location = (*location, step)
    if isinstance(value, dict) and isinstance(step, str):
        if step not in value:
            raise SpecError(f"{where}: {dotted(at)}: unknown field{nearest(step, list(value))}")
        return at, value[step]
    if isinstance(value, list) and isinstance(step, int):
        if step >= len(value):
            raise SpecError(f"{where}: {dotted(at)}: there are only {len(value)} stages, counted from 0")
        return at, value[step]
    raise SpecError(f"{where}: {dotted(at)} leads nowhere; write paths like tail.downsample or tail[1].downsample")
