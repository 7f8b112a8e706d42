"""Detectors and segmenters: evaluated again, exported, loaded, and asked for images."""

import io
import json
import re
import runpy
import shutil
import sys
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch
import yaml
from faster_coco_eval.core import mask as run_lengths
from PIL import Image
from safetensors.torch import load_file
from torch.testing import assert_close
from torchvision.transforms.v2 import functional

from fishnet_search import cli
from fishnet_search.data.description import Data
from fishnet_search.errors import DataError, ExportError, WeightsError
from fishnet_search.export.choosing import chosen
from fishnet_search.export.finding import find
from fishnet_search.export.folder import load_hub
from fishnet_search.export.folding import latency_before_and_after
from fishnet_search.export.hub import PretrainedModel, PretrainedNetwork
from fishnet_search.export.model import Preparation
from fishnet_search.export.parity import compare_found
from fishnet_search.export.predicting import load_model
from fishnet_search.export.source import class_name
from fishnet_search.export.trying import images_for
from fishnet_search.export.write import FORMATS_OF
from fishnet_search.study.evaluating import evaluated, trained
from fishnet_search.study.store import read_trials
from fishnet_search.task.cost import model_cost
from fishnet_search.task.images import images_for as images_of
from fishnet_search.task.settings import SemanticSegmentation
from fishnet_search.train.tasks import work_of
from tests.export.small_trials import LIMIT, TASKS, trained_study

CPU = torch.device("cpu")
DETECTORS = ("detection", "instance-segmentation")
LEAST = 0.1  # of objects, after an epoch on few images
SHAPES = Data(source="shapes:32")


@pytest.fixture(autouse=True)
def soon_timed(monkeypatch):
    """Latency is told, and no test looks at it."""
    monkeypatch.setitem(latency_before_and_after.__kwdefaults__, "seconds", 0.05)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Returns the study of a task's trial, which is trained when it is first asked for."""
    known, folder = {}, tmp_path_factory.mktemp("studies")

    def study(kind):
        if kind not in known:
            known[kind] = trained_study(kind, folder)
        return known[kind]

    return study


@pytest.fixture(scope="module")
def drawn(studies, tmp_path_factory):
    """The test images of the trials as files, in their order."""
    folder = tmp_path_factory.mktemp("images")
    model = load_model(weights_of(studies("detection")))
    scenes = images_of(model.task, SHAPES, image_size=48, short_side=48, square=True, limit=LIMIT)
    files = [folder / f"{name.replace('/', '-')}.png" for name in scenes.test.names]
    for index, file in enumerate(files):
        Image.fromarray(scenes.test.pictures.at(index).permute(1, 2, 0).numpy()).save(file)
    return files


@pytest.fixture(scope="module")
def exports(studies, tmp_path_factory):
    """Returns the folder of a trial's export in all formats of its task, and what was told of it."""
    known = {}

    def export(kind):
        if kind not in known:
            folder, told = tmp_path_factory.mktemp("exports") / kind, io.StringIO()
            words = [word for name in FORMATS_OF[kind] for word in ("--format", name)]
            words += ["--dynamic-size"] if "onnx" in words else []
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), pytest.raises(SystemExit) as end:
                patch.setitem(latency_before_and_after.__kwdefaults__, "seconds", 0.05)
                argv = ["fishnet-search", "export", str(studies(kind)), "--to", str(folder), "--licence", "mit", *words]
                patch.setattr(sys, "argv", argv)
                cli.main()
            assert not end.value.code, told.getvalue()
            known[kind] = folder, told.getvalue()
        return known[kind]

    return export


def weights_of(study):
    (record,) = read_trials(study)
    return study / "trials" / f"{record.trial}.safetensors"


def front_matter(card):
    return yaml.safe_load(card.split("---\n", 2)[1])


