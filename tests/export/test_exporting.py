"""The end of the main story: the best of a study is exported, loaded in other processes, and asked for images."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from fishnet_search import cli
from fishnet_search.cli.exporting import FORMAT_WORDS
from fishnet_search.errors import ExportError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import best_variant
from fishnet_search.export import write
from fishnet_search.export.choosing import chosen
from fishnet_search.export.folder import load_hub
from fishnet_search.export.folding import latency_before_and_after
from fishnet_search.export.source import class_name
from fishnet_search.export.trying import images_for
from fishnet_search.export.write import FORMATS
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import build_network
from fishnet_search.study.reading import study_and_evidence
from tests.engine.tiny import BASE, plan, run

ROOT = Path(__file__).parents[2]

ALONE = "import sys; sys.modules['fishnet_search'] = None\n"
"""Whoever imports the package then gets an ImportError."""


@pytest.fixture(autouse=True)
def soon_timed(monkeypatch):
    """Latency is told, and no test looks at it."""
    monkeypatch.setitem(latency_before_and_after.__kwdefaults__, "seconds", 0.05)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two variants and two seeds, with its weights."""
    folder = tmp_path_factory.mktemp("exporting")
    run(plan(folder), folder / "study")
    return folder / "study"


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    """The best of the study in every format, with images and the logits that the network gives them."""
    folder = tmp_path_factory.mktemp("exported")
    formats = [word for name in ("safetensors", "onnx", "pt2", "python", "backbone") for word in ("--format", name)]
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), pytest.raises(SystemExit) as end:
        patch.setitem(latency_before_and_after.__kwdefaults__, "seconds", 0.05)
        patch.setattr(sys, "argv", ["fishnet-search", "export", str(study), "--to", str(folder), *formats])
        cli.main()
    assert not end.value.code, told.getvalue()
    (best,) = chosen(str(study), trial="best", spec=None, studies=Path("studies"))
    images = images_for(best).images_NCHW
    np.save(folder / "images.npy", images.numpy())
    with torch.inference_mode():
        np.save(folder / "logits.npy", best.model.network(images).numpy())
    return folder, told.getvalue()


def alone(code, folder):
    """Run code in a fresh Python, in the folder of an export."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def agrees(logits):
    return f"""
import numpy
expected = numpy.load("logits.npy")
assert expected.shape == (16, 10)
assert abs({logits} - expected).max() <= 1e-4 * abs(expected).max()
"""


def test_the_folder_has_every_format_and_a_card(exported):
    folder, out = exported
    assert {path.name for path in folder.iterdir()} >= {
        *("model.safetensors", "config.json", "model.onnx", "model.pt2", "model.py"),
        *("backbone.py", "backbone.safetensors", "README.md", "network.svg"),
    }
    assert out.count("agrees") == 5
    assert "compared on 16 test images of digits" in out


def test_the_program_runs_where_there_is_only_pytorch(exported):
    code = """
import numpy, torch
logits = torch.export.load("model.pt2").module()(torch.from_numpy(numpy.load("images.npy"))).detach().numpy()
"""
    alone(ALONE + code + agrees("logits"), exported[0])


def test_the_python_file_runs_where_there_is_only_pytorch(exported):
    name = class_name(json.loads((exported[0] / "config.json").read_text())["name"])
    code = f"""
import numpy, torch
from safetensors.torch import load_file
from model import {name}
network = {name}()
network.load_state_dict(load_file("model.safetensors"))
logits = network.eval()(torch.from_numpy(numpy.load("images.npy"))).detach().numpy()
"""
    alone(ALONE + code + agrees("logits"), exported[0])


def test_the_onnx_file_runs_without_pytorch(exported):
    code = """
import sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
logits = session.run(["logits"], {"image": numpy.load("images.npy")})[0]
assert "torch" not in sys.modules
assert "fishnet_search" not in sys.modules
"""
    alone(code + agrees("logits"), exported[0])


def test_the_hub_s_mixin_gives_the_network_back(exported):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy, torch
from fishnet_search.export.hub import PretrainedNetwork
network = PretrainedNetwork.from_pretrained(".")
assert not network.training
logits = network(torch.from_numpy(numpy.load("images.npy"))).detach().numpy()
"""
    alone(code + agrees("logits"), exported[0])


