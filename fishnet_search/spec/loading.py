"""Architectures by name or from a file, on top of another one, and with some fields set otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError

from fishnet_search.errors import SpecError
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.families import DEFAULT_FAMILY, FAMILIES
from fishnet_search.spec.naming import locations, nearest, parsed, place, set_value, shown, unknown_field, value_at
from fishnet_search.spec.reading import Document, Origin, read_yaml, validated
from fishnet_search.spec.value import Location

MOST_BASES = 20
"""Files in a row, each of which is the base of the one before."""

_PRESETS = resources.files("fishnet_search.spec") / "presets"

AnySpec = TypeVar("AnySpec", bound=Architecture)


def preset_names() -> list[str]:
    """List the architectures that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def load_spec(name_or_path: str | Path) -> Architecture:
    """Return a preset by its name, or the architecture that a YAML file describes.

    Raises:
        SpecError: neither a preset nor a file, or a file that does not describe a network that can be built.
    """
    return _load(name_or_path, ())[0]


def spec_of(document: Document, folder: Path = Path()) -> Architecture:
    """Return the architecture that a document describes.

    A document may extend another architecture: `base` names a preset or a file, seen from `folder`; whatever else is
    written stands in place of the base's. A mapping is taken field by field, for each stage where it stands for a
    part; a list replaces a part. Fields may also be named by path, such as `tail.downsample` or `body[1].dilation`.

    Raises:
        SpecError: the document does not describe a network that can be built.
    """
    return _spelled(document, folder, ())[0]


def with_fields(spec: AnySpec, fields: Mapping[str, Any], where: str = "fields") -> AnySpec:
    """Return the spec with fields set by path.

    Args:
        spec: where to start from.
        fields: path -> value. "tail.downsample" sets every stage of the tail, "tail[1].downsample" one (from 0),
            "bridge.width" the bridge's.
        where: what an error names in front of the path.

    Raises:
        SpecError: a path that leads nowhere, or a value that gives no network that can be built.
    """
    try:
        return _changed(spec, fields)
    except (SpecError, ValidationError):  # a path that is not so plain, or a fault that is to be told
        data: Any = spec.model_dump(mode="json")
        for path, value in fields.items():
            for location in _field_locations(data, path, where):
                set_value(data, location, copy.deepcopy(value))  # each stage has its own
        return validated(type(spec), Document(where, data, {}))


def _changed(spec: AnySpec, fields: Mapping[str, Any]) -> AnySpec:
    """Return the spec with fields set, of which only the stages that change are read again.

    Raises:
        SpecError: a path leads to no field, or further than to one.
        ValidationError: what comes out is no network that can be built.
    """
    model = type(spec)
    data = _fields_of(spec)
    lengths = tuple((part, len(value)) for part, value in data.items() if isinstance(value, tuple))
    for path, value in fields.items():
        for *steps, name in _plain_locations(model, lengths, path):
            inside: Any = data
            for step in steps:
                held = inside[step]
                inside[step] = list(held) if isinstance(held, (tuple, list)) else dict(_fields_of(held))
                inside = inside[step]
            inside[name] = value
    return model.model_validate(data)


def _fields_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {name: getattr(value, name) for name in type(value).model_fields}


@lru_cache(maxsize=4096)
def _plain_locations(model: type[Architecture], lengths: tuple[tuple[str, int], ...], path: str) -> list[Location]:
    """Return the places that a path names in any spec of a family with so many stages in its parts.

    Raises:
        SpecError: that hangs on more than the stages, as with taps and with one number of a list.
    """
    data: dict[str, Any] = {}
    for part, info in model.model_fields.items():
        inner: Any = next(iter(get_args(info.annotation)), info.annotation)
        fields = dict.fromkeys(inner.model_fields) if hasattr(inner, "model_fields") else None
        data[part] = [fields] * dict(lengths)[part] if part in dict(lengths) else fields
    return _field_locations(data, path, "")


