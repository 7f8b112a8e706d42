import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def digits():
    return load_images(Data(source="digits"), side=32, square=True)


@pytest.fixture(scope="module")
def digits_8():
    """The digits in their own size: one grey value a pixel."""
    return load_images(Data(source="digits"), side=8, square=True)


def test_the_digits_are_split_1077_360_360(digits):
    assert [len(getattr(digits, part)) for part in PARTS] == [1077, 360, 360]
    assert digits.classes == tuple("0123456789")


def test_a_part_is_uint8_images_and_int64_labels(digits):
    assert digits.train.images_NCHW.shape == (1077, 3, 32, 32)
    assert digits.train.images_NCHW.dtype == torch.uint8
    assert digits.train.labels_N.shape == (1077,)
    assert digits.train.labels_N.dtype == torch.int64


def test_every_digit_has_its_share_of_each_part(digits):
    everywhere = np.bincount(load_digits().target)
    for part, share in zip(PARTS, (1077 / 1797, 360 / 1797, 360 / 1797), strict=True):
        counts = torch.bincount(getattr(digits, part).labels_N, minlength=10).numpy()
        assert np.abs(counts - everywhere * share).max() <= 1


def test_the_parts_share_no_image_and_together_hold_every_image_with_its_label(digits_8):
    source = load_digits()
    expected = sorted(
        (tuple(np.floor(image.ravel() * 255 / 16 + 0.5).astype(int)), label)
        for image, label in zip(source.images, source.target, strict=True)
    )
    found = sorted(
        (tuple(image[0].ravel().tolist()), label)
        for part in (digits_8.train, digits_8.validation, digits_8.test)
        for image, label in zip(part.images_NCHW.numpy(), part.labels_N.tolist(), strict=True)
    )
    assert found == expected


def test_the_three_channels_are_the_same_and_reach_from_0_to_255(digits):
    images = digits.train.images_NCHW
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    assert (images.min().item(), images.max().item()) == (0, 255)


def test_the_digits_are_upscaled_bilinearly_by_pil_and_the_split_does_not_depend_on_the_size(digits, digits_8):
    for part in PARTS:
        large, small = getattr(digits, part), getattr(digits_8, part)
        assert torch.equal(large.labels_N, small.labels_N)
        for image, original in zip(large.images_NCHW[:, 0], small.images_NCHW[:, 0], strict=True):
            upscaled = Image.fromarray(original.numpy()).resize((32, 32), Image.Resampling.BILINEAR)
            assert np.array_equal(image.numpy(), np.asarray(upscaled))


def test_the_digits_are_the_same_on_every_machine(digits):
    """The fingerprint is over scikit-learn's numbers and the split; a change of either makes old records other data."""
    assert digits.fingerprint == "5e5434bde249f9f42f9655d2dda554491db7a36ac9184fa49b46989ce2546524"
    assert load_images(Data(source="digits"), side=32, square=True).fingerprint == digits.fingerprint


def test_another_image_size_is_other_data(digits, digits_8):
    assert digits.fingerprint != digits_8.fingerprint
