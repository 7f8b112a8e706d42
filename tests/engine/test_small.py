"""The small version of a space is a study of its own, with the published figures in its record."""

from pathlib import Path

import pytest
from PIL import Image

from fishnet_search.engine.plan import plan_study
from fishnet_search.study.store import read_study, read_trials
from tests.engine.tiny import SPACE, write_space

PAPER = Path(__file__).parents[2] / "spaces" / "paper"
WHOLE = (
    SPACE.replace("base: base.yaml", "base: fishnet99\ndata: imagenet:nowhere")
    + """\
published: {file: figures.yaml, variants: {max-2x2: ours}}
small:
  base: base.yaml
  data: digits
  recipe: {epochs: 1, batch_size: 16}
"""
)
FIGURES = "sources: {p: A paper}\nfigures: {ours: {source: p, setting: ImageNet, top1_error: 21.93%}}\n"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "figures.yaml").write_text(FIGURES)
    write_space(tmp_path, WHOLE)
    return tmp_path


def test_a_small_run_has_a_name_of_its_own_and_goes_on_with_the_same_command(call, home):
    words = ("run", "tiny.yaml", "--small", "--limit", 20, "--jobs", 1)
    code, out, _ = call(*words)
    assert code == 0
    assert "study tiny-small: grid, 2 variants, 2 seeds, 1 epoch, digits with 20 training" in out
    study = read_study(home / "studies" / "tiny-small")
    assert (study.small, study.name, study.base) == (True, "tiny-small", "base.yaml")
    assert [(one.variant, one.metric, one.value) for one in study.published] == [("max-2x2", "top1", 0.7807)]
    assert "--small" in study.command
    (home / "studies" / "tiny-small" / "trials" / "avg-2x2-seed1.json").unlink()
    code, out, _ = call(*words)
    assert code == 0
    assert "3 of 4 trials are complete already; 1 to go" in out
    assert len(read_trials(home / "studies" / "tiny-small")) == 4


def test_a_small_run_may_be_given_another_name(call, home):
    code, out, _ = call("run", "tiny.yaml", "--small", "--limit", 20, "--seeds", 1, "--jobs", 1, "--name", "mine")
    assert code == 0
    assert "study mine: grid" in out


def test_check_shows_the_small_version(call, home):
    code, out, _ = call("check", "tiny.yaml", "--small")
    assert code == 0
    assert "space tiny-small: grid over 1 axis with 2 combinations\nbase base.yaml for 10 classes\n" in out
    assert "asked for: 2 candidates × 2 seeds = 4 trials, 4 epochs" in out


def test_check_counts_a_space_whose_own_images_are_elsewhere_and_says_so(call, home):
    code, out, _ = call("check", "tiny.yaml")
    assert code == 0
    assert "base fishnet99 for 1000 classes" in out
    assert "images: imagenet:nowhere is not here, which counting does not need" in out
    assert "16,628,904" in out


def test_what_needs_the_images_is_refused_without_them(call, home):
    for words in (("run", "tiny.yaml", "--jobs", 1), ("check", "tiny.yaml", "--probe")):
        code, _, err = call(*words)
        assert code == 2
        assert "nowhere: no such folder; expected PATH/train/WNID" in err


def test_figures_and_architectures_among_spaces_are_not_listed_as_spaces(call, home):
    (home / "spaces").mkdir()
    for name in ("tiny.yaml", "base.yaml", "figures.yaml"):
        (home / "spaces" / name).write_text((home / name).read_text())
    (home / "spaces" / "torn.yaml").write_text("a: [")
    _, out, _ = call("list")
    assert [line for line in out.splitlines() if line.startswith("space: ")] == [
        "space: spaces/tiny.yaml",
        "space: spaces/torn.yaml, damaged: spaces/torn.yaml:1: is not valid YAML: expected the node content, but found "
        "'<stream end>'; check indentation, colons and brackets",
    ]


def test_a_space_without_a_small_version_is_answered_in_a_line(call, home):
    write_space(home)
    code, _, err = call("run", "tiny.yaml", "--small")
    assert code == 2
    assert "tiny.yaml: has no small version; leave out --small" in err


@pytest.mark.parametrize("path", sorted(PAPER.glob("*[!d].yaml")), ids=lambda path: path.stem)
def test_a_paper_space_is_planned_in_small(tmp_path, path):
    study = plan_study(path, tmp_path / "study", command="test", limit=20, small=True).study
    assert study.small
    assert {one.variant for one in study.published} <= {variant.name for variant in study.variants}
    assert study.data.classes == 10


def test_a_paper_space_is_planned_in_full_on_images_laid_out_as_imagenet(tmp_path):
    for part, name in [("train", "n01"), ("train", "n02"), ("val", "n01"), ("val", "n02")]:
        for i in range(4):
            file = tmp_path / "PATH" / part / name / f"{i}.JPEG"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (260, 300), (60 * i, 99, 0)).save(file)
    data = f"imagenet:{tmp_path}/PATH"
    study = plan_study(PAPER / "backbones.yaml", tmp_path / "study", command="test", data=data).study
    assert [variant.spec.family for variant in study.variants] == [
        "resnet",
        "resnet",
        "densenet",
        "fish",
        "resnet",
        "fish",
    ]
    assert {(variant.spec.classes, variant.spec.image_size) for variant in study.variants} == {(2, 224)}
    assert (study.small, study.data.image_size, study.recipe.epochs) == (False, 256, 100)