def test_what_is_exported_is_the_best_of_the_study(exported, study):
    name = json.loads((exported[0] / "config.json").read_text())["name"]
    record, trials = study_and_evidence(study)
    best = best_variant(analyse(record, trials).effects).variant
    tops = {one.seed: one.best_validation["top1"] for one in trials if one.variant == best}
    assert name in {f"study-{best}-seed{seed}" for seed, top in tops.items() if top == max(tops.values())}


def test_the_card_tells_of_the_record(exported, study):
    card = (exported[0] / "README.md").read_text()
    name = json.loads((exported[0] / "config.json").read_text())["name"]
    record = next(one for one in study_and_evidence(study)[1] if name.endswith(one.trial))
    assert f"{100 * record.test['top1']:.2f}" in card
    assert "over 2 seeds" in card
    assert "network.svg" in card
    assert card.count("16 of 16 images get the same class") == 5
    assert str(study) not in card


def test_an_image_is_predicted_alike_from_every_form(call, exported, study, tmp_path):
    Image.new("L", (20, 14), 120).save(tmp_path / "grey.png")
    name = json.loads((exported[0] / "config.json").read_text())["name"].removeprefix("study-")
    told = []
    for form in (
        exported[0],
        exported[0] / "model.onnx",
        exported[0] / "model.pt2",
        study / "trials" / f"{name}.safetensors",
    ):
        code, out, _ = call("predict", form, "grey.png", "--json", "--top", "3")
        assert code == 0
        told.append(json.loads(out))
    assert [one["class"] for one in told[0]["classes"]] == [one["class"] for one in told[-1]["classes"]]
    for one in told:
        shares = [each["probability"] for each in one["classes"]]
        assert shares == pytest.approx([each["probability"] for each in told[0]["classes"]], abs=1e-5)
        assert len(shares) == 3


def test_a_broken_image_is_named_and_the_others_are_told(call, exported, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    code, out, _ = call("predict", exported[0], "good.png", "bad.png", "--top", "1")
    assert code == 1
    assert "good.png" in out
    assert "%" in out
    assert "bad.png" in out


def test_a_folder_that_holds_something_is_refused_and_kept_unless_it_is_forced(call, study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    words = ["export", study, "--to", "out", "--format", "safetensors"]
    code, _, err = call(*words)
    assert (code, err.startswith("error: out: is not empty")) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    assert call(*words, "--force")[0] == 0
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ExportError("no room")])
def test_an_export_that_ends_early_leaves_nothing_and_can_be_repeated(call, tmp_path, monkeypatch, failure):
    words = ["export", "fishnet-nano", "--to", "models/nano", "--format", "safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr(write, "fold", Mock(side_effect=failure))
        code, out, _ = call(*words)
    stopped = failure is KeyboardInterrupt
    assert code == (130 if stopped else 2)
    assert out.endswith("stopped; nothing was written to models/nano\n") == stopped
    assert list((tmp_path / "models").iterdir()) == []
    assert call(*words)[0] == 0
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["nano"]


def test_what_was_there_stays_if_its_replacement_ends_early(call, tmp_path, monkeypatch):
    words = ["export", "fishnet-nano", "--to", "nano", "--format", "safetensors"]
    assert call(*words)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "nano").iterdir()}
    monkeypatch.setattr(write, "write_card", Mock(side_effect=KeyboardInterrupt))
    assert call(*words, "--force")[0] == 130
    assert {path: path.read_bytes() for path in (tmp_path / "nano").iterdir()} == before


def test_a_format_that_differs_is_kept_and_told(call, tmp_path, monkeypatch):
    real = write.load_hub
    monkeypatch.setattr(
        write,
        "load_hub",
        lambda folder: replace(real(folder), network=build_network(build_graph(real(folder).spec), seed=7).eval()),
    )
    code, out, _ = call("export", "fishnet-nano", "--to", "nano", "--format", "safetensors")
    assert (code, "differs" in out) == (1, True)
    assert (tmp_path / "nano" / "model.safetensors").is_file()


