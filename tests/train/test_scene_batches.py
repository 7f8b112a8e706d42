"""Batches of scenes: what is in them, in which order, and that nobody who shares or hurries them changes them."""

from itertools import chain

import pytest
import torch
from tiny_scenes import maps_part, objects, objects_part, pictures

from fishnet_search.data.scenes import UNJUDGED, ScenePart
from fishnet_search.train import ahead as ahead_module
from fishnet_search.train.normalisation import IMAGENET, Normalisation
from fishnet_search.train.ranks import Ranks
from fishnet_search.train.recipe import Recipe
from fishnet_search.train.scene_batches import SceneBatches
from fishnet_search.train.scene_transforms import View, seen_image, seen_objects

CPU = torch.device("cpu")
SIDES = [(20 + i % 5, 17 + i % 7) for i in range(21)]  # tall, wide and square
PLAIN = Recipe(batch_size=6)
ALL_OF_IT = Recipe(batch_size=6, flip=True, scales=(16, 24), zoom_least=0.5, zoom_most=2, group_aspects=True)


def batches(truth="boxes", recipe=PLAIN, sides=SIDES, *, seed=0, stride=8, normalise=IMAGENET):
    part = maps_part(sides) if truth == "maps" else objects_part(sides, masks=truth == "masks")
    return SceneBatches(part, truth, normalise, recipe, 16, CPU, stride, seed)


def told(steps):
    """Everything in some steps of one rank, image by image."""
    for part in (part for step in steps for part in step.parts):
        images, *targets = part.inputs
        for i, index in enumerate(part.indices_N.tolist()):
            target = list(targets[0][i].values()) if targets else []
            maps = [] if part.maps_NHW is None else [part.maps_NHW[i]]
            yield [torch.tensor(index), images[i], *target, *maps, part.sides_N2[i], part.resized_N2[i]]


