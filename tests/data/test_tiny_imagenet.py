"""Tiny ImageNet in its original layout: made up in small, and the 40 classes in ../shared where they are."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pictures_on_disk import files_by_class, write_class_folders, write_image
from tiny_on_disk import WNIDS, write_tiny

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load import load_images
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import DataError
from tests.archives import TINY_IMAGENET, unpacked


def data_at(root, **options):
    return Data(source=f"tiny-imagenet:{root}", **options)


def test_classes_are_the_wordnet_numbers_in_sorted_order(tmp_path):
    assert classes_of(data_at(write_tiny(tmp_path))) == tuple(sorted(WNIDS))


def test_val_is_the_test_part_with_the_classes_of_its_annotations(tmp_path):
    listing = list_images(data_at(write_tiny(tmp_path)))
    assert files_by_class(listing.test, listing.classes) == {
        "n02124075": ["val_0.JPEG", "val_3.JPEG"],
        "n01443537": ["val_1.JPEG", "val_4.JPEG"],
        "n04067472": ["val_2.JPEG", "val_5.JPEG"],
    }


def test_a_tenth_of_train_is_the_validation_part(tmp_path):
    listing = list_images(data_at(write_tiny(tmp_path, train=20)))
    assert np.bincount(listing.train.labels).tolist() == [18, 18, 18]
    assert np.bincount(listing.validation.labels).tolist() == [2, 2, 2]
    everything = {picture.args[0] for part in (listing.train, listing.validation) for picture in part.pictures}
    assert len(everything) == 60
    assert listing.split.startswith("train 54 of 60 training images, validation 6 of 60 training images, test 6 of 6")


def test_it_can_be_split_otherwise(tmp_path):
    listing = list_images(data_at(write_tiny(tmp_path), split=Split(validation=12, test=3)))
    assert [len(part.labels) for part in (listing.train, listing.validation, listing.test)] == [18, 12, 3]


def test_the_folder_around_it_will_do(tmp_path):
    root = write_tiny(tmp_path / "tiny-imagenet-200")
    assert [picture.args for picture in list_images(data_at(tmp_path)).test.pictures] == [
        picture.args for picture in list_images(data_at(root)).test.pictures
    ]


def test_its_images_are_loaded(tmp_path):
    images = load_images(data_at(write_tiny(tmp_path)), side=8, square=True)
    assert images.train.images_NCHW.shape == (27, 3, 8, 8)
    assert images.split.startswith("train 27 of 30")


def without_annotations(root):
    (root / "val/val_annotations.txt").unlink()


def without_a_validation_image(root):
    (root / "val/images/val_4.JPEG").unlink()


def with_a_validation_image_more(root):
    write_image(root / "val/images/val_99.JPEG")


def with_an_annotation_twice(root):
    file = root / "val/val_annotations.txt"
    file.write_text(file.read_text() + "val_0.JPEG\tn01443537\t0\t0\t7\t7\n")


def with_spaces_for_tabs(root):
    file = root / "val/val_annotations.txt"
    file.write_text(file.read_text().replace("\t", " "))


def with_an_annotation_of_no_class(root):
    file = root / "val/val_annotations.txt"
    file.write_text(file.read_text().replace(WNIDS[1], "n99999999"))


def with_a_class_more_in_train(root):
    write_class_folders(root / "train/n00000001", {"images": 1})


def with_an_empty_class(root):
    for file in (root / f"train/{WNIDS[2]}/images").iterdir():
        file.unlink()


def with_one_class(root):
    (root / "wnids.txt").write_text(WNIDS[0])
    for name in WNIDS[1:]:
        (root / "train" / name).rename(root / name)


def with_no_class(root):
    (root / "wnids.txt").write_text("")
    for name in WNIDS:
        (root / "train" / name).rename(root / name)


def with_a_list_that_is_no_text(root):
    (root / "wnids.txt").write_bytes(b"n02124075\n\xff\xfe\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_annotations, r"has no val/val_annotations\.txt; expected PATH/wnids\.txt, PATH/train/WNID/images"),
        (
            without_a_validation_image,
            r"val_annotations\.txt: does not fit .*/images: 1 .* missing \['val_4\.JPEG'\]",
        ),
        (
            with_a_validation_image_more,
            r"0 of its images .* 1 of the folder's have no class \['val_99\.JPEG'\]",
        ),
        (with_an_annotation_twice, r"val_annotations\.txt: 'val_0\.JPEG' is there twice; unpack it again"),
        (with_spaces_for_tabs, r"'val_0\.JPEG n02124075 0 0 7 7' has no class after a tab; unpack it again"),
        (
            with_an_annotation_of_no_class,
            r"val: other .* wnids\.txt: missing \['n01443537'\], extra \['n99999999'\]",
        ),
        (with_a_class_more_in_train, r"train: other classes than in wnids\.txt: missing \[\], extra \['n00000001'\]"),
        (with_an_empty_class, r"train: no images in \['n04067472'\]; an image ends in one of"),
        (with_one_class, r"only the class 'n02124075'; classification needs at least two"),
        (with_no_class, r"no class; classification needs at least two"),
        (with_a_list_that_is_no_text, r"wnids\.txt: is not UTF-8 text \(byte 10\); unpack it again"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_is_refused(tmp_path, spoil, message):
    spoil(write_tiny(tmp_path))
    with pytest.raises(DataError, match=message):
        list_images(data_at(tmp_path))


@pytest.fixture(scope="session")
def forty(tmp_path_factory):
    """The first 40 classes of the real Tiny ImageNet."""
    return unpacked(TINY_IMAGENET, tmp_path_factory.mktemp("tiny-imagenet"))


@pytest.mark.slow  # unpacks 22,000 files
def test_the_real_tiny_imagenet_is_listed(forty):
    listing = list_images(data_at(forty))
    assert len(listing.classes) == 40
    for part, images in ((listing.train, 450), (listing.validation, 50), (listing.test, 50)):
        assert np.bincount(part.labels).tolist() == [images] * 40
    annotations = (forty / "tiny-imagenet-200/val/val_annotations.txt").read_text().splitlines()
    expected = {name: [] for name in listing.classes}
    for line in annotations:
        expected[line.split("\t")[1]].append(line.split("\t")[0])
    assert files_by_class(listing.test, listing.classes) == {name: sorted(files) for name, files in expected.items()}


@pytest.mark.slow
def test_the_real_tiny_imagenet_is_read_and_none_of_its_images_is_in_two_parts(forty):
    images = load_images(data_at(forty), side=64, square=True)
    assert images.train.images_NCHW.shape == (18_000, 3, 64, 64)
    grey = (images.train.images_NCHW[:, 0] == images.train.images_NCHW[:, 2]).flatten(1).all(1)
    assert 0 < grey.sum() < 1_000  # some of its files are grey
    listing = list_images(data_at(forty))
    hashes = [
        {hashlib.sha256(Path(picture.args[0]).read_bytes()).digest() for picture in part.pictures}
        for part in (listing.train, listing.validation)
    ]
    assert len(hashes[0] & hashes[1]) < 20  # Tiny ImageNet has a few images twice
