import copy
import math
import multiprocessing
from dataclasses import replace

import pytest
import torch
from noisy import noise, tiny_network
from torch import nn
from trained import CPU, assert_same, disturb_global_state, run, training_of, untimed

from fishnet_search.data.images import Part
from fishnet_search.data.pictures import Pictures
from fishnet_search.errors import TrainingError
from fishnet_search.train import classifying
from fishnet_search.train.checkpoint import from_bytes, to_bytes
from fishnet_search.train.loop import Outcome
from fishnet_search.train.normalisation import normalisation_of
from fishnet_search.train.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def images():
    return noise()


# What is learnt


def test_the_network_learns(images):
    training = run(images, Recipe(epochs=12, batch_size=8, learning_rate=0.1))
    assert training.epochs[-1].train["loss"] < training.epochs[0].train["loss"]
    assert training.test["top1"] > 0.6  # guessing gives 0.33


def test_each_epoch_is_given_as_soon_as_it_is_over(images):
    told = []
    training = run(images, on_epoch=told.append)
    assert tuple(told) == training.epochs
    assert [epoch.epoch for epoch in told] == [1, 2, 3]
    assert all(epoch.seconds > 0 for epoch in told)


def test_a_step_is_sgd_with_momentum_and_weight_decay_on_every_parameter(images):
    """Two full-batch steps by hand: v = momentum v + gradient + decay w; w = w - rate v."""
    recipe = Recipe(epochs=2, batch_size=30, learning_rate=0.5, momentum=0.8, weight_decay=0.3, schedule="cosine")
    network = tiny_network()
    by_hand = copy.deepcopy(network).train()
    inputs, labels = normalisation_of(images.train.pictures)(images.train.images_NCHW), images.train.labels_N
    velocities = [torch.zeros_like(weight) for weight in by_hand.parameters()]
    for rate in (0.5, 0.25):
        gradients = torch.autograd.grad(nn.functional.cross_entropy(by_hand(inputs), labels), [*by_hand.parameters()])
        with torch.no_grad():
            for weight, velocity, gradient in zip(by_hand.parameters(), velocities, gradients, strict=True):
                velocity.mul_(0.8).add_(gradient + 0.3 * weight)
                weight.sub_(rate * velocity)
    weights = []
    run(images, recipe, network=network, on_epoch=lambda _: weights.append(copy.deepcopy(network.state_dict())))
    for name, expected in by_hand.named_parameters():  # biases and batch normalisation among them
        torch.testing.assert_close(weights[-1][name], expected.detach(), rtol=1e-4, atol=1e-5)


def test_weight_decay_reaches_biases_and_batch_normalisation(images):
    def first_weights(decay):
        network = tiny_network()
        run(images, Recipe(epochs=1, batch_size=30, momentum=0, weight_decay=decay), network=network)
        return dict(network.named_parameters())

    before, plain, decayed = dict(tiny_network().named_parameters()), first_weights(0.0), first_weights(0.5)
    for name, weight in before.items():
        torch.testing.assert_close(plain[name] - decayed[name], 0.1 * 0.5 * weight, rtol=1e-3, atol=1e-6)


def test_training_loss_has_label_smoothing_and_validation_loss_has_not(images):
    """At a rate that moves nothing, the loss of a full batch is known before."""
    network = tiny_network()

    def train_copy(label_smoothing):
        recipe = Recipe(epochs=1, batch_size=30, learning_rate=1e-30, label_smoothing=label_smoothing)
        return run(images, recipe, network=copy.deepcopy(network))

    plain, smooth = train_copy(0.0), train_copy(0.4)
    with torch.no_grad():
        logits = copy.deepcopy(network).train()(normalisation_of(images.train.pictures)(images.train.images_NCHW))
    log_p = nn.functional.log_softmax(logits, 1)
    expected = -(0.6 * log_p[range(30), images.train.labels_N] + 0.4 * log_p.mean(1)).mean()
    assert smooth.epochs[0].train["loss"] == pytest.approx(expected.item(), rel=1e-5)
    assert smooth.epochs[0].validation == plain.epochs[0].validation
    assert smooth.test == plain.test


