"""What people write and what they mean: fields by name and by path, the nearest choice, the number in a text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from fishnet_search.errors import SpecError
from fishnet_search.spec.value import Location

RENAMED = {"projection": "shortcut: projection"}
"""Fields of earlier versions, and how they are written now."""


def dotted(location: Location) -> str:
    """Write ("body", 1, "width") as "body[1].width"."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parsed(path: str) -> Location | None:
    """Read "body[1].width" as ("body", 1, "width"); None if it is no path."""
    location = tuple(int(step) if re.fullmatch("[0-9]{1,4}", step) else step for step in re.findall(r"[^.\[\]]+", path))
    return location if location and dotted(location) == path else None


def place(location: Location) -> str:
    """Write a location for a sentence: in quotes if a name in it cannot be printed."""
    text = dotted(location)
    return text if text.isprintable() and len(text) <= 200 else shown(text)


def shown(value: Any) -> str:
    """Write any value in at most 60 characters, all of which can be printed."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        text = f"a number of {value.bit_length():,} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, choices: Sequence[str]) -> str:
    """Return "; did you mean 'x'?" if a choice is like the name, and the list of choices."""
    close = difflib.get_close_matches(name, choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} one of {', '.join(choices)}"


def value_and_advice(details: ErrorDetails, text: str | None) -> str:
    """Return ", but is VALUE", how YAML came to that, and what to write in its place.

    Args:
        details: what is wrong with the value.
        text: the value as it is written, if that is known and it is not in quotes.
    """
    value = details["input"]
    if details["type"] == "too_long":
        return f", but has {len(value)}; the most is {details['ctx']['max_length']}"
    if value is None:
        return ", but is empty"
    told = str(value).lower() if isinstance(value, bool) and text else shown(value)
    if isinstance(value, str):
        return f", but is {told}{_advice(details, value)}"
    if text is None or text.lower() == told:
        return f", but is {told}{_advice(details, told)}"
    word = isinstance(value, bool) and details["type"] in {"literal_error", "string_type"}
    quotes = "; put it in quotes if the word is meant" if word else ""
    return f", but is {text}, which YAML reads as {told}{_advice(details, text) or quotes}"


def _advice(details: ErrorDetails, text: str) -> str:
    """Name the choice that a misspelt word is nearest to, or the number that was meant."""
    kind, value = details["type"], details["input"]
    if kind == "literal_error":
        choices = re.findall(r"'([^']+)'", details["ctx"]["expected"])
        close = difflib.get_close_matches(text, choices, n=1)
        return f"; did you mean {close[0]!r}?" if close else ""
    if kind == "multiple_of":
        step = details["ctx"]["multiple_of"]
        low = max(value // step, 1) * step
        return f"; use {shown(low)} or {shown(low + step)}"
    if kind.startswith(("int_", "float_")) and (number := _number_meant(value)) is not None:
        reading = ", which YAML reads as text" if isinstance(value, str) else ""
        if number.is_integer():
            return f"{reading}; write {int(number)}"
        return reading if kind.startswith("int_") else f"{reading}; write {yaml.safe_dump(number).split()[0]}"
    return ""


def _number_meant(value: Any) -> float | None:
    """Return what a person takes for a number where YAML or the field does not: 1e-4, 0o17, '10' or 10.0."""
    if isinstance(value, bool) or not isinstance(value, (str, float)):
        return None
    try:
        in_base = isinstance(value, str) and re.match("[-+]?0[obx]", value)
        number = float(int(str(value), 0) if in_base else value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None


def unknown_field(model: type[BaseModel], location: Location) -> str:
    """Return a sentence for a field that is not there: its new name, the nearest one, or where it belongs."""
    field = str(location[-1])
    choices = [info.alias or name for name, info in _entered_model(model, location[:-1]).model_fields.items()]
    if (now := RENAMED.get(field, "")) and now.partition(":")[0] in choices:
        return f"unknown field; it is written `{now}` now"
    homes = ["the top level"] if field in model.model_fields else []
    homes += [part for part, info in model.model_fields.items() if field in _fields_inside(info.annotation)]
    elsewhere = f"; {field!r} is a field of {', '.join(homes)}" if homes else ""
    return f"unknown field{nearest(field, choices)}{elsewhere}"


def locations(data: Any, path: str, where: str) -> list[Location]:
    """Return the places in plain data that a path names, whether or not the last step is there yet.

    Raises:
        SpecError: the path leads to no single field; the text begins with `where`.
    """
    steps = parsed(path)
    if steps is None:
        raise SpecError(f"{where}: {shown(path)} is not a path; write it like tail.downsample or tail[1].downsample")
    found: list[Location] = [()]
    for i, step in enumerate(steps):
        if isinstance(step, str):  # a field of a whole part is a field of each of its stages
            found = [inner for location in found for inner in _stages(data, location)]
        found = [_entered(data, location, step, where, last=i == len(steps) - 1) for location in found]
    if not found:
        raise SpecError(f"{where}: {place(steps)} names no field: {place(steps[:1])} has no stages")
    if any(_is_part(value_at(data, location)) for location in found):
        raise SpecError(f"{where}: {shown(path)} does not name a single field; write it like tail.downsample")
    return found


def value_at(data: Any, location: Location) -> Any:
    """Return what plain data has at a location, or None."""
    for step in location:
        if isinstance(data, dict) and step not in data:
            return None
        data = data[step]
    return data


def set_value(data: Any, location: Location, value: Any) -> None:
    """Set one place in plain data."""
    *steps, field = location
    value_at(data, tuple(steps))[field] = value


def _stages(data: Any, location: Location) -> list[Location]:
    value = value_at(data, location)
    return [(*location, i) for i in range(len(value))] if isinstance(value, list) else [location]


def _entered(data: Any, location: Location, step: str | int, where: str, *, last: bool) -> Location:
    """Take one step into plain data."""
    at: Location = (*location, step)
    value = value_at(data, location)
    if isinstance(value, dict) and isinstance(step, str):
        if step not in value and not (last and location):
            raise SpecError(f"{where}: {place(at)}: unknown field{nearest(step, list(value))}")
        return at
    if isinstance(value, list) and isinstance(step, int):
        if step >= len(value):
            items = "stages" if _is_part(value) else "items"
            raise SpecError(f"{where}: {place(at)}: there are only {len(value)} {items}, counted from 0")
        return at
    raise SpecError(f"{where}: {place(at)} leads nowhere; write paths like tail.downsample or tail[1].downsample")


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(each, dict) for each in value))


def _entered_model(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the model of what may be written at a location."""
    kind: Any = model
    for step in location:
        if not hasattr(kind, "model_fields"):  # a list or mapping of models
            kind = _member(kind)
        else:
            kind = kind.model_fields[step].annotation
            if type(None) in get_args(kind):  # a model or nothing
                kind = _member(kind)
    return kind  # type: ignore[no-any-return]


def _member(kind: Any) -> Any:
    return next(one for one in get_args(kind) if hasattr(one, "model_fields"))


def _fields_inside(kind: Any) -> list[str]:
    """List the fields of a model, or of the models in a list or mapping."""
    if hasattr(kind, "model_fields"):
        return list(kind.model_fields)
    return [field for inner in get_args(kind) for field in _fields_inside(inner)]
