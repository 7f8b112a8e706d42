"""What a recipe switches on in the loop, and that each of it survives an interruption to the bit."""

import copy
import itertools
import math
import time

import pytest
import torch
from noisy import noise, tiny_network
from torch import nn
from torch.amp import GradScaler
from trained import BRIEF, CPU, assert_same, disturb_global_state, run, staged_network, training_of, untimed

from fishnet_search.errors import TrainingError
from fishnet_search.train import classifying, loop
from fishnet_search.train.batches import Batches
from fishnet_search.train.checkpoint import from_bytes, to_bytes
from fishnet_search.train.normalisation import normalisation_of
from fishnet_search.train.precision import Precision
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.schedule import rate_at
from fishnet_search.train.seeds import derived_seed

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def images():
    return noise()


def with_options(**options) -> Recipe:
    return Recipe.model_validate({**BRIEF.model_dump(), **options})


# Nothing switched on


def test_the_default_recipe_trains_as_a_few_plain_lines_do_to_the_bit(images):
    """The loop of version 0.3, so that figures of then can be compared with those of now."""
    recipe = Recipe(epochs=4, batch_size=8, learning_rate=0.05, step_epochs=2, label_smoothing=0.1)
    network = tiny_network(dropout=0.5).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    normalise, losses = normalisation_of(images.train.pictures), []
    with torch.random.fork_rng(devices=[]):
        for epoch, rate in enumerate([0.05, 0.05, 0.05 * 0.1, 0.05 * 0.1], start=1):
            optimiser.param_groups[0]["lr"] = rate
            order = torch.randperm(30, generator=torch.Generator().manual_seed(derived_seed(4, epoch)))
            torch.manual_seed(derived_seed(4, epoch, 1))
            for indices in order.split(8):
                optimiser.zero_grad()
                logits = network(normalise(images.train.images_NCHW[indices]))
                loss = nn.functional.cross_entropy(logits, images.train.labels_N[indices], label_smoothing=0.1)
                loss.backward()
                optimiser.step()
                losses.append(loss.item() * len(indices))
    weights = []
    found = run(
        images,
        recipe,
        network=(trained := tiny_network(dropout=0.5)),
        seed=4,
        on_epoch=lambda _: weights.append(copy.deepcopy(trained.state_dict())),
    )
    assert all(torch.equal(weight, weights[-1][name]) for name, weight in network.state_dict().items())
    for i, epoch in enumerate(found.epochs):
        assert epoch.train["loss"] == pytest.approx(sum(losses[4 * i : 4 * i + 4]) / 30, rel=1e-6)


# Each of them, interrupted

ALL = {
    "optimiser": "adamw",
    "learning_rate": 0.01,
    "decay_on": "weights",
    "schedule": "cosine",
    "warmup_epochs": 1.5,
    "clip_norm": 0.5,
    "ema": 0.9,
    "accumulate": 2,
    "mixup": 0.2,
    "cutmix": 1.0,
    "flip": True,
    "crop": "pad",
    "crop_pad": 1,
    "precision": "bfloat16",
    "channels_last": False,
    "checkpointing": True,
    "label_smoothing": 0.1,
}
OPTIONS = [
    {"nesterov": True},
    {"optimiser": "adamw", "learning_rate": 0.01},
    {"decay_on": "weights", "weight_decay": 0.1},
    {"schedule": "linear", "warmup_epochs": 1.5},
    {"clip_norm": 0.1},
    {"ema": 0.8},
    {"accumulate": 2},
    {"mixup": 0.2, "cutmix": 1.0},
    {"precision": "bfloat16"},
    {"channels_last": False},
    {"checkpointing": True},
    ALL,
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) if options is not ALL else "all")
def test_a_training_that_was_interrupted_gives_the_undisturbed_numbers_to_the_bit(images, options):
    recipe = with_options(**options)
    undisturbed = run(images, recipe, network=staged_network(dropout=0.5), seed=4)
    for after in range(1, recipe.epochs):
        with training_of(images, recipe, network=staged_network(dropout=0.5), seed=4) as first:
            for _ in range(after):
                first.next_epoch()
            content = to_bytes(first.checkpoint(), "key")
        disturb_global_state()
        network = staged_network(seed=9, dropout=0.5)
        assert_same(undisturbed, run(images, recipe, network=network, seed=4, start=from_bytes(content, "key")))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) if options is not ALL else "all")
