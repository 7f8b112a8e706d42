"""The card of a model: what it tells, what it keeps to itself, and that nothing in it breaks out of its place."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from fishnet_search import build_graph, cost_of
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.naming import rows_of
from fishnet_search.export.card import DRAWING, Facts, model_card, write_drawing
from fishnet_search.export.predicting import prepared
from fishnet_search.export.write import FORMATS, write_formats
from fishnet_search.train.recipe import Recipe
from tests.data.pictures_on_disk import noise
from tests.export.small_models import small_model, some_images
from tests.records import DATA, ENVIRONMENT, study_of, trials_of

FACTS = Facts(
    formats=("safetensors",),
    files=("model.safetensors", "config.json"),
    why="It is the trial nano-seed1 of study pooling.",
    licence="Apache-2.0",
    command="fishnet-search run spaces/pooling.yaml",
    effect=None,
    images="16 test images of digits",
    parity=("onnx agrees with the network",),
    latency=(("latency of one image on a CPU", "3.2 ms"),),
)
HOSTILE = (
    "x\n---\nlicense: gpl\n# y `z` | <script>alert(1)</script> [a](http://b) ![c](d) *e* {f} $g$ www.h.i @j \u202ek"
)


@pytest.fixture(scope="module")
def study():
    """A study with three seeds of one variant and one of another."""
    trials = trials_of({"nano": [0.97, 0.98, 0.96], "other": [0.9]})
    return analyse(study_of(["nano", "other"]), trials)


@pytest.fixture(scope="module")
def model(study):
    return small_model(record=study.records[0])


def told(card):
    """Return the front matter and the text."""
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def row(text, name):
    return re.search(rf"^\| {re.escape(name)} \| (.*) \|$", text, re.MULTILINE)[1]


def blocks(card):
    return re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)


def test_the_front_matter_is_as_the_hub_reads_it(model):
    from huggingface_hub import ModelCard

    front, _ = told(model_card(model, FACTS))
    assert front == {
        "license": "apache-2.0",
        "library_name": "fishnet-search",
        "pipeline_tag": "image-classification",
        "tags": ["fishnet-search", "image-classification", "pytorch", "fish"],
        "metrics": ["accuracy"],
    }
    assert ModelCard(model_card(model, FACTS)).data.to_dict() == front


@pytest.mark.parametrize(
    ("licence", "front", "sentence"),
    [
        (None, {}, "No licence was given for these weights."),
        ("MIT", {"license": "mit"}, "Licence: MIT."),
        ("My own, v2", {"license": "other", "license_name": "my-own-v2"}, "Licence: My own, v2."),
        ("*\n", {"license": "other", "license_name": "other"}, r"Licence: \*."),
    ],
)
def test_a_licence_is_told_as_it_was_given_or_not_at_all(model, licence, front, sentence):
    found, text = told(model_card(model, replace(FACTS, licence=licence)))
    assert {key: value for key, value in found.items() if key.startswith("license")} == front
    assert sentence in text


def test_costs_are_those_of_the_ledger(model):
    cost = cost_of(build_graph(model.spec))
    text = model_card(model, FACTS)
    assert row(text, "parameters") == "100.7 k (100,670)"
    assert f"({cost.macs:,})" in row(text, "multiply-accumulates (MACs) of one image")
    assert f"({cost.activations:,})" in row(text, "activations of one image, of convolutions and linear layers")
    assert row(text, "latency of one image on a CPU") == "3.2 ms"
    assert "A FishNet that sorts images of 32 × 32 pixels into 10 classes: stem of 1 stage, tail of 2 stages" in text


def test_results_are_those_of_the_trial_and_of_its_study(model, study):
    effects = {one.variant: one for one in rows_of(study.effects)}
    text = model_card(model, replace(FACTS, effect=effects["nano"]))
    assert row(text, "test") == "97.00 | 99.90 | 297"
    assert row(text, "validation") == "97.00 | 99.90 | 300"
    assert "Seed 1; the weights are those after epoch 2 of 2" in text
    assert "over 3 seeds: 97.00 ± 2.48 %, with the 95 % Student-t interval" in text
    assert "over" not in model_card(model, FACTS).partition("Seed 1;")[2].partition("## Data")[0]
    assert "It was trained with one seed" in model_card(model, replace(FACTS, effect=effects["other"]))


def test_a_trial_that_was_not_tested_says_so(model):
    untested = model.record.model_copy(update={"test": None, "best_epoch": None})
    assert "It was not tested." in model_card(replace(model, record=untested), FACTS)


def test_the_recipe_is_told_as_far_as_it_is_not_the_default(model):
    recipe = Recipe(epochs=7, mixup=0.2, crop="pad")
    text = model_card(replace(model, record=model.record.model_copy(update={"recipe": recipe})), FACTS)
    assert (row(text, "epochs"), row(text, "mixup"), row(text, "crop")) == ("7", "0.2", "pad")
    assert "| flip |" not in text


def test_weights_of_onnx_that_lie_in_a_second_file_are_named(model):
    facts = replace(FACTS, formats=("onnx",), files=("model.onnx",))
    sentence = "Its weights are in `model.onnx.data`, which has to stand beside it under this name."
    assert sentence not in model_card(model, facts)
    assert sentence in model_card(model, replace(facts, files=("model.onnx", "model.onnx.data")))


def test_where_it_comes_from_is_told_with_versions_and_commit(model):
    text = model_card(model, FACTS)
    assert row(text, "git commit") == f"{ENVIRONMENT.git_commit} with uncommitted changes"
    assert (row(text, "torch"), row(text, "python")) == ("2.14.1", "3.11.9")
    assert (row(text, "processor"), row(text, "threads")) == ("Example CPU", "2")
    assert "```sh\nfishnet-search run spaces/pooling.yaml\n```" in text
    assert "with the network on 16 test images of digits:\n\n- onnx agrees with the network\n" in text
    assert ENVIRONMENT.platform not in text


@pytest.mark.parametrize("source", ["imagefolder:/home/jane/secret", "/home/jane/secret", "pack:secret.pack"])
def test_where_images_lie_is_not_told(model, source):
    data = DATA.model_copy(update={"source": source, "skipped": ("/home/jane/secret/1.png",), "limit": 40})
    text = model_card(replace(model, record=model.record.model_copy(update={"data": data})), FACTS)
    assert "secret" not in text
    assert "datasets" not in told(text)[0]
    assert row(text, "left out") == "1 images that could not be read"
    assert row(text, "at most") == "40 images of each part"


def test_weights_without_a_record_have_a_card_without_its_parts(model):
    text = model_card(replace(model, record=None), replace(FACTS, command=None))
    assert "The figures hold" not in text
    assert "The figures hold" in model_card(model, FACTS)
    assert re.findall("^## (.*)", text, re.MULTILINE) == ["Cost", "Use", "Licence and limits"]
    assert "metrics" not in told(text)[0]


def test_a_data_set_of_the_hub_goes_by_its_name_there(model):
    data = DATA.model_copy(update={"source": "cifar10:/home/jane/cifar"})
    text = model_card(replace(model, record=model.record.model_copy(update={"data": data})), FACTS)
    assert told(text)[0]["datasets"] == ["uoft-cs/cifar10"]


def test_weights_that_were_never_trained_are_said_to_be(model):
    text = model_card(replace(model, record=None, trained=False), replace(FACTS, command=None))
    assert "what it says of an image means nothing" in text
    assert "ImageNet's, by convention" in text
    assert "The figures hold" not in text


def test_names_can_be_no_markup(model):
    data = DATA.model_copy(update={"split": HOSTILE})
    packages = {HOSTILE: HOSTILE}
    update = {"data": data, "environment": ENVIRONMENT.model_copy(update={"packages": packages})}
    hostile = replace(model, name=HOSTILE, classes=(HOSTILE,) * 10, record=model.record.model_copy(update=update))
    facts = replace(
        FACTS, licence=HOSTILE, why=HOSTILE, images=HOSTILE, parity=(HOSTILE,), latency=((HOSTILE, HOSTILE),)
    )
    text = model_card(hostile, facts)
    front, rest = told(text)
    assert front["license"] == "other"
    plain_front, plain = told(model_card(model, FACTS))
    assert front.keys() == plain_front.keys() | {"license_name"}
    assert re.findall("^#+ ", rest, re.MULTILINE) == re.findall("^#+ ", plain, re.MULTILINE)
    outside = re.sub(r"^```.*?^```$", "", rest.replace(f"({DRAWING})", ""), flags=re.MULTILINE | re.DOTALL)
    named = re.sub(r"^#+ |^!\[|\]$", "", outside, flags=re.MULTILINE)
    assert not re.findall(r"(?<!\\)[<>`*#\[\]{}$@]", named)
    assert "\u202e" not in text
    assert not re.search(r"www\.|http://", outside)


def test_names_are_shown_as_they_are_by_a_reader_of_markdown(model):
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    html = markdown.render(told(model_card(replace(model, name=HOSTILE.replace("\n", " ")), FACTS))[1])
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [a](http://b) ![c](d) *e* {f} $g$ www.h.i @j \ufffdk</h1>" in html


def test_a_command_stays_within_its_fence(model):
    text = model_card(model, replace(FACTS, command="echo ```\n````\n# out"))
    assert "`````sh\necho ```\n````\n# out\n`````" in text


def test_the_drawing_lies_where_the_card_shows_it(model, tmp_path):
    write_drawing(replace(model, name="<b>"), tmp_path)
    (drawing,) = tmp_path.iterdir()
    assert f"]({drawing.name})" in model_card(model, FACTS)
    assert "<b>" not in drawing.read_text()
    assert "&lt;b&gt;" in drawing.read_text()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A smooth photo, in which a shift by a fraction of a pixel changes little."""
    file = tmp_path_factory.mktemp("image") / "image.jpg"
    Image.fromarray(noise(15, 20)).resize((80, 60), Image.Resampling.BICUBIC).save(file)
    return file


def test_images_are_prepared_by_the_code_of_a_card_as_by_predict(model, image, monkeypatch):
    monkeypatch.chdir(image.parent)
    space, preparation = {}, model.preparation
    exec(blocks(model_card(model, FACTS))[0], space)
    mean, std = (torch.tensor(figures).view(3, 1, 1) for figures in (preparation.mean, preparation.std))
    levels_CHW = space["images"][0] * std + mean
    assert (levels_CHW - prepared(Path("image.jpg"), preparation)).abs().max() <= 3


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in {"onnx", "pt2"} else name for name in FORMATS],
)
def test_each_format_is_loaded_by_the_code_of_a_card(name, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_formats(model, tmp_path, (name,), some_images(4))
    _, loading = blocks(model_card(model, replace(FACTS, formats=(name,))))
    space = {"images": some_images(2)}
    with torch.no_grad():
        exec(loading, space)
        expected = model.network(some_images(2))
    if name == "backbone":
        assert {tuple(features.shape[:1]) for features in space["features"].values()} == {(2,)}
    else:
        torch.testing.assert_close(torch.as_tensor(space["logits"]), expected, rtol=1e-4, atol=1e-4)
