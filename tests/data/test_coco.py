"""COCO's layout: boxes, masks, crowds, and what is wrong with them."""

import json
import shutil
from pathlib import Path

import faster_coco_eval.core.mask as rle
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference
from scenes_on_disk import tree_of, write_coco, write_json

from fishnet_search.data.coco import _Categories, _Masks, content_of, mask_of
from fishnet_search.data.description import Data, Split
from fishnet_search.data.load_scenes import load_scenes
from fishnet_search.data.scene_sources import list_scenes, scene_classes_of
from fishnet_search.errors import BrokenImage, DataError, MissingImagesError

HEIGHT, WIDTH = 10, 20
POLYGON = [2, 2, 12, 2, 12, 8, 2, 8]


def write(root, *, train=10, val=2, objects=(), year="2017", **settings):
    write_coco(root, f"train{year}", train, objects, **settings)
    write_coco(root, f"val{year}", val, [], **settings)
    return root


def data_at(root, **settings):
    return Data(source=f"coco:{root}", **settings)


def loaded(root, *, masks=False, **settings):
    return load_scenes(data_at(root, **settings), image_size=96, maps=False, masks=masks)


def everything(found):
    """What is said of all training images, whichever part they are in."""
    return {**tree_of(found.train), **tree_of(found.validation)}


def test_boxes_categories_areas_and_crowds_are_read(tmp_path):
    objects = [
        {"bbox": [1, 2, 5, 4], "area": 12.5},
        {"bbox": [0.5, 0.25, 19.5, 9.75], "category_id": 7, "iscrowd": 1},
        {"image_id": 3, "bbox": [0, 0, 1, 1]},
    ]
    found = loaded(write(tmp_path, objects=objects))
    assert found.classes == ("cat", "dog")  # in the order of their numbers, 3 and 7
    truths = everything(found)
    truth = truths["001.jpg"]
    assert truth.boxes_K4.tolist() == [[1, 2, 6, 6], [0.5, 0.25, 20, 10]]
    assert truth.labels_K.tolist() == [0, 1]
    assert truth.areas_K.tolist() == [12.5, 20]
    assert truth.crowd_K.tolist() == [False, True]
    assert truth.difficult_K.tolist() == [False, False]
    assert truth.masks is None
    assert len(truths["002.jpg"]) == 0
    assert len(truths["003.jpg"]) == 1


def test_without_an_area_it_is_the_boxs_or_the_masks(tmp_path):
    objects = [{"area": None, "segmentation": [[2, 2, 5, 2, 5, 6, 2, 6]]}]
    root = write(tmp_path, objects=objects)
    assert everything(loaded(root))["001.jpg"].areas_K.tolist() == [20]
    assert everything(loaded(root, masks=True))["001.jpg"].areas_K.tolist() == [12]


@pytest.mark.parametrize("year", ["2017", "2014", ""])
def test_val_is_the_test_part_and_a_tenth_of_train_is_set_aside(tmp_path, year):
    listing = list_scenes(data_at(write(tmp_path, train=11, year=year)), maps=False, masks=False)
    names = {part: [scene.name for scene in scenes] for part, scenes in listing.parts.items()}
    assert [len(of) for of in names.values()] == [9, 2, 2]
    assert sorted(names["train"] + names["validation"]) == [f"{number:03}.jpg" for number in range(1, 12)]
    assert listing.split == (
        f"instances_train{year} and instances_val{year}: train 9 of 11 training images, "
        "validation 2 of 11 training images, test 2 of 2 test images; drawn with seed 0"
    )


def test_three_files_are_the_three_parts_and_the_split_is_honoured(tmp_path):
    for part, images in (("train", 6), ("val", 3), ("test", 2)):
        write_coco(tmp_path, part, images, [], folder=f"images/{part}")
    found = loaded(tmp_path)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [6, 3, 2]
    found = loaded(tmp_path, split=Split(train=4, validation=1, test=1))
    assert [len(part) for part in (found.train, found.validation, found.test)] == [4, 1, 1]


def test_images_may_lie_in_one_folder(tmp_path):
    write_coco(tmp_path, "train", 10, [], folder="images")
    write_coco(tmp_path, "val", 2, [], folder="images")
    assert len(loaded(tmp_path).train) == 9


