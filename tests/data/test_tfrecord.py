"""ImageNet in the shards that TensorFlow's script writes."""

import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load import load_images
from fishnet_search.data.sources import classes_of, list_images
from fishnet_search.errors import BrokenImage, DataError

WNIDS = {1: "n01440764", 2: "n01443537", 4: "n02119789"}  # label 3 is left out: a part of the classes will do


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tfrecord", None)
    with pytest.raises(DataError, match=r"^tfrecord: needs the package tfrecord, .* `pip install -e '\.\[tfrecord\]'`"):
        list_images(Data(source=f"tfrecord:{tmp_path}"))


def encoded(value):
    file = BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(file, "png")
    return file.getvalue()


def example(value, label, **more):
    """What the script writes of an image, as far as it is read here."""
    return {
        "image/height": (8, "int"),
        "image/class/label": (label, "int"),
        "image/class/synset": (WNIDS.get(label, "n99999999").encode(), "byte"),
        "image/encoded": (encoded(value), "byte"),
    } | more


def write_shard(file, examples):
    writer = pytest.importorskip("tfrecord", reason="needs the package tfrecord").writer.TFRecordWriter(str(file))
    for each in examples:
        writer.write(each)
    writer.close()


def write_shards(root, images=12):
    """Write two training shards with `images` of each class, and one validation shard with two; red is a number."""
    examples = [example(10 * label + i, label) for i in range(images) for label in WNIDS]
    write_shard(root / "train-00000-of-00002", examples[: len(examples) // 2])
    write_shard(root / "train-00001-of-00002", examples[len(examples) // 2 :])
    write_shard(root / "validation-00000-of-00001", [example(100 + label, label) for label in (4, 1, 2, 1, 4, 2)])
    return root


def data_at(root, **options):
    return Data(source=f"tfrecord:{root}", **options)


def reds(part):
    return [picture()[1].getpixel((0, 0))[0] for picture in part.pictures]


def test_classes_are_named_by_their_synsets_in_the_order_of_their_labels(tmp_path):
    assert classes_of(data_at(write_shards(tmp_path))) == tuple(WNIDS.values())


def test_images_and_labels_are_those_of_the_records(tmp_path):
    listing = list_images(data_at(write_shards(tmp_path)))
    assert reds(listing.test) == [104, 101, 102, 101, 104, 102]
    assert listing.test.labels.tolist() == [2, 0, 1, 0, 2, 1]
    found = {
        red: label
        for part in (listing.train, listing.validation)
        for red, label in zip(reds(part), part.labels, strict=True)
    }
    assert found == {10 * label + i: place for place, label in enumerate(WNIDS) for i in range(10)} | {
        10 * label + i: place for place, label in enumerate(WNIDS) for i in (10, 11)
    }


def test_validation_shards_are_the_test_part_and_a_tenth_of_a_small_class_is_for_validation(tmp_path):
    listing = list_images(data_at(write_shards(tmp_path)))
    assert np.bincount(listing.train.labels).tolist() == [10, 10, 10]
    assert np.bincount(listing.validation.labels).tolist() == [2, 2, 2]
    assert list_images(data_at(tmp_path, split=Split(validation=9))).validation.labels.shape == (9,)


def test_they_are_loaded(tmp_path):
    images = load_images(data_at(write_shards(tmp_path)), side=8, square=True)
    assert images.test.images_NCHW[:, 0, 0, 0].tolist() == [104, 101, 102, 101, 104, 102]


def test_without_synsets_the_labels_are_the_names(tmp_path):
    for part, count in (("train", 10), ("validation", 1)):
        examples = [example(i, label) for i in range(count) for label in (10, 9)]
        for each in examples:
            del each["image/class/synset"]
        write_shard(tmp_path / f"{part}-00000-of-00001", examples)
    assert classes_of(data_at(tmp_path)) == ("9", "10")


def test_a_broken_image_is_named_by_its_record(tmp_path):
    write_shards(tmp_path)
    write_shard(
        tmp_path / "validation-00000-of-00001",
        [example(0, label) for label in WNIDS] + [example(0, 1, **{"image/encoded": (b"no image", "byte")})],
    )
    with pytest.raises(BrokenImage, match=r"validation-00000-of-00001: record 3: not a readable image"):
        list_images(data_at(tmp_path)).test.pictures[3]()


def without_a_shard(root):
    (root / "train-00001-of-00002").unlink()


def without_validation(root):
    (root / "validation-00000-of-00001").unlink()


def with_shards_of_two_numbers(root):
    (root / "train-00000-of-00001").write_bytes(b"")


def with_a_flipped_bit(root):
    content = bytearray((root / "train-00001-of-00002").read_bytes())
    content[len(content) // 2] ^= 1
    (root / "train-00001-of-00002").write_bytes(content)


def with_a_shard_cut_off(root):
    content = (root / "train-00001-of-00002").read_bytes()
    (root / "train-00001-of-00002").write_bytes(content[:-50])


def with_text_in_its_place(root):
    (root / "train-00001-of-00002").write_text("<html>404 not found</html>")


def without_records(root):
    for file in root.iterdir():
        file.write_bytes(b"")


def with_a_label_that_train_has_not(root):
    write_shard(root / "validation-00000-of-00001", [example(0, 3)])


def with_a_label_of_two_names(root):
    more = {"image/class/synset": (b"n00000000", "byte")}
    write_shard(root / "validation-00000-of-00001", [example(0, 1, **more)])


def with_a_class_fewer_in_validation(root):
    write_shard(root / "validation-00000-of-00001", [example(0, 1), example(0, 2)])


def without_labels(root):
    write_shard(root / "train-00001-of-00002", [{"image/encoded": (encoded(0), "byte")}])


def with_labels_in_letters(root):
    write_shard(root / "train-00001-of-00002", [example(0, 1, **{"image/class/label": (b"cat", "byte")})])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_a_shard, r": 1 train shards are missing or too many: \['train-00001-of-00002'\]"),
        (without_validation, r"has no validation shards; expected PATH/train-00000-of-01024"),
        (with_shards_of_two_numbers, r"train shards are missing or too many"),
        (with_a_flipped_bit, r"train-00001-of-00002: record \d+: is damaged, by its checksum, or the file is no TFRec"),
        (with_a_shard_cut_off, r"train-00001-of-00002: record 17: is cut short; copy the shard again"),
        (
            with_text_in_its_place,
            r"train-00001-of-00002: record 0: is damaged, by its checksum, or the file is no TFRe",
        ),
        (with_a_label_that_train_has_not, r"record 0: label 3, 'n99999999', is not in the training shards; write"),
        (
            with_a_label_of_two_names,
            r"record 0: label 1, 'n00000000', is 'n01440764' elsewhere; write the shards",
        ),
        (with_a_class_fewer_in_validation, r"the validation shards have no images of the labels \[4\]"),
        (without_records, r"no class; classification needs at least two"),
        (without_labels, r"train-00001-of-00002: record 0: has no image/class/label of one value; write the shards as"),
        (with_labels_in_letters, r"record 0: has no image/class/label of one value"),
    ],
)
def test_shards_that_are_not_as_they_should_be_are_refused(tmp_path, spoil, message):
    spoil(write_shards(tmp_path))
    with pytest.raises(DataError, match=message):
        list_images(data_at(tmp_path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_shard_is_never_read(tmp_path_factory, data):
    root = write_shards(tmp_path_factory.mktemp("shards"), images=2)
    file = root / "train-00000-of-00002"
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    with pytest.raises(DataError, match="train-00000-of-00002: record"):
        list_images(data_at(root))
