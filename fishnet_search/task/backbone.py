"""The backbone inside a model: its weights, what of it is trained, and how it normalises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from fishnet_search.errors import TrainingError, WeightsError
from fishnet_search.graph.build import CLASSIFIER
from fishnet_search.network.network import Network

Norms = Literal["trained", "frozen", "synchronised"]

_MOST_NAMED = 5
_Model = TypeVar("_Model", bound=nn.Module)


class StillNorm(nn.BatchNorm2d):
    """A batch norm that uses its statistics as they are, in training as in evaluation, and is not trained."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)


def backbone_of(model: nn.Module) -> Network:
    """Return the backbone of a model from `build_model`; of a classifier it is the network itself."""
    return next(module for module in model.modules() if isinstance(module, Network))


def load_backbone(model: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Fill the backbone with the weights of a classifier of the same architecture.

    What the backbone does not have is passed over: the classifier's last layers and stages that no tap needs.

    Args:
        model: from `build_model`.
        state: of a whole `Network` of any number of classes.
        where: the weights come from, for messages.

    Raises:
        WeightsError: something of the backbone is missing or of another shape; nothing is loaded then.
    """
    body = backbone_of(model)
    own = {name: value for name, value in body.state_dict().items() if not name.startswith(f"{CLASSIFIER}.")}
    missing = [name for name in own if name not in state]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    problems = [
        f"{len(found)} {what}: {', '.join(found[:_MOST_NAMED])}{', ...' * (len(found) > _MOST_NAMED)}"
        for what, found in (("missing", missing), ("of another shape", shapes))
        if found
    ]
    if problems:
        raise WeightsError(f"{where}: the weights are not of this backbone: {'; '.join(problems)}")
    body.load_state_dict({name: state[name] for name in own}, strict=False)


def freeze(model: _Model, stages: int) -> _Model:
    """Keep the stem and the first stages of the backbone as they are, and return the same model.

    Their parameters take no gradient, and their batch norms use their statistics, also in training mode. A stage is
    one of the tail, body or head of a fish, the bridge, or a stage of other families; what stands behind a DenseNet's
    stage goes with it. Names in the state dict stay.

    Args:
        model: from `build_model`.
        stages: how many behind the stem.

    Raises:
        TrainingError: the backbone has fewer.
    """
    parts = dict(backbone_of(model).named_children())
    counted = [name for name in parts if name not in {"stem", CLASSIFIER} and not name.startswith("transition")]
    if stages > len(counted):
        raise TrainingError(
            f"cannot freeze {stages} stages: the backbone has {len(counted)}, {', '.join(counted)}; "
            f"use {len(counted)} or fewer"
        )
    trained = {*counted[stages:], CLASSIFIER}
    for name, part in parts.items():
        if name in trained:
            break
        part.requires_grad_(False)
        _replace_norms(part, _still)
    return model


def with_norm(model: _Model, norms: Norms) -> _Model:
    """Say how batch norms take part in training, and return the same model. Names in the state dict stay.

    Args:
        model: from `build_model`, on the device that it is trained on.
        norms: 'trained': as they are. 'frozen': those of the backbone use their statistics, scale and shift as they
            are. 'synchronised': all that are not frozen take the statistics of a batch over all ranks of the process
            group; in a single process, that is what they do anyway.

    Raises:
        TrainingError: norms of a model on the CPU would have to be synchronised between several ranks.
    """
    if norms == "frozen":
        _replace_norms(backbone_of(model), _still)
    elif norms == "synchronised" and _ranks() > 1:
        if next(model.parameters()).device.type == "cpu":
            raise TrainingError(
                "PyTorch synchronises batch norms on GPUs alone, and this model is on the CPU; train the norms on "
                "each rank's images, or freeze them"
            )
        _replace_norms(model, nn.SyncBatchNorm.convert_sync_batchnorm)
    return model


def _ranks() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _replace_norms(module: nn.Module, make: Callable[[_BatchNorm], nn.Module]) -> None:
    """Put another module in the place of every batch norm that is not still."""
    for path, norm in list(module.named_modules()):
        if isinstance(norm, _BatchNorm) and not isinstance(norm, StillNorm):
            module.set_submodule(path, make(norm))


def _still(norm: _BatchNorm) -> StillNorm:
    with torch.device("meta"):  # its own numbers would be thrown away
        still = StillNorm(norm.num_features, norm.eps, norm.momentum)
    still.weight, still.bias = norm.weight, norm.bias
    still.running_mean, still.running_var = norm.running_mean, norm.running_var
    still.num_batches_tracked = norm.num_batches_tracked
    return still.requires_grad_(False).eval()
