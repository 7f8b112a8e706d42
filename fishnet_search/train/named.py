"""Recipes by name or from a file, on top of another one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fishnet_search.errors import SpecError
from fishnet_search.spec.naming import nearest, shown
from fishnet_search.spec.reading import Document, read_yaml, validated
from fishnet_search.train.recipe import Recipe

MOST_BASES = 20
"""Files in a row, each of which is the base of the one before."""

_RECIPES = resources.files("fishnet_search.train") / "recipes"


def recipe_names() -> list[str]:
    """List the recipes that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _RECIPES.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(recipe: str | Path | Mapping[str, Any], folder: Path = Path()) -> Recipe:
    """Return a recipe by its name, from a YAML file, or from its fields.

    Fields may have a `base`: a recipe's name, or a file seen from where the fields stand. The others are set on top.

    Args:
        recipe: a name, a path or fields.
        folder: that a path or the base of fields is seen from.

    Raises:
        SpecError: neither a recipe's name nor a file, or a field that is unknown or does not take its value.
    """
    if isinstance(recipe, Mapping):
        return _recipe_of(Document("recipe", dict(recipe), {}), folder, ())
    return _load(recipe, folder, ())


def spelled(value: Any, folder: Path = Path()) -> Any:
    """Return fields without a base in place of a name, or of fields with a base; anything else as it is.

    Raises:
        SpecError: see `load_recipe`; what is wrong with the other fields is left to whoever makes a recipe of them.
    """
    if isinstance(value, (str, Path)):
        return _fields_of(load_recipe(value, folder))
    if isinstance(value, Mapping) and "base" in value:
        return {**_fields_of(_load(value["base"], folder, ())), **{key: value[key] for key in value if key != "base"}}
    return value


def _load(name_or_path: Any, folder: Path, through: tuple[Path, ...]) -> Recipe:
    """Return a recipe by name or from a file; `through` are the files that name it as their base."""
    names = recipe_names()
    if not isinstance(name_or_path, (str, Path)) or not str(name_or_path):
        raise SpecError(f"{shown(name_or_path)}: is no recipe's name and no file's; one of {', '.join(names)}")
    if str(name_or_path) in names:
        with resources.as_file(_RECIPES / f"{name_or_path}.yaml") as path:
            return _recipe_of(read_yaml(path), path.parent, through)
    path = folder / name_or_path
    if path.suffix not in {".yaml", ".yml"}:
        raise SpecError(f"{shown(str(name_or_path))}: neither a recipe nor a YAML file{nearest(path.name, names)}")
    document = read_yaml(path)
    if (own := path.resolve()) in through:
        raise SpecError(f"leads back to {path}; name another base")
    if len(through) > MOST_BASES:
        raise SpecError(f"{path}: is the base of more than {MOST_BASES} files in a row; join some")
    return _recipe_of(document, path.parent, (*through, own))


def _recipe_of(document: Document, folder: Path, through: tuple[Path, ...]) -> Recipe:
    """Return the recipe that a document describes, with the base that it names."""
    data = document.data
    if isinstance(data, dict) and "base" in data:
        try:
            base = _load(data["base"], folder, through)
        except SpecError as problem:
            where = document.where(("base",))
            raise SpecError("\n".join(f"{where}: {line}" for line in str(problem).splitlines())) from problem
        data = {**_fields_of(base), **{name: value for name, value in data.items() if name != "base"}}
    return validated(Recipe, Document(document.source, data, document.origins, document.problems))


def _fields_of(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in Recipe.model_fields}
