"""PASCAL VOC's layout: boxes, maps, masks, lists and what is wrong with them."""

import re
import shutil
from collections import Counter
from itertools import chain
from xml.etree import ElementTree

import faster_coco_eval.core.mask as rle
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scenes_on_disk import tree_of, write_numbers, write_voc, write_xml, xml_of

from fishnet_search.data.description import Data, Split
from fishnet_search.data.load_scenes import load_scenes
from fishnet_search.data.scene_sources import list_scenes, scene_classes_of
from fishnet_search.data.voc import CLASSES
from fishnet_search.data.voc_xml import annotation_of
from fishnet_search.errors import BrokenImage, DataError, MissingImagesError
from tests.archives import unpacked

PARTS = {"train": ["a", "b", "c"], "val": ["d", "e"], "test": ["f"]}


def data_at(root, **settings):
    return Data(source=f"voc:{root}", **settings)


def boxes(root, **settings):
    return load_scenes(data_at(root, **settings), image_size=96, maps=False)


def names(listing):
    return {part: [scene.name for scene in scenes] for part, scenes in listing.parts.items()}


def listed(root, *, maps=False, masks=False, **settings):
    return list_scenes(data_at(root, **settings), maps=maps, masks=masks)


def numbered(prefix, count):
    return [f"{prefix}{number:02}" for number in range(count)]


def test_boxes_begin_at_pixel_nought_and_end_behind_their_last_pixel(tmp_path):
    objects = [("cat", (1, 1, 1, 10)), ("dog", (2, 3, 20, 10), "difficult"), ("cat", ("2.5", "3.5", "7.25", "9"))]
    found = boxes(write_voc(tmp_path, PARTS, objects=objects))
    assert found.classes == ("cat", "dog")
    truth = found.train.truths[0]
    assert truth.boxes_K4.tolist() == [[0, 0, 1, 10], [1, 2, 20, 10], [1.5, 2.5, 7.25, 9]]
    assert truth.labels_K.tolist() == [0, 1, 0]
    assert truth.areas_K.tolist() == [10, 152, 5.75 * 6.5]
    assert truth.difficult_K.tolist() == [False, True, False]
    assert truth.crowd_K.tolist() == [False] * 3
    assert truth.masks is None
    assert len(truth) == 3
    assert (found.dropped, found.clipped, found.skipped) == ((), 0, ())


def test_images_have_their_own_size_and_stay_as_they_are_stored(tmp_path):
    write_voc(tmp_path, PARTS)
    exif = Image.Exif()
    exif[0x112] = 6  # lies on its side
    Image.new("L", (20, 10), 9).save(tmp_path / "JPEGImages/b.jpg", exif=exif)
    train = boxes(tmp_path).train
    assert train.names == ("a", "b", "c")
    assert train.pictures.sides_N2.tolist() == [[10, 20]] * 3
    assert train.pictures.at(1).shape == (3, 10, 20)
    assert train.pictures.at(1).unique().tolist() == [9]


def test_boxes_are_clipped_and_those_without_area_are_dropped_and_named(tmp_path):
    objects = [
        ("cat", (-3, 2, 8, 90)),
        ("cat", (4, 5, 4, 5)),
        ("cat", (9, 2, 8, 5)),
        ("cat", (9, 7, 8, 9)),
        ("cat", (21, 1, 30, 5)),
        ("cat", (0, 0, 3, 3)),
    ]
    found = boxes(write_voc(tmp_path, PARTS, objects=objects))
    assert found.train.truths[0].boxes_K4.tolist() == [[0, 1, 8, 10], [0, 0, 3, 3]]
    assert found.clipped == 2 * 6
    assert [sentence for sentence in found.dropped if sentence.startswith("a:")] == [
        "a: box (4, 5, 4, 5) has no area",
        "a: box (9, 2, 8, 5) has no area",
        "a: box (9, 7, 8, 9) has no area",
        "a: box (21, 1, 30, 5) has no area in the image",
    ]


def test_an_image_without_objects_is_kept(tmp_path):
    write_voc(tmp_path, PARTS)
    write_xml(tmp_path, "b", [])
    truth = tree_of(boxes(tmp_path).train)["b"]
    assert truth.boxes_K4.shape == (0, 4)
    assert truth.labels_K.shape == truth.areas_K.shape == truth.crowd_K.shape == truth.difficult_K.shape == (0,)


