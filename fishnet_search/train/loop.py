"""Training one network once, to the same numbers for the same seed, whether it is interrupted or not."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fishnet_search.data.images import ImageSet
from fishnet_search.data.scenes import SceneSet
from fishnet_search.errors import TrainingError
from fishnet_search.task.backbone import backbone_of
from fishnet_search.task.figures import Evaluation, Figure
from fishnet_search.task.findings import Findings
from fishnet_search.task.settings import CLASSIFICATION, Detection, Task
from fishnet_search.train.average import average_of, go_on_averaging
from fishnet_search.train.checkpoint import Checkpoint
from fishnet_search.train.compiled import compiled
from fishnet_search.train.epoch import Epoch, best_of
from fishnet_search.train.memory import forget_peak, peak_mb
from fishnet_search.train.optimiser import memory_of, optimiser_of, remember, set_rate
from fishnet_search.train.precision import precision_of
from fishnet_search.train.ranks import ALONE, Lead, Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.recompute import recomputed
from fishnet_search.train.reproducible import reproducible, seed_global_state
from fishnet_search.train.schedule import rate_at
from fishnet_search.train.seeds import derived_seed
from fishnet_search.train.tasks import work_of
from fishnet_search.train.work import Judged, PartName, Step, Tally


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training."""

    epochs: tuple[Epoch, ...]
    best_epoch: int  # the highest validation figure; of equals the one with the lower loss, then the earlier
    test: Evaluation  # of the weights of the best epoch
    best_weights: Mapping[str, Tensor]  # the network's state dict after the best epoch, on the CPU
    findings: Findings | None = None  # in the test images, of tasks that have any


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
        images: ImageSet | SceneSet,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        start: Checkpoint | None = None,
        micro_batches: int = 1,
        ranks: Ranks = ALONE,
        task: Task = CLASSIFICATION,
        metric: Figure = "top1",
    ) -> None:
        """Make everything ready.

        Args:
            network: the task's model: in classification, it gives logits of shape (N, classes) for images of shape
                (N, 3, S, S), S being the recipe's `image_size` for these images.
            images: to learn from, choose by and test with.
            recipe: how.
            seed: of the order of the images, what is drawn for them, and dropout where the network has any; not of
                the initial weights.
            device: where.
            start: of the same training, to go on from.
            micro_batches: that each of the recipe's parts of a batch is split into to save memory. Their gradients
                add up to that of the batch; only batch normalisation sees the difference. Each has at least two
                images, for its sake.
            ranks: that share each batch. Rank 0 is asked for epochs and results; the others `follow`.
            task: what is to be found in the images, which fit it.
            metric: what the best epoch is chosen by, on validation images.

        Raises:
            TrainingError: there are fewer than two training images, the device does not have the recipe's precision,
                or the recipe wants what does not go together.
        """
        if len(images.train) < 2:
            raise TrainingError(f"{images.source}: {len(images.train)} training images; batch normalisation needs 2")
        if recipe.compile and recipe.checkpointing:
            raise TrainingError(
                "recipe.checkpointing: torch.compile chooses by itself what is computed again, and cannot follow ours; "
                "use either compile or checkpointing"
            )
        self._recipe, self._device, self._task = recipe, device, task
        self._seed, self._micro_batches, self._ranks, self._metric = seed, micro_batches, ranks, metric
        self._precision = precision_of(recipe.precision, device)
        self._lead = Lead(ranks) if ranks.world > 1 else None
        self._work = work_of(task, images, recipe, network, device, seed)
        self._settings = ExitStack()

        # channels last is a quarter faster on the CPU for small networks
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self._network = network.to(memory_format=layout).to(device)
        self._forward = self._network  # or the same compiled
        self._optimiser = optimiser_of(network, recipe)
        self._scaler = self._precision.scaler()
        averages = bool(recipe.ema) and ranks.rank == 0  # the weights, and so their average, are those of all ranks
        self._average = average_of(network, recipe.ema) if averages else None
        self._epochs: list[Epoch] = []
        self._best_weights: Mapping[str, Tensor] = {}
        if start is not None:
            self._go_on_from(start)

    def __enter__(self) -> Training:
        self._settings.enter_context(reproducible(self._device, regions=isinstance(self._task, Detection)))
        if self._recipe.checkpointing:
            whole = self._task.kind == "classification"
            self._settings.enter_context(recomputed(self._network if whole else backbone_of(self._network)))
        if self._recipe.compile:
            self._forward = self._settings.enter_context(compiled(self._network))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settings.__exit__(kind, error, trace)
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
        forget_peak(self._device)
        learnt = self._learn(number)
        validated = self._evaluate(self._judged, "validation", f"epoch {number}: validation loss")
        epoch = Epoch(
            number,
            rate_at(self._recipe, number - 1),
            train=learnt.figures,
            validation=validated.figures,
            seconds=time.perf_counter() - clock,
            images_per_second=learnt.images / learnt.seconds,
            waiting=learnt.waited / learnt.seconds,
            peak_memory_mb=peak_mb(self._device),
        )
        self._epochs.append(epoch)
        if best_of(self._epochs, self._metric) is epoch:
            self._best_weights = _copied(self._judged.state_dict())
        return epoch

    def checkpoint(self) -> Checkpoint:
        """Return a copy of where the training stands, from which another can go on."""
        is_best = self._epochs and best_of(self._epochs, self._metric) is self._epochs[-1]
        judged = self._best_weights if is_best else _copied(self._judged.state_dict())
        averages = self._average is not None
        return Checkpoint(
            self.epochs,
            weights=_copied(self._network.state_dict()) if averages else judged,
            optimiser=_copied(memory_of(self._optimiser, self._network)),
            average=judged if averages else {},
            scaler=self._scaler.state_dict(),
            best_weights=self._best_weights,
        )

    def outcome(self) -> Outcome:
        """Evaluate the weights of the best epoch so far on the test part, and leave the network with them.

        There are no more epochs after that.

        Raises:
            TrainingError: the test loss is not finite.
        """
        best = best_of(self._epochs, self._metric)
        self._network.load_state_dict(self._best_weights)
        test = self._evaluate(self._network, "test", f"test loss of epoch {best.epoch}")
        return Outcome(self.epochs, best.epoch, test.figures, self._best_weights, test.findings)

    def follow(self) -> None:
        """Take part in the epochs of rank 0, until it has no more or has gone.

        Raises:
            TrainingError: a training loss is not finite; rank 0 raises the same.
        """
        number = len(self._epochs) + 1
        while self._lead is not None and self._lead.hear(number):
            self._learn(number)
            number += 1

    @property
    def _judged(self) -> nn.Module:
        """The network that is validated and saved."""
        return self._network if self._average is None else self._average.module

    def _learn(self, number: int) -> _Pass:
        """Go through the training images once, and return what all ranks measured on the way.

        Args:
            number: of the epoch, which the order of the images, dropout and the learning rate follow from.

        Raises:
            TrainingError: a loss is not finite.
        """
        clock = time.perf_counter()
        seed_global_state(derived_seed(self._seed, number, 1 + self._ranks.rank), self._device)
        learner = self._learner()
        learner.train()
        tally = self._work.tally(all_ranks=self._lead is not None)
        images, steps = 0, self._work.steps(number, self._ranks, self._micro_batches)
        for passed, step in enumerate(steps):
            set_rate(self._optimiser, rate_at(self._recipe, number - 1 + passed / len(steps)))
            self._optimiser.zero_grad()
            loss = self._ranks.mean(self._add_gradients(learner, step, tally)).item()
            self._check_finite(loss, f"epoch {number}, step {passed + 1}: training loss")
            self._move_weights()
            images += step.images
        return _Pass(tally.figures(), images, steps.waited, time.perf_counter() - clock)

    def _learner(self) -> nn.Module:
        """Return the network, with gradients that are the mean of all ranks' if there are several.

        DistributedDataParallel sorts its gradients anew after its first step, and a sum over three or more ranks rounds
        otherwise then: made for each epoch, it is the same in a training that goes on as in an undisturbed one.
        """
        if self._lead is None:
            return self._forward
        gpu = [self._device] if self._device.type == "cuda" else None
        return DistributedDataParallel(self._forward, device_ids=gpu)

    def _add_gradients(self, learner: nn.Module, step: Step[Any], tally: Tally) -> Tensor:
        """Add the gradient of a batch's mean loss to the weights', and return this rank's part of that loss.

        Both are larger for a rank with a larger share, so that their means over the ranks are those over the images.
        """
        total = torch.zeros((), device=self._device)
        for part in step.parts:
            with nullcontext() if part is step.parts[-1] else _unreduced(learner):
                with self._precision.autocast():
                    outputs = learner(*part.inputs)
                loss = tally.add(outputs, part) * (len(part) * self._ranks.world / step.images)
                self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if step.spare is not None:  # the other ranks wait for a gradient from each
            with self._precision.autocast():
                outputs = learner(*step.spare)
            self._scaler.scale(_void(outputs)).backward()  # type: ignore[no-untyped-call]
        return total

    def _move_weights(self) -> None:
        """Take the step that the gradients ask for; the scaler leaves it out where a gradient of float16 overflowed."""
        if self._recipe.clip_norm is not None:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip_norm)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self._average is not None:
            self._average.update_parameters(self._network)

    def _evaluate(self, network: nn.Module, part: PartName, what: str) -> Judged:
        with self._precision.autocast():
            judged = self._work.judged(network, part)
        self._check_finite(judged.figures.get("loss", 0.0), what)  # detectors have one in training only
        return judged

    def _check_finite(self, loss: float, what: str) -> None:
        if not math.isfinite(loss):
            raise TrainingError(f"{what} is {loss}; try a learning rate lower than {self._recipe.learning_rate:g}")

    def _go_on_from(self, start: Checkpoint) -> None:
        self._network.load_state_dict(start.weights)
        remember(self._optimiser, self._network, start.optimiser)
        if self._average is not None:
            go_on_averaging(self._average, start.average, len(start.epochs))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(dict(start.scaler))
        self._epochs.extend(start.epochs)
        self._best_weights = start.best_weights


@dataclass(frozen=True)
class _Pass:
    """One pass over the training images."""

    figures: Evaluation
    images: int  # of all ranks
    waited: float  # seconds that this rank waited for images
    seconds: float


def _unreduced(learner: nn.Module) -> AbstractContextManager[None]:
    """Return a context whose gradients stay with this rank until those of the batch's last part come."""
    return learner.no_sync() if isinstance(learner, DistributedDataParallel) else nullcontext()


def _void(outputs: Tensor | Mapping[str, Tensor]) -> Tensor:
    """Return 0 with a gradient of 0 for all that the outputs were made from."""
    tensors = outputs.values() if isinstance(outputs, Mapping) else [outputs]
    return torch.stack([tensor.float().sum() for tensor in tensors]).sum() * 0.0


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU, in torch's usual memory format whatever the training's."""
    own = torch.contiguous_format
    return {name: tensor.detach().to("cpu", copy=True, memory_format=own) for name, tensor in tensors.items()}
