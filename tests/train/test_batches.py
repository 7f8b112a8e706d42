"""Batches: what is in them, in which order, and that nobody who shares or hurries them changes them."""

import threading
import time

import pytest
import torch
from torchvision.transforms.v2 import functional

from fishnet_search.data.images import Part
from fishnet_search.data.pictures import Pictures
from fishnet_search.train import ahead as ahead_module
from fishnet_search.train import batches as batches_module
from fishnet_search.train.ahead import Steps
from fishnet_search.train.batches import Batches, on_device
from fishnet_search.train.lighting import draw_lighting
from fishnet_search.train.normalisation import IMAGENET, Normalisation, normalisation_for, normalisation_of
from fishnet_search.train.ranks import Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.seeds import derived_seed

CPU = torch.device("cpu")
ONE = Normalisation(torch.ones(3), torch.ones(3))
RESIZED = Recipe(batch_size=8, crop="resized", flip=True, lighting=0.1)
ALL_OF_IT = Recipe(
    batch_size=8, crop="resized", flip=True, lighting=0.1, randaugment=1, mixup=0.5, cutmix=1.0, label_smoothing=0.1
)
RECIPES = [Recipe(batch_size=8), Recipe(batch_size=8, crop="pad", crop_pad=2, flip=True), RESIZED, ALL_OF_IT]


def part(n):
    """Images whose every pixel is their number."""
    numbers = torch.arange(n)
    return Part(Pictures.of(numbers.to(torch.uint8)[:, None, None, None].expand(n, 3, 2, 2)), numbers)


def batches(n, **fields):
    return Batches(part(n), n, ONE, Recipe(**fields), 2, CPU)


def noisy(recipe, n=21, *, sides=None, image_size=8, seed=0):
    """Batches of noise in pictures of one size, or of several."""
    generator = torch.Generator().manual_seed(1)
    sides = torch.tensor([[10, 10]] * n if sides is None else sides)
    pixels = torch.randint(0, 256, (3 * int(sides.prod(1).sum()),), generator=generator).to(torch.uint8)
    labels = torch.randint(0, 5, (len(sides),), generator=generator)
    return Batches(Part(Pictures(pixels, sides), labels), 5, IMAGENET, recipe, image_size, CPU, seed)


def whole(steps):
    """All images, labels and targets of some steps of one rank, one after the other."""
    parts = [part for step in steps for part in step.parts]
    targets = None if parts[0].targets_NK is None else torch.cat([part.targets_NK for part in parts])
    return torch.cat([part.images_NCHW for part in parts]), torch.cat([part.labels_N for part in parts]), targets


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


# Normalisation


