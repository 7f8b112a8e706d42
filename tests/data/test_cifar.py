"""CIFAR-10 and CIFAR-100 in their original python batches."""

import os
import pickle
import shutil

import numpy as np
import pytest
from cifar_on_disk import write_batches
from torchvision.datasets import CIFAR10, CIFAR100

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load import load_images
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import DataError

ANIMALS = ("bird", "cat", "deer", "dog")


@pytest.fixture
def ten(monkeypatch, tmp_path):
    """CIFAR-10 with 100 training and 20 test images of four classes: its folder, training pixels and labels."""
    return tmp_path, *write_batches(monkeypatch, tmp_path, CIFAR10, images=20, classes=ANIMALS)


def data_at(root, name="cifar10", **options):
    return Data(source=f"{name}:{root}", **options)


def pictured(part):
    return np.stack([np.asarray(picture()[1]) for picture in part.pictures])


def test_a_fifth_of_the_training_images_is_the_validation_part(ten):
    root, *_ = ten
    listing = list_images(data_at(root))
    assert listing.classes == ANIMALS
    assert np.bincount(listing.train.labels).tolist() == [20] * 4
    assert np.bincount(listing.validation.labels).tolist() == [5] * 4
    assert np.bincount(listing.test.labels).tolist() == [5] * 4
    assert listing.split.startswith("train 80 of 100 training images, validation 20 of 100 training images, test 20 of")


def test_the_images_are_those_of_the_batches_with_their_labels(ten):
    root, images_NHWC, labels_N = ten
    listing = list_images(data_at(root))
    found = np.concatenate([pictured(listing.train), pictured(listing.validation)])
    labels = np.concatenate([listing.train.labels, listing.validation.labels])
    expected = {image.tobytes(): label for image, label in zip(images_NHWC, labels_N, strict=True)}
    assert {image.tobytes(): label for image, label in zip(found, labels, strict=True)} == expected
    images = load_images(data_at(root), side=32, square=True)
    assert (images.train.images_NCHW.permute(0, 2, 3, 1).numpy() == pictured(listing.train)).all()


def test_cifar100_has_its_fine_classes(monkeypatch, tmp_path):
    fine = [f"fine{i:02}" for i in range(20)]
    write_batches(monkeypatch, tmp_path, CIFAR100, images=200, classes=fine)
    listing = list_images(data_at(tmp_path, "cifar100"))
    assert listing.classes == tuple(fine)
    assert [len(part.labels) for part in (listing.train, listing.validation, listing.test)] == [160, 40, 200]


def test_it_can_be_split_otherwise(ten):
    listing = list_images(data_at(ten[0], split=Split(validation=12, seed=1)))
    assert [len(part.labels) for part in (listing.train, listing.validation, listing.test)] == [88, 12, 20]


def test_the_folder_of_the_batches_will_do(ten):
    assert classes_of(data_at(ten[0] / "cifar-10-batches-py")) == ANIMALS


class Trap:
    """What someone may have written in place of a batch."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_file_that_is_not_the_published_one_is_refused_and_not_unpickled(ten, file, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (ten[0] / "cifar-10-batches-py" / file).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match=rf"cifar-10-batches-py: {file} is not the published file, by its MD5; remove"):
        list_images(data_at(ten[0]))
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_refused_by_name(ten):
    (ten[0] / "cifar-10-batches-py/data_batch_5").unlink()
    with pytest.raises(DataError, match=r"has no cifar-10-batches-py/data_batch_5; expected PATH/cifar-10-batches-py"):
        list_images(data_at(ten[0]))


def test_another_folder_is_refused_with_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match=r"has no cifar-100-python/train; expected .* as `fishnet-search data fetch"):
        list_images(data_at(tmp_path, "cifar100"))


def test_a_folder_that_is_missing_is_refused(tmp_path):
    shutil.rmtree(tmp_path)
    with pytest.raises(DataError, match=r"no such folder; expected PATH/cifar-10-batches-py with the files"):
        list_images(data_at(tmp_path))
