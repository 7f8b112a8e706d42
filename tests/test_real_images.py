"""Short trainings by named recipes on real images, from the command line."""

import math

import pytest

from fishnet_search.study.store import read_trials
from tests.archives import CIFAR10, TINY_IMAGENET, unpacked

SHORT = ["--set", "epochs=2", "--set", "warmup_epochs=1", "--set", "batch_size=32", "--threads", "1", "--name", "real"]


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory):
    """Ten images of each class and part."""
    return unpacked(CIFAR10, tmp_path_factory.mktemp("cifar10"), lambda name: "/000" in name)


@pytest.fixture(scope="module")
def tiny_imagenet(tmp_path_factory):
    """A tenth of the training images, and all that are for validation, since their list names them."""
    folder = tmp_path_factory.mktemp("tiny-imagenet")
    return unpacked(TINY_IMAGENET, folder, lambda name: "/train/" not in name or name.endswith("0.JPEG"))


def test_cifar10_saved_as_jpeg_is_trained_by_its_recipe_and_evaluated(call, cifar10, tmp_path):
    data = ["--data", f"imagefolder:{cifar10}"]
    words = ["train", "fishnet-nano", *data, "--split", "validation=20", "--recipe", "cifar-strong", *SHORT]
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    (record,) = read_trials(tmp_path / "studies/real")
    assert record.data.class_names[:3] == ("airplane", "automobile", "bird")
    assert (record.data.train_images, record.data.validation_images, record.data.test_images) == (80, 20, 100)
    assert record.epochs[-1].train["loss"] < math.log(10) + 0.5
    code, out, _ = call("evaluate", "studies/real/trials/fishnet-nano-seed0.safetensors", *data)
    assert (code, f"top-1 {record.test['top1']:.2%}" in out) == (0, True)


def test_tiny_imagenet_is_packed_and_trained_by_its_recipe(call, tiny_imagenet, tmp_path):
    source = f"tiny-imagenet:{tiny_imagenet}"
    assert call("data", "pack", source, "tiny.pack", "--side", "64", "--limit", "160")[0] == 0
    code, _, err = call("train", "fishnet-mini", "--data", "pack:tiny.pack", "--recipe", "tiny-imagenet", *SHORT)
    assert (code, err) == (0, "")
    (record,) = read_trials(tmp_path / "studies/real")
    assert (record.data.classes, record.data.image_size, record.recipe.cutmix) == (40, 64, 1.0)
    assert (record.data.train_images, record.state) == (160, "complete")