# Schedules


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        (Recipe(epochs=7, batch_size=30, learning_rate=0.2, step_epochs=3), [0.2] * 3 + [0.02] * 3 + [0.002]),
        (
            Recipe(epochs=5, batch_size=30, learning_rate=0.2, schedule="cosine"),
            [0.2 * 0.5 * (1 + math.cos(math.pi * i / 5)) for i in range(5)],
        ),
    ],
    ids=["step", "cosine"],
)
def test_the_rate_of_each_epoch_is_that_of_the_schedule(images, recipe, rates):
    assert [epoch.learning_rate for epoch in run(images, recipe).epochs] == pytest.approx(rates, rel=1e-12)


def test_the_rate_that_is_told_is_the_one_that_was_used(images):
    """Without momentum and decay, a rate of 1e-30 moves nothing: the weights stand still from the second epoch on."""
    network = tiny_network()
    weights = []
    recipe = Recipe(epochs=3, batch_size=30, learning_rate=1e-29, momentum=0, weight_decay=0, step_epochs=1)
    run(images, recipe, network=network, on_epoch=lambda _: weights.append(network[5].weight.detach().clone()))
    assert all(torch.equal(weight, tiny_network()[5].weight) for weight in weights)


# The best epoch


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.5)], 2),  # the highest top-1, whatever the loss
        ([(0.7, 1.0), (0.7, 0.8), (0.7, 0.9)], 2),  # of equals the lower loss
        ([(0.6, 1.0), (0.7, 0.8), (0.7, 0.8)], 2),  # then the earlier
        ([(0.7, 0.8), (0.7, 0.8), (0.7, 0.8)], 1),
        ([(0.1, 1.0), (0.2, 1.0), (0.3, 1.0)], 3),
    ],
)
def test_the_best_epoch_has_the_highest_figure_then_the_lower_loss_then_comes_first(
    images, monkeypatch, validation, best
):
    figures = iter(
        [
            *({"loss": loss, "top1": top1, "top5": 1.0} for top1, loss in validation),
            {"loss": 0.0, "top1": 0.0, "top5": 0.0},
        ]
    )
    evaluated = []

    def evaluation(network, batches, **_):
        evaluated.append(copy.deepcopy(network.state_dict()))
        return next(figures)

    monkeypatch.setattr(classifying, "evaluate", evaluation)
    network = tiny_network()
    training = run(images, network=network)
    assert training.best_epoch == best
    for name, weight in evaluated[best - 1].items():
        assert torch.equal(training.best_weights[name], weight)
        assert torch.equal(evaluated[-1][name], weight), "the test part is for the weights of the best epoch"
        assert torch.equal(network.state_dict()[name], weight), "the network is left with them"


def test_the_best_weights_give_the_validation_figures_and_the_test_figures_again(images):
    training = run(images, Recipe(epochs=6, batch_size=8, learning_rate=0.3))
    network = tiny_network(seed=5).eval()
    network.load_state_dict(training.best_weights)
    normalise = normalisation_of(images.train.pictures)
    best = training.epochs[training.best_epoch - 1]
    for figures, of in ((best.validation, images.validation), (training.test, images.test)):
        guesses = network(normalise(of.images_NCHW)).argmax(1)
        assert figures["top1"] == pytest.approx((guesses == of.labels_N).float().mean().item())


def test_the_test_part_is_seen_once_and_last(images):
    blank = Pictures.of(torch.full_like(images.test.images_NCHW, 255))
    marked = replace(images, test=Part(blank, images.test.labels_N))
    white = normalisation_of(images.train.pictures)(marked.test.images_NCHW[:1])
    network = tiny_network()
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append((inputs[0][:1] == white).all().item()))
    run(marked, Recipe(epochs=3, batch_size=15), network=network)
    assert seen == [False] * 3 * 3 + [True]  # in each epoch two steps and one validation


# The same seed gives the same numbers


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_two_runs_with_one_seed_are_the_same_to_the_bit(images, dropout):
    first = run(images, network=tiny_network(dropout=dropout), seed=4)
    disturb_global_state()
    run(images, seed=5)
    second = run(images, network=tiny_network(dropout=dropout), seed=4)
    assert_same(first, second)