def test_own_lists_are_the_parts(tmp_path):
    listing = listed(write_voc(tmp_path / "mine", {**PARTS, "trainval": ["a", "b", "c", "d", "e"]}))
    assert names(listing) == {"train": ["a", "b", "c"], "validation": ["d", "e"], "test": ["f"]}
    assert listing.split == (
        "train, val and test of mine: train 3 of 3 training images, validation 2 of 2 validation images, "
        "test 1 of 1 test images"
    )


def test_without_a_test_list_val_is_the_test_part_and_a_tenth_is_set_aside(tmp_path):
    root = write_voc(tmp_path, {"train": numbered("a", 21), "val": ["x", "y"]})
    listing = listed(root)
    found = names(listing)
    assert {part: len(of) for part, of in found.items()} == {"train": 18, "validation": 3, "test": 2}
    assert sorted(found["train"] + found["validation"]) == numbered("a", 21)
    assert found["train"] == sorted(found["train"])
    assert found["test"] == ["x", "y"]
    assert found == names(listed(root))
    assert found != names(listed(root, split=Split(seed=1)))
    assert listing.split.endswith(
        "train 18 of 21 training images, validation 3 of 21 training images, test 2 of 2 test images; drawn with seed 0"
    )


@pytest.mark.parametrize("lists", [{"train": numbered("a", 20)}, {"trainval": numbered("a", 20)}])
def test_what_has_one_list_gives_both_parts_of_it(tmp_path, lists):
    found = names(listed(write_voc(tmp_path, lists)))
    assert [len(of) for of in found.values()] == [16, 2, 2]
    assert sorted(chain(*found.values())) == numbered("a", 20)


def test_without_lists_all_that_is_annotated_is_drawn_from(tmp_path):
    root = write_voc(tmp_path, {"train": numbered("a", 20)})
    shutil.rmtree(root / "ImageSets")
    (root / "Annotations/a03.xml").unlink()
    assert sorted(chain(*names(listed(root)).values())) == [name for name in numbered("a", 20) if name != "a03"]


def test_counts_are_drawn_as_asked_and_another_number_to_train_on_changes_no_other_part(tmp_path):
    root = write_voc(tmp_path, {"train": numbered("a", 20), "test": numbered("t", 9)})
    one = names(listed(root, split=Split(train=5, validation=4, test=3, seed=2)))
    other = names(listed(root, split=Split(train=16, validation=4, test=3, seed=2)))
    assert [len(of) for of in one.values()] == [5, 4, 3]
    assert (one["validation"], one["test"]) == (other["validation"], other["test"])
    assert set(one["train"]) < set(other["train"])
    with pytest.raises(
        DataError, match=r"split: train asks for 17 images and there are 16 to draw from; ask for fewer"
    ):
        listed(root, split=Split(train=17, validation=4))
    with pytest.raises(DataError, match=r"split: the train part would have no image"):
        listed(root, split=Split(validation=20))
    assert names(listed(root, split=Split(train=1)))["test"] == numbered("t", 9)


def write_devkit(root):
    for year, prefix, test in (("2007", "", ["000101", "000102"]), ("2012", "2012_", ["2012_t"])):
        train, val = numbered(f"{prefix}0", 10), numbered(f"{prefix}1", 10)
        parts = {"train": train, "val": val, "trainval": train + val, "test": test}
        write_voc(
            root / f"VOCdevkit/VOC{year}", parts, objects=[("tvmonitor", (2, 3, 8, 9)), ("aeroplane", (1, 1, 5, 5))]
        )
    (root / "VOCdevkit/VOC2012/Annotations/2012_t.xml").unlink()  # they were never published
    return root


def test_links_to_the_years_are_as_good(tmp_path):
    root = write_devkit(tmp_path / "elsewhere") / "VOCdevkit"
    (tmp_path / "VOCdevkit").mkdir()
    for number, year in enumerate(("VOC2007", "VOC2012")):
        (root / year).rename(root / f"disk{number}")
        (tmp_path / "VOCdevkit" / year).symlink_to(root / f"disk{number}")
    assert scene_classes_of(data_at(tmp_path), maps=False) == CLASSES
    assert len(names(listed(tmp_path))["train"]) == 36


