"""Asking a model about images, whatever form it is kept in."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.testing import assert_close

from fishnet_search.data.description import Data
from fishnet_search.data.load import load_images
from fishnet_search.errors import DataError, ExportError, StudyError
from fishnet_search.export import onnx_file
from fishnet_search.export.folder import write_hub
from fishnet_search.export.onnx_file import write_onnx
from fishnet_search.export.predicting import image_files, load_model, predict, prepared
from fishnet_search.export.programs import write_program
from fishnet_search.study.evaluating import evaluated, trained
from fishnet_search.study.store import write_record
from fishnet_search.train.batches import Batches
from fishnet_search.train.normalisation import IMAGENET
from fishnet_search.train.recipe import Recipe
from tests.data.pictures_on_disk import noise
from tests.export.small_models import CLASSES, PREPARATION, small_model, small_network, some_images
from tests.records import DATA, complete

CPU = torch.device("cpu")
NAMES = ("ant", "bee", "cow")


def photos(folder, sizes):
    """Write a noisy photo of each size and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{i:02}.png" for i in range(len(sizes))]
    for i, (file, (width, height)) in enumerate(zip(files, sizes, strict=True)):
        coarse = Image.fromarray(noise(height // 4, width // 4, seed=i))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(file)
    return files


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """A folder with all forms of a model."""
    folder = tmp_path_factory.mktemp("exported")
    write_hub(model, folder)
    write_onnx(model, folder / "nano.onnx")
    write_program(model, folder / "nano.pt2")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("images"), [(40, 60), (64, 48), (36, 36), (200, 30), (33, 91)])


def trial(folder, **recipe):
    """Write a trial's record and weights, and return the weights' file."""
    spec, network = small_network(classes=len(NAMES))
    data = DATA.model_copy(update={"class_names": NAMES, "mean": (99.0, 120.5, 131.25), "std": (70.5, 60.0, 55.0)})
    record = complete("nano", 1, 0.5, spec=spec, recipe=Recipe(**recipe), data=data)
    write_record(folder / "nano-seed1.json", record)
    save_file(network.state_dict(), folder / "nano-seed1.safetensors")
    return folder / "nano-seed1.safetensors"


def on_disk(folder):
    """Write an image folder and return its test images with their classes."""
    sizes = [(50, 70), (64, 40), (45, 45), (90, 37)]
    for part in ("train", "val", "test"):
        for name in NAMES:
            photos(folder / part / name, sizes)
    return sorted((folder / "test").glob("*/*.png"))


@pytest.mark.parametrize("recipe", [{}, {"test_crop": 0.875}, {"test_crop": 0.8, "normalise": "imagenet"}])
def test_a_trial_sees_the_very_images_of_its_test_and_gives_the_figures_of_evaluate(recipe, tmp_path):
    weights, files = trial(tmp_path, **recipe), on_disk(tmp_path / "images")
    data, known = Data(source=f"imagefolder:{tmp_path / 'images'}"), trained(weights, None, None)
    side = known.recipe.short_side(32)
    found = load_images(data, side=side, square=True)
    batches = Batches(found.test, 3, known.normalisation or IMAGENET, known.recipe, 32, CPU)
    ((images_NCHW, labels_N),) = batches.in_order()

    loaded, seen = load_model(weights), []
    spying = type(loaded)(
        loaded.name, loaded.classes, loaded.preparation, lambda x_NCHW: seen.append(x_NCHW) or loaded.logits(x_NCHW)
    )
    predictions = list(predict(spying, files, top=1, batch=64))
    assert torch.equal(seen[0], images_NCHW)
    known.network.eval()
    assert_close(loaded.logits(images_NCHW), known.network(images_NCHW))
    right = [NAMES[label] == prediction.classes[0][0] for label, prediction in zip(labels_N, predictions, strict=True)]
    assert np.mean(right) == pytest.approx(evaluated(known, data, "test", limit=None, device=CPU).figures["top1"])
    assert (loaded.name, loaded.classes) == ("nano-seed1", NAMES)


def test_all_forms_of_a_model_give_one_answer(exported, model, images, tmp_path):
    alone = tmp_path / "alone.onnx"
    shutil.copy(exported / "nano.onnx", alone)  # needs no other file
    forms = [exported, exported / "model.safetensors", alone, exported / "nano.pt2"]
    for loaded in map(load_model, forms):
        assert (loaded.name, loaded.classes, loaded.preparation) == ("nano-seed1", CLASSES, PREPARATION)
        assert_close(loaded.logits(some_images(5)), model.network(some_images(5)), rtol=1e-4, atol=1e-4)
    expected = list(predict(load_model(exported), images))
    for form in forms:
        for mine, theirs in zip(predict(load_model(form), images, batch=2), expected, strict=True):
            assert [name for name, _ in mine.classes] == [name for name, _ in theirs.classes]
            assert dict(mine.classes) == pytest.approx(dict(theirs.classes), abs=1e-5)


def test_a_folder_is_loaded_by_its_weights_then_by_onnx_then_by_a_program(exported, tmp_path, monkeypatch):
    from fishnet_search.export import onnx_file, programs

    asked = []
    for module, name in ((onnx_file, "load_onnx"), (programs, "load_program")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda path, real=real: asked.append(path.suffix) or real(path))
    folder = shutil.copytree(exported, tmp_path / "copy")
    load_model(folder)
    (folder / "model.safetensors").unlink()
    load_model(folder)
    (folder / "nano.onnx").unlink()
    load_model(folder)
    assert asked == [".onnx", ".pt2"]
    (folder / "config.json").unlink()
    with pytest.raises(ExportError, match=r"copy: has neither model\.safetensors nor .*; name a folder"):
        load_model(folder)


def test_probabilities_are_those_of_the_logits_the_best_first(exported, images):
    loaded = load_model(exported)
    (prediction,) = predict(loaded, images[:1], top=99)
    seen_1CHW = prepared(images[0], PREPARATION)[None].float()
    normal = (seen_1CHW - torch.tensor(PREPARATION.mean).view(3, 1, 1)) / torch.tensor(PREPARATION.std).view(3, 1, 1)
    shares = loaded.logits(normal)[0].softmax(0).tolist()
    best = sorted(zip(CLASSES, shares, strict=True), key=lambda pair: -pair[1])
    assert prediction.path == images[0]
    assert [name for name, _ in prediction.classes] == [name for name, _ in best]
    assert [share for _, share in prediction.classes] == pytest.approx([share for _, share in best])
    assert sum(share for _, share in prediction.classes) == pytest.approx(1)
    assert [len(one.classes) for one in predict(loaded, images)] == [5] * len(images)


def test_classes_without_names_go_by_their_numbers(tmp_path, images):
    write_hub(small_model(classes=()), tmp_path)
    (prediction,) = predict(load_model(tmp_path), images[:1], top=10)
    assert {name for name, _ in prediction.classes} == set("0123456789")


def test_a_broken_image_is_told_of_and_stops_no_other(exported, images, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(images[0].read_bytes()[:200])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    files = [images[0], broken, text, tmp_path / "gone.png", images[1]]
    for batch in (1, 2, 32):
        first, second, third, fourth, fifth = predict(load_model(exported), files, batch=batch)
        assert (first.problem, fifth.problem, len(first.classes), len(fifth.classes)) == (None, None, 5, 5)
        assert (second.path, second.classes) == (broken, None)
        assert second.problem.startswith("not a readable image: ")
        assert third.problem == "not a readable image: no format that is known; replace or remove it"
        assert fourth.problem == "cannot be read: No such file or directory; check the disk and the file's rights"
    assert [one.problem is None for one in predict(load_model(exported), [broken, text])] == [False, False]


def test_a_network_that_puts_out_no_numbers_is_told_of(exported, images):
    loaded = load_model(exported)
    broken = type(loaded)("x", (), loaded.preparation, lambda x_NCHW: torch.full((len(x_NCHW), 3), torch.nan))
    assert [(one.classes, one.problem) for one in predict(broken, images[:1])] == [
        (None, "the model's outputs for it are no finite numbers")
    ]


def test_images_are_read_one_batch_at_a_time(exported, images):
    taken = []
    predictions = predict(load_model(exported), (taken.append(file) or file for file in images), batch=2)
    next(predictions)
    assert taken == images[:2]


def seen(image, folder, kind="png", **options):
    file = folder / f"image.{kind}"
    image.save(file, **options)
    return prepared(file, PREPARATION).permute(1, 2, 0).numpy().astype(int)


def test_images_of_all_kinds_are_seen_as_upright_rgb_on_white(tmp_path):
    grey, colour = Image.new("L", (50, 40), 90), Image.new("RGB", (50, 40), (10, 200, 90))
    assert (seen(grey, tmp_path) == 90).all()
    assert (seen(colour, tmp_path) == (10, 200, 90)).all()
    assert (seen(colour.quantize(4), tmp_path) == (10, 200, 90)).all()
    assert (seen(Image.new("RGBA", (50, 40), (1, 2, 3, 0)), tmp_path) == 255).all()
    assert (seen(Image.new("CMYK", (50, 40), (255, 0, 0, 0)), tmp_path, "tiff") == (0, 255, 255)).all()
    deep = Image.fromarray(np.full((40, 50), 40_000, np.uint16))
    deep.save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        prepared(tmp_path / "deep.png", PREPARATION)

    upright = Image.fromarray(np.repeat(np.arange(60, dtype=np.uint8)[:, None], 40, 1) * 4)
    lying, exif = upright.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6
    assert (seen(lying, tmp_path, exif=exif) == seen(upright, tmp_path)).all()


def test_what_is_no_model_is_refused(tmp_path, exported):
    with pytest.raises(ExportError, match=r"nothing\.onnx: no such file or folder; check the path"):
        load_model(tmp_path / "nothing.onnx")
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(ExportError, match=r"model\.pth: is no model by its name; .* \.safetensors, \.onnx, \.pt2"):
        load_model(tmp_path / "model.pth")
    shutil.copy(exported / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match=r"nothing beside it says .* model\.json, .* beside config\.json"):
        load_model(tmp_path / "model.safetensors")
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ExportError, match=r"has 2 models that end in \.onnx; name one of them"):
        load_model(tmp_path)
    with pytest.raises(ExportError, match=r"a\.onnx: ONNX Runtime cannot load it"):
        load_model(tmp_path / "a.onnx")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ExportError, match=r"is a study; export it first: .*; or name the weights .*TRIAL\.safetensors"):
        load_model(tmp_path)


