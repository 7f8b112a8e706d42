"""YAML as plain data that remembers where it stands, and values made from it with errors that name the place.

Everything is refused with a sentence: files that are missing or are no YAML, keys written twice, anchors that loop
or multiply beyond reason, words that YAML takes for something else, fields that are unknown or out of range. All
problems of a file are named, not the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fishnet_search.errors import FishnetSearchError, SpecError
from fishnet_search.spec.naming import place, shown, unknown_field, value_and_advice
from fishnet_search.spec.value import Location

MOST_NODES = 100_000
"""Values in one file, aliases counted as often as they are used: a file within reason has a few hundred."""
MOST_LEVELS = 20
MOST_DIGITS = 100
MOST_PROBLEMS = 50

_TAG = "tag:yaml.org,2002:"
_YAML_WORDS = {
    "model_type": "should be fields with values",
    "dict_type": "should be names with values",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "too_short": "should have at least one item",
    "too_long": "should have fewer items",
}
"""What pydantic names by Python's types."""

Model = TypeVar("Model", bound=BaseModel)


class Origin(NamedTuple):
    """Where a value is written."""

    source: str
    line: int  # from 1
    column: int
    text: str | None  # as it is written, of a scalar without quotes


@dataclass(frozen=True)
class Document:
    """Plain data, with the origin of every key and item, and what is wrong with it already."""

    source: str
    data: Any
    origins: Mapping[Location, Origin]
    problems: Mapping[Location, str] = field(default_factory=dict)

    def origin(self, location: Location) -> Origin | None:
        """Return where a location is written, or the nearest one around it."""
        while location and location not in self.origins:
            location = location[:-1]
        return self.origins.get(location)

    def where(self, location: Location) -> str:
        """Return "file:line: path" for a location; for one that the file has from its base, both files and lines."""
        origin = self.origin(location)
        path = f": {place(location)}" if location else ""
        if origin is None:
            return f"{self.source}{path}"
        if origin.source == self.source:
            return f"{self.source}:{origin.line}{path}"
        own = self.origins.get(("base",))
        line = f":{own.line}" if own else ""
        return f"{self.source}{line}{path} (from {origin.source}:{origin.line})"


def read_yaml(path: Path, error: type[FishnetSearchError] = SpecError) -> Document:
    """Read one YAML file.

    Raises:
        error: the file is missing, unreadable, not UTF-8 or not YAML, or has more than `MOST_NODES` values. What else
            is wrong, such as a key that is written twice, is kept in the document for `validated` to raise.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file; check the path") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not UTF-8 text (byte {problem.start}); save it as UTF-8") from problem
    except ValueError as problem:
        raise error(f"{shown(str(path))}: cannot be the name of a file; check the path") from problem
    return parse_yaml(text, str(path), error)


def parse_yaml(text: str, source: str, error: type[FishnetSearchError] = SpecError) -> Document:
    """Read YAML from a string. See `read_yaml`."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise error(f"{source}:{line}: {_yaml_rule(problem, text[: mark.index + 1] if mark else '')}") from problem
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        rule = f"has the character {shown(chr(problem.character))}, which YAML does not allow; remove it"
        raise error(f"{source}:{line}: {rule}") from problem
    except (ValueError, OverflowError) as problem:  # PyYAML makes numbers of these without a check
        rule = "is not valid YAML: an escape stands for no character, or a version for no number"
        raise error(f"{source}:{loader.line + 1}: {rule}") from problem
    except RecursionError as problem:
        raise error(f"{source}: is not valid YAML: lists and mappings are nested too deep") from problem
    if root is None:
        raise error(f"{source}: is empty; write at least one field")
    reader = _Reader(loader, source, error)
    return Document(source, reader.read(root, (), root), reader.origins, reader.problems)