@pytest.mark.parametrize("inner", [".", "VOCdevkit"])
def test_of_both_years_all_training_images_are_learnt_from_and_2007_is_reported(tmp_path, inner):
    root = write_devkit(tmp_path) / inner
    assert scene_classes_of(data_at(root), maps=False) == CLASSES
    listing = listed(root)
    found = names(listing)
    assert found["test"] == ["000101", "000102"]
    assert [len(found[part]) for part in ("train", "validation")] == [36, 4]
    assert listing.split == (
        "trainval and test of VOC2007 and VOC2012: train 36 of 40 training images, validation 4 of 40 training images, "
        "test 2 of 2 test images; drawn with seed 0"
    )
    assert boxes(root).train.truths[0].labels_K.tolist() == [19, 0]


def test_one_year_alone_has_its_own_parts(tmp_path):
    root = write_devkit(tmp_path) / "VOCdevkit"
    assert [len(of) for of in names(listed(root / "VOC2007")).values()] == [10, 10, 2]
    assert [len(of) for of in names(listed(root / "VOC2012")).values()] == [9, 1, 10]


def write_maps(root, parts, *, classes=None):
    """Write images of 20×10 with maps: the background, a square of class 2 and a border."""
    write_voc(root, parts, kind="Segmentation")
    map_HW = np.zeros((10, 20), np.uint8)
    map_HW[2:6, 2:6] = 255
    map_HW[3:5, 3:5] = 2
    for name in chain(*parts.values()):
        write_numbers(root / f"SegmentationClass/{name}.png", map_HW)
    if classes:
        (root / "class_names.txt").write_text("\n".join(classes))
    return map_HW


def test_maps_are_read_by_number_with_the_background_first_and_borders_not_judged(tmp_path):
    map_HW = write_maps(tmp_path / "VOC2012", PARTS)
    (tmp_path / "VOC2012/Annotations").rename(tmp_path / "VOC2012/unused")
    assert scene_classes_of(data_at(tmp_path), maps=True) == ("background", *CLASSES)
    found = load_scenes(data_at(tmp_path), image_size=96, maps=True)
    assert found.classes[2] == "bicycle"
    assert (found.train.truths[1].numpy() == map_HW).all()
    assert [len(found.train.truths), len(found.validation.truths), len(found.test.truths)] == [3, 2, 1]


def test_of_both_years_the_later_gives_maps_since_it_has_the_images_of_the_earlier(tmp_path):
    write_maps(tmp_path / "VOC2007", PARTS)
    write_maps(tmp_path / "VOC2012", {"train": ["2007_a", "2007_b"], "val": ["2007_f"]})
    assert names(listed(tmp_path, maps=True))["test"] == ["2007_f"]


