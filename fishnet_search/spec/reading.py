"""YAML as plain data that remembers its lines, and values made from it with errors that name them.

Everything is refused with a sentence: files that are missing or are no YAML, keys written twice, anchors that loop
or multiply beyond reason, fields that are unknown or out of range. All problems of a file are named, not the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fishnet_search.errors import FishnetSearchError, SpecError
from fishnet_search.spec.fish import Location

MOST_NODES = 100_000
"""Values in one file, aliases counted as often as they are used: a file within reason has a few hundred."""

_YAML_WORDS = {
    "model_type": "should be fields with values",
    "dict_type": "should be names with values",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "too_short": "should have at least one item",
}
"""What pydantic names by Python's types."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """Plain data, with the line (from 1) of every key and item."""

    source: str
    data: Any
    lines: Mapping[Location, int]

    def where(self, location: Location) -> str:
        """Return "file:line: path" for a location, with the line of the nearest one around it that is written."""
        written = location
        while written and written not in self.lines:
            written = written[:-1]
        line = f":{self.lines[written]}" if written in self.lines else ""
        path = dotted(location)
        return f"{self.source}{line}" + (f": {path}" if path else "")


def read_yaml(path: Path, error: type[FishnetSearchError] = SpecError) -> Document:
    """Read one YAML file.

    Raises:
        error: the file is missing, unreadable, not UTF-8 or not YAML; or has a key twice, a loop of anchors, or
            more than `MOST_NODES` values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file; check the path") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not UTF-8 text (byte {problem.start}); save it as UTF-8") from problem
    return parse_yaml(text, str(path), error)


def parse_yaml(text: str, source: str, error: type[FishnetSearchError] = SpecError) -> Document:
    """Read YAML from a string. See `read_yaml`."""
    loader = yaml.SafeLoader("")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise error(f"{source}: is empty; write at least one field")
        lines: dict[Location, int] = {}
        data = _construct(loader, root, (), lines, _Budget(source, error))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f":{mark.line + 1}" if mark else ""
        reason = problem.problem or problem.context
        raise error(f"{source}{line}: is not valid YAML: {reason}; check indentation, colons and brackets") from problem
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise error(f"{source}: is not valid YAML: {reason}") from problem
    return Document(source, data, lines)


def validated(model: type[Model], document: Document, error: type[FishnetSearchError] = SpecError) -> Model:
    """Make a value from a document.

    Raises:
        error: with a line for each problem: file, line, path, rule, value, and the nearest right answer.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as problem:
        raise error("\n".join(_sentences(model, problem, document))) from problem


def dotted(location: Location) -> str:
    """Write ("body", 1, "width") as "body[1].width"."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(name: str, choices: list[str]) -> str:
    """Return "; did you mean 'x'?" if a choice is like the name, and the list of choices."""
    close = difflib.get_close_matches(name, choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} one of {', '.join(choices)}"


class _Budget:
    """Counts the values of one file and knows which nodes enclose the current one."""

    def __init__(self, source: str, error: type[FishnetSearchError]) -> None:
        self.source = source
        self.error = error
        self.enclosing: set[int] = set()
        self.left = MOST_NODES

    def refuse(self, node: yaml.Node, sentence: str) -> FishnetSearchError:
        return self.error(f"{self.source}:{node.start_mark.line + 1}: {sentence}")


def _construct(
    loader: yaml.SafeLoader, node: yaml.Node, location: Location, lines: dict[Location, int], budget: _Budget
) -> Any:
    """Turn a node into plain data, noting the line of everything inside it."""
    lines.setdefault(location, node.start_mark.line + 1)
    budget.left -= 1
    if budget.left < 0:
        raise budget.refuse(node, f"more than {MOST_NODES} values; aliases may not multiply like this")
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_object(node)
    if id(node) in budget.enclosing:
        raise budget.refuse(node, "an anchor contains itself; write the value out")
    budget.enclosing.add(id(node))
    value: Any
    if isinstance(node, yaml.SequenceNode):
        value = [_construct(loader, item, (*location, i), lines, budget) for i, item in enumerate(node.value)]
    else:
        value = {}
        for key_node, value_node in node.value:
            key = _key(loader, key_node, budget)
            at: Location = (*location, key)
            if key in value:
                raise budget.refuse(key_node, f"{dotted(at)} is written twice; keep one")
            lines[at] = key_node.start_mark.line + 1
            value[key] = _construct(loader, value_node, at, lines, budget)
    budget.enclosing.discard(id(node))
    return value


def _key(loader: yaml.SafeLoader, node: yaml.Node, budget: _Budget) -> str:
    key = loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(key, str):
        raise budget.refuse(node, f"a field's name must be a word, but is {key!r}; put it in quotes if it is meant")
    return key


def _sentences(model: type[BaseModel], problem: ValidationError, document: Document) -> Iterator[str]:
    """Yield one line for each place that is wrong."""
    messages: dict[Location, list[str]] = {}
    for details in problem.errors(include_url=False):
        location = _without_union_tags(details["loc"], document.data)
        for at, sentence in details.get("ctx", {}).get("problems", ()):
            messages.setdefault((*location, *at), []).append(sentence)
        match details["type"]:
            case "channels":
                continue
            case "extra_forbidden":
                sentence = f"unknown field{nearest(str(location[-1]), _fields_at(model, location[:-1]))}"
            case "missing":
                sentence = "is missing; add it"
            case _:
                rule = _YAML_WORDS.get(details["type"], details["msg"])
                for prefix in ("Input ", "Value error, "):
                    rule = rule.removeprefix(prefix)
                sentence = f"{rule}, but is {_shown(details['input'])}{_guess(details)}"
        messages.setdefault(location, []).append(sentence)
    told_already: set[tuple[str, ...]] = set()
    for location, sentences in messages.items():
        inside = any(len(other) > len(location) and other[: len(location)] == location for other in messages)
        if not inside:  # a list "too short" for an item that is refused anyway says nothing
            # each member of a union has its own complaint about the same value
            shared = sentences[-1].rpartition(", but is ")[2]
            rules = [one.removesuffix(f", but is {shared}") for one in sentences[:-1]]
            told = " or ".join([*dict.fromkeys(rules), sentences[-1]])
            field = (*(step for step in location if isinstance(step, str)), told)
            if field not in told_already:  # one wrong value for a whole part is one mistake
                told_already.add(field)
                yield f"{document.where(location)}: {told}"


def _without_union_tags(loc: Location, data: Any) -> Location:
    """Drop steps that name the member of a union rather than a place; the last one may be a field not yet there."""
    location: Location = ()
    for step in loc:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            break
        location = (*location, step)
    return location


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """List the fields that may be written at a location."""
    kind: Any = model
    for step in location:
        if inner := get_args(kind):  # a list or mapping of models
            kind = next(one for one in inner if hasattr(one, "model_fields"))
        else:
            kind = kind.model_fields[step].annotation
    return list(kind.model_fields)


def _guess(details: ErrorDetails) -> str:
    """Name the choice that a misspelt word is nearest to."""
    if details["type"] != "literal_error":
        return ""
    choices = re.findall(r"'([^']+)'", details["ctx"]["expected"])
    close = difflib.get_close_matches(str(details["input"]), choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