@pytest.mark.parametrize("kind", TASKS)
def test_a_trial_is_evaluated_to_the_very_figures_of_its_record(studies, call, kind):
    (record,) = read_trials(studies(kind))
    known = trained(weights_of(studies(kind)), None, None)
    found = evaluated(known, SHAPES, "test", limit=LIMIT, device=CPU)
    assert (found.figures, found.images) == (record.test, record.data.test_images)
    assert found.fingerprint == record.data.fingerprint
    assert evaluated(known, SHAPES, "validation", limit=LIMIT, device=CPU).figures == record.best_validation
    code, out, _ = call("evaluate", weights_of(studies(kind)), "--data", "shapes:32", "--limit", LIMIT)
    figure = {"detection": "AP", "instance-segmentation": "mask AP", "semantic-segmentation": "mIoU"}[kind]
    assert (code, f"{figure} {record.test[record.metric]:.2%}" in out) == (0, True)
    assert "not the parts of the training" not in out


def test_images_are_normalised_as_in_training_wherever_they_are_from(studies):
    (record,) = read_trials(studies("semantic-segmentation"))
    known = trained(weights_of(studies("semantic-segmentation")), None, None)
    assert known.recipe.normalise == "data"
    other = images_of(known.task, Data(source="shapes:40"), image_size=48, short_side=48, square=True, limit=None)
    work = work_of(known.task, other, known.recipe, known.network, CPU, normalise=known.normalisation)
    assert work.normalise.mean.tolist() == list(record.data.mean)
    found = evaluated(known, Data(source="shapes:40"), "test", limit=None, device=CPU)
    assert work.judged(known.network, "test").figures == found.figures


def test_data_of_another_kind_or_with_other_classes_are_refused_by_name(studies, tmp_path):
    known = trained(weights_of(studies("detection")), None, None)
    with pytest.raises(DataError, match=r"data 'digits' has one class an image and no objects"):
        evaluated(known, Data(source="digits"), "test", limit=None, device=CPU)
    coco(tmp_path, [f"kind {number}" for number in range(8)])
    others = r"has other classes than the network: kind 0 in place of \w+, kind 1 in place of"
    with pytest.raises(WeightsError, match=others):
        evaluated(known, Data(source=f"coco:{tmp_path}"), "test", limit=None, device=CPU)
    coco(tmp_path, ["one", "two"])
    with pytest.raises(WeightsError, match=r"the network has 8 classes, but coco:.* has 2"):
        evaluated(known, Data(source=f"coco:{tmp_path}"), "test", limit=None, device=CPU)


def coco(folder, names):
    (folder / "annotations").mkdir(exist_ok=True)
    classes = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    told = json.dumps({"images": [], "annotations": [], "categories": classes})
    for part in ("train", "val"):
        (folder / f"{part}2017").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{part}2017.json").write_text(told)


@pytest.mark.parametrize("kind", TASKS)
def test_an_export_has_weights_and_backbone_that_agree_and_a_card_of_its_task(studies, exports, tmp_path, kind):
    folder, out = exports(kind)
    assert out.count("agrees") == len(FORMATS_OF[kind])
    assert f"compared on {read_trials(studies(kind))[0].data.test_images} test images of shapes" in out
    assert "An image takes the backbone" in out

    (best,) = chosen(str(studies(kind)), trial=None, spec=None, studies=tmp_path)
    loaded, original = load_hub(folder), best.model
    assert (loaded.task, loaded.classes, loaded.preparation) == (original.task, original.classes, original.preparation)
    weights = loaded.network.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in original.network.state_dict().items())

    name = class_name(f"{original.name}-backbone")
    backbone = runpy.run_path(str(folder / "backbone.py"))[name]()
    backbone.load_state_dict(load_file(folder / "backbone.safetensors"))
    images_NCHW = images_for(best).images_NCHW[:2]
    with torch.inference_mode():
        features, expected = backbone.eval()(images_NCHW), original.backbone(images_NCHW)
    assert features.keys() == expected.keys()
    for tap, values in expected.items():
        assert_close(features[tap], values)

    card = (folder / "README.md").read_text()
    tag = "object-detection" if kind == "detection" else "image-segmentation"
    assert front_matter(card)["pipeline_tag"] == tag
    assert "sorts images" not in card
    assert "image-classification" not in card
    figure = {"detection": "AP50 in %", "instance-segmentation": "mask AP in %", "semantic-segmentation": "mIoU in %"}
    told = {"detection": "Faster R-CNN", "instance-segmentation": "Mask R-CNN", "semantic-segmentation": "each pixel"}
    assert figure[kind] in card
    assert told[kind] in card


