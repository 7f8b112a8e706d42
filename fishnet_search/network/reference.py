"""Weights of the published implementations, by their own parameter names.

Sources:
    fish: kevin-ssy/FishNet, models/fishnet.py: `fish.fish.{i}` holds stage i (tail, bridge, body and head counted
        through), inside it `0` the blocks and `1` the transfer blocks; in the bridge `0` and `1` are the score layers,
        `2` the blocks, `3` the squeeze-and-excitation; in the last stage `3` and `4` are the classifier.
    resnet: torchvision, models/resnet.py, and guoruoqian/DetNet_pytorch, lib/model/fpn/detnet_backbone.py, which calls
        a projection beside channels that stay `extra_conv`.
    densenet: torchvision, models/densenet.py.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fishnet_search.errors import WeightsError
from fishnet_search.network.network import Network

_MOST_NAMED = 5


def reference_names(network: Network) -> dict[str, str]:
    """Map each name in the network's state dict to the name that the published implementation gives it.

    Raises:
        WeightsError: the network has a part that the published implementation does not have.
    """
    stages = [name for name, _ in network.named_children() if name not in {"stem", "classifier"}]
    index = {name: i for i, name in enumerate(stages)}
    return {ours: _reference_name(ours, network, index) for ours in network.state_dict()}


def load_reference_weights(network: Network, weights: Mapping[str, Tensor] | str | Path) -> None:
    """Fill a network with weights under the published names.

    Args:
        network: of the same architecture; a backbone takes its part of a whole network's weights.
        weights: as the published implementation's `state_dict()` returns it, or the path of a published checkpoint:
            a torch file with the state dict itself or under the key `state_dict`. Nothing in the file is executed.

    Raises:
        WeightsError: the file cannot be read, or names are missing or extra, or shapes differ; nothing is loaded then.
    """
    state_dict = read_checkpoint(Path(weights)) if isinstance(weights, (str, Path)) else weights
    names = reference_names(network)
    own = network.state_dict()
    # torchvision has counted batches only since its weights were published
    uncounted = {ours for ours in names if ours.endswith("num_batches_tracked") and names[ours] not in state_dict}
    missing = [theirs for ours, theirs in names.items() if theirs not in state_dict and ours not in uncounted]
    extra = sorted(_not_taken(state_dict, names.values(), backbone=bool(network.outputs)))
    shapes = [
        f"{theirs} is {tuple(state_dict[theirs].shape)}, not {tuple(own[ours].shape)}"
        for ours, theirs in names.items()
        if theirs in state_dict and state_dict[theirs].shape != own[ours].shape
    ]
    problems = [
        f"{len(found)} {what}: {', '.join(found[:_MOST_NAMED])}{', ...' * (len(found) > _MOST_NAMED)}"
        for what, found in (("missing", missing), ("extra", extra), ("of another shape", shapes))
        if found
    ]
    if problems:
        source = f"{weights}: " if isinstance(weights, (str, Path)) else ""
        raise WeightsError(f"{source}the weights are not of this architecture: {'; '.join(problems)}")
    network.load_state_dict(
        {ours: own[ours].zero_() if ours in uncounted else state_dict[theirs] for ours, theirs in names.items()}
    )


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a published checkpoint, on the CPU, without the prefix of data parallel training.

    Raises:
        WeightsError: the file is missing, truncated or no checkpoint, or holds anything but plain data and tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file; check the path") from None
    except pickle.UnpicklingError as problem:
        raise WeightsError(
            f"{path}: is no checkpoint of plain tensors, and nothing in it was run; give one that holds nothing else"
        ) from problem
    except EOFError as problem:
        raise WeightsError(f"{path}: is truncated or no torch file: it ends too early; fetch it again") from problem
    except OSError as problem:
        raise WeightsError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    except (RuntimeError, ValueError, LookupError, AttributeError, TypeError) as problem:  # whatever torch trips over
        raise WeightsError(
            f"{path}: is truncated or no torch file: {_first_line(problem)}; fetch it again"
        ) from problem
    state_dict = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state_dict, dict) or not state_dict:
        raise WeightsError(f"{path}: holds no state dict but {type(state_dict).__name__}; give one of tensors by name")
    wrong = [name for name, value in state_dict.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if wrong:
        raise WeightsError(f"{path}: holds no tensor under {wrong[0]!r}; give a state dict of tensors by name")
    return {name.removeprefix("module."): value for name, value in state_dict.items()}


def _not_taken(state_dict: Mapping[str, Tensor], taken: Collection[str], *, backbone: bool) -> set[str]:
    """Return the names that a network leaves over; a backbone may leave over the stages that it does not have."""
    over = set(state_dict) - set(taken)
    if not backbone:
        return over
    stages = {_stage_of(name) for name in taken}
    return {name for name in over if _stage_of(name) in stages}


def _stage_of(theirs: str) -> str:
    """Return the part of a published name that says its stage: "fish.fish.3", "layer3", "features.denseblock2"."""
    match = re.match(r"fish\.fish\.\d+|features\.[^.]+|[^.]+", theirs)
    return match[0] if match else theirs


def _first_line(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]


# Our names as patterns -> templates; {stage} is the number of a fish's stage.
_FISH = [
    (r"stem\.conv(\d)\.(.+)", r"conv\1.0.\2"),
    (r"stem\.norm(\d)\.(.+)", r"conv\1.1.\2"),
    (r"bridge\.score\.norm1\.(.+)", r"fish.fish.{stage}.0.0.\1"),
    (r"bridge\.score\.conv1\.(.+)", r"fish.fish.{stage}.0.2.\1"),
    (r"bridge\.score\.norm2\.(.+)", r"fish.fish.{stage}.0.3.\1"),
    (r"bridge\.score\.conv2\.(.+)", r"fish.fish.{stage}.1.\1"),
    (r"bridge\.block(\d+)\.(.+)", r"fish.fish.{stage}.2.\1.\2"),
    (r"bridge\.attention\.norm1\.(.+)", r"fish.fish.{stage}.3.0.0.\1"),
    (r"bridge\.attention\.conv1\.(.+)", r"fish.fish.{stage}.3.0.3.\1"),
    (r"bridge\.attention\.conv2\.(.+)", r"fish.fish.{stage}.3.0.5.\1"),
    (r"classifier\.norm1\.(.+)", r"fish.fish.{stage}.3.0.\1"),
    (r"classifier\.conv1\.(.+)", r"fish.fish.{stage}.3.2.\1"),
    (r"classifier\.norm2\.(.+)", r"fish.fish.{stage}.3.3.\1"),
    (r"classifier\.conv2\.(.+)", r"fish.fish.{stage}.4.1.\1"),
    (r"(?:tail|body|head)\d+\.block(\d+)\.(.+)", r"fish.fish.{stage}.0.\1.\2"),
    (r"(?:body|head)\d+\.transfer(\d+)\.(.+)", r"fish.fish.{stage}.1.\1.\2"),
]
_RESNET = [
    (r"stem\.conv1\.(.+)", r"conv1.\1"),
    (r"stem\.norm1\.(.+)", r"bn1.\1"),
    (r"stage\d+\.block(\d+)\.(.+)", r"layer{layer}.\1.\2"),
    (r"classifier\.linear\.(.+)", r"fc.\1"),
]
_DENSENET = [
    (r"stem\.conv1\.(.+)", r"features.conv0.\1"),
    (r"stem\.norm1\.(.+)", r"features.norm0.\1"),
    (r"stage\d+\.layer(\d+)\.(.+)", r"features.denseblock{layer}.denselayer<\1>.\2"),
    (r"transition\d+\.(norm|conv)1\.(.+)", r"features.transition{layer}.\1.\2"),
    (r"classifier\.norm1\.(.+)", r"features.norm5.\1"),
    (r"classifier\.linear\.(.+)", r"classifier.\1"),
]
_FAMILIES = {"fish": _FISH, "resnet": _RESNET, "densenet": _DENSENET}


def _reference_name(ours: str, network: Network, index: Mapping[str, int]) -> str:
    node, _, rest = ours.partition(".")
    numbers = {
        "stage": index.get(node, len(index) - 1),  # a fish's classifier sits in the last stage
        "layer": int(re.sub(r"\D", "", node) or 0) + 1,
    }
    for pattern, template in _FAMILIES[network.label]:
        if match := re.fullmatch(pattern, ours):
            theirs = match.expand(template.format(**numbers))
            break
    else:
        raise WeightsError(f"the published implementation has nothing like {ours}")
    if network.label == "densenet":  # counts its layers from 1
        return re.sub(r"<(\d+)>", lambda number: str(int(number[1]) + 1), theirs)
    if "block" in rest and "attention." in rest:
        raise WeightsError(f"the published implementation has nothing like {ours}")
    if "shortcut." in rest:
        conv = network.get_submodule(f"{ours.partition('.shortcut.')[0]}.shortcut.conv1")
        theirs = _shortcut_name(theirs, network.label, conv)
    return re.sub(r"(?<=\.)norm(?=\d\.)", "bn", theirs)


def _shortcut_name(theirs: str, family: str, conv: nn.Module) -> str:
    """Name the layers of a projection, which each implementation counts in its own way."""
    if family == "fish":  # norm, activation, convolution
        return theirs.replace("shortcut.norm1.", "shortcut.0.").replace("shortcut.conv1.", "shortcut.2.")
    changes = conv.stride != (1, 1) or conv.in_channels != conv.out_channels
    name = "downsample" if changes else "extra_conv"
    return theirs.replace("shortcut.conv1.", f"{name}.0.").replace("shortcut.norm1.", f"{name}.1.")