def test_it_makes_a_difference(images, options):
    """But for what only changes how the same is computed."""
    plain, other = (run(images, recipe, network=staged_network()) for recipe in (BRIEF, with_options(**options)))
    if options.keys() <= {"checkpointing"}:
        assert_same(plain, other)
    elif options.keys() <= {"channels_last"}:
        assert other.epochs[-1].train["loss"] == pytest.approx(plain.epochs[-1].train["loss"], rel=1e-3)
    else:
        assert untimed(plain) != untimed(other)


# Rates by the step


@pytest.mark.parametrize("options", [{"schedule": "linear"}, {"schedule": "cosine", "warmup_epochs": 1}], ids=str)
def test_each_step_is_made_at_its_own_rate(images, monkeypatch, options):
    recipe, rates = with_options(**options), []
    monkeypatch.setattr(loop, "set_rate", lambda _, rate: rates.append(rate))
    epochs = run(images, recipe).epochs
    assert rates == pytest.approx([rate_at(recipe, i / 4) for i in range(12)], rel=1e-12)
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx(rates[::4], rel=1e-12)


# Clipping


def moved_by_a_step(images, **options):
    """How far one step of the full batch at rate 1 moves all weights together: the norm of its gradient."""
    network = tiny_network()
    recipe = Recipe(epochs=1, batch_size=30, learning_rate=1.0, momentum=0, weight_decay=0, **options)
    run(images, recipe, network=network)
    return math.sqrt(
        sum(
            (weight - before).square().sum().item()
            for weight, before in zip(network.parameters(), tiny_network().parameters(), strict=True)
        )
    )


def test_no_gradient_is_longer_than_the_norm_it_is_clipped_to(images):
    free = moved_by_a_step(images)
    assert moved_by_a_step(images, clip_norm=free / 4) == pytest.approx(free / 4, rel=1e-3)
    assert moved_by_a_step(images, clip_norm=free * 4) == pytest.approx(free, rel=1e-6)


def test_the_gradient_of_the_whole_batch_is_clipped_and_not_that_of_its_parts(images):
    free = moved_by_a_step(images)
    assert moved_by_a_step(images, clip_norm=free / 4, accumulate=3) == pytest.approx(free / 4, rel=1e-3)


# Batches in parts


def test_parts_of_the_recipe_and_micro_batches_multiply(images):
    def sizes(recipe, micro_batches):
        network, seen = tiny_network(), []
        network.register_forward_pre_hook(
            lambda module, inputs: seen.append(len(inputs[0])) if module.training else None
        )
        run(images, recipe, network=network, micro_batches=micro_batches)
        return seen

    assert sizes(with_options(epochs=1, batch_size=15, accumulate=2), 1) == [8, 7] * 2
    assert sizes(with_options(epochs=1, batch_size=15, accumulate=3), 2) == [3, 3, 3, 2, 2, 2] * 2


def test_parts_of_the_recipe_are_what_micro_batches_are_to_the_bit(images):
    assert_same(run(images, with_options(accumulate=2)), run(images, micro_batches=2))


# The average of the weights


def test_the_average_is_validated_tested_and_saved_and_the_network_is_left_with_it(images, monkeypatch):
    """Of full batches, so that an epoch is a step and the weights of each can be seen."""
    recipe = Recipe(epochs=4, batch_size=30, learning_rate=0.1, ema=0.75)
    network, judged, weights = tiny_network(), [], []
    real = classifying.evaluate

    def evaluation(judge, *args, **how):
        judged.append(copy.deepcopy(judge.state_dict()))
        return real(judge, *args, **how)

    monkeypatch.setattr(classifying, "evaluate", evaluation)
    found = run(images, recipe, network=network, on_epoch=lambda _: weights.append(copy.deepcopy(network.state_dict())))
    expected = weights[0]["5.weight"]
    for epoch, state in enumerate(weights):
        expected = expected if epoch == 0 else 0.75 * expected + 0.25 * state["5.weight"]
        torch.testing.assert_close(judged[epoch]["5.weight"], expected)
    for name, tensor in found.best_weights.items():
        assert torch.equal(tensor, judged[found.best_epoch - 1][name])
        assert torch.equal(tensor, judged[-1][name]), "the test part is for the average too"
        assert torch.equal(tensor, network.state_dict()[name])


