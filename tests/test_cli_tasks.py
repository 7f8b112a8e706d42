"""Detection and segmentation from the command line."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from fishnet_search.study.store import read_study, read_trials
from fishnet_search.task.figures import FIGURES, OF_TASK
from fishnet_search.task.settings import TASKS as KINDS
from fishnet_search.task.settings import Task
from fishnet_search.train.named import recipe_names

pytestmark = pytest.mark.usefixtures("plain_figures")

BASE = "base: fishnet-nano\nimage_size: 48\n"
SMALL = {
    "pyramid_channels": 8,
    "head_channels": 16,
    "smallest_anchor": 8,
    "train_boxes": 16,
    "train_proposals": 50,
    "test_proposals": 20,
}
SETTINGS = [word for name, value in SMALL.items() for word in ("--task-set", f"{name}={value}")]
SHORT = ["--set", "epochs=1", "--set", "warmup_epochs=0", "--threads", "1", "--limit", "16", "--name", "mine"]
SHAPES = ["--data", "shapes:32"]
BOXES = ["--task", "detection", *SHAPES]
TASKS = {
    "detection": ("shapes-detection", SETTINGS, "ap"),
    "instance-segmentation": ("shapes-instances", [*SETTINGS, "--task-set", "mask_channels=8"], "mask_ap"),
    "semantic-segmentation": ("shapes-pixels", ["--task-set", "head_channels=8"], "miou"),
}
SPACE = """\
base: tiny.yaml
task: {kind: detection, TASK}
axes: {dilation: {path: body.dilation, values: [1, 2]}}
seeds: 1
data: "shapes:32"
recipe: {base: shapes-detection, epochs: 1, warmup_epochs: 0}
"""
SPACE = SPACE.replace("TASK", ", ".join(f"{name}: {value}" for name, value in SMALL.items()))
RUN = ["--limit", "16", "--jobs", "1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a tiny network and a space of detectors on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(BASE)
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path


@pytest.mark.parametrize("kind", TASKS)
def test_a_network_is_trained_for_a_task_and_shown_with_what_it_found(call, here, kind):
    recipe, settings, figure = TASKS[kind]
    words = ["train", "tiny.yaml", "--task", kind, *SHAPES, "--recipe", recipe, *settings, *SHORT]
    code, _, err = call(*words)
    assert (code, err) == (0, "")
    (record,) = read_trials(here / "studies" / "mine")
    assert (record.trial, record.state, record.task.kind) == ("tiny-seed0", "complete", kind)
    assert (record.metric, figure in record.test) == (figure, True)
    page = (here / "reports" / "mine" / "report.html").read_text()
    assert "Predictions beside the truth" in page
    code, _, _ = call(*words)
    assert (code, read_trials(here / "studies" / "mine")) == (0, (record,))


def test_a_space_of_detectors_is_checked_run_and_run_on_trained_backbones(call, here):
    code, out, _ = call("check", "space.yaml")
    assert code == 0
    assert "base tiny.yaml for 8 classes" in out
    assert call("run", "space.yaml", *RUN)[0] == 0
    study = read_study(here / "studies" / "space")
    assert [variant.name for variant in study.variants] == ["1", "2"]
    assert all(variant.backbone is None for variant in study.variants)

    labels = SPACE.partition("task:")[0] + "axes:" + SPACE.partition("axes:")[2].partition("recipe:")[0]
    (here / "labels.yaml").write_text(labels + "recipe: {epochs: 1, batch_size: 8}\n")
    assert call("run", "labels.yaml", *RUN)[0] == 0
    code, _, err = call("run", "space.yaml", *RUN, "--name", "upon", "--backbone-from", "studies/labels")
    assert (code, err) == (0, "")
    files = [record.backbone.file for record in read_trials(here / "studies" / "upon")]
    assert files == [str(here / "studies" / "labels" / "trials" / f"{one}-seed0.safetensors") for one in (1, 2)]

    code, _, err = call("run", "space.yaml", *RUN, "--backbone-from", "studies/labels")
    assert code == 2
    assert "trial 1-seed0 was made with a backbone of other weights; give another --name" in err


def test_a_field_of_recipes_for_regions_can_be_an_axis_and_is_reported(call, here):
    axis = "norm: {path: recipe.norm, values: [trained, frozen]}"
    (here / "space.yaml").write_text(SPACE.replace("dilation: {path: body.dilation, values: [1, 2]}", axis))
    code, _, err = call("run", "space.yaml", *RUN)
    assert (code, err) == (0, "")
    assert "norm frozen" in (here / "reports" / "space" / "report.html").read_text()


@pytest.mark.parametrize(("norm", "other"), [("trained", "synchronised"), ("synchronised", "trained")])
def test_a_study_whose_recipe_for_regions_changes_is_refused(call, here, norm, other):
    words = ["train", "tiny.yaml", *BOXES, "--recipe", "shapes-detection", *SETTINGS, *SHORT]
    assert call(*words, "--set", f"norm={norm}")[0] == 0
    code, _, err = call(*words, "--set", f"norm={other}")
    assert code == 2
    assert f"was made with norm {norm} (now {other})" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--task", "detection", "--data", "digits", "--recipe", "shapes-detection"],
            "data 'digits' has one class an image and no objects; use one of 'coco:PATH', 'voc:PATH', 'shapes'",
        ),
        (
            ["--task", "semantic-segmentation", "--data", "coco:PATH", "--recipe", "shapes-pixels"],
            "COCO's objects leave most pixels without a class; use 'voc:PATH' or 'shapes'",
        ),
        (["--data", "voc:PATH", "--recipe", "digits"], "has objects, not one class an image; use `task: detection`"),
        (["--data", "coco:PATH", "--recipe", "digits"], "has objects, not one class an image; use `task: detection`"),
        (["--task", "detection", "--data", "voc", "--recipe", "bccd"], "needs the path of a folder; write 'voc:PATH'"),
        (["--task", "detection", "--data", "voc:PATH", "--recipe", "bccd"], "PATH: no such folder; expected PATH/Anno"),
        (["--task", "detection", "--data", "coco:PATH", "--recipe", "coco-1x"], "PATH"),
        ([*BOXES, "--recipe", "digits"], 'recipe.crop: is for classification alone, but is "pad"; leave it at "cent'),
        ([*BOXES, "--recipe", "shapes-detection", "--set", "mixup=0.2"], "recipe.mixup: is for classification alone"),
        (
            [*BOXES, "--recipe", "shapes-detection", "--set", "norm=frozen"],
            "recipe.norm: what is frozen is never learnt, and these backbones begin with random weights; give trained "
            "ones by --backbone-from, or set frozen_stages to 0 and norm to trained",
        ),
        ([*BOXES, "--recipe", "voc-frcnn"], "recipe.frozen_stages: what is frozen is never learnt"),
        ([*SHAPES, "--recipe", "bccd"], "recipe.shorter_side: is for detection and segmentation alone, but is 240"),
        ([*SHAPES, "--recipe", "digits", "--set", "norm=frozen"], "recipe.norm: is for detection and segmentation al"),
        ([*SHAPES, "--recipe", "digits", "--task-set", "tap=body1"], "tap: unknown field"),
        (
            [*BOXES, "--recipe", "shapes-detection", "--task-set", "mask_channels=8"],
            "mask_channels: unknown field; did you mean 'head_channels'?",
        ),
        ([*BOXES, "--recipe", "shapes-detection", "--task-set", "head_channels=0"], "head_channels: should be gr"),
        ([*BOXES, "--recipe", "shapes-detection", "--task-set", "taps=[nope]"], "there is no stage 'nope'; one of ste"),
        (
            [*BOXES, "--recipe", "shapes-detection", "--task-set", "taps=[head1, head0]"],
            "taps go from fine to coarse, not head1 of stride 8, head0 of stride 4; use head0, head1",
        ),
        ([*BOXES, "--recipe", "shapes-detection", "--backbone-from", "studies/none"], "no such study or file to take"),
        ([*SHAPES, "--recipe", "digits", "--backbone-from", "studies/none"], "a classifier is trained from its begin"),
        ([*BOXES, "--recipe", "shapes-detection", "--task-set", "taps"], "--task-set taps: write a name, = and a val"),
        (["--task", "detect", *SHAPES, "--recipe", "shapes-detection"], "'detect' is not one of"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_in_a_sentence_with_exit_code_2(call, here, words, sentence):
    code, _, err = call("train", "tiny.yaml", *words)
    assert code == 2
    assert sentence in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert not (here / "studies").exists() or not list((here / "studies").glob("*/study.json"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("kind: detection", "kind: detections"), "space.yaml:2: task: there is no task 'detections'; did you mean"),
        (("kind: detection, ", ""), "space.yaml:2: task: has no kind; add it, such as kind: detection"),
        (("kind: detection", "kind: classification"), "space.yaml:2: task.pyramid_channels: unknown field"),
        (("pyramid_channels: 8", "pyramid: 8"), "space.yaml:2: task.pyramid: unknown field; did you mean 'pyramid_cha"),
        (("head_channels: 16", "taps: [body7]"), "space.yaml:2: task: the baseline: there is no stage 'body7'"),
        (("path: body.dilation", "path: recipe.mixup"), "space.yaml:3: axes.dilation.path: recipe.mixup means nothing"),
        (
            ("seeds: 1", "seeds: 1\ndesign: {kind: tpe, candidates: 2, objectives: [top1]}"),
            "space.yaml:5: design.objectives: has top1, a figure of classification; this task has ap, ap50",
        ),
    ],
)
def test_a_space_whose_task_does_not_fit_is_refused_with_its_line(call, here, change, sentence):
    assert change[0] in SPACE
    (here / "space.yaml").write_text(SPACE.replace(*change))
    for command in (["check", "space.yaml"], ["run", "space.yaml", *RUN]):
        code, _, err = call(*command)
        assert code == 2
        assert sentence in err
        assert "Traceback" not in err


PAGE = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")


def rows(heading):
    """The cells of the first table below a heading, row by row."""
    table = PAGE.partition(f"\n{heading}")[2].partition("\n| --- ")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def names_in(cell):
    return re.findall(r"`([\w-]+)`", cell)


def test_the_page_tells_every_task_figure_and_recipe():
    assert [name for row in rows("## Tasks") for name in names_in(row[0])] == list(KINDS)
    told = {name for row in rows("## Figures") for name in names_in(row[0])}
    assert told == set(FIGURES) - set(OF_TASK["classification"])
    for_regions = {name for name in recipe_names() if not for_labels(name)}
    assert {name for row in rows("## Recipes") for name in names_in(row[0])} == for_regions


def for_labels(name):
    """Tell whether a recipe is one of those of the page on training that are for classification."""
    return name.startswith(("fishnet", "cifar", "tiny", "digits"))


def test_the_page_tells_every_field_of_a_task_with_its_default():
    kinds = {"detection": "detection", "instances": "instance-segmentation", "pixels": "semantic-segmentation"}
    told = {kind: {"kind": kind} for kind in kinds.values()}
    for name, of, default, _ in rows("A word is enough."):
        for one in of.split(", "):
            told[kinds[one]][name.strip("`")] = {"none": None}.get(default, yaml.safe_load(default.strip("`")))
    for kind, fields in told.items():
        task = KINDS[kind]().model_dump()
        assert {name: list(value) if isinstance(value, tuple) else value for name, value in task.items()} == fields
    (piece,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert TypeAdapter(Task).validate_python(yaml.safe_load(piece)["task"]).pyramid_channels == 32
