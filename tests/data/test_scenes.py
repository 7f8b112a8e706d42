"""Images with objects or maps, wherever they are from and wherever they are kept."""

import hashlib
import pickle
import shutil

import faster_coco_eval.core.mask as rle
import numpy as np
import pytest
import torch
from pictures_on_disk import noise
from PIL import Image
from scenes_on_disk import write_numbers, write_voc, write_xml

from fishnet_search.data import load_scenes as module
from fishnet_search.data.description import Data, Split
from fishnet_search.data.load_scenes import load_scenes
from fishnet_search.data.pictures import Pictures
from fishnet_search.data.scene_images import Files
from fishnet_search.data.scene_shapes import SIDE
from fishnet_search.data.scene_sources import list_scenes, scene_classes_of, scene_source_names
from fishnet_search.data.shapes import CLASSES, draw
from fishnet_search.data.sources import classes_of, list_images, source_names
from fishnet_search.errors import BrokenImage, DataError

SHAPES = Data(source="shapes:40")
PARTS = {"train": ["a", "b", "c"], "val": ["d", "e"], "test": ["f", "g"]}


def noisy_voc(root, *, maps=False):
    """Write a VOC folder whose images all differ, also in size."""
    write_voc(root, PARTS, kind="Segmentation" if maps else "Main", objects=[("cat", (2, 3, 5, 6))])
    for number, file in enumerate(sorted((root / "JPEGImages").iterdir())):
        pixels = noise(10 + number, 20, seed=number)
        Image.fromarray(pixels).save(file)
        write_xml(root, file.stem, [("cat", (2, 3, 5, 6))] * number, size=(20, 10 + number))
        if maps:
            write_numbers(root / f"SegmentationClass/{file.stem}.png", pixels[:, :, 0] % 21)
    return Data(source=f"voc:{root}")


def no_memory(monkeypatch, free=0):
    monkeypatch.setattr(module, "free_memory_bytes", lambda: free)


def parts_of(found):
    return found.train, found.validation, found.test


def test_shapes_have_boxes_and_masks_that_fit_to_the_pixel():
    found = load_scenes(SHAPES, image_size=96, maps=False, masks=True)
    assert found.classes == CLASSES
    assert [len(part) for part in parts_of(found)] == [40, 10, 10]
    for seed, part in enumerate(parts_of(found)):
        for index, truth in enumerate(part.truths):
            scene = draw(seed, index, SIDE)
            assert (part.pictures.at(index).permute(1, 2, 0).numpy() == scene.image_HW3).all()
            assert truth.boxes_K4.tolist() == scene.boxes_K4.tolist()
            assert truth.labels_K.tolist() == scene.labels_K.tolist()
            assert truth.areas_K.tolist() == scene.masks_KHW.sum((1, 2)).tolist()
            assert (np.array([rle.decode(mask) for mask in truth.masks]) == scene.masks_KHW).all()
    assert not found.dropped
    assert found.clipped == 0


def test_shapes_without_masks_have_the_areas_of_their_boxes():
    truth = load_scenes(SHAPES, image_size=96, maps=False, limit=1).train.truths[0]
    x1, y1, x2, y2 = truth.boxes_K4.T
    assert truth.masks is None
    assert truth.areas_K.equal((x2 - x1) * (y2 - y1))


def test_shapes_have_maps_with_the_background_first():
    found = load_scenes(SHAPES, image_size=96, maps=True)
    assert found.classes == ("background", *CLASSES) == scene_classes_of(SHAPES, maps=True)
    for index, map_HW in enumerate(found.train.truths):
        scene = draw(0, index, SIDE)
        assert map_HW.dtype == torch.uint8
        expected = (scene.masks_KHW * (scene.labels_K + 1)[:, None, None]).sum(0)
        assert (map_HW.numpy() == expected).all()


def test_shapes_are_split_as_asked():
    found = load_scenes(Data(source="shapes:40", split=Split(train=20, test=4, seed=3)), image_size=96, maps=False)
    assert [len(part) for part in parts_of(found)] == [20, 10, 4]
    assert found.split == (
        "train 20 of 40 training images, validation 10 of 10 validation images, test 4 of 10 test images; "
        "drawn with seed 3"
    )