def test_averaging_changes_nothing_in_how_the_network_learns(images):
    plain, averaged = run(images), run(images, with_options(ema=0.9))
    assert [epoch.train for epoch in plain.epochs] == [epoch.train for epoch in averaged.epochs]
    assert [epoch.validation for epoch in plain.epochs] != [epoch.validation for epoch in averaged.epochs]


def test_a_checkpoint_has_the_average_beside_the_weights_and_the_best_once(images):
    with training_of(images, with_options(ema=0.9)) as training:
        training.next_epoch()
        checkpoint = training.checkpoint()
    assert checkpoint.validated is checkpoint.average is checkpoint.best_weights
    assert not torch.equal(checkpoint.weights["5.weight"], checkpoint.average["5.weight"])


# Precision


def test_bfloat16_computes_in_it_in_training_and_evaluation_and_keeps_weights_and_losses_in_float32(images):
    network, seen = tiny_network(), set()
    network[0].register_forward_hook(lambda module, _, output: seen.add((module.training, output.dtype)))
    found = run(images, with_options(epochs=12, learning_rate=0.1, precision="bfloat16"), network=network)
    assert seen == {(True, torch.bfloat16), (False, torch.bfloat16)}
    assert {weight.dtype for weight in found.best_weights.values()} == {torch.float32, torch.int64}
    assert found.test["top1"] > 0.6  # guessing gives 0.33
    plain = run(images, with_options(epochs=1))
    assert found.epochs[0].train["loss"] == pytest.approx(plain.epochs[0].train["loss"], rel=0.3)


def test_float16_is_refused_on_the_cpu_before_anything_is_trained(images):
    with pytest.raises(TrainingError, match=r"recipe\.precision: float16 needs a GPU"):
        training_of(images, with_options(precision="float16"))


class Scaled(Precision):
    """float32, with gradients scaled as if it were float16."""

    scale = 2.0**10

    def scaler(self):
        return GradScaler("cpu", init_scale=self.scale, growth_interval=3)


@pytest.fixture
def scaled(monkeypatch):
    monkeypatch.setattr(loop, "precision_of", lambda *_: Scaled(torch.float32, CPU))


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"accumulate": 2}], ids=str)
def test_scaling_by_a_power_of_two_changes_no_figure(images, monkeypatch, options):
    """Weights are moved by what was scaled, taken back before it is clipped."""
    recipe = with_options(**options)
    plain = run(images, recipe)
    monkeypatch.setattr(loop, "precision_of", lambda *_: Scaled(torch.float32, CPU))
    assert_same(plain, run(images, recipe))


def louder(network, times):
    """Multiply logits, and so gradients."""
    network.register_forward_hook(lambda _, __, output: output * times)
    return network


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved(images, scaled, monkeypatch):
    monkeypatch.setattr(Scaled, "scale", 2.0**127)
    network = louder(tiny_network(), 1e6)
    with training_of(images, network=network) as training:
        training.next_epoch()
        checkpoint = training.checkpoint()
    assert checkpoint.scaler["scale"] == 2.0**123, "after four steps"
    for name, weight in tiny_network().named_parameters():
        assert torch.equal(weight, network.get_parameter(name))