def test_what_can_be_exported_but_is_not_is_told_so(tmp_path, exported, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "mine").mkdir(parents=True)
    (tmp_path / "studies" / "mine" / "study.json").write_text("{}")
    with pytest.raises(ExportError, match="mine: is a study; export it first: fishnet-search export mine --to DIR"):
        load_model(Path("mine"))
    with pytest.raises(ExportError, match=r"fishnet-nano: is a preset; export it first: .* export fishnet-nano --to"):
        load_model(Path("fishnet-nano"))
    shutil.copytree(exported, tmp_path / "front" / "b")
    shutil.copytree(exported, tmp_path / "front" / "a")
    with pytest.raises(ExportError, match="front: holds other folders with models; name one of them: a, b"):
        load_model(Path("front"))


def test_weights_that_were_never_trained_are_known_in_every_form(tmp_path, model, exported, monkeypatch):
    untrained = replace(model, trained=False)
    write_hub(untrained, tmp_path)
    monkeypatch.setattr(onnx_file, "_exported", lambda *_, **__: onnx.load(str(exported / "nano.onnx")))
    write_onnx(untrained, tmp_path / "nano.onnx")
    assert [load_model(tmp_path / name).trained for name in ("model.safetensors", "nano.onnx")] == [False, False]
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace(' "trained": false,\n', ""))  # of earlier versions
    assert load_model(tmp_path).trained