def test_another_seed_gives_another_order(images):
    first, second = run(images, seed=1), run(images, seed=2)
    assert untimed(first) != untimed(second)


def test_what_others_draw_between_two_epochs_changes_nothing(images):
    undisturbed = run(images, network=tiny_network(dropout=0.5))
    assert_same(undisturbed, run(images, network=tiny_network(dropout=0.5), on_epoch=lambda _: disturb_global_state()))


def test_each_epoch_has_another_order_and_drops_others_out(images):
    masks = []
    network = tiny_network(dropout=0.5)
    network[3].register_forward_hook(lambda module, _, output: masks.append(output == 0) if module.training else None)
    run(images, Recipe(epochs=2, batch_size=30, learning_rate=1e-30), network=network)
    assert not torch.equal(*masks)


def test_training_leaves_the_global_random_state_and_the_settings_as_they_were(images):
    def settings():
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.get_num_threads(),
        )

    before, state, during = settings(), torch.get_rng_state(), []
    run(images, on_epoch=lambda _: during.append(settings()))
    assert during[0] == (True, True, True, False, before[-1])
    assert settings() == before
    assert torch.equal(torch.get_rng_state(), state)


# Going on from a checkpoint


def resumed(images, recipe, *, after, seed=4, dropout=0.5) -> Outcome:
    """Stop after some epochs, and go on in a network that was made anew."""
    with training_of(images, recipe, network=tiny_network(dropout=dropout), seed=seed) as first:
        for _ in range(after):
            first.next_epoch()
        content = to_bytes(first.checkpoint(), "key")
    disturb_global_state()
    start = from_bytes(content, "key")
    return run(images, recipe, network=tiny_network(seed=9, dropout=dropout), seed=seed, start=start)


INTERRUPTED = Recipe(epochs=4, batch_size=8, learning_rate=0.1, step_epochs=2, weight_decay=0.01)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_training_that_was_interrupted_gives_the_undisturbed_numbers_to_the_bit(images, schedule, momentum):
    recipe = INTERRUPTED.model_copy(update={"schedule": schedule, "momentum": momentum})
    undisturbed = run(images, recipe, network=tiny_network(dropout=0.5), seed=4)
    for after in (0, 1, 3, 4) if recipe == INTERRUPTED else (1, 3):
        assert_same(undisturbed, resumed(images, recipe, after=after))


def test_it_gives_them_in_another_process_too(images):
    undisturbed = run(images, INTERRUPTED, network=tiny_network(dropout=0.5), seed=4)
    with training_of(images, INTERRUPTED, network=tiny_network(dropout=0.5), seed=4) as first:
        first.next_epoch()
        content = to_bytes(first.checkpoint(), "key")
    with multiprocessing.get_context("spawn").Pool(1) as elsewhere:
        last = from_bytes(elsewhere.apply(go_on_elsewhere, (content,)), "key")
    assert untimed(last) == untimed(undisturbed)
    assert all(torch.equal(weight, last.best_weights[name]) for name, weight in undisturbed.best_weights.items())


def go_on_elsewhere(content: bytes) -> bytes:
    torch.set_num_threads(1)
    start = from_bytes(content, "key")
    with training_of(noise(), INTERRUPTED, network=tiny_network(dropout=0.5), seed=4, start=start) as training:
        while not training.done:
            training.next_epoch()
        return to_bytes(training.checkpoint(), "key")


def test_a_training_knows_the_epochs_before_its_start(images):
    with training_of(images) as first:
        epochs = first.next_epoch(), first.next_epoch()
        start = first.checkpoint()
    with training_of(images, start=start) as second:
        assert (second.epochs, second.done) == (epochs, False)
        assert second.next_epoch().epoch == 3
        assert second.done


def test_a_checkpoint_stays_as_it_is_while_the_training_goes_on(images):
    with training_of(images) as training:
        training.next_epoch()
        checkpoint = training.checkpoint()
        before = to_bytes(checkpoint, "key")
        training.next_epoch()
    assert to_bytes(checkpoint, "key") == before


