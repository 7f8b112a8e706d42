"""Which images a study uses and how they are split, as a value: nothing is opened to make it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fishnet_search.spec.value import Value, Whole

Count = Annotated[Whole, Field(ge=1, le=1_000_000_000)]


class Split(Value):
    """How many images each part has.

    Each part is drawn from the images that the source has for that purpose, stratified by class where each image has
    one, and evenly where images have objects or maps. A source without a validation or a test part gives those from its
    training images, and the parts share none of them.
    """

    train: Count | None = Field(None, description="images to learn from; by default all that are left")
    validation: Count | None = Field(None, description="images to choose by; by default as the source says")
    test: Count | None = Field(None, description="images to report on; by default as the source says")
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(0, description="which images are drawn; not that of training")


class Data(Value):
    """A source of images; a plain string is its `source`."""

    source: str = Field(description="'digits', 'shapes', 'NAME:PATH'; PATH is seen from where the command runs")
    split: Split | None = Field(None, description="in place of the source's own split")
    broken: Literal["fail", "skip"] = Field(
        "fail", description="what becomes of a study with images that cannot be decoded; 'skip' leaves them out"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_string_is_the_source(cls, given: Any) -> Any:
        return {"source": given} if isinstance(given, str) else given