def test_an_exported_folder_can_be_exported_again(call, tmp_path):
    assert call("export", "fishnet-nano", "--to", "nano", "--format", "safetensors")[0] == 0
    for number, asked in enumerate(("nano", "nano/model.safetensors")):
        code, out, err = call("export", asked, "--to", f"again{number}", "--format", "python")
        assert (code, "as it was exported before" in out) == (0, True), err
        again = load_hub(tmp_path / f"again{number}")
        first = load_hub(tmp_path / "nano")
        assert (again.name, again.preparation, again.trained) == (first.name, first.preparation, False)


def test_a_preset_is_meant_by_its_name_though_a_folder_is_called_so(call, tmp_path):
    for _ in range(2):
        code, out, err = call("export", "fishnet-nano", "--to", "fishnet-nano", "--format", "safetensors", "--force")
        assert (code, "that training starts from" in out) == (0, True), err


def test_untrained_weights_are_told_of_and_so_is_what_was_passed_over(call, tmp_path):
    assert call("export", "fishnet-nano", "--to", "nano", "--format", "safetensors")[0] == 0
    Image.new("L", (20, 14), 120).save(tmp_path / "grey.png")
    (tmp_path / "notes.txt").touch()
    code, _, err = call("predict", "nano", ".")
    assert code == 0
    assert "note: the weights are those that training starts from" in err
    assert re.search(r"note: passed over \d+ other files", err)