def test_the_best_weights_of_before_the_start_are_not_forgotten(images, monkeypatch):
    figures = iter([{"loss": 1.0, "top1": top1, "top5": 1.0} for top1 in (0.9, 0.5, 0.5, 0.9)])
    monkeypatch.setattr(classifying, "evaluate", lambda *_, **__: next(figures))
    with training_of(images) as first:
        first.next_epoch()
        start = first.checkpoint()
    outcome = run(images, start=start)
    assert outcome.best_epoch == 1
    assert all(torch.equal(weight, start.weights[name]) for name, weight in outcome.best_weights.items())


# Batches in parts


@pytest.mark.parametrize("micro_batches", [2, 3, 100])
def test_a_batch_in_parts_is_the_same_step_for_a_network_without_batch_normalisation(images, micro_batches):
    recipe = Recipe(epochs=2, batch_size=11, learning_rate=0.1)  # the last of each pass has 8 images
    whole = run(images, recipe, network=tiny_network(normalised=False))
    split = run(images, recipe, network=tiny_network(normalised=False), micro_batches=micro_batches)
    for name, weight in whole.best_weights.items():
        torch.testing.assert_close(split.best_weights[name], weight, rtol=1e-4, atol=1e-6)
    for one, other in zip(whole.epochs, split.epochs, strict=True):
        assert other.train["loss"] == pytest.approx(one.train["loss"], rel=1e-5)
        assert other.train["top1"] == pytest.approx(one.train["top1"])


def test_no_part_of_a_batch_has_a_single_image(images):
    network, sizes = tiny_network(), []
    network.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])) if module.training else None)
    run(images, Recipe(epochs=1, batch_size=7), network=network, micro_batches=4)
    assert sizes == [3, 2, 2] * 4 + [2]


def test_a_training_in_parts_that_was_interrupted_gives_the_same_to_the_bit(images):
    whole = run(images, micro_batches=2)
    with training_of(images, micro_batches=2) as first:
        first.next_epoch()
        start = first.checkpoint()
    assert_same(whole, run(images, network=tiny_network(seed=9), micro_batches=2, start=start))


# What goes wrong


def test_a_training_loss_that_is_no_number_names_epoch_and_step(images):
    network = tiny_network()
    calls = []

    def poison(module, inputs, output):
        calls.append(module.training)
        return output * math.nan if calls.count(True) == 6 else output  # 4 steps an epoch

    network.register_forward_hook(poison)
    told = []
    with pytest.raises(
        TrainingError, match=r"epoch 2, step 2: training loss is nan; try a learning rate lower than 0\.05"
    ):
        run(images, network=network, on_epoch=told.append)
    assert [epoch.epoch for epoch in told] == [1]


def test_a_rate_that_is_far_too_high_ends_in_a_training_error(images):
    with pytest.raises(TrainingError, match=r"loss is (nan|inf); try a learning rate lower than 1e\+30"):
        run(images, Recipe(epochs=5, batch_size=8, learning_rate=1e30))


def test_a_validation_loss_that_is_no_number_names_the_epoch(images):
    network = tiny_network()
    network.register_forward_hook(lambda module, _, output: output if module.training else output * math.nan)
    with pytest.raises(TrainingError, match=r"epoch 1: validation loss is nan"):
        run(images, network=network)


def test_settings_are_restored_after_an_error_and_after_an_interruption(images):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(images, on_epoch=interrupt)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_single_training_image_is_refused(images):
    one = Part(Pictures.of(images.train.images_NCHW[:1]), images.train.labels_N[:1])
    with pytest.raises(TrainingError, match=r"noise: 1 training images; batch normalisation needs 2"):
        run(replace(images, train=one))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_weights_on_the_cpu_and_nearly_the_same_figures(images):
    training = run(images, device=torch.device("cuda"))
    assert all(weight.device == CPU for weight in training.best_weights.values())
    assert training.epochs[0].train["loss"] == pytest.approx(run(images).epochs[0].train["loss"], rel=1e-2)