def test_other_maps_need_a_file_that_says_what_their_numbers_stand_for(tmp_path):
    write_maps(tmp_path, PARTS)
    with pytest.raises(
        DataError, match=r"nothing says what the numbers in its maps stand for; write a file class_names"
    ):
        scene_classes_of(data_at(tmp_path), maps=True)
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\nnucleus\nplasma\n")
    assert load_scenes(data_at(tmp_path), image_size=96, maps=True).classes == ("_background_", "nucleus", "plasma")
    (tmp_path / "class_names.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"class_names\.txt: has 1 classes; maps have 2 to 255"):
        scene_classes_of(data_at(tmp_path), maps=True)
    (tmp_path / "class_names.txt").write_text("one\none\n")
    with pytest.raises(DataError, match=r"class_names\.txt: classes there twice: \['one'\]"):
        scene_classes_of(data_at(tmp_path), maps=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: write_numbers(file, np.full((10, 20), 21)), r"a\.png: has pixels of the class 21, and the 21 cl"),
        (lambda file: write_numbers(file, np.zeros((20, 10))), r"a\.png: has 10×20 pixels and its image 20×10; they"),
        (lambda file: Image.new("RGB", (20, 10)).save(file), r"a\.png: is of PIL's mode RGB; write the classes' num"),
        (lambda file: file.unlink(), r"train\.txt: lists 1 images without a file in .*SegmentationClass: \['a'\]; add"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path, spoil, message):
    write_maps(tmp_path / "VOC2012", PARTS)
    spoil(tmp_path / "VOC2012/SegmentationClass/a.png")
    with pytest.raises(DataError, match=message):
        load_scenes(data_at(tmp_path), image_size=96, maps=True)


def test_a_broken_map_is_as_a_broken_image(tmp_path):
    write_maps(tmp_path / "VOC2012", PARTS)
    (tmp_path / "VOC2012/SegmentationClass/a.png").write_bytes(b"no picture")
    with pytest.raises(BrokenImage, match=r"SegmentationClass/a\.png: not a readable map: "):
        load_scenes(data_at(tmp_path), image_size=96, maps=True)
    found = load_scenes(data_at(tmp_path, broken="skip"), image_size=96, maps=True)
    assert found.train.names == ("b", "c")
    assert len(found.train.truths) == 2
    assert [name.rpartition("/")[2] for name in found.skipped] == ["a.png"]


def write_masks(root, parts):
    objects = [("cat", (1, 1, 4, 5)), ("dog", (6, 2, 9, 6)), ("cat", (15, 1, 20, 5), "difficult")]
    write_voc(root, parts, kind="Segmentation", objects=objects)
    numbers_HW = np.zeros((10, 20), np.uint8)
    numbers_HW[:5, :4], numbers_HW[1:6, 5:9], numbers_HW[1, 6] = 1, 2, 255
    for name in chain(*parts.values()):
        write_numbers(root / f"SegmentationObject/{name}.png", numbers_HW)
    return numbers_HW


def test_masks_are_the_pixels_with_the_number_of_an_object(tmp_path):
    numbers_HW = write_masks(tmp_path / "VOC2012", PARTS)
    found = load_scenes(data_at(tmp_path), image_size=96, maps=False, masks=True)
    truth = found.train.truths[2]
    assert truth.labels_K.tolist() == [7, 11]
    assert truth.areas_K.tolist() == [20, 19]
    assert [(rle.decode(mask) == (numbers_HW == number)).all() for number, mask in enumerate(truth.masks, 1)] == [
        True
    ] * 2
    assert truth.masks[0]["size"] == [10, 20]
    assert found.dropped[0] == "a: box (15, 1, 20, 5) has no pixel in SegmentationObject"
    assert len(found.dropped) == 6


def test_a_mask_of_no_object_is_refused(tmp_path):
    write_masks(tmp_path / "VOC2012", PARTS)
    write_numbers(tmp_path / "VOC2012/SegmentationObject/b.png", np.full((10, 20), 4))
    with pytest.raises(DataError, match=r"b\.png: has a mask of number 4, and the XML file has 3 objects; each number"):
        load_scenes(data_at(tmp_path), image_size=96, maps=False, masks=True)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"maps": True}, r"has no maps: they lie in a folder SegmentationClass; add it, or ask for boxes"),
        ({"maps": False, "masks": True}, r"has no masks: they lie in a folder SegmentationObject; add it, or ask for"),
    ],
)
def test_what_a_folder_does_not_have_is_refused(tmp_path, wanted, message):
    write_voc(tmp_path, PARTS)
    with pytest.raises(DataError, match=message):
        load_scenes(data_at(tmp_path), image_size=96, **wanted)


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(MissingImagesError, match=r"nowhere: no such folder; expected PATH/Annotations/\*\.xml"):
        boxes(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no JPEGImages; expected PATH/Annotations"):
        boxes(tmp_path)
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError, match=r"has no Annotations; expected PATH/Annotations"):
        boxes(tmp_path)
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(DataError, match=r"Annotations: no object in any of its 0 files; annotate some"):
        boxes(tmp_path)
    with pytest.raises(DataError, match=r"^data 'voc' needs the path of a folder; write 'voc:PATH'$"):
        load_scenes(Data(source="voc"), image_size=96, maps=False)


