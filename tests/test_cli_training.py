"""Training one network, telling what weights are worth, and packing images, from the command line."""

import re

import pytest
import torch
from safetensors.torch import load_file

from fishnet_search import build_graph, build_network, load_spec
from fishnet_search.network.reference import reference_names
from fishnet_search.study.store import read_trials
from tests.engine.tiny import BASE

RECIPE = "{base: digits, epochs: 2, batch_size: 16, warmup_epochs: 0}\n"
TRAIN = ["--data", "digits", "--recipe", "short.yaml", "--limit", "40", "--name", "mine", "--threads", "1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a tiny network and a short recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(BASE)
    (tmp_path / "short.yaml").write_text(RECIPE)
    return tmp_path


def top1_in(out):
    return re.search(r"top-1 ([0-9.]+)%, top-5 ([0-9.]+)%", out).groups()


def percent(fraction):
    return f"{100 * fraction:.2f}"


def test_a_network_is_trained_once_and_evaluated_to_the_figures_of_its_record(call, here):
    code, out, _ = call("train", "tiny.yaml", *TRAIN)
    assert code == 0
    (record,) = read_trials(here / "studies" / "mine")
    assert (record.trial, record.state, len(record.epochs)) == ("tiny-seed0", "complete", 2)
    assert (record.recipe.crop, record.recipe.batch_size, record.environment.threads) == ("pad", 16, 1)
    assert "reports/mine/report.html" in out

    code, out, _ = call("train", "tiny.yaml", *TRAIN)
    assert (code, read_trials(here / "studies" / "mine")) == (0, (record,))

    weights = "studies/mine/trials/tiny-seed0.safetensors"
    code, out, _ = call("evaluate", weights, "--data", "digits", "--limit", "40")
    assert (code, top1_in(out)) == (0, (percent(record.test["top1"]), percent(record.test["top5"])))
    code, out, _ = call("evaluate", weights, "--data", "digits", "--limit", "40", "--part", "validation")
    assert top1_in(out)[0] == percent(record.best_validation["top1"])


def test_a_published_checkpoint_is_evaluated_under_its_own_names(call, here):
    call("train", "tiny.yaml", *TRAIN)
    (record,) = read_trials(here / "studies" / "mine")
    weights = load_file(here / "studies" / "mine" / "trials" / "tiny-seed0.safetensors")
    names = reference_names(build_network(build_graph(load_spec(here / "tiny.yaml"))))
    torch.save({"state_dict": {f"module.{names[ours]}": weights[ours] for ours in names}}, here / "published.tar")
    words = ["evaluate", "published.tar", "--data", "digits", "--limit", "40", "--spec", "tiny.yaml"]
    code, out, _ = call(*words, "--recipe", "short.yaml")
    assert (code, top1_in(out)[0]) == (0, percent(record.test["top1"]))


def test_a_pack_gives_the_figures_of_the_images_that_it_was_made_of(call, here):
    call("train", "tiny.yaml", *TRAIN)
    (record,) = read_trials(here / "studies" / "mine")
    side = str(load_spec(here / "tiny.yaml").image_size)
    code, out, _ = call("data", "pack", "digits", "digits.pack", "--side", side, "--limit", "40")
    assert code == 0
    assert "use it as --data pack:digits.pack" in out
    packed = ["--data", "pack:digits.pack", "--recipe", "short.yaml", "--name", "packed", "--threads", "1"]
    assert call("train", "tiny.yaml", *packed)[0] == 0
    (other,) = read_trials(here / "studies" / "packed")
    assert (other.test, other.data.fingerprint) == (record.test, record.data.fingerprint)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "tiny.yaml", "--data", "digits", "--recipe", "digit"], "did you mean 'digits'?"),
        (["train", "tiny.yaml", "--data", "digit", "--recipe", "digits"], "did you mean 'digits'?"),
        (["train", "tin.yaml", "--data", "digits", "--recipe", "digits"], "tin.yaml"),
        (["train", "tiny.yaml", *TRAIN, "--set", "epoch=3"], "unknown field"),
        (["train", "tiny.yaml", *TRAIN, "--set", "epochs"], "--set epochs: write a name, = and a value"),
        (["train", "tiny.yaml", *TRAIN, "--split", "train"], "--split train: write a name, = and a value, such as"),
        (["train", "tiny.yaml", *TRAIN, "--split", "train="], "--split train=: write a name, = and a value"),
        (["train", "tiny.yaml", *TRAIN, "--split", "seed=1", "--split", "seed=2"], "seed is given twice"),
        (["train", "tiny.yaml", *TRAIN, "--split", "trian=9"], "split.trian: unknown field"),
        (["train", "tiny.yaml", *TRAIN, "--set", "epochs=["], "--set epochs=[: '[' is no YAML"),
        (["evaluate", "none.safetensors", "--data", "digits"], "no such file"),
        (["evaluate", "none.safetensors", "--data", "digits", "--spec", "tiny.yaml"], "no such file"),
        (["evaluate", "short.yaml", "--data", "digits", "--spec", "tiny.yaml"], "is no checkpoint of plain tensors"),
        (["data", "fetch", "imagenet"], "cannot be fetched"),
        (["data", "pack", "digits", "missing/digits.pack"], "missing"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence_with_exit_code_2(call, here, words, sentence):
    code, _, err = call(*words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_weights_of_another_number_of_classes_are_refused(call, here):
    call("train", "tiny.yaml", *TRAIN)
    words = ["evaluate", "studies/mine/trials/tiny-seed0.safetensors", "--data", "shapes:80"]
    code, _, err = call(*words)
    assert (code, "the network has 10 classes, but shapes:80 has 8" in err) == (2, True)


def test_a_split_is_drawn_as_asked_and_evaluate_says_when_its_parts_are_others(call, here):
    split = ["--split", "train=30", "--split", "validation=20", "--split", "seed=3"]
    words = [word for word in TRAIN if word not in ("--limit", "40")]
    assert call("train", "tiny.yaml", *words, *split)[0] == 0
    (record,) = read_trials(here / "studies" / "mine")
    assert (record.data.train_images, record.data.validation_images) == (30, 20)
    weights = "studies/mine/trials/tiny-seed0.safetensors"
    code, out, _ = call("evaluate", weights, "--data", "digits", "--part", "validation", *split)
    assert (code, top1_in(out)[0]) == (0, percent(record.best_validation["top1"]))
    assert "not the parts of the training" not in out
    code, out, _ = call("evaluate", weights, "--data", "digits", "--part", "validation", "--limit", "40")
    assert (code, "These are not the parts of the training, which were: train 30 of" in out) == (0, True)
    code, out, _ = call("data", "pack", "digits", "split.pack", "--side", "8", *split)
    assert (code, "30 train, 20 validation, 360 test images of 10 classes" in out) == (0, True)
