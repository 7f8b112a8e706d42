"""Training one network once, to the same numbers for the same seed, whether it is interrupted or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from fishnet_search.data.images import ImageSet, Part
from fishnet_search.errors import TrainingError
from fishnet_search.task.classification import Evaluation, Tally, evaluate
from fishnet_search.train.batches import Batches, normalisation_of, on_device
from fishnet_search.train.checkpoint import Checkpoint
from fishnet_search.train.epoch import Epoch, best_of
from fishnet_search.train.ranks import ALONE, Lead, Ranks
from fishnet_search.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training."""

    epochs: tuple[Epoch, ...]
    best_epoch: int  # the highest validation top-1; of equals the one with the lower loss, then the earlier
    test: Evaluation  # of the weights of the best epoch
    best_weights: Mapping[str, Tensor]  # the network's state dict after the best epoch, on the CPU


class Training:
    """Trains a network in place, epoch by epoch.

        with Training(network, images, recipe, seed=1, device=device) as training:
            while not training.done:
                training.next_epoch()
            outcome = training.outcome()

    The same network, images, recipe, seed, micro-batches and ranks give the same numbers: to the bit on the CPU with
    the same number of threads, and on a GPU as far as its kernels are deterministic. So does a training that goes on
    from a checkpoint, in this process or another. Within the `with` torch chooses deterministic kernels; after it the
    global random state and torch's settings are as before.
    """

    def __init__(
        self,
        network: nn.Module,
        images: ImageSet,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        start: Checkpoint | None = None,
        micro_batches: int = 1,
        ranks: Ranks = ALONE,
    ) -> None:
        """Make everything ready.

        Args:
            network: gives logits of shape (N, classes) for images of shape (N, 3, image_size, image_size).
            images: normalised by the mean and the standard deviation of the training part's channels.
            recipe: how.
            seed: of the order of the images, and of dropout where the network has any; not of the initial weights.
            device: where.
            start: of the same training, to go on from.
            micro_batches: that each batch is split into to save memory. Their gradients add up to that of the batch;
                only batch normalisation sees the difference. Each has at least two images, for its sake.
            ranks: that share each batch. Rank 0 is asked for epochs and results; the others `follow`.

        Raises:
            TrainingError: there are fewer than two training images.
        """
        if len(images.train) < 2:
            raise TrainingError(f"{images.source}: {len(images.train)} training images; batch normalisation needs 2")
        self._images, self._recipe, self._seed, self._device = images, recipe, seed, device
        self._micro_batches, self._ranks = micro_batches, ranks
        self._lead = Lead(ranks) if ranks.world > 1 else None
        self._normalise = normalisation_of(images.train.images_NCHW)
        self._training, self._validation = map(self._batches, (images.train, images.validation))
        self._reproducible = _reproducible(device)

        # a quarter faster on the CPU for small networks
        self._network = network.to(memory_format=torch.channels_last).to(device)
        self._optimiser = SGD(
            network.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self._epochs: list[Epoch] = []
        self._best_weights: Mapping[str, Tensor] = {}
        if start is not None:
            self._go_on_from(start)

    def __enter__(self) -> Training:
        self._reproducible.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reproducible.__exit__(kind, error, trace)
        if self._lead is not None and self._ranks.rank == 0:
            self._lead.tell(len(self._epochs) + 1, go_on=False)

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """All epochs so far, those before the start included."""
        return tuple(self._epochs)

    @property
    def done(self) -> bool:
        """Whether that was the recipe's last epoch."""
        return len(self._epochs) >= self._recipe.epochs

    def next_epoch(self) -> Epoch:
        """Go through the training images once and validate.

        Raises:
            TrainingError: a loss is not finite. The training cannot go on.
        """
        number, clock = len(self._epochs) + 1, time.perf_counter()
        if self._lead is not None:
            self._lead.tell(number, go_on=True)
        learnt = self._learn(number)
        validated = self._evaluate(self._validation, f"epoch {number}: validation loss")
        rate = _learning_rate(self._recipe, number)
        epoch = Epoch(number, rate, learnt, validated, time.perf_counter() - clock)
        self._epochs.append(epoch)
        if best_of(self._epochs) is epoch:
            self._best_weights = _copied(self._network.state_dict())
        return epoch

    def checkpoint(self) -> Checkpoint:
        """Return a copy of where the training stands, from which another can go on."""
        is_best = self._epochs and best_of(self._epochs) is self._epochs[-1]
        state = self._optimiser.state
        momentum = {
            name: state[weight]["momentum_buffer"]
            for name, weight in self._network.named_parameters()
            if state[weight].get("momentum_buffer") is not None
        }
        return Checkpoint(
            self.epochs,
            weights=self._best_weights if is_best else _copied(self._network.state_dict()),
            momentum=_copied(momentum),
            best_weights=self._best_weights,
        )

    def outcome(self) -> Outcome:
        """Evaluate the weights of the best epoch so far on the test part, and leave the network with them.

        There are no more epochs after that.

        Raises:
            TrainingError: the test loss is not finite.
        """
        best = best_of(self._epochs)
        self._network.load_state_dict(self._best_weights)
        test = self._evaluate(self._batches(self._images.test), f"test loss of epoch {best.epoch}")
        return Outcome(self.epochs, best.epoch, test, self._best_weights)

    def follow(self) -> None:
        """Take part in the epochs of rank 0, until it has no more or has gone.

        Raises:
            TrainingError: a training loss is not finite; rank 0 raises the same.
        """
        number = len(self._epochs) + 1
        while self._lead is not None and self._lead.hear(number):
            self._learn(number)
            number += 1

    def _learn(self, number: int) -> Evaluation:
        """Go through the training images once, and return the figures that all ranks measured on the way.

        Args:
            number: of the epoch, which the order of the images, dropout and the learning rate follow from.

        Raises:
            TrainingError: a loss is not finite.
        """
        recipe, batches = self._recipe, self._training
        for group in self._optimiser.param_groups:
            group["lr"] = _learning_rate(recipe, number)
        order = torch.Generator().manual_seed(_seed(self._seed, number))
        _seed_global_state(_seed(self._seed, number, 1 + self._ranks.rank), self._device)
        learner = self._learner()
        learner.train()
        tally = Tally(batches.classes, device=batches.device, all_ranks=self._lead is not None)
        for step, batch in enumerate(batches.shuffled(order), start=1):
            self._optimiser.zero_grad()
            loss = self._ranks.mean(self._add_gradients(learner, batch, tally)).item()
            self._check_finite(loss, f"epoch {number}, step {step}: training loss")
            self._optimiser.step()
        return tally.evaluation()

    def _learner(self) -> nn.Module:
        """Return the network, with gradients that are the mean of all ranks' if there are several.

        DistributedDataParallel sorts its gradients anew after its first step, and a sum over three or more ranks rounds
        otherwise then: made for each epoch, it is the same in a training that goes on as in an undisturbed one.
        """
        if self._lead is None:
            return self._network
        gpu = [self._device] if self._device.type == "cuda" else None
        return DistributedDataParallel(self._network, device_ids=gpu)

    def _add_gradients(self, learner: nn.Module, batch: Tensor, tally: Tally) -> Tensor:
        """Add the gradient of a batch's mean loss to the weights', and return this rank's part of that loss.

        Both are larger for a rank with a larger share, so that their means over the ranks are those over the images.
        """
        batches, total = self._training, torch.zeros((), device=self._device)
        parts = self._ranks.share(batch, self._micro_batches)
        for part in parts:
            with nullcontext() if part is parts[-1] else _unreduced(learner):
                images, labels = batches.at(part)
                loss = tally.add(learner(images), labels, label_smoothing=self._recipe.label_smoothing)
                loss = loss * (len(part) * self._ranks.world / len(batch))
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if not parts:  # the other ranks wait for a gradient from each
            images, _ = batches.at(batch[:2])
            (learner(images).sum() * 0.0).backward()
        return total

    def _evaluate(self, batches: Batches, what: str) -> Evaluation:
        evaluation = evaluate(self._network, batches.in_order(), classes=batches.classes, device=batches.device)
        self._check_finite(evaluation.loss, what)
        return evaluation

    def _check_finite(self, loss: float, what: str) -> None:
        if not math.isfinite(loss):
            raise TrainingError(f"{what} is {loss}; try a learning rate lower than {self._recipe.learning_rate:g}")

    def _batches(self, part: Part) -> Batches:
        kept, classes = on_device(part, self._device), len(self._images.classes)
        return Batches(kept, classes, self._normalise, self._recipe.batch_size, self._device)

    def _go_on_from(self, start: Checkpoint) -> None:
        self._network.load_state_dict(start.weights)
        weights = dict(self._network.named_parameters())
        for name, momentum in start.momentum.items():
            # in the weight's own memory format: another takes other kernels, which round otherwise
            self._optimiser.state[weights[name]]["momentum_buffer"] = torch.empty_like(weights[name]).copy_(momentum)
        self._epochs.extend(start.epochs)
        self._best_weights = start.best_weights


def _unreduced(learner: nn.Module) -> AbstractContextManager[None]:
    """Return a context whose gradients stay with this rank until those of the batch's last part come."""
    return learner.no_sync() if isinstance(learner, DistributedDataParallel) else nullcontext()


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU, in torch's usual memory format whatever the training's."""
    own = torch.contiguous_format
    return {name: tensor.detach().to("cpu", copy=True, memory_format=own) for name, tensor in tensors.items()}


def _learning_rate(recipe: Recipe, number: int) -> float:
    """Return the rate of the epoch with this number."""
    return recipe.learning_rate * _SCHEDULES[recipe.schedule](recipe, number - 1)


_SCHEDULES: dict[str, Callable[[Recipe, int], float]] = {
    "step": lambda recipe, passed: 0.1 ** (passed // recipe.step_epochs),
    "cosine": lambda recipe, passed: (1 + math.cos(math.pi * passed / recipe.epochs)) / 2,
}


def _seed(*numbers: int) -> int:
    """Return a seed that has nothing to do with that of any other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _seed_global_state(seed: int, device: torch.device) -> None:
    """Seed the generators that dropout draws from, and no other GPU's."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Have torch choose deterministic kernels, and leave the global generators as they were."""
    cudnn = torch.backends.cudnn
    former = cudnn.deterministic, cudnn.benchmark
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            torch.use_deterministic_algorithms(True, warn_only=True)
            # nothing here reads memory before it is written, and small networks pay a tenth of their time for filling
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = former
            torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