def test_files_that_lists_name_must_be_there(tmp_path):
    write_voc(tmp_path, PARTS)
    (tmp_path / "JPEGImages/b.jpg").unlink()
    with pytest.raises(DataError, match=r"JPEGImages: 1 images of train are missing: \['b'\]; add them, or take"):
        listed(tmp_path)
    (tmp_path / "Annotations/a.xml").unlink()
    with pytest.raises(
        DataError, match=r"train\.txt: lists 1 images without a file in .*/Annotations: \['a'\]; add th"
    ):
        listed(tmp_path)


def test_an_image_is_listed_once(tmp_path):
    write_voc(tmp_path / "one", {**PARTS, "train": ["a", "b", "a"]})
    with pytest.raises(DataError, match=r"train\.txt: in the list there twice: \['a'\]; each must be there once"):
        listed(tmp_path / "one")
    write_voc(tmp_path / "two", {**PARTS, "test": ["f", "a"]})
    with pytest.raises(DataError, match=r"1 images are to learn from or choose by and to report as well: \['a'\]"):
        listed(tmp_path / "two")
    write_voc(tmp_path / "three", PARTS)
    shutil.copy(tmp_path / "three/JPEGImages/a.jpg", tmp_path / "three/JPEGImages/a.png")
    with pytest.raises(DataError, match=r"JPEGImages: images there twice: \['a'\]"):
        listed(tmp_path / "three")


def test_the_twenty_classes_are_all_that_voc_has(tmp_path):
    root = write_voc(tmp_path / "VOC2007", PARTS, objects=[("unicorn", (1, 1, 5, 5))])
    with pytest.raises(
        DataError, match=r"a\.xml:3: object\.name: 'unicorn' is none of VOC's 20 classes; a folder with"
    ):
        boxes(root)
    assert boxes(root.rename(tmp_path / "mine")).classes == ("unicorn",)


def test_the_size_of_the_image_counts_unless_boxes_are_of_another(tmp_path):
    root = write_voc(tmp_path, PARTS)
    for size in ((0, 0), (30, 12)):
        write_xml(root, "a", [("cat", (2, 3, 20, 10))], size=size)
        assert boxes(root).train.truths[0].boxes_K4.tolist() == [[1, 2, 20, 10]]
    write_xml(root, "a", [("cat", (2, 3, 25, 10))], size=(30, 12))
    with pytest.raises(
        DataError, match=r"a\.xml: has boxes in an image of 30×12 pixels, and the image has 20×10; anno"
    ):
        boxes(root)


BOX = "<xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.xml:1: is no XML: no element found; mend the file, or unpack it again"),
        ("<annotation>\n<object>\n</annotation>", r"a\.xml:3: is no XML: mismatched tag"),
        ("<annotation>\n&nbsp;</annotation>", r"a\.xml:2: is no XML: undefined entity"),
        ("<html></html>", r"a\.xml:1: begins with <html>; VOC's files begin with <annotation>"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE annotation [<!ENTITY a "aa">]>\n<annotation/>',
            r"a\.xml:2: has a document ty",
        ),
        ('<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>', r"a\.xml:1: has a document type"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', r"a\.xml.*: is no XML"),
        (
            f"<annotation>\n<object>\n<bndbox>{BOX}</bndbox></object></annotation>",
            r"a\.xml:2: object: has no <name>; add it",
        ),
        (
            f"<annotation><object><name> </name><bndbox>{BOX}</bndbox></object></annotation>",
            r":1: object: has no name; g",
        ),
        ("<annotation>\n<object><name>x</name></object></annotation>", r"a\.xml:2: object: has no <bndbox>; add it"),
        (
            f"<annotation><object><name>x</name><bndbox>{BOX[14:]}</bndbox></object></annotation>",
            r"a\.xml:1: bndbox: has no <xmin>; add it",
        ),
        *(
            (
                f"<annotation><object><name>x</name><bndbox>{BOX.replace('5</xmax>', value + '</xmax>')}</bndbox>"
                "</object></annotation>",
                rf"a\.xml:1: bndbox\.xmax: '{re.escape(value)}' is no number of pixels; write a number",
            )
            for value in ("nan", "inf", "1e300", "five", "")
        ),
    ],
)
def test_an_annotation_that_is_none_is_refused_with_its_line(tmp_path, text, message):
    write_voc(tmp_path, PARTS)
    (tmp_path / "Annotations/a.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        boxes(tmp_path)


def test_a_bomb_of_entities_does_not_go_off():
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "x"}">' for i in range(20))
    with pytest.raises(DataError, match=r"has a document type, which VOC's files have not; remove it"):
        annotation_of(f"<!DOCTYPE a [{entities}]><annotation>&e19;</annotation>".encode(), "a.xml")