def test_boxes_are_clipped_and_those_without_area_are_dropped_and_named(tmp_path):
    objects = [{"bbox": [-2, 3, 5, 40]}, {"bbox": [3, 3, 0, 4]}, {"bbox": [3, 3, 4, -2]}, {"bbox": [25, 3, 4, 2]}]
    found = loaded(write(tmp_path, objects=objects))
    assert everything(found)["001.jpg"].boxes_K4.tolist() == [[0, 3, 3, 10]]
    assert found.clipped == 1
    assert found.dropped == (
        "001.jpg: box (3, 3, 0, 4) has no area",
        "001.jpg: box (3, 3, 4, -2) has no area",
        "001.jpg: box (25, 3, 4, 2) has no area in the image",
    )


def runs_of(mask_HW, *, compressed):
    if compressed:
        mask = rle.encode(np.asfortranarray(mask_HW, np.uint8))
        return {"size": [HEIGHT, WIDTH], "counts": mask["counts"].decode()}
    flat = np.concatenate([[0], mask_HW.ravel(order="F"), [2]])
    ends = np.flatnonzero(np.diff(flat))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *ends]).tolist()}


@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths_are_the_mask_that_they_were_made_of(tmp_path, compressed):
    mask_HW = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.5
    objects = [{"segmentation": runs_of(mask_HW, compressed=compressed), "iscrowd": 1}]
    (mask,) = everything(loaded(write(tmp_path, objects=objects), masks=True))["001.jpg"].masks
    assert mask["size"] == [HEIGHT, WIDTH]
    assert (rle.decode(mask) == mask_HW).all()


CORNERS = st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 15)), min_size=3, max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(CORNERS, min_size=1, max_size=3))
def test_polygons_are_drawn_as_pycocotools_does(polygons):
    flat = [[float(edge) for corner in polygon for edge in corner] for polygon in polygons]
    mask = mask_of(json.dumps(flat).encode(), HEIGHT, WIDTH, "x")
    expected = reference.decode(reference.merge(reference.frPyObjects(flat, HEIGHT, WIDTH)))
    assert (rle.decode(mask) == expected).all()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, r"image 1: annotation 1: segmentation: there is none, and each object needs a mask; add it, or ask for"),
        ([], r"segmentation: there is none"),
        ([[1, 1, 2, 2]], r"segmentation: a polygon of 4 numbers; x and y of three corners or more are needed"),
        ([[1, 1, 2, 2, 3, 3, 4]], r"segmentation: a polygon of 7 numbers"),
        ([[1, 1, 2, 2, 3, 1e9]], r"segmentation: a corner at 1e\+09, far beyond the image; mend it"),
        ([[-1e300, 1, 2, 2, 3, 4]], r"segmentation: a corner at -1e\+300, far beyond the image"),
        ("none", r"segmentation: is neither polygons nor run lengths: Expected"),
        ({"size": [10, 20]}, r"segmentation: is neither polygons nor run lengths: .*`counts`"),
        ({"size": [20, 10], "counts": [200]}, r"segmentation\.size: \[20, 10\], and the image has \[10, 20\]; mend it"),
        (
            {"size": [10, 20], "counts": [100, 99]},
            r"segmentation\.counts: are not run lengths of 200 pixels; mend them",
        ),
        ({"size": [10, 20], "counts": [-100, 300]}, r"segmentation\.counts: are not run lengths of 200 pixels"),
        ({"size": [10, 20], "counts": []}, r"segmentation\.counts: are not run lengths of 200 pixels"),
        ({"size": [10, 20], "counts": "PPPP1"}, r"segmentation\.counts: are no run lengths: .*; mend them"),
        ({"size": [10, 20], "counts": "ÿ"}, r"segmentation\.counts: are no run lengths: "),
        ({"size": [10, 20], "counts": ""}, r"segmentation\.counts: are no run lengths: "),
    ],
)
def test_a_segmentation_that_is_no_mask_is_refused_where_masks_are_asked_for(tmp_path, segmentation, message):
    root = write(tmp_path, objects=[{"segmentation": segmentation}])
    assert len(everything(loaded(root))["001.jpg"]) == 1
    with pytest.raises(DataError, match=message):
        loaded(root, masks=True)


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
RUNS = st.fixed_dictionaries(
    {"size": st.just([HEIGHT, WIDTH]), "counts": st.one_of(st.text(max_size=20), st.lists(st.integers(), max_size=5))}
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(RUNS, st.lists(st.lists(NUMBERS, max_size=9), max_size=3), st.text(max_size=5)))
@example({"size": [HEIGHT, WIDTH], "counts": "o" * 30})
@example({"size": [HEIGHT, WIDTH], "counts": "0" * 300})
def test_any_segmentation_is_a_mask_or_refused_in_one_sentence(segmentation):
    try:
        mask = mask_of(json.dumps(segmentation).encode(), HEIGHT, WIDTH, "x")
    except DataError as error:
        assert str(error).startswith("x")
        assert "\n" not in str(error)
    else:
        assert rle.decode(mask).shape == (HEIGHT, WIDTH)


