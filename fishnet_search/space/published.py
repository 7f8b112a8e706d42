"""Published figures: read from a file of their own, each with its source, and given to variants by a space."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from fishnet_search.errors import SpaceError
from fishnet_search.space.limits import Amount, amount
from fishnet_search.spec.architecture import refuse
from fishnet_search.spec.naming import nearest, shown
from fishnet_search.spec.reading import Document, read_yaml, validated
from fishnet_search.spec.value import Problem, Value
from fishnet_search.task.figures import FIGURES

STATEMENT = "statement"
"""The metric of what a source says without a figure."""


def _count(value: Any) -> Amount:
    """Read 24.96M."""
    read = amount(value)
    if read.of_base:
        raise ValueError(f"should be a number, such as 24.96M, but is {shown(value)}")
    return read


def _percentage(value: Any) -> Fraction:
    """Read 77.41%."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%", value.strip()) if isinstance(value, str) else None
    if match is None or (share := Fraction(match[1]) / 100) > 1:
        raise ValueError(f"should be a percentage, such as 77.41%, but is {shown(value)}")
    return share


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Count = Annotated[Any, BeforeValidator(_count)]
Percentage = Annotated[Any, BeforeValidator(_percentage)]


class Figures(Value):
    """What one source gives of one network in one setting, as it is published."""

    source: str = Field(description="one of the file's sources, by name")
    setting: str = Field(min_length=1, description="of which images, and how the network was trained")
    params: Count = Field(None, description="learned numbers, such as 24.96M")
    macs: Count = Field(None, description="multiply-accumulates of one image, such as 6.45G")
    top1: Percentage = Field(None, description="accuracy, such as 78.14%")
    top5: Percentage = Field(None, description="accuracy of the best five guesses")
    ap: Percentage = Field(None, description="COCO's average precision of boxes")
    ap50: Percentage = Field(None, description="the same at IoU 0.5")
    ap75: Percentage = Field(None, description="the same at IoU 0.75")
    ap_small: Percentage = Field(None, description="the same of small objects")
    ap_medium: Percentage = Field(None, description="the same of objects of medium size")
    ap_large: Percentage = Field(None, description="the same of large objects")
    map50: Percentage = Field(None, description="VOC's mean average precision, as from 2010 on")
    map50_11: Percentage = Field(None, description="VOC's mean average precision, as in 2007")
    mask_ap: Percentage = Field(None, description="COCO's average precision of masks")
    mask_ap50: Percentage = Field(None, description="the same at IoU 0.5")
    mask_ap75: Percentage = Field(None, description="the same at IoU 0.75")
    miou: Percentage = Field(None, description="intersection over union of a class, mean over classes")
    pixel_accuracy: Percentage = Field(None, description="fraction of pixels whose class is guessed right")
    top1_error: Percentage = Field(None, description="in place of top1, if that is what the source gives")
    map: Percentage = Field(None, description="mean average precision of a detector")
    ap_gain: Percentage = Field(None, description="average precision of a detector, less that of another's")
    statement: str = Field("", description="what the source says without a figure")
    note: str = Field("", description="what a reader of these figures should know")

    @model_validator(mode="after")
    def _gives_something(self) -> Figures:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        if self.top1 is not None and self.top1_error is not None:
            yield ("top1_error",), "says what top1 says already; keep the one that is published"
        if not list(self.rows()):
            yield (), "has neither a figure nor a statement; add one, such as top1: 78.14%"

    def rows(self) -> Iterator[tuple[str, float | None, str]]:
        """Yield metric, value and note of each figure: accuracies as fractions from 0 to 1, errors as accuracies."""
        for metric in ("params", "macs"):
            if (count := getattr(self, metric)) is not None:
                yield metric, float(count.number), self.note
        for metric in (*FIGURES, "map", "ap_gain"):
            if (share := getattr(self, metric)) is not None:
                yield metric, float(share), self.note
        if self.top1_error is not None:
            told = f"published as a top-1 error of {float(100 * self.top1_error):g} %"
            yield "top1", float(1 - self.top1_error), "; ".join(filter(None, (told, self.note)))
        if self.statement:
            yield STATEMENT, None, "; ".join(filter(None, (self.statement, self.note)))


class Publications(Value):
    """A file of published figures."""

    sources: dict[str, str] = Field(min_length=1, description="name -> title, and where to find it")
    figures: dict[str, Figures] = Field(min_length=1, description="by name")

    @model_validator(mode="after")
    def _every_source_is_there(self) -> Publications:
        refuse(
            (
                ("figures", name, "source"),
                f"there is no source {shown(one.source)}{nearest(one.source, [*self.sources])}",
            )
            for name, one in self.figures.items()
            if one.source not in self.sources
        )
        return self


class Published(Value):
    """Which published figures belong to which variants."""

    file: str = Field(min_length=1, description="of the figures, seen from the space's folder")
    variants: dict[str, Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]] = Field(
        min_length=1, description="variant -> the name of its figures in that file, or several"
    )


@dataclass(frozen=True)
class PublishedFigure:
    """One published figure of one variant."""

    variant: str
    metric: str  # a figure, "params", "macs", "map", "ap_gain" or "statement"
    value: float | None  # fractions for accuracies; None for a statement
    setting: str
    source: str  # its title
    note: str


def published_figures(asked: Published | None, document: Document) -> tuple[PublishedFigure, ...]:
    """Return the published figures that a space names, in its order.

    Raises:
        SpaceError: the file cannot be read, or has no figures of such a name; with file and line.
    """
    if asked is None:
        return ()
    publications = _publications(asked, document)
    found = []
    for variant, names in asked.variants.items():
        for i, name in enumerate(names):
            if name not in publications.figures:
                where = _where_name(document, variant, i)
                raise SpaceError(
                    f"{where}: {asked.file} has no figures {shown(name)}{nearest(name, [*publications.figures])}"
                )
            one = publications.figures[name]
            source = publications.sources[one.source]
            found += [PublishedFigure(variant, *row[:2], one.setting, source, row[2]) for row in one.rows()]
    return tuple(found)


def refuse_unknown_variants(asked: Published | None, variants: Sequence[str], document: Document) -> None:
    """Hold the names that figures are given to against the variants there are.

    Raises:
        SpaceError: there is no such variant.
    """
    for variant in asked.variants if asked is not None else ():
        if variant not in variants:
            where = document.where(("published", "variants", variant))
            raise SpaceError(f"{where}: there is no variant {shown(variant)}{nearest(variant, variants[:20])}")


def _publications(asked: Published, document: Document) -> Publications:
    try:
        path = Path(document.source).parent / asked.file
        return validated(Publications, read_yaml(path, SpaceError), SpaceError)
    except SpaceError as problem:
        where = document.where(("published", "file"))
        raise SpaceError("\n".join(f"{where}: {line}" for line in str(problem).splitlines())) from problem


def _where_name(document: Document, variant: str, index: int) -> str:
    at = ("published", "variants", variant)
    return document.where((*at, index) if (*at, index) in document.origins else at)
