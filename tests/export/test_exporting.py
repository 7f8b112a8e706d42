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
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fishnet_search import cli
from fishnet_search.cli.exporting import FormatName
from fishnet_search.errors import ExportError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import best_variant
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
    tops = {one.seed: one.best_validation.top1 for one in trials if one.variant == best}
    assert name in {f"study-{best}-seed{seed}" for seed, top in tops.items() if top == max(tops.values())}


def test_the_card_tells_of_the_record(exported, study):
    card = (exported[0] / "README.md").read_text()
    name = json.loads((exported[0] / "config.json").read_text())["name"]
    record = next(one for one in study_and_evidence(study)[1] if name.endswith(one.trial))
    assert f"{100 * record.test.top1:.2f}" in card
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
    assert tuple(name.value for name in FormatName) == FORMATS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{study}", "--trial", "avg-2x2-seed9"], "there is no complete trial 'avg-2x2-seed9'"),
        (["fishnet-nanno"], "neither a file nor a preset; did you mean 'fishnet-nano'?"),
        (["nothing.safetensors"], "nothing.safetensors: no such file"),
    ],
)
def test_what_cannot_be_exported_is_told_with_exit_code_2(call, study, words, sentence):
    code, _, err = call("export", *[word.format(study=study) for word in words], "--to", "out")
    assert (code, sentence in err) == (2, True)


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