def test_a_limit_takes_the_first_of_each_part():
    everything, some = (
        load_scenes(SHAPES, image_size=96, maps=False),
        load_scenes(SHAPES, image_size=96, maps=False, limit=12),
    )
    assert [len(part) for part in parts_of(some)] == [12, 10, 10]
    assert some.train.names == everything.train.names[:12]
    assert some.fingerprint != everything.fingerprint
    with pytest.raises(DataError, match=r"limit 0: each part needs an image; use 1 or more"):
        load_scenes(SHAPES, image_size=96, maps=False, limit=0)


@pytest.mark.parametrize("maps", [False, True])
def test_what_does_not_fit_in_memory_is_the_same_from_files(tmp_path, monkeypatch, maps):
    data = noisy_voc(tmp_path / "VOC2012", maps=maps)
    kept = load_scenes(data, image_size=96, maps=maps)
    no_memory(monkeypatch)
    found = load_scenes(data, image_size=96, maps=maps)
    assert found.fingerprint == kept.fingerprint
    for own, other in zip(parts_of(kept), parts_of(found), strict=True):
        assert isinstance(own.pictures, Pictures)
        sent = pickle.loads(pickle.dumps(other))
        assert isinstance(sent.pictures, Files)
        assert len(sent.pictures) == len(own)
        assert sent.names == own.names
        assert sent.pictures.sides_N2.equal(own.pictures.sides_N2)
        assert sent.pictures.levels_3L.equal(own.pictures.levels_3L)
        assert all(sent.pictures.at(index).equal(own.pictures.at(index)) for index in range(len(own)))
        if maps:
            assert len(sent.truths) == len(own.truths)
            assert all(one.equal(two) for one, two in zip(sent.truths, own.truths, strict=True))
            assert sent.truths[-1].equal(own.truths[-1])
            assert len(sent.truths[:2]) == 2


@pytest.mark.parametrize(("spare", "kind"), [(0, Pictures), (-1, Files)])
def test_a_quarter_of_the_free_memory_is_for_images_and_maps_of_all_parts(monkeypatch, spare, kind):
    no_memory(monkeypatch, free=4 * (60 * 4 * SIDE**2 + spare))
    found = load_scenes(SHAPES, image_size=96, maps=True)
    assert [type(part.pictures) for part in parts_of(found)] == [kind] * 3


def test_an_image_that_changed_since_is_refused(tmp_path, monkeypatch):
    data = noisy_voc(tmp_path)
    no_memory(monkeypatch)
    pictures = load_scenes(data, image_size=96, maps=False).train.pictures
    Image.new("RGB", (7, 8)).save(tmp_path / "JPEGImages/a.jpg")
    with pytest.raises(DataError, match=r"a: has 7×8 pixels, and had 20×10 when it was first read; leave the images"):
        pictures.at(0)


def test_the_fingerprint_is_that_of_contents_truths_and_split(tmp_path):
    data = noisy_voc(tmp_path / "here")
    known = load_scenes(data, image_size=96, maps=False).fingerprint
    assert len(known) == len(hashlib.sha256().hexdigest())
    seen = {known}

    def changed(change):
        root = tmp_path / "other"
        shutil.copytree(tmp_path / "here", root)
        change(root)
        seen.add(fingerprint := load_scenes(Data(source=f"voc:{root}"), image_size=96, maps=False).fingerprint)
        shutil.rmtree(root)
        return fingerprint

    assert changed(lambda root: None) == known
    assert changed(lambda root: (root / "ImageSets/Main/train.txt").write_text("c\nb\na\n")) == known
    size = (20, 10)
    changed(lambda root: write_xml(root, "a", [("cat", (2, 3, 5, 7))], size=size))
    changed(lambda root: write_xml(root, "a", [("cat", (2, 3, 5, 6)), ("dog", (1, 1, 2, 2))], size=size))
    changed(lambda root: write_xml(root, "a", [("cat", (2, 3, 5, 6), "difficult")], size=size))
    changed(lambda root: Image.fromarray(noise(10, 20, seed=99)).save(root / "JPEGImages/a.jpg"))
    changed(lambda root: (root / "ImageSets/Main/train.txt").write_text("a\nb\n"))
    assert len(seen) == 6


