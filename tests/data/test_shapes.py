"""Pictures of shapes, with class, boxes and masks."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import masks_to_boxes

from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images
from fishnet_search.data.shapes import CLASSES, LARGEST, SMALLEST, draw, list_shapes
from fishnet_search.errors import DataError


def test_the_pictures_are_the_same_on_every_machine():
    """Other pixels are other data: records of earlier ones would no longer be comparable."""
    sha256 = hashlib.sha256()
    which = [(0, 0, 32), (0, 1, 64), (1, 2, 100), (2, 3, 33), *((0, index, 64) for index in range(4, 24))]
    for seed, index, side in which:
        scene = draw(seed, index, side)
        for array in (scene.image_HW3, scene.masks_KHW, scene.boxes_K4.astype("<f4"), scene.labels_K.astype("<i8")):
            sha256.update(array.tobytes())
    assert sha256.hexdigest() == "da0e37a1d0529297a60245e00283d51b67632bb69d6e5902ff6fd5dadd4b3685"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 5), index=st.integers(0, 10_000), side=st.integers(SMALLEST, LARGEST))
def test_a_scene_tells_what_is_in_its_picture(seed, index, side):
    scene = draw(seed, index, side)
    masks = torch.from_numpy(scene.masks_KHW)
    assert scene.image_HW3.shape == (side, side, 3)
    assert scene.image_HW3.dtype == np.uint8
    assert masks.shape == (len(scene.labels_K), side, side)
    assert masks.sum(0).max() == 1  # no pixel is of two objects
    to_the_far_edge = torch.tensor([0, 0, 1, 1])  # torchvision's boxes end at the last pixel's index
    assert torch.equal(torch.from_numpy(scene.boxes_K4), masks_to_boxes(masks) + to_the_far_edge)
    assert scene.labels_K.min() >= 0
    assert scene.labels_K.max() < len(CLASSES)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 5), index=st.integers(0, 10_000), side=st.sampled_from([SMALLEST, 64, LARGEST]))
def test_the_class_is_that_of_the_largest_object(seed, index, side):
    scene = draw(seed, index, side)
    assert scene.label == scene.labels_K[scene.masks_KHW.sum((1, 2)).argmax()] == index % len(CLASSES)


def test_objects_stand_out_from_what_is_around_them():
    """Otherwise there is nothing to learn: the mean colour of each main object is not that of the rest."""
    for index in range(40):
        scene = draw(0, index, 64)
        main, image = scene.masks_KHW[scene.masks_KHW.sum((1, 2)).argmax()], scene.image_HW3.astype(int)
        assert np.abs(image[main].mean(0) - image[~main].mean(0)).sum() > 30


def test_there_are_objects_of_several_scales_and_often_more_than_one():
    scenes = [draw(0, index, 128) for index in range(60)]
    areas = np.concatenate([scene.masks_KHW.mean((1, 2)) for scene in scenes])
    assert np.quantile(areas, 0.95) > 10 * np.quantile(areas, 0.05)
    assert np.mean([len(scene.labels_K) > 1 for scene in scenes]) > 0.5


@pytest.mark.parametrize("index", range(8))
def test_at_another_side_it_is_the_same_scene(index):
    small, large = draw(3, index, 32), draw(3, index, 128)
    assert small.label == large.label
    main_small, main_large = (scene.boxes_K4[scene.masks_KHW.sum((1, 2)).argmax()] for scene in (small, large))
    assert main_small * 4 == pytest.approx(main_large, abs=8)  # two of the smaller picture's pixels


def shares_of_boxes(name):
    """Return how much of its box the main object fills, in each of some pictures."""
    scenes = [draw(4, index, LARGEST) for index in range(CLASSES.index(name), 8 * 12, 8)]
    masks = [scene.masks_KHW[scene.masks_KHW.sum((1, 2)).argmax()] for scene in scenes]
    return [mask[np.ix_(mask.any(1), mask.any(0))].mean() for mask in masks]


def test_a_circle_fills_its_box_as_circles_do():
    assert shares_of_boxes("circle") == pytest.approx([np.pi / 4] * 12, abs=0.02)


def test_a_ring_is_a_circle_without_its_middle():
    assert shares_of_boxes("ring") == pytest.approx([np.pi / 4 * (1 - 0.6**2)] * 12, abs=0.02)


def test_a_set_has_a_quarter_of_its_training_pictures_in_each_other_part_and_of_all_classes_the_same_number():
    parts = list_shapes(None)
    assert [len(part.labels) for part in (parts.train, parts.validation, parts.test)] == [4000, 1000, 1000]
    assert np.bincount(parts.train.labels).tolist() == [500] * 8
    assert np.bincount(parts.test.labels).tolist() == [125] * 8
    assert parts.classes == CLASSES


def test_a_smaller_set_has_the_first_pictures_of_a_larger_one():
    small, large = list_shapes("32"), list_shapes("64")
    assert [len(part.labels) for part in (small.train, small.validation, small.test)] == [32, 8, 8]
    for few, many in ((small.train, large.train), (small.test, large.test)):
        assert all(one()[0] == other()[0] for one, other in zip(few.pictures, many.pictures, strict=False))


def test_the_parts_share_no_picture_and_have_many_sizes():
    listing = list_shapes("64")
    pictures = [picture() for part in (listing.train, listing.validation, listing.test) for picture in part.pictures]
    assert len({content for content, _ in pictures}) == len(pictures) == 96
    sides = [image.width for _, image in pictures]
    assert min(sides) < 64
    assert max(sides) > 200
    assert all(SMALLEST <= image.width == image.height <= LARGEST for _, image in pictures)


@pytest.mark.parametrize("images", ["", "0", "31", "-40", "1e3", "²", "10000001", "many", "40.0"])
def test_another_number_of_pictures_is_refused(images):
    with pytest.raises(DataError, match=r"data 'shapes:.*': how many pictures to train on is a whole number from 32"):
        list_shapes(images)


def test_shapes_are_loaded_by_name():
    images = load_images(Data(source="shapes:40"), side=16, square=False)
    assert (len(images.train), len(images.validation), len(images.test)) == (40, 10, 10)
    assert images.train.images_NCHW.shape == (40, 3, 16, 16)
    assert images.train.labels_N[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0]