def test_the_scale_goes_on_where_it_was(images, scaled, monkeypatch):
    monkeypatch.setattr(Scaled, "scale", 2.0**127)  # overflows in the first steps, and then no longer
    undisturbed = run(images, network=louder(tiny_network(), 4))
    with training_of(images, network=louder(tiny_network(), 4)) as first:
        first.next_epoch()
        start = from_bytes(to_bytes(first.checkpoint(), "key"), "key")
    assert 2.0**123 < start.scaler["scale"] < 2.0**127
    assert_same(undisturbed, run(images, network=louder(tiny_network(seed=9), 4), start=start))


# Mixed labels


def test_the_loss_is_that_of_mixed_labels_and_top1_asks_for_the_images_own(images):
    """At a rate that moves nothing, the figures of a full batch are known before."""
    recipe = Recipe(epochs=1, batch_size=30, learning_rate=1e-30, mixup=1.0, label_smoothing=0.2)
    normalise = normalisation_of(images.train.pictures)
    (step,) = Batches(images.train, 3, normalise, recipe, 4, CPU, seed=0).steps(1)
    (part,) = step.parts
    logits = tiny_network().train()(part.images_NCHW)
    targets = 0.8 * part.targets_NK + 0.2 / 3
    loss = -(targets * nn.functional.log_softmax(logits, 1)).sum(1).mean()
    found = run(images, recipe).epochs[0].train
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert found["top1"] == pytest.approx((logits.argmax(1) == part.labels_N).float().mean().item())
    assert not torch.equal(part.targets_NK, nn.functional.one_hot(part.labels_N, 3).float())


# Memory format


@pytest.mark.parametrize(("on", "layout"), [(True, torch.channels_last), (False, torch.contiguous_format)])
def test_the_network_computes_in_the_memory_format_of_the_recipe(images, on, layout):
    network, seen = tiny_network(), []
    network[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=layout)))
    run(images, with_options(channels_last=on), network=network)
    assert seen
    assert all(seen)


# What an epoch tells


def test_an_epoch_tells_its_speed_and_how_much_of_it_was_waiting(images, monkeypatch):
    """By a clock that goes on by a second whenever somebody looks at it."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    epoch = run(images, with_options(epochs=1, batch_size=15)).epochs[0]
    # two steps and the end of the pass are waited for: three seconds, with one between each, before and after
    assert epoch.images_per_second == 30 / 7
    assert epoch.waiting == 3 / 7
    assert epoch.peak_memory_mb is None, "which a CPU does not count"


def test_a_last_image_that_is_left_out_is_not_counted(images, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    epoch = run(images, with_options(epochs=1, batch_size=29)).epochs[0]
    assert epoch.images_per_second == 29 / 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_gpu_learns_in_half_the_bits_and_tells_its_peak(images, precision):
    found = run(images, with_options(epochs=12, learning_rate=0.1, precision=precision), device=torch.device("cuda"))
    assert found.test["top1"] > 0.6
    assert found.epochs[0].peak_memory_mb > 0


# Figures that are no numbers


@pytest.mark.parametrize("options", [{"ema": 0.9}, {"precision": "bfloat16"}, {"clip_norm": 0.1}], ids=str)
def test_a_loss_that_is_no_number_is_told_with_every_option(images, options):
    network = tiny_network()
    network.register_forward_hook(lambda module, _, output: output * math.nan if module.training else output)
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: training loss is nan"):
        run(images, with_options(**options), network=network)


def test_a_checkpoint_of_an_average_that_is_not_the_best_keeps_three_kinds_of_weights(images, monkeypatch):
    figures = iter([{"loss": 1.0, "top1": 0.9, "top5": 1.0}, {"loss": 1.0, "top1": 0.5, "top5": 1.0}])
    monkeypatch.setattr(classifying, "evaluate", lambda *_, **__: next(figures))
    with training_of(images, with_options(ema=0.9)) as training:
        training.next_epoch()
        first = training.checkpoint()
        training.next_epoch()
        second = from_bytes(to_bytes(training.checkpoint(), "key"), "key")
    assert all(torch.equal(weight, second.best_weights[name]) for name, weight in first.average.items())
    kinds = [kind["5.weight"] for kind in (second.weights, second.average, second.best_weights)]
    assert len({kind.numpy().tobytes() for kind in kinds}) == 3