def field_locations(spec: Architecture, path: str, where: str) -> list[Location]:
    """Return the places that a path names: one, or one in every stage of a part.

    Raises:
        SpecError: the path leads to no field.
    """
    return _field_locations(spec.model_dump(mode="json"), path, where)


def _field_locations(data: Any, path: str, where: str) -> list[Location]:
    found = locations(data, path, where)
    for *steps, name in found:
        fields = value_at(data, tuple(steps))
        if isinstance(fields, dict) and name not in fields and steps != ["taps"]:
            raise SpecError(f"{where}: {place((*steps, name))}: unknown field{nearest(str(name), list(fields))}")
    return found


def _load(name_or_path: str | Path, through: tuple[str, ...]) -> tuple[Architecture, Document]:
    """Return an architecture and what it is made from; `through` are the files that name it as their base."""
    names = preset_names()
    text = str(name_or_path)
    if text in names:
        with resources.as_file(_PRESETS / f"{text}.yaml") as path:
            return _spelled(read_yaml(path), path.parent, (*through, text))
    path = _path(text)
    if not _exists(path) and path.suffix not in {".yaml", ".yml"}:
        name = text if text.isprintable() and len(text) < 1000 else shown(text)
        raise SpecError(f"{name}: neither a file nor a preset{nearest(path.name, names)}")
    document = read_yaml(path)
    if isinstance(document.data, dict) and {"base", "axes"} <= document.data.keys():
        raise SpecError(f"{path}: is a space, not an architecture; `fishnet-search check {path}` shows what is in it")
    if (key := str(path.resolve())) in through:
        raise SpecError(f"{document.where(('base',))}: leads back to {path}; name another base")
    if len(through) > MOST_BASES:
        raise SpecError(f"{document.where(('base',))}: is the base of more than {MOST_BASES} files in a row; join some")
    return _spelled(document, path.parent, (*through, key))


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # ~ of nobody: a name like any other
        return Path(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with characters that no name has
        return False


def _spelled(document: Document, folder: Path, through: tuple[str, ...]) -> tuple[Architecture, Document]:
    """Return the architecture of a document on top of its base, and all that it is made from."""
    if not isinstance(document.data, dict):
        return validated(FAMILIES[DEFAULT_FAMILY], document), document
    data, origins = {}, {}
    if "base" in document.data:
        base, under = _base(document, folder, through)
        data, origins = base.model_dump(mode="json"), dict(under.origins)
    model = FAMILIES[_family(document, data)]
    draft = _Draft(document, model, data, origins)
    own = {key: value for key, value in document.data.items() if key != "base"}
    for key, value in own.items():
        if key.isidentifier():
            draft.lay((key,), value, (key,))
    for key, value in own.items():
        if not key.isidentifier():
            draft.lay_path(key, value)
    whole = draft.whole()
    return validated(model, whole), whole


def _base(document: Document, folder: Path, through: tuple[str, ...]) -> tuple[Architecture, Document]:
    base = document.data["base"]
    if not isinstance(base, str) or not base:
        told = "empty" if base is None else shown(base)
        raise _refused(document, ("base",), f"should be a preset's name or a file's path, but is {told}")
    try:
        return _load(base if base in preset_names() else folder / _path(base), through)
    except SpecError as problem:
        raise _refused(document, ("base",), *str(problem).splitlines()) from problem


def _family(document: Document, base: Mapping[str, Any]) -> str:
    """Return the family that a document asks for or that follows from its base."""
    own = document.data
    family = own.get("family", base.get("family", DEFAULT_FAMILY))
    if not isinstance(family, str) or family not in FAMILIES:
        sentence = f"there is no family {shown(family)}{nearest(str(family)[:100], list(FAMILIES))}"
        raise _refused(document, ("family",), sentence)
    if base and family != base["family"]:
        sentence = f"is {family!r}, but the base is of the family {base['family']!r}; remove it"
        raise _refused(document, ("family",), sentence)
    if not base and "family" not in own:
        parts = {name: model.model_fields.keys() - Architecture.model_fields for name, model in FAMILIES.items()}
        written = dict.fromkeys(map(_first_step, own))
        fitting = [name for name in parts if any(part in written for part in parts[name])]
        if fitting and DEFAULT_FAMILY not in fitting:
            sentence = f"is missing; add {' or '.join(f'`family: {name}`' for name in fitting)}"
            raise _refused(document, ("family",), sentence)
    return family


def _refused(document: Document, location: Location, *sentences: str) -> SpecError:
    """Return an error with what was wrong before as well."""
    where = document.where(location)
    return SpecError("\n".join([*document.problems.values(), *(f"{where}: {sentence}" for sentence in sentences)]))


@dataclass
class _Draft:
    """A document on top of its base's data, while they are put together."""

    document: Document
    model: type[Architecture]
    data: dict[str, Any]
    origins: dict[Location, Origin]
    own: set[Location] = field(default_factory=set)  # what the document has set so far
    problems: dict[Location, str] = field(default_factory=dict)

    def whole(self) -> Document:
        """Return what came together."""
        top = {at: self.document.origins[at] for at in ((), ("base",)) if at in self.document.origins}
        problems = {**self.document.problems, **self.problems}
        return Document(self.document.source, self.data, self.origins | top, problems)

    def lay(self, at: Location, new: Any, written: Location) -> None:
        """Lay a value that the document has at `written` over what is at `at`."""
        old = value_at(self.data, at)
        if isinstance(new, dict) and isinstance(old, dict):
            for key, value in new.items():
                self.lay((*at, key), value, (*written, key))
        elif isinstance(new, dict) and isinstance(old, list):
            if not old:
                self._refuse(written, "the base has no stages here; write them as a list")
            for i in range(len(old)):
                self.lay((*at, i), new, written)
        elif isinstance(new, dict) and old is None and len(at) == 1 and self._shape(at[0]) is tuple:
            self._refuse(
                written, "a mapping changes the stages of a base, but no base has them; write a list of stages"
            )
        else:
            self._put(at, new, written)

    def lay_path(self, path: str, value: Any) -> None:
        """Set the fields that a path names."""
        part = _first_step(path)
        if part and part not in self.model.model_fields:
            self._refuse((path,), unknown_field(self.model, (part,)))
            return
        if part and part not in self.data:
            if self._shape(part) is not dict:
                self.problems.setdefault((part,), f"{self._line(path)}: {part}: is missing; write it, or name a `base`")
                return
            self.data[part] = {}  # a stem that is not written has fields all the same
        try:
            found = locations(self.data, path, self._line(path))
        except SpecError as problem:
            self.problems[path,] = str(problem)
            return
        for at in found:
            if at in self.own:
                first = f"line {self.origins[at].line}" if at in self.origins else "another field"
                self._refuse((path,), f"sets what {first} sets already; keep it in one place")
                return
            self._put(at, value, (path,))

    def _put(self, at: Location, value: Any, written: Location) -> None:
        for inside in _places(value_at(self.data, at)):
            self.origins.pop((*at, *inside), None)
        for inside in _places(value):
            here, there = (*at, *inside), (*written, *inside)
            self.own.add(here)
            if there in self.document.origins:
                self.origins[here] = self.document.origins[there]
        set_value(self.data, at, copy.deepcopy(value))

    def _shape(self, part: str | int) -> Any:
        """Return tuple for a part that is a list of stages, dict for one that is a mapping."""
        kind = self.model.model_fields[str(part)].annotation if part in self.model.model_fields else None
        return dict if hasattr(kind, "model_fields") else get_origin(kind)

    def _line(self, path: str) -> str:
        origin = self.document.origin((path,))
        return f"{self.document.source}:{origin.line}" if origin else self.document.source

    def _refuse(self, written: Location, sentence: str) -> None:
        self.problems[written] = f"{self.document.where(written)}: {sentence}"


def _first_step(path: str) -> str:
    return str((parsed(path) or ("",))[0])


def _places(value: Any, at: Location = ()) -> Iterator[Location]:
    """Yield where plain data has anything, seen from itself."""
    yield at
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield from _places(inner, (*at, step))
