"""Image sources by name, before any image is decoded."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures_on_disk import write_class_folders

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load import load_images
from fishnet_search.data.packing import write_pack
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import DataError


def test_the_digits_have_ten_classes_in_the_order_of_their_labels():
    assert classes_of(Data(source="digits")) == tuple("0123456789")


def test_a_folder_tells_its_classes_though_no_file_in_it_is_an_image(tmp_path):
    for part in ("train", "val", "test"):
        for name in ("dog", "cat"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "1.png").write_text("no picture")
    data = Data(source=f"imagefolder:{tmp_path}")
    assert classes_of(data) == ("cat", "dog")
    assert len(list_images(data).train.labels) == 2


def test_shapes_are_listed_as_many_as_are_asked_for():
    listing = list_images(Data(source="shapes:80", split=Split(train=40, seed=2)))
    assert [len(part.labels) for part in (listing.train, listing.validation, listing.test)] == [40, 20, 20]
    assert listing.split.startswith("train 40 of 80 training images, validation 20 of 20 validation images, test 20 of")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "digit",
            r"^unknown data 'digit'; did you mean 'digits'\? one of 'digits', 'imagefolder:PATH'",
        ),
        ("image-net:/x", r"unknown data 'image-net:/x'; did you mean 'imagenet'\?"),
        ("tinyimagenet:/x", r"did you mean 'tiny-imagenet'\?"),
        ("packs:/x", r"did you mean 'pack'\?"),
        ("mnist", r"^unknown data 'mnist'; one of .*'shapes', 'shapes:IMAGES', 'pack:FILE'$"),
        ("", r"^unknown data ''; one of"),
        ("digits:/x", r"'digits:/x': the digits come with scikit-learn and take no path; write 'digits'"),
        ("imagenet", r"^data 'imagenet' needs the path of a folder; write 'imagenet:PATH'$"),
        ("cifar10:", r"^data 'cifar10' needs the path of a folder; write 'cifar10:PATH'$"),
        ("pack:", r"^data 'pack' needs the path of a file; write 'pack:FILE'$"),
    ],
)
@pytest.mark.parametrize("look", [classes_of, list_images])
def test_a_source_that_names_no_images_is_refused(source, message, look):
    with pytest.raises(DataError, match=message):
        look(Data(source=source))


FOLDERS = ("imagefolder", "imagenet", "tiny-imagenet", "cifar10", "cifar100")


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("path", ["/nowhere/at-all", "~nobody-of-that-name/x", "\0", "x" * 5000])
def test_a_path_of_no_folder_is_refused_in_one_sentence(name, path):
    with pytest.raises(DataError, match=r"no such folder; expected PATH/|cannot be a folder: "):
        list_images(Data(source=f"{name}:{path}"))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_or_an_empty_folder_is_refused_with_how_it_should_look(name, tmp_path):
    with pytest.raises(DataError, match=r"has no .*; expected PATH/"):
        list_images(Data(source=f"{name}:{tmp_path}"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: not a folder; expected PATH/"):
        list_images(Data(source=f"{name}:{tmp_path / 'file'}"))


ENTRIES = ("train", "val", "test", "images", "a", "b.JPEG", "val.txt", "wnids.txt", "val_annotations.txt")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FOLDERS),
    entries=st.lists(st.sampled_from(ENTRIES), max_size=6),
    folders=st.integers(0, 3),
)
def test_a_folder_of_anything_is_refused_in_one_sentence(tmp_path_factory, name, entries, folders):
    root = tmp_path_factory.mktemp("any")
    inner = root.joinpath(*entries[:folders])
    inner.mkdir(parents=True, exist_ok=True)
    for entry in entries[folders:]:
        if not (inner / entry).exists():
            (inner / entry).write_text("x")
    with pytest.raises(DataError) as error:
        list_images(Data(source=f"{name}:{root}"))
    assert "\n" not in str(error.value)


def test_a_pack_has_the_classes_and_images_that_were_packed(tmp_path):
    write_class_folders(tmp_path / "train", {"cat": 5, "dog": 4})
    write_class_folders(tmp_path / "val", {"cat": 2, "dog": 1})
    write_class_folders(tmp_path / "test", {"cat": 1, "dog": 3})
    folder, pack = Data(source=f"imagefolder:{tmp_path}"), Data(source=f"pack:{tmp_path / 'a.pack'}")
    write_pack(folder, tmp_path / "a.pack", side=8)
    assert classes_of(pack) == ("cat", "dog")
    listing, expected = list_images(pack), list_images(folder)
    assert listing.split == expected.split
    for name in ("train", "validation", "test"):
        found, packed = getattr(listing, name), getattr(load_images(folder, side=8, square=False), name)
        assert found.labels.tolist() == getattr(expected, name).labels.tolist()
        for index, picture in enumerate(found.pictures):
            assert (np.asarray(picture()[1]).transpose(2, 0, 1) == packed.pictures.at(index).numpy()).all()


def test_a_pack_is_split_when_it_is_written(tmp_path):
    with pytest.raises(DataError, match=r"x\.pack: split: a pack is split when it is written; leave it out"):
        list_images(Data(source=f"pack:{tmp_path / 'x.pack'}", split=Split(validation=10)))