def test_mean_and_standard_deviation_are_those_of_all_pixels_of_a_channel():
    images = torch.randint(0, 256, (50, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[:, 1] //= 4
    found = normalisation_of(Pictures.of(images))
    pixels = images.double().transpose(0, 1).flatten(1)
    assert torch.equal(found.mean, pixels.mean(1).float())
    torch.testing.assert_close(found.std, pixels.std(1, unbiased=False).float(), rtol=1e-7, atol=0)
    normalised = found(images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(normalised.mean(1), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.std(1, unbiased=False), torch.ones(3), rtol=1e-5, atol=0)


def test_a_channel_that_is_the_same_everywhere_becomes_zero():
    images = torch.full((4, 3, 2, 2), 200, dtype=torch.uint8)
    assert torch.equal(normalisation_of(Pictures.of(images))(images), torch.zeros(4, 3, 2, 2))


def test_imagenets_figures_are_those_of_torchvisions_weights():
    from torchvision.models import ResNet50_Weights

    theirs = ResNet50_Weights.IMAGENET1K_V1.transforms()
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    expected = functional.normalize(images / 255, theirs.mean, theirs.std)
    torch.testing.assert_close(IMAGENET(images), expected, rtol=1e-5, atol=1e-5)
    pictures = Pictures.of(images.contiguous())
    assert normalisation_for(Recipe(normalise="imagenet"), pictures) is IMAGENET
    assert normalisation_for(Recipe(), pictures).mean.tolist() == [127.5] * 3


# Order


def test_in_order_every_image_comes_once_with_its_label(monkeypatch):
    monkeypatch.setattr(batches_module, "EVALUATION_BATCH", 2)
    found = list(batches(5, batch_size=2).in_order())
    assert [labels.tolist() for _, labels in found] == [[0, 1], [2, 3], [4]]
    assert [images[:, 0, 0, 0].tolist() for images, _ in found] == [[-1, 0], [1, 2], [3]]
    assert all(images.dtype == torch.float32 for images, _ in found)


def test_the_images_of_an_epoch_keep_their_labels_and_come_once():
    epoch = batches(8, batch_size=3).steps(1)
    assert len(epoch) == 3
    steps = list(epoch)
    assert [step.images for step in steps] == [3, 3, 2]
    images, labels, targets = whole(steps)
    assert sorted(labels.tolist()) == list(range(8))
    assert torch.equal(images[:, 2, 1, 1], labels - 1.0)
    assert targets is None


def test_a_last_image_alone_is_left_out():
    assert [step.images for step in batches(7, batch_size=3).steps(1)] == [3, 3]


def test_the_order_follows_from_seed_and_epoch_alone():
    def order(seed, epoch):
        torch.rand(3)  # the global generator moves on between two calls
        return whole(Batches(part(50), 50, ONE, Recipe(batch_size=8), 2, CPU, seed).steps(epoch))[1].tolist()

    assert order(1, 1) == order(1, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}) == 4


def test_the_order_is_the_one_that_earlier_versions_had():
    """So that trainings by older records can be done again to the bit."""
    drawn = torch.randperm(21, generator=torch.Generator().manual_seed(derived_seed(7, 2)))
    found = noisy(Recipe(batch_size=8), seed=7)
    assert torch.equal(whole(found.steps(2))[1], found.part.labels_N[drawn])


# What is done to the images


@pytest.mark.parametrize("recipe", RECIPES, ids=["plain", "pad", "resized", "all"])
def test_an_epoch_is_the_same_every_time_and_another_every_epoch(recipe):
    assert_same(whole(noisy(recipe).steps(3)), whole(noisy(recipe).steps(3)))
    assert not torch.equal(whole(noisy(recipe).steps(3))[0], whole(noisy(recipe).steps(4))[0])


def test_without_draws_images_are_their_normalised_centres():
    found = noisy(Recipe(batch_size=8))
    images, labels, _ = whole(found.steps(1))
    order = torch.randperm(21, generator=torch.Generator().manual_seed(derived_seed(0, 1)))
    centres = functional.center_crop(found.part.images_NCHW, [8, 8])
    assert torch.equal(images, IMAGENET(centres)[order])
    assert torch.equal(labels, found.part.labels_N[order])


def test_about_half_the_images_are_mirrored():
    pictures = Pictures.of(torch.arange(2, dtype=torch.uint8).expand(600, 3, 2, 2))
    labels = torch.zeros(600, dtype=torch.int64)
    flipping = Batches(Part(pictures, labels), 1, ONE, Recipe(batch_size=100, flip=True), 2, CPU)
    left = whole(flipping.steps(1))[0][:, 0, 0, 0]
    assert set(left.tolist()) == {-1.0, 0.0}
    assert 250 < (left == 0).sum() < 350


def test_lighting_is_added_before_the_images_are_normalised():
    """To values from 0 to 1, as in the FishNet release."""
    plain, lit = (whole(noisy(Recipe(batch_size=8, lighting=lighting)).steps(1))[0] for lighting in (0.0, 0.1))
    shift = draw_lighting(8, 0.1, torch.Generator().manual_seed(derived_seed(0, 1, 0, 1)))
    expected = shift / (IMAGENET.std / 255)
    torch.testing.assert_close(lit[:8] - plain[:8], expected[:, :, None, None].expand(8, 3, 8, 8), rtol=0, atol=1e-5)


def test_a_mixed_batch_has_the_shares_of_its_labels():
    """Of an image of the label's level, mixup leaves the mean of the labels, weighted by their shares."""
    levels = torch.arange(12)
    pictures = Pictures.of(levels.to(torch.uint8)[:, None, None, None].expand(12, 3, 8, 8))
    for recipe in (Recipe(batch_size=6, mixup=1.0), Recipe(batch_size=6, cutmix=1.0)):
        mixing = Batches(Part(pictures, levels), 12, ONE, recipe, 8, CPU)
        images, labels, targets = whole(mixing.steps(1))
        assert targets.shape == (12, 12)
        torch.testing.assert_close(targets.sum(1), torch.ones(12))
        torch.testing.assert_close(images.mean((1, 2, 3)) + 1, targets @ levels.float())
        assert (targets[range(12), labels] > 0).all()


def test_evaluation_sees_the_centre_and_nothing_else_is_done():
    """Whatever is done to training images."""
    found = noisy(ALL_OF_IT, sides=[(10, 13), (20, 10), (10, 10)])
    ((images, labels),) = found.in_order()
    for i, image in enumerate(images):
        centre = functional.center_crop(found.part.pictures.at(i), [8, 8])
        assert torch.equal(image, IMAGENET(centre[None])[0])
    assert torch.equal(labels, found.part.labels_N)


# Sharing


@pytest.mark.parametrize("recipe", RECIPES, ids=["plain", "pad", "resized", "all"])
@pytest.mark.parametrize("sides", [None, [(10, 10 + i % 7) for i in range(21)]], ids=["one size", "several"])
def test_neither_ranks_nor_parts_change_a_batch(recipe, sides):
    alone = noisy(recipe, sides=sides)
    for number, step in enumerate(alone.steps(1)):
        shared = [list(alone.steps(1, Ranks(rank, 3), micro_batches=2))[number] for rank in range(3)]
        assert {other.images for other in shared} == {step.images}
        assert_same(whole([step]), whole(shared))


def test_a_batch_goes_through_the_network_in_the_recipes_parts_each_split_into_micro_batches():
    def lengths(accumulate, micro_batches):
        recipe = Recipe(batch_size=12, accumulate=accumulate)
        return [[len(one) for one in step.parts] for step in noisy(recipe, 17).steps(1, micro_batches=micro_batches)]

    assert lengths(1, 1) == [[12], [5]]
    assert lengths(3, 1) == [[4, 4, 4], [3, 2]]  # never a part with one image
    assert lengths(2, 2) == [[3, 3, 3, 3], [3, 2]]


@pytest.mark.parametrize("recipe", RECIPES, ids=["plain", "pad", "resized", "all"])
def test_a_rank_without_images_has_two_to_join_in_with(recipe):
    (step,) = noisy(recipe, 3, sides=[(10, 10)] * 3).steps(1, Ranks(2, 4))
    assert step.parts == ()
    assert step.spare[0].shape == (2, 3, 8, 8)


# Being ahead


@pytest.mark.parametrize("threads", [1, 7])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads):
    before = whole(noisy(ALL_OF_IT).steps(1))
    monkeypatch.setattr(ahead_module, "AHEAD", threads)
    assert_same(whole(noisy(ALL_OF_IT).steps(1)), before)


def test_the_next_batches_are_made_while_one_is_learnt_from():
    found = noisy(Recipe(batch_size=3))
    steps = found.steps(1)
    next(steps)
    ahead = [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
    assert ahead
    list(steps)
    assert not any(thread.is_alive() for thread in ahead)


def test_threads_end_when_nobody_wants_more():
    steps = noisy(Recipe(batch_size=3)).steps(1)
    next(steps)
    del steps
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_what_goes_wrong_in_a_thread_is_told_to_who_takes_the_batch():
    whole_part = noisy(Recipe(), 6).part
    cut_short = Part(Pictures(whole_part.pictures.bytes_B[:700], whole_part.pictures.sides_N2), whole_part.labels_N)
    with pytest.raises(ValueError, match="cannot reshape"):
        list(Batches(cut_short, 5, ONE, Recipe(batch_size=3), 8, CPU).steps(1))


def test_steps_know_how_long_they_were_waited_for():
    def slow():
        for _ in range(3):
            time.sleep(0.02)
            yield None

    steps = Steps(slow(), 3)
    assert steps.waited == 0
    list(steps)
    assert steps.waited >= 0.06


# Where the images are


def test_on_the_cpu_nothing_is_copied():
    here = part(4)
    assert on_device(here, CPU).images_NCHW.data_ptr() == here.images_NCHW.data_ptr()


@pytest.mark.parametrize(("free", "moved"), [(97, True), (95, False)])
def test_images_stay_where_they_are_when_they_would_take_half_of_the_gpu(monkeypatch, free, moved):
    """4 images are 48 bytes. The move itself is only seen to be tried, so that no GPU is needed."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 1000))
    destinations = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: destinations.append(device) or tensor)
    here = Part(Pictures(torch.zeros(48, dtype=torch.uint8), torch.tensor([[2, 2]] * 4)), torch.zeros(4))
    on_device(here, torch.device("cuda"))
    assert bool(destinations) is moved


def test_images_of_several_sizes_stay_on_the_cpu_where_they_are_cut(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10**9, 10**9))
    here = noisy(RESIZED, sides=[(10, 11), (12, 10)]).part
    assert on_device(here, torch.device("cuda")) is here