def changed(content, path, value):
    """Return a copy with one thing changed: a value, or nothing at all."""
    content = json.loads(json.dumps(content))
    *way, last = path
    inner = content
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("annotations", 0, "category_id"),
            5,
            r"annotations\[0\]\.category_id: no category has the number 5; add it to",
        ),
        (("annotations", 1, "image_id"), 99, r"annotations\[1\]\.image_id: no image has the number 99; add the image"),
        (("annotations", 1, "id"), 1, r"json: annotations: numbers there twice: \[1\]; each must be there once"),
        (("annotations", 0, "area"), -1, r"annotations\[0\]\.area: -1 is no number of pixels; write 0 or more"),
        (("annotations", 0, "area"), 1e300, r"annotations\[0\]\.area: 1e\+300 is no number of pixels"),
        (
            ("annotations", 0, "bbox"),
            [1, 2, 3],
            r"is not as COCO's files are: .* - at `\$\.annotations\[0\]\.bbox`; mend",
        ),
        (("annotations", 0, "bbox"), None, r"missing required field `bbox` - at `\$\.annotations\[0\]`"),
        (("annotations", 0, "bbox"), [1, 2, 3, "4"], r"Expected `float`, got `str` - at `\$\.annotations\[0\]\.bbox\["),
        (("images", 1, "id"), 1, r"json: images: numbers there twice: \[1\]"),
        (("images", 1, "file_name"), "001.jpg", r"json: images: file_name there twice: \['001\.jpg'\]"),
        (
            ("images", 1, "file_name"),
            "x.jpg",
            r"1 of its images are missing: \['x\.jpg'\]; expected in .*/train2017 or ",
        ),
        (
            ("images", 1, "file_name"),
            "../train2017/001.jpg",
            r"1 of its images are missing: \['\.\./train2017/001\.jpg'",
        ),
        (("images", 1, "file_name"), "/etc/hostname", r"1 of its images are missing: \['/etc/hostname'\]"),
        (("images", 1, "file_name"), "\0", r"1 of its images are missing"),
        (
            ("images", 0, "width"),
            21,
            r"image 1: is annotated with 21×10 pixels, and 001\.jpg has 20×10; annotate the im",
        ),
        (("images",), None, r"Object missing required field `images`"),
        (("categories",), [], r"json: categories: has none; add those of its objects"),
        (("categories", 0, "id"), 3, r"json: categories: numbers there twice: \[3\]"),
        (("categories", 0, "name"), "cat", r"json: categories: names there twice: \['cat'\]"),
        (
            ("categories", 0, "name"),
            "rat",
            r"val2017\.json: categories: \['cat', 'dog'\], and instances_train2017\.json",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, path, value, message):
    write(tmp_path)
    content = write_coco(tmp_path, "train2017", 10, [{}, {}])
    write_json(tmp_path, "train2017", changed(content, path, value))
    with pytest.raises(DataError, match=message):
        loaded(tmp_path)


def test_sizes_of_images_need_not_be_declared(tmp_path):
    write(tmp_path)
    content = write_coco(tmp_path, "train2017", 10, [{}])
    for image in content["images"]:
        del image["width"], image["height"]
    write_json(tmp_path, "train2017", content)
    assert len(everything(loaded(tmp_path))["001.jpg"]) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": [],\n"annotations": oops}', r"json:2: is no JSON: .*; mend it, or unpack it again"),
        (b'{"images": [', r"json:1: is no JSON: "),
        (b"", r"json:1: is no JSON: "),
        (b"\xff\xfe", r"json:1: is no JSON: "),
        (b"[" * 100_000, r"json:?.*: is no"),
        (b"[]", r"json: is not as COCO's files are: Expected `object`, got `array`; mend it"),
    ],
)
def test_a_file_that_is_no_json_is_refused_with_its_line(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / "annotations/instances_train2017.json").write_bytes(content)
    for look in (loaded, lambda root: scene_classes_of(data_at(root), maps=False)):
        with pytest.raises(DataError, match=message):
            look(tmp_path)


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.fixed_dictionaries({"images": ANY_JSON, "annotations": ANY_JSON, "categories": ANY_JSON}).map(
            lambda content: json.dumps(content).encode()
        ),
    )
)
def test_any_bytes_are_a_file_of_annotations_or_refused_in_one_sentence(content):
    for kind in (_Masks, _Categories):
        try:
            content_of(content, "x.json", kind)
        except DataError as error:
            assert str(error).startswith("x.json")
            assert "\n" not in str(error)