def validated(model: type[Model], document: Document, error: type[FishnetSearchError] = SpecError) -> Model:
    """Make a value from a document.

    Raises:
        error: with a line for each problem: file, line, path, rule, value, and the nearest right answer.
    """
    sentences = list(document.problems.values())
    try:
        value = model.model_validate(document.data)
    except ValidationError as problem:
        sentences += islice(_sentences(model, problem, document), MOST_PROBLEMS + 1)
    if len(sentences) > MOST_PROBLEMS:
        sentences[MOST_PROBLEMS:] = [f"{document.source}: and more; mend these first"]
    if sentences:
        raise error("\n".join(sentences))
    return value


def _yaml_rule(problem: yaml.MarkedYAMLError, before: str) -> str:
    if problem.context == "expected a single document in the stream":
        return "holds more than one document; keep one, without the line ---"
    if before.rpartition("\n")[2].lstrip(" ").startswith("\t"):
        return "has a tab in front; indent with spaces"
    return f"is not valid YAML: {problem.problem or problem.context}; check indentation, colons and brackets"


class _Reader:
    """Turns the nodes of one document into plain data, and notes where each stands and what is wrong with it."""

    def __init__(self, loader: yaml.SafeLoader, source: str, error: type[FishnetSearchError]) -> None:
        self.loader = loader
        self.source = source
        self.error = error
        self.origins: dict[Location, Origin] = {}
        self.problems: dict[Location, str] = {}
        self.enclosing: set[int] = set()
        self.left = MOST_NODES

    def read(self, node: yaml.Node, at: Location, key: yaml.Node) -> Any:
        """Return what a node says; `key` is the node that its line is taken from."""
        text = node.value if isinstance(node, yaml.ScalarNode) and node.style is None else None
        self.origins[at] = Origin(self.source, key.start_mark.line + 1, key.start_mark.column, text)
        self.left -= 1
        if self.left < 0:
            raise self.error(f"{self._line(node)}: more than {MOST_NODES} values; aliases may not multiply like this")
        if len(at) > MOST_LEVELS:
            raise self.error(f"{self._line(node)}: is nested deeper than {MOST_LEVELS} levels; no field is")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at)
        if id(node) in self.enclosing:
            return self._wrong(node, at, "an anchor contains itself; write the value out")
        if node.tag not in (f"{_TAG}seq", f"{_TAG}map"):
            return self._wrong(node, at, _tag_rule(node))
        self.enclosing.add(id(node))
        value: Any
        if isinstance(node, yaml.SequenceNode):
            value = [self.read(item, (*at, i), item) for i, item in enumerate(node.value)]
        else:
            value = {}
            for key_node, value_node in node.value:
                name = self._name(key_node, at)
                if name is None:
                    continue
                inside: Location = (*at, name)
                if name in value:
                    again: Location = (*inside, f"line {key_node.start_mark.line + 1}")
                    first = self.origins[inside].line
                    self._wrong(key_node, again, f"is written in line {first} already; keep one", inside)
                else:
                    value[name] = self.read(value_node, inside, key_node)
        self.enclosing.discard(id(node))
        return value

    def _scalar(self, node: yaml.ScalarNode, at: Location) -> Any:
        kind = self._kind(node)
        if kind == "unknown":
            return self._wrong(node, at, _tag_rule(node))
        if kind in {"int", "float"} and len(node.value) > MOST_DIGITS:
            return self._wrong(node, at, f"is a number of {len(node.value)} digits; write a smaller one")
        try:
            value = node.value if kind == "text" else self.loader.construct_object(node)
        except ValueError:  # such as 0x_
            return node.value
        if kind in {"int", "float"} and _in_another_base(node.value, value):
            in_quotes = ":" in node.value
            meant = f"'{node.value}' in quotes" if in_quotes else f"{int(node.value)} if that is meant"
            self._wrong(node, at, f"is {node.value}, which YAML reads as {value}; write {value}, or {meant}")
        return value

    def _kind(self, node: yaml.ScalarNode) -> str:
        """Return what YAML takes a scalar for."""
        plain = node.style is None
        implied = self.loader.resolve(yaml.ScalarNode, node.value, (plain, not plain))  # type: ignore[no-untyped-call]
        if node.tag not in (implied, f"{_TAG}str"):
            return "unknown"
        kind = node.tag.removeprefix(_TAG)
        return kind if kind in {"null", "bool", "int", "float"} else "text"  # nothing here is a date

    def _name(self, node: yaml.Node, at: Location) -> str | None:
        """Return the name of a field, or None if it is none."""
        kind = self._kind(node) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        if node.tag == f"{_TAG}merge":
            rule = "merge keys (<<) are not read; write the fields out, or name a `base`"
        elif kind == "text":
            return str(node.value)
        elif kind == "unknown":
            rule = _tag_rule(node)
        else:
            reading = {"null": "empty", "bool": "true or false", "int": "a number", "float": "a number"}.get(kind, kind)
            text = f"{node.value}, which YAML reads as {reading}" if kind in {"bool", "int", "float"} else reading
            rule = f"a field's name must be a word, but is {text}; put it in quotes if it is meant"
        self._wrong(node, (*at, f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"), rule, at)
        return None

    def _wrong(self, node: yaml.Node, at: Location, sentence: str, named: Location | None = None) -> None:
        """Note a problem; another one of the same place is told already."""
        path = place(at if named is None else named)
        self.problems.setdefault(at, f"{self._line(node)}: {path}{': ' if path else ''}{sentence}")

    def _line(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"


def _tag_rule(node: yaml.Node) -> str:
    tag = node.tag.replace(_TAG, "!!")
    return f"the tag {tag if tag.isprintable() else shown(tag)} means nothing here; remove it"


def _in_another_base(text: str, value: float) -> bool:
    """Tell whether YAML takes a number for another one than people do: 010 for 8, 1:30 for 90."""
    digits = text.replace("_", "").lstrip("+-")
    return ":" in text or (digits.isdigit() and int(digits) != abs(value))


def _sentences(model: type[BaseModel], problem: ValidationError, document: Document) -> Iterator[str]:
    """Yield one line for each place that is wrong."""
    rules: dict[Location, list[str]] = {}
    values: dict[Location, str] = {}
    for details in problem.errors(include_url=False):
        location = _without_union_tags(details, document.data)
        for at, sentence in details.get("ctx", {}).get("problems", ()):
            rules.setdefault((*location, *at), []).append(sentence)
        match details["type"]:
            case "channels":
                continue
            case "extra_forbidden":
                rule = unknown_field(model, location)
            case "missing":
                rule = "is missing; add it"
            case kind:
                rule = _YAML_WORDS.get(kind) or re.sub("^(Input|Value error,) ", "", details["msg"])
                text = document.origins[location].text if location in document.origins else None
                told = (values.get(location, ""), value_and_advice(details, text))
                values[location] = max(told, key=_worth)  # one member of a union may know more than the others
        rules.setdefault(location, []).append(rule)
    enclosing = {location[:n] for location in rules for n in range(len(location))}
    told_already: set[tuple[object, ...]] = set()
    for location, sentences in rules.items():
        if location in enclosing or location in document.problems:
            continue  # a list "too short" for an item that is refused anyway says nothing
        # each member of a union has its own rule for the same value
        joined = [" or ".join(dict.fromkeys(sentences)) + values[location]] if location in values else sentences
        for sentence in joined:
            names = tuple(step for step in location if isinstance(step, str))
            if (mistake := (document.origin(location), names, sentence)) not in told_already:
                told_already.add(mistake)  # one wrong value for a whole part is one mistake
                yield f"{document.where(location)}: {sentence}"


def _worth(advice: str) -> tuple[bool, int]:
    return "did you mean" in advice, len(advice)


def _without_union_tags(details: ErrorDetails, data: Any) -> Location:
    """Drop steps that name the member of a union rather than a place."""
    location: Location = ()
    for step in details["loc"]:
        if isinstance(data, dict) and (step in data or details["type"] == "missing"):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            continue
        location = (*location, step)
    return location
