"""A small network of every family for images of 64 pixels, and what is to be found in such images."""

import torch

from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.densenet import DenseNetSpec
from fishnet_search.spec.reading import parse_yaml, validated
from fishnet_search.spec.resnet import ResNetSpec
from fishnet_search.task.settings import Detection, InstanceSegmentation, SemanticSegmentation
from tests.fishes import minnow

RESNET = """\
family: resnet
image_size: 64
stem: {kind: conv-7x7, width: 8}
stages:
  - {depth: 1, width: 16, downsample: none}
  - {depth: 1, width: 24, downsample: stride}
  - {depth: 1, width: 32, downsample: stride}
  - {depth: 1, width: 48, downsample: stride}
"""
DETNET = """\
family: resnet
image_size: 64
stem: {kind: conv-7x7, width: 8}
stages:
  - {depth: 1, width: 16, downsample: none}
  - {depth: 1, width: 24, downsample: stride}
  - {depth: 1, width: 32, downsample: stride}
  - {depth: 2, width: 32, downsample: none, block: detnet-b}
  - {depth: 2, width: 32, downsample: none, block: detnet-b}
taps: {c2: stage0, c3: stage1, c4: stage2, c5: stage3, c6: stage4}
"""
DENSENET = """\
family: densenet
image_size: 64
stem: {kind: conv-7x7, width: 8}
stages:
  - {depth: 2, growth: 4}
  - {depth: 2, growth: 4}
  - {depth: 2, growth: 4}
  - {depth: 2, growth: 4}
"""

FAMILIES: dict[str, Architecture] = {
    "fish": minnow(image_size=64, **{"stem.kind": "three-conv"}),
    "resnet": validated(ResNetSpec, parse_yaml(RESNET, "resnet.yaml")),
    "detnet": validated(ResNetSpec, parse_yaml(DETNET, "detnet.yaml")),
    "densenet": validated(DenseNetSpec, parse_yaml(DENSENET, "densenet.yaml")),
}

HEADS = {"pyramid_channels": 16, "head_channels": 32, "smallest_anchor": 8, "train_proposals": 50, "test_proposals": 20}
BOXES = Detection(**HEADS)
MASKS = InstanceSegmentation(**HEADS, mask_channels=16)
PIXELS = SemanticSegmentation(head_channels=16)


def targets(*images):
    """Targets of images of 64 pixels, each of which has objects as (label, x1, y1, x2, y2) that fill their boxes."""
    return [_target(objects) for objects in images]


def _target(objects):
    masks = torch.zeros(len(objects), 64, 64, dtype=torch.uint8)
    for mask, (_, x1, y1, x2, y2) in zip(masks, objects, strict=True):
        mask[y1:y2, x1:x2] = 1
    boxes = torch.tensor([box for _, *box in objects], dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.tensor([label for label, *_ in objects], dtype=torch.int64), "masks": masks}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
