"""The base of every value that is read from YAML or written to a record."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen model that refuses unknown fields; change one with `model_copy` or `with_fields`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
