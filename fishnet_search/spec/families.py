"""The families of networks by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.densenet import DenseNetSpec
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.resnet import ResNetSpec

FAMILIES: dict[str, type[Architecture]] = {"fish": FishSpec, "resnet": ResNetSpec, "densenet": DenseNetSpec}
DEFAULT_FAMILY = "fish"

Spec = Annotated[FishSpec | ResNetSpec | DenseNetSpec, Field(discriminator="family")]
"""An architecture of any family, in a record."""
