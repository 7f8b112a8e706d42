"""A small fish of three stages a part for tests: its numbers stay when presets change."""

from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import with_fields
from fishnet_search.spec.reading import parse_yaml, validated

MINNOW = """\
family: fish
image_size: 32
classes: 10
stem: {kind: one-conv, width: 8}
tail:
  - {depth: 1, width: 16, downsample: max-2x2}
  - {depth: 1, width: 32, downsample: max-2x2}
  - {depth: 1, width: 64, downsample: max-2x2}
bridge: {depth: 1, width: 64}
body:
  - {depth: 1, width: 64, dilation: 1, transfer: 1}
  - {depth: 1, width: 48, dilation: 2, transfer: 1}
  - {depth: 1, width: 32, dilation: 4, transfer: 1}
head:
  - {depth: 1, width: derived, transfer: 1, downsample: max-2x2}
  - {depth: 1, width: derived, transfer: 1, downsample: max-2x2}
  - {depth: 1, width: derived, transfer: 1, downsample: max-2x2}
"""


def minnow(**fields) -> FishSpec:
    """Return the fish, with fields set by path."""
    return with_fields(validated(FishSpec, parse_yaml(MINNOW, "minnow.yaml")), fields)
