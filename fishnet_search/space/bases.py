"""The networks that a space names: its base, and the levels of an axis of bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fishnet_search.errors import SpaceError, SpecError
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import load_spec, preset_names
from fishnet_search.spec.naming import nearest, shown


def named_base(name: Any, folder: Path, where: str) -> Architecture:
    """Return a preset, or the network of a file.

    Args:
        name: of the preset, or the file's path.
        folder: that the path is seen from.
        where: it is named, with which an error begins.

    Raises:
        SpaceError: it is neither, or the file does not describe a network that can be built.
    """
    if not isinstance(name, str):
        raise SpaceError(f"{where}: should be a preset's name or a file's path, but is {shown(name)}")
    if name not in preset_names() and Path(name).suffix not in {".yaml", ".yml", ".json"}:
        raise SpaceError(f"{where}: {name}: neither a YAML file nor a preset{nearest(name, preset_names())}")
    try:
        as_it_is = name in preset_names() or name.startswith("~")
        return load_spec(name if as_it_is else folder / name)
    except SpecError as problem:
        raise SpaceError("\n".join(f"{where}: {line}" for line in str(problem).splitlines())) from problem