def test_broken_images_are_named_or_left_out(tmp_path):
    data = noisy_voc(tmp_path)
    for name in "ad":
        (tmp_path / f"JPEGImages/{name}.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"^2 images are broken: .*a\.jpg; .*d\.jpg; the first: not a readable image"):
        load_scenes(data, image_size=96, maps=False)
    skipping = data.model_copy(update={"broken": "skip"})
    found = load_scenes(skipping, image_size=96, maps=False)
    assert [part.names for part in parts_of(found)] == [("b", "c"), ("e",), ("f", "g")]
    assert [len(part.truths) for part in parts_of(found)] == [2, 1, 2]
    assert [name.rpartition("/")[2] for name in found.skipped] == ["a.jpg", "d.jpg"]
    (tmp_path / "JPEGImages/d.jpg").write_bytes((tmp_path / "JPEGImages/e.jpg").read_bytes())
    for name in "abc":
        (tmp_path / f"JPEGImages/{name}.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"train: all images are broken, such as .*/a\.jpg; replace them"):
        load_scenes(skipping, image_size=96, maps=False)


def test_one_broken_image_is_its_own_error(tmp_path):
    data = noisy_voc(tmp_path)
    content = (tmp_path / "JPEGImages/a.jpg").read_bytes()
    (tmp_path / "JPEGImages/a.jpg").write_bytes(content[:-100])
    with pytest.raises(BrokenImage, match=r"a\.jpg: not a readable image: image file is truncated"):
        load_scenes(data, image_size=96, maps=False)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "digits",
            r"^data 'digits' has one class an image and no objects; use one of 'coco:PATH', 'voc:PATH', 'shapes'",
        ),
        ("cifar10:/x", r"^data 'cifar10:/x' has one class an image and no objects; use one of"),
        ("pack:/x", r"^data 'pack:/x' has one class an image and no objects"),
        ("vox:/x", r"^unknown data 'vox:/x'; did you mean 'voc'\?"),
        ("shapes:three", r"how many pictures to train on is a whole number"),
    ],
)
@pytest.mark.parametrize("maps", [False, True])
def test_a_source_without_objects_is_refused_with_those_that_have_some(source, message, maps):
    with pytest.raises(DataError, match=message):
        load_scenes(Data(source=source), image_size=96, maps=maps)


@pytest.mark.parametrize("name", ["coco", "voc"])
@pytest.mark.parametrize("look", [classes_of, list_images])
def test_objects_are_no_classes_of_images(name, look):
    with pytest.raises(DataError, match=rf"^{name}:/x has objects, not one class an image; use `task: detection` or "):
        look(Data(source=f"{name}:/x"))


def test_sources_with_objects_are_among_the_sources():
    assert set(scene_source_names()) < set(source_names())


@pytest.mark.parametrize("name", ["coco", "voc"])
@pytest.mark.parametrize("path", ["/nowhere/at-all", "~nobody-of-that-name/x", "\0", "x" * 5000])
def test_a_path_of_no_folder_is_refused_in_one_sentence(name, path):
    for look in (scene_classes_of, lambda data, maps: list_scenes(data, maps=maps, masks=False)):
        with pytest.raises(DataError, match=r"no such folder; expected PATH/|cannot be a folder: "):
            look(Data(source=f"{name}:{path}"), maps=False)


@pytest.mark.parametrize("name", ["coco", "voc"])
def test_what_cannot_be_listed_is_refused_in_one_sentence(tmp_path, name):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train.json").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/a.xml").mkdir()
    with pytest.raises(DataError, match=r"(\.json|\.xml): cannot be read: "):
        scene_classes_of(Data(source=f"{name}:{tmp_path}"), maps=False)