@pytest.mark.parametrize("terminal", [False, True])
def test_names_with_square_brackets_are_shown_as_they_are(call, tmp_path, monkeypatch, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")
    words = ["export", "fishnet-nano", "--to", "[red]nano[bold]", "--format", "safetensors"]
    told = shown(call(*words)[1])
    assert "model card: [red]nano[bold]/README.md" in told
    Image.new("L", (20, 14), 120).save(tmp_path / "[red]x[bold].png")
    (tmp_path / "[red]y[bold].png").write_bytes(b"no image")
    _, out, _ = call("predict", "[red]nano[bold]", "[red]x[bold].png", "[red]y[bold].png")
    told = shown(out)
    assert " [red]x[bold].png " in told
    assert " [red]y[bold].png " in told
    assert "[/]" not in told
    assert "\\" not in told
    assert terminal == ("\x1b[" in out)


def shown(text):
    """Return what a terminal shows of a text."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_variant_is_exported_by_its_best_seed(study):
    tops = {one.trial: one.best_validation["top1"] for one in study_and_evidence(study)[1] if one.variant == "avg-2x2"}
    (found,) = chosen(str(study), trial="avg-2x2", spec=None, studies=Path("studies"))
    assert tops[found.model.record.trial] == max(tops.values())
    assert "variant avg-2x2" in found.why


def test_a_trial_is_exported_by_its_name(call, study, tmp_path):
    code, out, _ = call("export", study, "--trial", "avg-2x2-seed1", "--to", "out", "--format", "safetensors")
    assert (code, load_hub(tmp_path / "out").name) == (0, "study-avg-2x2-seed1")
    assert "trial avg-2x2-seed1" in out


def test_each_of_the_front_has_a_folder_of_its_own(call, study, tmp_path):
    assert call("export", study, "--trial", "pareto", "--to", "out", "--format", "safetensors")[0] == 0
    front = chosen(str(study), trial="pareto", spec=None, studies=Path("studies"))
    found = {path.parent.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("config.json")}
    assert found == ({one.model.name for one in front} if len(front) > 1 else {"."})


def test_the_command_line_offers_the_formats_that_there_are():
    assert tuple(FORMAT_WORDS.split("|")) == FORMATS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{study}", "--trial", "avg-2x2-seed9"], "there is no complete trial or variant 'avg-2x2-seed9'"),
        (["fishnet-nanno"], "neither a file nor a preset nor a study in studies; did you mean 'fishnet-nano'?"),
        (["mima"], "did you mean 'mimas'?"),
        (["nothing.safetensors"], "nothing.safetensors: no such file"),
        (["photo.png"], "photo.png: is by its ending neither a study, nor weights (.safetensors, "),
        (["plain"], "plain: is a folder, but neither a study nor an exported model"),
        (["fishnet-nano", "--trial", "best"], "--trial best: does not apply: fishnet-nano is no study"),
        (["fishnet-nano", "--spec", "fishnet-nano"], "--spec fishnet-nano: does not apply"),
        (["{study}", "--spec", "fishnet-nano"], "--spec fishnet-nano: does not apply"),
        (["fishnet-nano", "--tap", "stem"], "--tap stem: is of the format backbone; leave it out"),
        (["fishnet-nano", "--tap", "nose", "--format", "backbone"], "nose"),
        (["fishnet-nano", "--dynamic-size", "--format", "python"], "--dynamic-size: is of the formats onnx and pt2"),
        (["fishnet-nano", "--format", "tflite"], "error: --format tflite: there is no such format; one of safetensors"),
        (["fishnet-nano", "--to", "photo.png/out"], "out: cannot be "),
    ],
)
def test_what_cannot_be_exported_is_told_with_exit_code_2(call, study, words, sentence, tmp_path):
    (tmp_path / "photo.png").touch()
    (tmp_path / "plain").mkdir()
    (tmp_path / "studies" / "mimas").mkdir(parents=True)
    (tmp_path / "studies" / "mimas" / "study.json").touch()
    before = sorted(tmp_path.rglob("*"))
    code, _, err = call("export", "--to", "out", *[word.format(study=study) for word in words])
    assert (code, sentence in err) == (2, True), err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_trial_whose_weights_are_gone_is_refused(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    for file in (tmp_path / "study" / "trials").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ExportError, match="the weights of this trial are not there"):
        chosen(str(tmp_path / "study"), trial="best", spec=None, studies=Path("studies"))


def test_of_a_variant_the_seed_is_taken_whose_weights_are_there(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    (best,) = chosen(str(study), trial="best", spec=None, studies=Path("studies"))
    (tmp_path / "study" / "trials" / f"{best.model.record.trial}.safetensors").unlink()
    (other,) = chosen(str(tmp_path / "study"), trial="best", spec=None, studies=Path("studies"))
    assert other.model.record.variant == best.model.record.variant
    assert other.model.record.seed != best.model.record.seed


def test_a_spec_is_exported_with_the_weights_that_training_starts_from(call, tmp_path):
    (tmp_path / "tiny.yaml").write_text(BASE)
    code, out, _ = call("export", "tiny.yaml", "--to", "out", "--format", "python", "--licence", "mit")
    assert (code, "that training starts from" in out) == (0, True)
    fresh = build_network(build_graph(load_hub(tmp_path / "out").spec)).state_dict()
    kept = load_hub(tmp_path / "out").network.state_dict()
    assert all(torch.equal(fresh[name], kept[name]) for name in fresh)
    assert "license: mit" in (tmp_path / "out" / "README.md").read_text()


def test_a_name_cannot_lead_out_of_the_folder(study):
    for one in chosen(str(study), trial="pareto", spec=None, studies=Path("studies")):
        assert "/" not in one.model.name
        assert not one.model.name.startswith(".")


PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_python_of_the_page_runs(exported, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "downsample").symlink_to(exported[0])
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 3
    for block in found:
        exec(block.replace("32, 32", "8, 8"), {})  # the tests' images are smaller


@pytest.mark.slow
def test_every_command_of_the_page_runs(call, study, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "downsample").symlink_to(study)
    (tmp_path / "photos").mkdir()
    for file in ("photo.png", "photos/one.png"):
        Image.new("RGB", (9, 8), (200, 10, 0)).save(tmp_path / file)
    lines = re.findall(r"^    (fishnet-search .+)$", PAGE, re.MULTILINE)
    assert len(lines) == 6
    for line in lines:
        code, _, err = call(*shlex.split(line, comments=True)[1:])
        assert code == 0, (line, err)
