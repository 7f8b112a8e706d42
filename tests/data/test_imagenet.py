"""ImageNet in class folders, and with its validation images in one folder, as they are given out."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures_on_disk import files_by_class, write_class_folders, write_image
from scipy.io import savemat

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load import load_images
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import DataError

WNIDS = ("n01440764", "n01443537", "n02119789")
# The devkit numbers classes in an order of its own, and behind those that are used come others: groups of them.
NUMBERS = {"n02119789": 1, "n01440764": 2, "n01443537": 3, "n00001740": 1001}
VALIDATION = ("n02119789", "n01440764", "n01443537", "n01440764", "n02119789", "n01443537")  # of images 1, 2, ...


def image_name(number):
    return f"ILSVRC2012_val_{number:08}.JPEG"


def write_train(root, images=12):
    for name in WNIDS:
        write_class_folders(root / "train", {name: images})
    return root


def write_folders(root):
    """Write `val` sorted into class folders."""
    for number, name in enumerate(VALIDATION, start=1):
        write_image(root / "val" / name / image_name(number), value=number)
    return write_train(root)


def write_flat(root):
    """Write `val` as it is given out, without a file of labels."""
    for number in range(1, len(VALIDATION) + 1):
        write_image(root / "val" / image_name(number), value=number)
    return write_train(root)


def add_ground_truth(root):
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{NUMBERS[name]}\n" for name in VALIDATION))
    rows = [(number, name, "words", "gloss", int(number > 1000)) for name, number in NUMBERS.items()]
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    savemat(root / "meta.mat", {"synsets": np.array(rows, fields)})


def add_val_txt(root):
    lines = (f"{image_name(number)} {WNIDS.index(name)}" for number, name in enumerate(VALIDATION, start=1))
    (root / "val.txt").write_text("\n".join(lines))


def add_val_txt_of_wnids(root):
    lines = (f"{image_name(number)} {name}" for number, name in enumerate(VALIDATION, start=1))
    (root / "val.txt").write_text("\n".join(lines))


def add_kaggle(root):
    lines = [
        f"{image_name(number).removesuffix('.JPEG')},{name} 1 2 3 4 {name} 5 6 7 8"
        for number, name in enumerate(VALIDATION, start=1)
    ]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *reversed(lines)]))


LABEL_FILES = [add_ground_truth, add_val_txt, add_val_txt_of_wnids, add_kaggle]


def data_at(root, **options):
    return Data(source=f"imagenet:{root}", **options)


def test_classes_are_the_folders_in_sorted_order(tmp_path):
    assert classes_of(data_at(write_folders(tmp_path))) == WNIDS


def test_val_is_the_test_part_and_a_tenth_of_a_small_class_is_for_validation(tmp_path):
    listing = list_images(data_at(write_folders(tmp_path)))
    assert np.bincount(listing.train.labels).tolist() == [10, 10, 10]
    assert np.bincount(listing.validation.labels).tolist() == [2, 2, 2]
    assert np.bincount(listing.test.labels).tolist() == [2, 2, 2]
    assert listing.split.startswith("train 30 of 36 training images, validation 6 of 36 training images, test 6 of 6")


def test_50_images_of_each_large_class_are_for_validation(tmp_path):
    write_folders(tmp_path)
    for name, images in zip(WNIDS, (500, 732, 1300), strict=True):
        for i in range(12, images):
            (tmp_path / f"train/{name}/{name}_{i}.JPEG").symlink_to(tmp_path / f"train/{name}/{name}_0.JPEG")
    listing = list_images(data_at(tmp_path))
    assert np.bincount(listing.validation.labels).tolist() == [50, 50, 50]
    assert np.bincount(listing.train.labels).tolist() == [450, 682, 1250]


@pytest.mark.parametrize("add", LABEL_FILES)
def test_a_flat_val_is_the_same_as_one_in_class_folders(tmp_path, add):
    flat, folders = write_flat(tmp_path / "flat"), write_folders(tmp_path / "folders")
    add(flat)
    expected = {
        "n01440764": [image_name(2), image_name(4)],
        "n01443537": [image_name(3), image_name(6)],
        "n02119789": [image_name(1), image_name(5)],
    }
    assert files_by_class(list_images(data_at(flat)).test, WNIDS) == expected
    assert files_by_class(list_images(data_at(folders)).test, WNIDS) == expected
    one, other = (load_images(data_at(root), side=8, square=True) for root in (flat, folders))
    assert one.fingerprint == other.fingerprint


def test_it_can_be_split_otherwise(tmp_path):
    split = Split(train=9, validation=9, test=3, seed=1)
    listing = list_images(data_at(write_folders(tmp_path), split=split))
    assert [len(part.labels) for part in (listing.train, listing.validation, listing.test)] == [9, 9, 3]


def without_val(root):
    shutil.rmtree(root / "val")


def without_labels(root):
    pass


def without_the_devkits_list(root):
    add_ground_truth(root)
    (root / "meta.mat").unlink()


def with_a_devkits_list_that_is_none(root):
    add_ground_truth(root)
    (root / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))


def with_one_image_fewer_than_lines(root):
    add_ground_truth(root)
    (root / "val" / image_name(3)).unlink()


def with_one_line_fewer_than_images(root):
    add_val_txt(root)
    file = root / "val.txt"
    file.write_text(file.read_text().rpartition("\n")[0])


def with_a_number_of_no_class(root):
    add_ground_truth(root)
    file = root / "ILSVRC2012_validation_ground_truth.txt"
    file.write_text(file.read_text().replace("3\n", "77\n", 1))


def with_a_number_of_a_group(root):
    add_ground_truth(root)
    file = root / "ILSVRC2012_validation_ground_truth.txt"
    file.write_text(file.read_text().replace("3\n", "1001\n", 1))


def with_places_from_1(root):
    add_val_txt(root)
    (root / "val.txt").write_text("".join(f"{image_name(i)} {i}\n" for i in range(1, 7)))


def with_kaggles_list_of_images(root):
    (root / "val.txt").write_text("".join(f"{image_name(i).removesuffix('.JPEG')} {i}\n" for i in range(1, 7)))


def with_a_line_twice(root):
    add_val_txt(root)
    (root / "val.txt").write_text(2 * f"{image_name(1)} 0\n")


def with_images_beside_class_folders(root):
    write_image(root / "val" / WNIDS[0] / "a.JPEG")


def with_a_class_that_has_no_test_image(root):
    (root / "val.txt").write_text("".join(f"{image_name(i)} {i % 2}\n" for i in range(1, 7)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_val, r"has no folder val; expected PATH/train/WNID/\*\.JPEG and PATH/val/WNID/\*\.JPEG, or PATH/val"),
        (without_labels, r"has no file of labels for the 6 images in val; expected .* val\.txt, LOC_val_solution\.csv"),
        (
            without_the_devkits_list,
            r"meta\.mat: is missing, and .*_truth\.txt has numbers that only it explains",
        ),
        (with_a_devkits_list_that_is_none, r"meta\.mat: is not the devkit's list of classes: .*; copy it from there"),
        (
            with_one_image_fewer_than_lines,
            r"does not fit .*val: 1 of its images are missing \['.*00000003",
        ),
        (
            with_one_line_fewer_than_images,
            r"1 of the folder's have no class \['.*00000006\.JPEG'\]; unpack",
        ),
        (with_a_number_of_no_class, r"_ground_truth\.txt:3: '77' is the number of no class in meta\.mat"),
        (
            with_a_number_of_a_group,
            r"'.*00000003\.JPEG' is of class 'n00001740', which is none of the 3 in",
        ),
        (
            with_places_from_1,
            r"val\.txt: '.*00000003\.JPEG' is of class '3', which is none of the 3 in train",
        ),
        (with_kaggles_list_of_images, r"val\.txt: 'ILSVRC2012_val_00000003' is of class '3', which is none of the 3"),
        (with_a_line_twice, r"val\.txt: names 'ILSVRC2012_val_00000001\.JPEG' twice; unpack it again"),
        (with_images_beside_class_folders, r"val: has class folders \['n01440764'\] and 6 images beside them \['ILSVR"),
        (with_a_class_that_has_no_test_image, r"val: other classes than in train: missing \['n02119789'\], extra \[\]"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_is_refused(tmp_path, spoil, message):
    spoil(write_flat(tmp_path))
    with pytest.raises(DataError, match=message):
        list_images(data_at(tmp_path))


def test_a_train_without_class_folders_is_refused(tmp_path):
    write_image(tmp_path / "train/a.JPEG")
    write_image(tmp_path / "val/a.JPEG")
    with pytest.raises(DataError, match=r"train: has no class folders; expected PATH/train/WNID"):
        list_images(data_at(tmp_path))


def test_an_empty_class_is_refused(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "train/n01443538").mkdir()
    with pytest.raises(DataError, match=r"train: no images in \['n01443538'\]"):
        list_images(data_at(tmp_path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["val.txt", "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt", "meta.mat"]),
    content=st.binary(max_size=60) | st.text("0123 n,\n_ILSVR", max_size=60).map(str.encode),
)
def test_a_file_of_labels_may_hold_anything_and_is_refused(tmp_path, name, content):
    if not (tmp_path / "val").exists():
        write_flat(tmp_path)
    for file in tmp_path.iterdir():
        if file.is_file():
            file.unlink()
    add_ground_truth(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError):
        list_images(data_at(tmp_path))