def test_an_annotation_may_be_as_deep_as_it_likes():
    depth = 200_000
    content = b"<annotation>" + b"<object>" * depth + b"</object>" * depth + b"</annotation>"
    with pytest.raises(DataError, match=r"a\.xml:1: object: has no <bndbox>; add it"):
        annotation_of(content, "a.xml")


def test_an_annotation_that_cannot_be_read_is_refused(tmp_path):
    write_voc(tmp_path, PARTS)
    (tmp_path / "Annotations/a.xml").unlink()
    (tmp_path / "Annotations/a.xml").mkdir()
    with pytest.raises(
        DataError, match=r"a\.xml: cannot be read: Is a directory; check the disk and the file's rights"
    ):
        boxes(tmp_path)


TAGS = st.sampled_from(["annotation", "object", "name", "bndbox", "xmin", "xmax", "ymin", "ymax", "size", "width", "x"])
TEXTS = st.one_of(st.text(max_size=8), st.integers().map(str), st.floats().map(str))
ELEMENTS = st.recursive(
    st.tuples(TAGS, TEXTS).map(lambda one: f"<{one[0]}>{one[1]}</{one[0]}>"),
    lambda inner: st.tuples(TAGS, st.lists(inner, max_size=5)).map(
        lambda one: f"<{one[0]}>{''.join(one[1])}</{one[0]}>"
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        ELEMENTS.map(str.encode),
        ELEMENTS.map(lambda one: f"<annotation>{one}</annotation>".encode()),
    )
)
def test_any_bytes_are_an_annotation_or_refused_in_one_sentence(content):
    try:
        annotation_of(content, "a.xml")
    except DataError as error:
        assert str(error).startswith("a.xml")
        assert "\n" not in str(error)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(corners=st.lists(st.tuples(*[st.integers(-10, 40)] * 4), max_size=6))
def test_boxes_are_within_their_images_or_named(tmp_path_factory, corners):
    root = write_voc(tmp_path_factory.mktemp("any"), {"train": ["a"], "val": ["b"], "test": ["c"]})
    write_xml(root, "a", [("cat", box) for box in corners])
    found = boxes(root)
    x1, y1, x2, y2 = found.train.truths[0].boxes_K4.T
    assert ((x1 >= 0) & (x1 < x2) & (x2 <= 20) & (y1 >= 0) & (y1 < y2) & (y2 <= 10)).all()
    assert len(x1) + len(found.dropped) == len(corners)
    assert xml_of([("cat", box) for box in corners]) == (root / "Annotations/a.xml").read_text()


def test_the_blood_cells_are_read_as_they_are_annotated(tmp_path):
    root = unpacked("bccd-voc.tar.xz", tmp_path) / "BCCD"
    labels, kept, points, beyond = Counter(), Counter(), 0, 0
    for file in sorted((root / "Annotations").glob("*.xml")):
        for one in ElementTree.parse(file).getroot().iter("object"):
            x1, y1, x2, y2 = (int(one.find(f"bndbox/{tag}").text) for tag in ("xmin", "ymin", "xmax", "ymax"))
            point = (x1, y1) == (x2, y2)
            labels[one.find("name").text] += 1
            kept[one.find("name").text] += not point
            points += point
            beyond += not point and (min(x1, y1) < 1 or x2 > 640 or y2 > 480)
    assert labels == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    data = data_at(root)
    assert scene_classes_of(data, maps=False) == ("Platelets", "RBC", "WBC")
    found = load_scenes(data, image_size=96, maps=False)
    parts = (found.train, found.validation, found.test)
    assert [len(part) for part in parts] == [205, 87, 72]
    seen = Counter(found.classes[label] for part in parts for one in part.truths for label in one.labels_K.tolist())
    assert seen == kept
    assert (len(found.dropped), found.clipped) == (points, beyond)
    assert all(part.pictures.sides_N2.unique(dim=0).tolist() == [[480, 640]] for part in parts)