@pytest.mark.parametrize("kind", TASKS)
def test_the_code_of_a_card_runs_and_gives_what_the_model_gives(exports, tmp_path, monkeypatch, drawn, kind):
    folder = shutil.copytree(exports(kind)[0], tmp_path / "out")
    Image.open(drawn[0]).save(folder / "image.jpg", quality=95)
    monkeypatch.chdir(folder)
    known = {}
    for code in re.findall(r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.M | re.S):
        exec(code, known)
    model = load_model(folder)
    (seen,) = find(model, [folder / "image.jpg"], least_score=0)
    if kind == "semantic-segmentation":
        with torch.inference_mode():
            assert_close(torch.as_tensor(known["logits"]), model.network(known["images"]), rtol=1e-4, atol=1e-4)
        assert seen.map_HW.shape == (96, 96)
    else:
        scores = [one.score for one in seen.objects]
        assert_close(known["found"]["scores"], torch.tensor(scores), rtol=1e-3, atol=1e-3)
        assert known["found"]["labels"].tolist() == [one.label + 1 for one in seen.objects]
    assert all(side % model.backbone.stride == 0 for side in known["images"].shape[2:])


def test_maps_are_written_as_onnx_and_as_programs_for_any_batch_and_other_sizes(exports):
    import onnxruntime

    folder, out = exports("semantic-segmentation")
    model, program = load_hub(folder), torch.export.load(folder / "model.pt2").module()
    assert out.count(f"{model_cost(model.spec, model.task, 9).macs:,}") == 2, "counted again in both"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    for shape in ((1, 3, 48, 48), (3, 3, 64, 96)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = model.network(images)
        assert expected.shape == (shape[0], 9, *shape[2:])
        assert_close(program(images), expected, rtol=1e-4, atol=1e-4)
        (logits,) = session.run(["logits"], {"image": images.numpy()})
        assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("name", ["onnx", "pt2", "python"])
def test_formats_that_a_task_does_not_have_are_refused_with_those_that_it_has(studies, call, tmp_path, kind, name):
    code, _, err = call("export", studies(kind), "--to", "out", "--format", name)
    assert code == 2
    assert f"--format {name}: models for {kind} are not written so; their formats are safetensors, backbone" in err
    assert not (tmp_path / "out").exists()


def test_a_tap_of_the_backbone_is_chosen_among_what_the_head_needs(studies, call, tmp_path):
    assert call("export", studies("detection"), "--to", "out", "--format", "backbone", "--tap", "head1")[0] == 0
    model = load_model(weights_of(studies("detection")))
    known = runpy.run_path(str(tmp_path / "out" / "backbone.py"))
    backbone = known[class_name(f"detection-{model.name}-backbone")]()
    assert list(backbone.eval()(torch.zeros(1, 3, 64, 64))) == ["head1"]
    code, _, err = call("export", studies("detection"), "--to", "no", "--format", "backbone", "--tap", "fc")
    assert (code, "fc" in err) == (2, True)


def test_the_hub_s_mixin_gives_a_detector_back_and_the_network_s_refuses_it(exports, tmp_path):
    folder, _ = exports("detection")
    pretrained = PretrainedModel.from_pretrained(folder)
    images = [torch.randn(3, 48, 56, generator=torch.Generator().manual_seed(0))]
    with torch.inference_mode():
        found, expected = pretrained(images), load_hub(folder).network(images)
    assert_close(found[0], expected[0])
    pretrained.save_pretrained(tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes()
    with pytest.raises(ExportError, match=r"is a model for detection; load it by PretrainedModel"):
        PretrainedNetwork.from_pretrained(folder)


def test_an_exported_folder_is_exported_again(exports, call, tmp_path):
    folder, _ = exports("instance-segmentation")
    code, out, _ = call("export", folder, "--to", "again", "--format", "safetensors")
    assert (code, out.count("agrees"), "drawn images (shapes)" in out) == (0, 1, True)
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes()


@pytest.mark.parametrize("file", ["model.onnx", "model.pt2"])
def test_files_that_take_images_of_their_own_sizes_alone_are_not_asked(exports, call, file):
    folder, _ = exports("semantic-segmentation")
    code, _, err = call("predict", folder / file, folder)
    assert (code, f"{file}: is for semantic-segmentation and takes images of sizes of its own" in err) == (2, True)


@pytest.mark.parametrize("damage", [{"longer_side": None}, {"short_side": 2000}])
def test_a_preparation_that_does_not_fit_the_task_is_refused(exports, tmp_path, damage):
    folder = shutil.copytree(exports("detection")[0], tmp_path / "out")
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["preparation"] |= damage
    file.write_text(json.dumps(config))
    with pytest.raises(ExportError, match=r"is damaged.*(longer_side|short_side)"):
        load_hub(folder)


@pytest.mark.parametrize("kind", DETECTORS)
def test_predicted_boxes_are_those_of_the_model_called_directly(studies, drawn, kind):
    model = load_model(weights_of(studies(kind)))
    preparation = model.preparation
    assert (preparation.short_side, preparation.longer_side) == (48, 1333)
    big = [Image.open(drawn[0]).resize((144, 96)), Image.open(drawn[1])]
    files = [drawn[0].parent.parent / f"{kind}-{index}.png" for index in range(2)]
    for file, image in zip(files, big, strict=True):
        image.save(file)
    for file, seen in zip(files, find(model, files, least_score=LEAST, batch=1), strict=True):
        whole_CHW = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
        height, width = whole_CHW.shape[1:]
        mean, std = (torch.tensor(figures).view(3, 1, 1) for figures in (preparation.mean, preparation.std))
        resized_CHW = functional.resize(whole_CHW, [48, 48 * width // height], antialias=True)
        with torch.inference_mode():
            (output,) = model.network([(resized_CHW - mean) / std])
        sure = output["scores"] >= LEAST
        assert len(seen.objects) == int(sure.sum()) > 0
        boxes_K4 = output["boxes"][sure] * height / 48
        assert_close(torch.tensor([one.box for one in seen.objects]), boxes_K4, rtol=1e-4, atol=1e-3)
        assert [one.label + 1 for one in seen.objects] == output["labels"][sure].tolist()
        assert_close(torch.tensor([one.score for one in seen.objects]), output["scores"][sure], rtol=1e-4, atol=1e-4)
        if kind == "instance-segmentation":
            whole = functional.resize(output["masks"][sure][0], [height, width]) >= 0.5
            decoded = run_lengths.decode({"size": [height, width], "counts": seen.objects[0].mask.encode()})
            assert np.array_equal(decoded, whole[0].numpy())


@pytest.mark.parametrize("kind", TASKS)
def test_a_trial_and_its_export_find_in_files_what_the_test_found(studies, exports, drawn, kind):
    model, again = load_model(weights_of(studies(kind))), load_model(exports(kind)[0])
    scenes = images_of(model.task, SHAPES, image_size=48, short_side=48, square=True, limit=LIMIT)
    work = work_of(model.task, scenes, model.record.recipe, model.network, CPU)
    for one in (model, again):
        seen = list(find(one, drawn, least_score=0, batch=5))
        assert [found.path for found in seen] == drawn
        if isinstance(model.task, SemanticSegmentation):
            for index, map_HW in work.maps(model.network, "test"):
                assert np.mean(seen[index].map_HW == map_HW.numpy()) > 0.999
        else:
            for mine, theirs in zip(seen, work.found(model.network, "test"), strict=True):
                assert_close(torch.tensor([found.box for found in mine.objects]), theirs.boxes_K4, rtol=0, atol=1e-2)


def test_an_image_that_lies_on_its_side_is_seen_upright(studies, drawn, tmp_path):
    model, image = load_model(weights_of(studies("detection"))), Image.open(drawn[0]).crop((0, 0, 96, 64))
    turned, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    image.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    image.save(tmp_path / "upright.png")
    one, other = find(model, [turned, tmp_path / "upright.png"], least_score=0, batch=1)
    assert one.sides == other.sides == (64, 96)
    assert one.objects == other.objects


def test_objects_are_shown_as_rows_and_as_json_and_drawn(studies, call, drawn, tmp_path):
    weights = weights_of(studies("instance-segmentation"))
    (tmp_path / "broken.png").write_bytes(b"no image")
    words = ["predict", weights, *drawn[:2], tmp_path / "broken.png", "--least-score", LEAST, "--to", "pictures"]
    code, out, _ = call(*words, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, [set(line) for line in lines[:2]]) == (1, [{"image", "height", "width", "objects"}] * 2)
    assert "not a readable image" in lines[2]["problem"]
    for file, line in zip(drawn, lines[:2], strict=False):
        assert line["objects"], "there is something to look at"
        for one in line["objects"]:
            assert one["score"] >= LEAST
            assert run_lengths.decode(one["mask"] | {"counts": one["mask"]["counts"].encode()}).shape == (96, 96)
        picture = np.array(Image.open(tmp_path / "pictures" / f"{file.name}.png").convert("RGB").resize((96, 96)))
        assert np.abs(picture.astype(int) - np.array(Image.open(file)).astype(int)).max() > 50
    code, out, _ = call("predict", weights, drawn[0], "--least-score", LEAST)
    assert (code, "score" in out, lines[0]["objects"][0]["class"] in out) == (0, True, True)
    code, out, _ = call("predict", weights, drawn[0], "--least-score", "1")
    assert (code, "nothing with a score of 1 or more" in out) == (0, True)


def test_maps_are_shown_by_shares_and_written_with_a_byte_a_pixel(studies, call, drawn, tmp_path):
    weights = weights_of(studies("semantic-segmentation"))
    code, out, _ = call("predict", weights, drawn[0], "--json", "--to", "pictures")
    (line,) = map(json.loads, out.splitlines())
    (seen,) = find(load_model(weights), [drawn[0]])
    written = Image.open(tmp_path / "pictures" / f"{drawn[0].name}.map.png")
    assert written.mode == "P"
    assert np.array_equal(np.array(written), seen.map_HW)
    assert (tmp_path / "pictures" / f"{drawn[0].name}.png").is_file()
    names = load_model(weights).classes
    shares = {one["class"]: one["share"] for one in line["classes"]}
    assert shares == {names[label]: np.mean(seen.map_HW == label) for label in np.unique(seen.map_HW)}
    code, out, _ = call("predict", weights, drawn[0])
    assert (code, f"{line['classes'][0]['class']} {line['classes'][0]['share']:.1%}" in out) == (0, True)


@pytest.mark.parametrize(
    ("kind", "words", "sentence"),
    [
        ("detection", ["--top", "3"], "--top 3: does not apply: mine is a model for detection; leave it out"),
        ("semantic-segmentation", ["--least-score", "0.3"], "--least-score 0.3: does not apply"),
    ],
)
def test_options_of_another_task_are_refused(studies, call, drawn, kind, words, sentence):
    weights = weights_of(studies(kind))
    code, _, err = call("predict", weights, drawn[0], *words)
    assert (code, sentence.replace("mine", weights.stem) in err) == (2, True)


def test_images_of_one_name_are_refused_before_pictures_are_written_over_each_other(studies, call, drawn, tmp_path):
    (tmp_path / "other").mkdir()
    Image.open(drawn[0]).save(tmp_path / "other" / drawn[0].name)
    words = [drawn[0], tmp_path / "other" / drawn[0].name, "--to", "pictures"]
    code, _, err = call("predict", weights_of(studies("detection")), *words)
    assert (code, "have one name" in err, (tmp_path / "pictures").exists()) == (2, True, False)


def test_detectors_that_find_other_objects_differ():
    found = {"boxes": torch.ones(2, 4), "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.5])}
    images = [torch.zeros(3, 8, 8)] * 2

    def other(**changes):
        return compare_found("safetensors", lambda _: [found], lambda _: [found | changes], images)

    assert other().holds
    assert other().objects == 4
    assert not other(labels=torch.tensor([1, 3])).holds
    assert not other(scores=torch.tensor([0.9, 0.4])).holds
    assert not other(boxes=torch.full((2, 4), torch.nan)).holds
    fewer = {name: values[:1] for name, values in found.items()}
    assert other(**fewer).relative == float("inf")
    assert "DIFFERS from the model on 2 images" in other(**fewer).sentence()


def test_a_preparation_is_as_large_as_the_images_of_its_recipe():
    assert Preparation(224, 256, (0, 0, 0), (1, 1, 1)).recipe.short_side(224) == 256
    recipe = Preparation(512, 800, (0, 0, 0), (1, 1, 1), longer_side=1333).recipe
    assert (recipe.shorter_side, recipe.longer_side) == (800, 1333)
