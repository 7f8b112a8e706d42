"""RandAugment's operations, held one by one against torchvision's."""

import pytest
import torch
from torchvision.transforms import v2

from fishnet_search.train.randaugment import OPERATIONS, Operations, draw_operations
from fishnet_search.train.recipe import Recipe

IMAGES = torch.randint(0, 256, (3, 3, 24, 24), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
THEIRS = dict(zip(OPERATIONS, v2.RandAugment._AUGMENTATION_SPACE.items(), strict=True))
NUMBERS = {name: number for number, name in enumerate(OPERATIONS)}


def applied(name, image, magnitude, negative):
    """What torchvision's RandAugment makes of an image by this operation."""
    theirs = v2.RandAugment()
    kind, (magnitudes_of, signed) = THEIRS[name]
    magnitudes = magnitudes_of(31, *image.shape[-2:])
    strength = 0.0 if magnitudes is None else float(magnitudes[magnitude]) * (-1 if negative and signed else 1)
    return theirs._apply_image_or_video_transform(
        image, kind, strength, interpolation=theirs.interpolation, fill=theirs._fill
    )


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("magnitude", [0, 9, 17, 30])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_torchvisions_image_by_image(name, magnitude, negative):
    kinds = torch.full((3, 1), NUMBERS[name])
    done = Operations(kinds, torch.full((3, 1), negative), magnitude / 30).done(IMAGES)
    assert done.dtype == torch.uint8
    for image, found in zip(IMAGES, done, strict=True):
        assert (found.int() - applied(name, image, magnitude, negative).int()).abs().max() <= 1


def test_operations_are_done_one_after_the_other_to_the_images_they_were_drawn_for():
    names = [("rotate", "posterise"), ("posterise", "rotate"), ("identity", "solarise")]
    numbers = torch.tensor([[NUMBERS[name] for name in row] for row in names])
    done = Operations(numbers, torch.tensor([[True, False]] * 3), 17 / 30).done(IMAGES)
    for image, found, (first, second) in zip(IMAGES, done, names, strict=True):
        assert torch.equal(found, applied(second, applied(first, image, 17, True), 17, False))


def test_the_images_it_is_given_stay_as_they_are():
    before = IMAGES.clone()
    draw_operations(Recipe(randaugment=2), 3, torch.Generator().manual_seed(1)).done(IMAGES)
    assert torch.equal(IMAGES, before)


def test_every_operation_is_drawn_both_ways_about_equally_often():
    drawn = draw_operations(Recipe(randaugment=2, randaugment_magnitude=15), 7000, torch.Generator().manual_seed(0))
    assert drawn.numbers_NK.shape == (7000, 2)
    counts = torch.bincount(drawn.numbers_NK.flatten(), minlength=14)
    assert len(counts) == len(OPERATIONS) == 14
    assert (counts - 1000).abs().max() < 160
    assert drawn.negative_NK.float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert drawn.strength == 0.5