def test_a_trial_with_a_damaged_record_is_refused(tmp_path):
    weights = trial(tmp_path)
    weights.with_suffix(".json").write_text("{")
    with pytest.raises(StudyError, match="is damaged"):
        load_model(weights)


@pytest.mark.parametrize(
    "metadata",
    [{}, {"names": "{0: 'person'}"}, {"name": '"x"', "classes": "[]", "preparation": '{"image_size": 0}'}],
)
def test_an_onnx_file_of_another_program_is_refused(metadata, exported, tmp_path):
    import onnx

    proto = onnx.load(exported / "nano.onnx")
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, metadata)
    onnx.save_model(proto, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"other\.onnx: its metadata does not say .*; export the model with"):
        load_model(tmp_path / "other.onnx")


def test_folders_give_their_images_sorted_and_files_give_themselves(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a/x/3.webp", "a/.hidden.png", ".dot/4.png", "a/notes.txt", "odd.dat"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    here = [Path("a/x/3.webp"), Path("b/1.png"), Path("b/2.JPG")]
    assert image_files([tmp_path]) == (tuple(tmp_path / name for name in here), 2)
    odd = tmp_path / "odd.dat"
    files, _ = image_files([odd, tmp_path / "b", tmp_path])
    assert files == (odd, *(tmp_path / name for name in (*here[1:], here[0])))


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: no such file or folder; check the path"):
        image_files([tmp_path / "gone.png"])
    with pytest.raises(DataError, match=r"has no images; an image ends in one of \.bmp, "):
        image_files([tmp_path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "shut").mkdir(mode=0)
    with pytest.raises(DataError, match="shut: cannot be read: Permission denied; check"):
        image_files([tmp_path])
