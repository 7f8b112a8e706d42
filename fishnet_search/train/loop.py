"""Training one network once, to the same numbers for the same seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.errors import TrainingError
from fishnet_search.task.classification import Evaluation, Tally, evaluate
from fishnet_search.train.batches import Batches, normalisation_of, on_device
from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training images. `train` is measured while the weights move, `validation` after the pass."""

    epoch: int  # the first is 1
    learning_rate: float  # of this pass
    train: Evaluation  # its loss has the recipe's label smoothing
    validation: Evaluation
    seconds: float  # of the pass and of the validation


@dataclass(frozen=True, slots=True)
class Training:
    """What came of a training."""

    epochs: tuple[Epoch, ...]
    best_epoch: int  # the highest validation top-1; of equals the one with the lower loss, then the earlier
    test: Evaluation  # of the weights of the best epoch
    best_weights: dict[str, Tensor]  # the network's state dict after the best epoch, on the CPU


def train(
    network: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
) -> Training:
    """Train a network in place and leave it with the weights of the best epoch.

    The same network, images, recipe and seed give the same numbers: to the bit on the CPU with the same number of
    threads, and on a GPU as far as its kernels are deterministic. The global random state and torch's settings are as
    before when this returns or raises.

    Args:
        network: gives logits of shape (N, classes) for images of shape (N, 3, image_size, image_size).
        images: normalised by the mean and the standard deviation of the training part's channels.
        recipe: how.
        seed: of the order of the images, and of dropout where the network has any; not of the initial weights.
        device: where.
        on_epoch: is told every epoch as soon as it is over.

    Raises:
        TrainingError: a loss is not finite, or there are fewer than two training images.
    """
    if len(images.train) < 2:
        raise TrainingError(f"{images.source}: {len(images.train)} training images; batch normalisation needs 2")
    normalise = normalisation_of(images.train.images_NCHW)

    def batches(part: Part) -> Batches:
        return Batches(on_device(part, device), len(images.classes), normalise, recipe.batch_size, device)

    epochs: list[Epoch] = []
    with _reproducible(seed, device):
        network.to(memory_format=torch.channels_last).to(device)  # a quarter faster on the CPU for small networks
        for epoch in _epochs(network, batches(images.train), batches(images.validation), recipe, seed):
            epochs.append(epoch)
            on_epoch(epoch)
            best = max(epochs, key=_merit)
            if best is epoch:
                best_weights = _copied(network)
        network.load_state_dict(best_weights)
        test = _evaluate(network, batches(images.test), recipe, f"test loss of epoch {best.epoch}")
    return Training(tuple(epochs), best.epoch, test, best_weights)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    """Return the network's state on the CPU, in torch's usual memory format whatever the training's."""
    own_memory = {"copy": True, "memory_format": torch.contiguous_format}
    return {name: weight.to("cpu", **own_memory) for name, weight in network.state_dict().items()}


def _merit(epoch: Epoch) -> tuple[float, float]:
    return epoch.validation.top1, -epoch.validation.loss


def _epochs(network: nn.Module, training: Batches, validation: Batches, recipe: Recipe, seed: int) -> Iterator[Epoch]:
    generator = torch.Generator().manual_seed(seed)
    optimiser = SGD(
        network.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    schedule = _SCHEDULES[recipe.schedule](optimiser, recipe)
    for number in range(1, recipe.epochs + 1):
        start = time.perf_counter()
        learning_rate = optimiser.param_groups[0]["lr"]
        learnt = _learn(network, training, optimiser, recipe, generator=generator, where=f"epoch {number}")
        validated = _evaluate(network, validation, recipe, f"epoch {number}: validation loss")
        schedule.step()
        yield Epoch(number, learning_rate, learnt, validated, time.perf_counter() - start)


def _learn(
    network: nn.Module, batches: Batches, optimiser: SGD, recipe: Recipe, *, generator: torch.Generator, where: str
) -> Evaluation:
    """Go through the images once and return the figures that were measured on the way."""
    network.train()
    tally = Tally(batches.classes, device=batches.device)
    for step, (images, labels) in enumerate(batches.shuffled(generator), start=1):
        loss = tally.add(network(images), labels, label_smoothing=recipe.label_smoothing)
        _check_finite(loss.item(), f"{where}, step {step}: training loss", recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return tally.evaluation()


def _evaluate(network: nn.Module, batches: Batches, recipe: Recipe, what: str) -> Evaluation:
    evaluation = evaluate(network, batches.in_order(), classes=batches.classes, device=batches.device)
    _check_finite(evaluation.loss, what, recipe)
    return evaluation


def _check_finite(loss: float, what: str, recipe: Recipe) -> None:
    if not math.isfinite(loss):
        raise TrainingError(f"{what} is {loss}; try a learning rate lower than {recipe.learning_rate:g}")


_SCHEDULES: dict[str, Callable[[SGD, Recipe], LRScheduler]] = {
    "step": lambda optimiser, recipe: StepLR(optimiser, recipe.step_epochs, gamma=0.1),
    "cosine": lambda optimiser, recipe: CosineAnnealingLR(optimiser, recipe.epochs),
}


@contextmanager
def _reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Have torch choose deterministic kernels and seed the global generators, which dropout draws from."""
    cudnn = torch.backends.cudnn
    former = cudnn.deterministic, cudnn.benchmark
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            torch.manual_seed(seed)
            torch.use_deterministic_algorithms(True, warn_only=True)
            # nothing here reads memory before it is written, and small networks pay a tenth of their time for filling
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = former
            torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
