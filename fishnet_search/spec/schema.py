"""The language as one JSON Schema, by which editors complete and check files of architectures.

Fields, choices, bounds, titles and descriptions are those of the models. Added is what the models cannot say: that a
file may stand on a base and then need not be complete, and that fields may be named by path. How channels meet is
beyond a schema: `load_spec` alone knows whether a network can be built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fishnet_search.spec.families import DEFAULT_FAMILY, FAMILIES
from fishnet_search.spec.loading import load_spec, preset_names

Schema = dict[str, Any]

_INDEX = r"\[(0|[1-9][0-9]{0,3})\]"
_BASE: Schema = {
    "title": "Base",
    "description": "what this file extends: a preset's name, or the path of a file seen from this one",
    "type": "string",
    "minLength": 1,
}
_HAS_BASE: Schema = {"required": ["base"]}
_HAS_FAMILY: Schema = {"required": ["family"]}


def spec_schema() -> Schema:
    """Return the schema of architecture files of all families, in the dialect of 2020-12.

    Each file that loads is valid by it.
    """
    families = {name: model.model_json_schema() for name, model in FAMILIES.items()}
    models = {name: model for schema in families.values() for name, model in schema["$defs"].items()}
    presets: dict[str, list[str]] = {name: [] for name in FAMILIES}
    for preset in preset_names():
        presets[load_spec(preset).family].append(preset)
    rules = [rule for name in families for rule in _rules(name, families[name], models, presets[name])]
    other = {"properties": {"base": {"enum": preset_names()}}}
    unknown = {"allOf": [_HAS_BASE, {"not": _HAS_FAMILY}, {"not": other}]}
    rules.append({"if": unknown, "then": {"anyOf": [_reference(name) for name in FAMILIES]}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Architecture",
        "description": "A network for fishnet-search, or what differs from another one.",
        "type": "object",
        "properties": {
            "family": {"enum": list(FAMILIES)},
            "base": {**_BASE, "anyOf": [{"enum": preset_names()}, {"type": "string"}]},
        },
        "allOf": rules,
        "$defs": {name: _family(schema, models) for name, schema in families.items()}
        | {name: _without_requirements(model) for name, model in models.items()},
    }


def _family(schema: Schema, models: Schema) -> Schema:
    """Return what may be written for a family, of which nothing need be."""
    properties = {"base": _BASE}
    for name, value in schema["properties"].items():
        properties[name] = value
        if "items" in value:  # a mapping stands on top of each of the base's stages
            properties[name] = {
                "title": value["title"],
                "type": ["array", "object"],
                "if": {"type": "object"},
                "then": value["items"],
                "else": value,
            }
    return {
        "title": schema["title"],
        "description": _unwrapped(schema["description"]),
        "properties": properties,
        "patternProperties": dict(_paths(schema, models)),
        "additionalProperties": False,
    }


def _rules(family: str, schema: Schema, models: Schema, presets: list[str]) -> Iterator[Schema]:
    """Yield what holds for a file of a family, and what it needs to be complete."""
    parts = schema["properties"]
    is_family: list[Schema] = [
        {**_HAS_FAMILY, "properties": {"family": {"const": family}}},
        {**_HAS_BASE, "properties": {"base": {"enum": presets}}},
    ]
    if family == DEFAULT_FAMILY:
        is_family.append({"not": {"anyOf": [_HAS_BASE, _HAS_FAMILY]}})
    of_family: Schema = {"anyOf": is_family}
    lists = [part for part in parts if "items" in parts[part]]
    mappings = [part for part in schema["required"] if part not in lists]
    needed = {part: models[_model_of(parts[part])].get("required", []) for part in (*lists, *mappings)}
    patterns = [_pattern(part, part in lists, f"({'|'.join(fields)})") for part, fields in needed.items() if fields]
    alone = {"not": _HAS_BASE}
    no_paths = {"propertyNames": {"not": {"pattern": "|".join(patterns)}}}  # that may name what is needed
    yield {"if": of_family, "then": _reference(family)}
    yield {
        "if": {"allOf": [of_family, alone]},
        "then": {
            "required": [part for part in schema["required"] if part in lists],
            "properties": {part: {"type": "array"} for part in lists},
        },
    }
    yield {
        "if": {"allOf": [of_family, no_paths]},
        "then": {"properties": {part: {"items": {"required": needed[part]}} for part in lists}},
    }
    yield {
        "if": {"allOf": [of_family, alone, no_paths]},
        "then": {"required": mappings, "properties": {part: {"required": needed[part]} for part in mappings}},
    }


def _paths(schema: Schema, models: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield a pattern for each field that a path can name, and what its value may be."""
    for part, value in schema["properties"].items():
        if "additionalProperties" in value:
            yield _pattern(part, False, r"[^.\[\]]+"), value["additionalProperties"]
        elif "items" in value or "$ref" in value:
            model = _model_of(value)
            for field, kind in models[model]["properties"].items():
                inside = _reference(f"{model}/properties/{field}")
                yield _pattern(part, "items" in value, field), inside
                for i, member in enumerate(kind.get("anyOf", ())):
                    if "items" in member:
                        pattern = _pattern(part, "items" in value, field + _INDEX)
                        yield pattern, _reference(f"{model}/properties/{field}/anyOf/{i}/items")


def _pattern(part: str, has_stages: bool, field: str) -> str:
    index = f"({_INDEX})?" if has_stages else ""
    return rf"^{part}{index}\.{field}$"


def _model_of(value: Schema) -> str:
    """Return the name of the model that a part consists of."""
    return str((value.get("items") or value)["$ref"]).removeprefix("#/$defs/")


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _without_requirements(model: Schema) -> Schema:
    """Return a part that may be written on top of another one."""
    optional = {key: value for key, value in model.items() if key != "required"}
    return optional | {"description": _unwrapped(model["description"])}


def _unwrapped(docstring: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
