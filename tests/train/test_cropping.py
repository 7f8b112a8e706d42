"""What is cut from pictures, held against torchvision's own functions for the same places."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from fishnet_search.data.pictures import Pictures
from fishnet_search.train.cropping import central_boxes, cut, padded_boxes, resampled, resized_boxes, windows
from fishnet_search.train.recipe import Recipe


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=6, *, height=20, width=20, seed=0):
    return torch.randint(0, 256, (n, 3, height, width), generator=generator(seed)).to(torch.uint8)


def mixed(*sides):
    """Pictures of several sizes, and each as a tensor."""
    each = [images(1, height=height, width=width, seed=i)[0] for i, (height, width) in enumerate(sides)]
    return Pictures(torch.cat([image.flatten() for image in each]), torch.tensor(sides)), each


def mirrored(image, flipped):
    return functional.horizontal_flip(image) if flipped else image


def never(count):
    return torch.zeros(count, dtype=torch.bool)


SIDES = [(20, 20), (20, 31), (45, 20), (23, 20)]
FLIPPED = torch.tensor([True, False, True, False])


def test_the_centre_is_torchvisions_centre_crop():
    pictures, each = mixed(*SIDES)
    found = cut(pictures, torch.arange(4), central_boxes(pictures.sides_N2, 17), FLIPPED, 17)
    for one, image, flipped in zip(found, each, FLIPPED, strict=True):
        assert torch.equal(one, mirrored(functional.center_crop(image, [17, 17]), flipped))


@given(height=st.integers(1, 30), width=st.integers(1, 30), size=st.integers(1, 30))
@settings(max_examples=50)
def test_the_centre_of_a_picture_of_any_size_is_torchvisions(height, width, size):
    picture = images(1, height=height, width=width)
    found = cut(
        Pictures.of(picture), torch.tensor([0]), central_boxes(torch.tensor([[height, width]]), size), never(1), size
    )
    if min(height, width) >= size:  # for others torchvision pads before it rounds
        assert torch.equal(found, functional.center_crop(picture, [size, size]))
    else:
        assert found.shape == (1, 3, size, size)


def test_whole_images_are_taken_as_they_are_in_any_order():
    pictures = images()
    order = torch.tensor([4, 0, 0, 5])
    boxes = central_boxes(torch.tensor([[20, 20]] * 4), 20)
    assert torch.equal(cut(Pictures.of(pictures), order, boxes, never(4), 20), pictures[order])


def test_a_place_at_random_is_that_of_torchvisions_crop_of_the_padded_image():
    pictures, each = mixed(*SIDES)
    boxes = padded_boxes(pictures.sides_N2, 20, 4, generator())
    found = cut(pictures, torch.arange(4), boxes, FLIPPED, 20)
    for one, image, box, flipped in zip(found, each, boxes.tolist(), FLIPPED, strict=True):
        expected = functional.crop(functional.pad(image, [4]), box[0] + 4, box[1] + 4, 20, 20)
        assert torch.equal(one, mirrored(expected, flipped))


def test_each_place_in_a_padded_image_is_drawn_equally_often():
    sides = torch.tensor([[8, 10]] * 6300)
    tops, lefts = padded_boxes(sides, 8, 3, generator())[:, :2].unbind(1)
    for drawn, choices in ((tops, range(-3, 4)), (lefts, range(-3, 6))):
        counts = torch.tensor([(drawn == choice).sum() for choice in choices])
        assert counts.sum() == 6300
        expected = 6300 / len(choices)
        assert (counts - expected).abs().max() < 5 * expected**0.5


def test_resized_parts_are_torchvisions_resized_crops():
    pictures, each = mixed(*SIDES)
    boxes = resized_boxes(Recipe(), pictures.sides_N2, generator())
    found = cut(pictures, torch.arange(4), boxes, FLIPPED, 16)
    for one, image, box, flipped in zip(found, each, boxes.tolist(), FLIPPED, strict=True):
        expected = mirrored(functional.resized_crop(image, *box, [16, 16], antialias=True), flipped)
        assert (one.int() - expected.int()).abs().max() <= 1


def test_parts_have_the_area_and_aspect_that_the_recipe_allows_and_lie_within():
    recipe = Recipe(crop_least=0.2, crop_most=0.6, crop_aspect=1.5)
    sides = torch.tensor([[300, 400]] * 4000)
    top, left, height, width = resized_boxes(recipe, sides, generator()).double().unbind(1)
    area, aspect = height * width / (300 * 400), width / height
    assert 0.195 < area.min() < 0.21 and 0.55 < area.max() < 0.605
    assert area.mean().item() == pytest.approx(0.4, abs=0.01)  # evenly between
    assert aspect.min() > 1 / 1.52 and aspect.max() < 1.52
    assert aspect.log().mean().item() == pytest.approx(0, abs=0.02)
    assert aspect.log().std().item() == pytest.approx(2 * math.log(1.5) / 12**0.5, abs=0.01)
    assert min(top.min(), left.min()) == 0
    assert (top + height).max() == 300 and (left + width).max() == 400


def test_parts_are_distributed_as_torchvisions():
    """Also where many tries do not fit, as in a long picture."""
    theirs = v2.RandomResizedCrop(8, scale=(0.3, 1.0), ratio=(3 / 4, 4 / 3))
    picture = torch.zeros(3, 40, 60)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = [theirs.make_params([picture]) for _ in range(3000)]
    expected = torch.tensor([[one[name] for name in ("top", "left", "height", "width")] for one in params]).double()
    found = resized_boxes(Recipe(crop_least=0.3), torch.tensor([[40, 60]] * 3000), generator()).double()
    error = expected.std(0) / 3000**0.5
    assert ((found.mean(0) - expected.mean(0)).abs() < 6 * error).all()
    torch.testing.assert_close(found.std(0), expected.std(0), rtol=0.06, atol=0)


@pytest.mark.parametrize(("height", "width"), [(10, 100), (100, 10), (10, 12)])
def test_where_no_try_fits_the_middle_is_taken_as_torchvision_does(height, width):
    recipe = Recipe(crop_least=1.0, crop_most=1.0)
    theirs = v2.RandomResizedCrop(8, scale=(1.0, 1.0), ratio=(3 / 4, 4 / 3))
    found = {tuple(box) for box in resized_boxes(recipe, torch.tensor([[height, width]] * 300), generator()).tolist()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = {tuple(theirs.make_params([torch.zeros(3, height, width)]).values()) for _ in range(300)}
    assert found == expected


def test_all_at_once_windows_are_what_they_are_one_by_one():
    pictures = images()
    boxes = padded_boxes(torch.tensor([[20, 20]] * 6), 18, 5, generator())
    flipped = torch.arange(6) % 2 == 0
    one_by_one = cut(Pictures.of(pictures), torch.arange(6), boxes, flipped, 18)
    assert torch.equal(windows(pictures, boxes, flipped, 18), one_by_one)


@given(seed=st.integers(0, 1000), size=st.integers(2, 40), height=st.integers(5, 40), width=st.integers(5, 40))
@settings(max_examples=50, deadline=None)
def test_all_at_once_resized_parts_are_what_they_are_one_by_one_to_a_grey_level(seed, size, height, width):
    pictures = images(3, height=height, width=width, seed=seed)
    boxes = resized_boxes(Recipe(), torch.tensor([[height, width]] * 3), generator(seed))
    flipped = torch.tensor([True, False, True])
    one_by_one = cut(Pictures.of(pictures), torch.arange(3), boxes, flipped, size)
    at_once = resampled(pictures, boxes, flipped, size)
    assert (at_once.int() - one_by_one.int()).abs().max() <= 1


def test_draws_come_from_the_generator_alone():
    sides = torch.tensor([[20, 30]] * 9)
    for draw in (lambda g: padded_boxes(sides, 20, 4, g), lambda g: resized_boxes(Recipe(), sides, g)):
        first = draw(generator(1))
        torch.rand(3)
        assert torch.equal(draw(generator(1)), first)
        assert not torch.equal(draw(generator(2)), first)