def assert_same(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def indices(steps):
    return [[i for part in step.parts for i in part.indices_N.tolist()] for step in steps]


def flat(lists):
    return list(chain.from_iterable(lists))


TRUTHS = pytest.mark.parametrize("truth", ["boxes", "masks", "maps"])


# What is in them


@pytest.mark.parametrize("truth", ["boxes", "masks"])
def test_a_detector_gets_a_list_of_images_and_one_of_targets(truth):
    (part,) = next(batches(truth).steps(1)).parts
    images, targets = part.inputs
    assert len(part) == len(images) == len(targets) == 6
    assert part.maps_NHW is None
    for image, target, index, resized in zip(images, targets, part.indices_N, part.resized_N2, strict=True):
        assert (image.dtype, image.shape) == (torch.float32, (3, *resized.tolist()))
        assert min(image.shape[1:]) == 16
        assert set(target) == {"boxes", "labels", "masks"} - ({"masks"} if truth == "boxes" else set())
        assert (target["labels"] // 10 == index).all()
        assert truth == "boxes" or target["masks"].shape[1:] == image.shape[1:]


def test_without_draws_images_are_resized_and_normalised():
    found = batches("masks")
    for index, image, *target, sides, resized in told(found.steps(1)):
        view = View(tuple(resized.tolist()), tuple(resized.tolist()))
        seen = seen_image(found.part.pictures.at(int(index)), view, [0] * 3)
        assert torch.equal(image, IMAGENET(seen))
        truth = seen_objects(found.part.truths[int(index)], view, tuple(sides.tolist()), masks=True)
        assert all(torch.equal(a, b) for a, b in zip(target, truth.values(), strict=True))


def test_maps_come_in_windows_of_the_networks_size():
    (part,) = next(batches("maps", ALL_OF_IT).steps(1)).parts
    (images,) = part.inputs
    assert (images.shape, images.dtype) == ((6, 3, 16, 16), torch.float32)
    assert (part.maps_NHW.shape, part.maps_NHW.dtype) == ((6, 16, 16), torch.int64)
    assert set(part.maps_NHW.unique().tolist()) <= {0, 1, 2, 3, 4, UNJUDGED}


def test_beyond_an_image_there_is_its_mean_and_nothing_to_learn():
    grey = Normalisation(torch.tensor([100.0, 120.0, 140.0]), torch.ones(3))
    seen = list(told(batches("maps", Recipe(batch_size=6, zoom_least=0.5, zoom_most=0.5), normalise=grey).steps(1)))
    for _, image, classes, _, _ in seen:
        assert (classes == UNJUDGED).any()
        assert not image[:, classes == UNJUDGED].any()


def test_draws_are_made_for_each_image_and_each_epoch():
    found = batches("boxes", ALL_OF_IT)
    first, second = list(told(found.steps(1))), list(told(found.steps(2)))
    assert len({tuple(one[-1].tolist()) for one in first}) > 10
    assert [int(one[0]) for one in first] != [int(one[0]) for one in second]


@TRUTHS
def test_the_same_seed_and_epoch_give_the_same_steps(truth):
    """So a training that goes on in its third epoch sees what an undisturbed one does."""
    first = batches(truth, ALL_OF_IT, seed=3)
    for _ in range(2):
        list(first.steps(1))
    assert_same(told(first.steps(3)), told(batches(truth, ALL_OF_IT, seed=3).steps(3)))
    assert indices(first.steps(3)) != indices(batches(truth, ALL_OF_IT, seed=4).steps(3))


# Order


@TRUTHS
def test_an_epoch_has_every_image_once(truth):
    steps = batches(truth).steps(1)
    assert len(steps) == 4
    found = indices(steps)
    assert list(map(len, found)) == [6, 6, 6, 3]
    assert sorted(flat(found)) == list(range(21))


def test_an_image_that_would_be_alone_is_left_out_and_comes_in_another_epoch():
    found = batches(sides=SIDES[:13])
    epochs = [indices(found.steps(epoch)) for epoch in range(1, 8)]
    assert all(list(map(len, epoch)) == [6, 6] for epoch in epochs)
    assert {i for epoch in epochs for batch in epoch for i in batch} == set(range(13))


def test_images_with_nothing_to_learn_are_left_out_but_evaluated():
    box = [[1, 1, 9, 9]]
    truths = [objects(box), objects([]), objects(box, crowd=[0]), objects(box), objects(box, difficult=[0])]
    part = ScenePart(pictures([(10, 10)] * 5), truths, tuple("abcde"))
    found = SceneBatches(part, "boxes", IMAGENET, PLAIN, 10, CPU)
    assert sorted(flat(indices(found.steps(1)))) == found.learnt_N.tolist() == [0, 3]
    assert flat(scenes.indices_N.tolist() for scenes in found.in_order()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("epoch", range(1, 6))
def test_grouped_batches_never_mix_tall_images_with_others(epoch):
    found = batches(recipe=ALL_OF_IT)
    grouped = indices(found.steps(epoch))
    tall = [[SIDES[i][0] > SIDES[i][1] for i in batch] for batch in grouped]
    assert {len(set(batch)) for batch in tall} == {1}
    assert {batch[0] for batch in tall} == {True, False}
    assert len(set(flat(grouped))) >= 19  # each kind may have one that is alone


def test_grouping_leaves_the_order_within_a_kind():
    plain, grouped = (
        flat(indices(batches(recipe=PLAIN.model_copy(update={"group_aspects": group})).steps(1)))
        for group in (False, True)
    )
    tall = {i for i, (height, width) in enumerate(SIDES) if height > width}
    for kind in (tall, set(range(21)) - tall):
        own = [i for i in grouped if i in kind]
        assert own == [i for i in plain if i in kind][: len(own)]


# Evaluation


@pytest.mark.parametrize("truth", ["boxes", "masks"])
def test_evaluated_images_come_once_and_whole_and_boxes_can_be_brought_back(truth):
    found = batches(truth, ALL_OF_IT)
    seen = list(found.in_order())
    assert sorted(i for scenes in seen for i in scenes.indices_N.tolist()) == list(range(21))
    for scenes in seen:
        (images,) = scenes.inputs
        for i, index in enumerate(scenes.indices_N.tolist()):
            resized = tuple(scenes.resized_N2[i].tolist())
            assert images[i].shape[1:] == resized
            own = found.part.truths[index].boxes_K4
            moved = seen_objects(found.part.truths[index], View(resized, resized), SIDES[index], masks=False)["boxes"]
            if len(moved) == len(own):
                torch.testing.assert_close(moved / scenes.factors_N4[i], own)


def test_evaluated_maps_come_by_size_as_multiples_of_the_stride():
    sides = [(16, 30), (20, 20), (16, 30), (16, 17), (30, 16)]
    found = list(batches("maps", sides=sides).in_order())
    assert [scenes.indices_N.tolist() for scenes in found] == [[1], [3], [0, 2], [4]]
    assert [tuple(scenes.inputs[0].shape[2:]) for scenes in found] == [(16, 16), (16, 24), (16, 32), (32, 16)]
    assert found[2].resized_N2.tolist() == [[16, 30]] * 2
    assert found[2].sides_N2.tolist() == [[16, 30]] * 2
    assert all(scenes.maps_NHW is None and len(scenes.inputs) == 1 for scenes in found)
    assert found[2].inputs[0][:, :, :, 30:].abs().max() < 0.01  # the mean, to half a grey level


# Sharing and being ahead


@TRUTHS
@pytest.mark.parametrize("recipe", [PLAIN, ALL_OF_IT], ids=["plain", "all"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_neither_ranks_nor_parts_change_a_batch(truth, recipe, world):
    alone = batches(truth, recipe)
    shares = [list(alone.steps(1, Ranks(rank, world), micro_batches=2)) for rank in range(world)]
    for number, step in enumerate(alone.steps(1)):
        shared = [share[number] for share in shares]
        assert {other.images for other in shared} == {step.images}
        assert sum(len(part) for other in shared for part in other.parts) == step.images
        assert_same(told([step]), told(shared))


def test_a_batch_comes_in_the_recipes_parts_each_split_into_micro_batches():
    recipe = Recipe(batch_size=12, accumulate=2)
    found = batches(recipe=recipe, sides=SIDES[:17]).steps(1, micro_batches=2)
    assert [[len(part) for part in step.parts] for step in found] == [[3, 3, 3, 3], [3, 2]]


@TRUTHS
def test_a_rank_without_images_has_two_to_join_in_with(truth):
    (step,) = batches(truth, sides=SIDES[:3]).steps(1, Ranks(2, 4))
    assert step.parts == ()
    assert [len(each) for each in step.spare] == ([2] if truth == "maps" else [2, 2])
    (first,) = batches(truth, sides=SIDES[:3]).steps(1, Ranks(0, 4))
    assert first.spare is None


@pytest.mark.parametrize("threads", [1, 7])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads):
    before = list(told(batches("masks", ALL_OF_IT).steps(1)))
    monkeypatch.setattr(ahead_module, "AHEAD", threads)
    assert_same(told(batches("masks", ALL_OF_IT).steps(1)), before)


def test_pictures_stay_as_they_are():
    found = batches("maps", ALL_OF_IT)
    before = found.part.pictures.bytes_B.clone(), [each.clone() for each in found.part.truths]
    list(found.steps(1))
    list(found.in_order())
    assert torch.equal(found.part.pictures.bytes_B, before[0])
    assert all(map(torch.equal, found.part.truths, before[1]))