VALUES = {
    "id": st.integers(0, 3),
    "image_id": st.integers(0, 3),
    "category_id": st.integers(0, 3),
    "bbox": st.lists(NUMBERS, min_size=4, max_size=4),
    "iscrowd": st.integers(0, 1),
    "area": st.one_of(st.none(), NUMBERS),
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries(VALUES), max_size=3))
def test_any_objects_are_within_their_images_or_refused(tmp_path_factory, objects):
    root = tmp_path_factory.getbasetemp() / "any-objects"
    if not root.exists():
        write(root, train=2, val=1)
    content = json.loads((root / "annotations/instances_val2017.json").read_text())
    write_json(root, "train2017", {**content, "images": [], "annotations": []})
    images = [{"id": number, "file_name": f"{number:03}.jpg"} for number in (1, 2)]
    categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    write_json(root, "train2017", {"categories": categories, "images": images, "annotations": objects})
    try:
        found = loaded(root)
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert sum(map(len, everything(found).values())) + len(found.dropped) == len(objects)
    for truth in everything(found).values():
        x1, y1, x2, y2 = truth.boxes_K4.T
        assert ((x1 >= 0) & (x1 < x2) & (x2 <= WIDTH) & (y1 >= 0) & (y1 < y2) & (y2 <= HEIGHT)).all()
        assert (truth.areas_K >= 0).all()
        assert truth.areas_K.isfinite().all()


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(MissingImagesError, match=r"nowhere: no such folder; expected PATH/annotations/instances_train"):
        loaded(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no folder annotations; expected PATH/annotations"):
        loaded(tmp_path)
    write_coco(tmp_path, "val2017", 2, [])
    with pytest.raises(
        DataError, match=r"annotations: has no instances_train2017\.json, nor one of another year; expe"
    ):
        loaded(tmp_path)
    write_coco(tmp_path, "train2017", 2, [])
    write_coco(tmp_path, "train2014", 2, [])
    with pytest.raises(DataError, match=r"has instances_train2014\.json and instances_train2017\.json; keep one and"):
        loaded(tmp_path)
    with pytest.raises(DataError, match=r"^data 'coco' needs the path of a folder; write 'coco:PATH'$"):
        load_scenes(Data(source="coco"), image_size=96, maps=False)
    with pytest.raises(
        DataError, match=r"COCO's objects leave most pixels without a class; use 'voc:PATH' or 'shapes'"
    ):
        scene_classes_of(data_at(tmp_path), maps=True)


def test_only_train_gives_all_parts(tmp_path):
    write_coco(tmp_path, "train", 20, [])
    found = loaded(tmp_path)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [16, 2, 2]


def test_missing_and_broken_images_are_told_apart(tmp_path):
    root = write(tmp_path)
    (root / "train2017/004.jpg").write_bytes(b"no picture")
    with pytest.raises(BrokenImage, match=r"train2017/004\.jpg: not a readable image"):
        loaded(root)
    found = loaded(root, broken="skip")
    assert [Path(name).name for name in found.skipped] == ["004.jpg"]
    assert len(everything(found)) == 9
    (root / "train2017/004.jpg").unlink()
    with pytest.raises(DataError, match=r"json: 1 of its images are missing: \['004\.jpg'\]; expected in"):
        loaded(root, broken="skip")


def test_the_same_images_elsewhere_have_the_same_fingerprint(tmp_path):
    root = write(tmp_path / "here", objects=[{"segmentation": [POLYGON]}])
    shutil.copytree(root, tmp_path / "there")
    assert loaded(root).fingerprint == loaded(tmp_path / "there").fingerprint
    assert loaded(root).fingerprint != loaded(root, masks=True).fingerprint
