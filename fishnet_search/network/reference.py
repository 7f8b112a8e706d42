"""Weights of the published implementations, by their own parameter names.

Source: kevin-ssy/FishNet, models/fishnet.py: `fish.fish.{i}` holds stage i (tail, bridge, body and head counted
through), inside it `0` the blocks and `1` the transfer blocks; in the bridge `0` and `1` are the score layers, `2` the
blocks, `3` the squeeze-and-excitation; in the last stage `3` and `4` are the classifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fishnet_search.errors import WeightsError
from fishnet_search.network.network import Network


def reference_names(network: Network) -> dict[str, str]:
    """Map each name in the network's state dict to the name that the published fish implementation gives it.

    Raises:
        WeightsError: the network has a part that the published implementation does not have.
    """
    stages = [name for name, _ in network.named_children() if name not in {"stem", "classifier"}]
    index = {name: i for i, name in enumerate(stages)}
    return {ours: _reference_name(ours, index) for ours in network.state_dict()}


def load_reference_weights(network: Network, state_dict: Mapping[str, Tensor]) -> None:
    """Fill a fish with weights under the published names.

    Args:
        network: of the same architecture.
        state_dict: as the published implementation's `state_dict()` returns it.

    Raises:
        WeightsError: names are missing or extra, or shapes differ; nothing is loaded then.
    """
    names = reference_names(network)
    own = network.state_dict()
    missing = [theirs for theirs in names.values() if theirs not in state_dict]
    extra = sorted(set(state_dict) - set(names.values()))
    shapes = [
        f"{theirs} is {tuple(state_dict[theirs].shape)}, not {tuple(own[ours].shape)}"
        for ours, theirs in names.items()
        if theirs in state_dict and state_dict[theirs].shape != own[ours].shape
    ]
    problems = [
        f"{len(found)} {what}, first {found[0]}"
        for what, found in (("missing", missing), ("extra", extra), ("of another shape", shapes))
        if found
    ]
    if problems:
        raise WeightsError(f"the weights are not of this architecture: {'; '.join(problems)}")
    network.load_state_dict({ours: state_dict[theirs] for ours, theirs in names.items()})


# What follows the stage's own number, as pattern -> template; {stage} is that number.
_PATTERNS = [
    (r"stem\.conv(\d)\.(.+)", r"conv\1.0.\2"),
    (r"stem\.bn(\d)\.(.+)", r"conv\1.1.\2"),
    (r"bridge\.score\.bn1\.(.+)", r"fish.fish.{stage}.0.0.\1"),
    (r"bridge\.score\.conv1\.(.+)", r"fish.fish.{stage}.0.2.\1"),
    (r"bridge\.score\.bn2\.(.+)", r"fish.fish.{stage}.0.3.\1"),
    (r"bridge\.score\.conv2\.(.+)", r"fish.fish.{stage}.1.\1"),
    (r"bridge\.block(\d+)\.(.+)", r"fish.fish.{stage}.2.\1.\2"),
    (r"bridge\.attention\.bn\.(.+)", r"fish.fish.{stage}.3.0.0.\1"),
    (r"bridge\.attention\.conv1\.(.+)", r"fish.fish.{stage}.3.0.3.\1"),
    (r"bridge\.attention\.conv2\.(.+)", r"fish.fish.{stage}.3.0.5.\1"),
    (r"classifier\.bn1\.(.+)", r"fish.fish.{stage}.3.0.\1"),
    (r"classifier\.conv1\.(.+)", r"fish.fish.{stage}.3.2.\1"),
    (r"classifier\.bn2\.(.+)", r"fish.fish.{stage}.3.3.\1"),
    (r"classifier\.conv2\.(.+)", r"fish.fish.{stage}.4.1.\1"),
    (r"(?:tail|body|head)\d+\.block(\d+)\.(.+)", r"fish.fish.{stage}.0.\1.\2"),
    (r"(?:body|head)\d+\.transfer(\d+)\.(.+)", r"fish.fish.{stage}.1.\1.\2"),
]


def _reference_name(ours: str, index: Mapping[str, int]) -> str:
    stage = index.get(ours.partition(".")[0], len(index) - 1)  # the classifier sits in the last stage
    for pattern, template in _PATTERNS:
        if match := re.fullmatch(pattern, ours):
            theirs = match.expand(template.replace("{stage}", str(stage)))
            return theirs.replace("shortcut.bn.", "shortcut.0.").replace("shortcut.conv.", "shortcut.2.")
    raise WeightsError(f"the published implementation has nothing like {ours}")
