"""Published figures live in one file, and a space says which variants they belong to."""

import copy
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.errors import SpaceError
from tests.space.spaces import space_from
from tests.space.test_space import ODD, places

SPACE = """\
base: minnow.yaml
axes: {pooling: {path: tail.downsample, values: [max-2x2, blur]}}
published:
  file: figures.yaml
  variants:
    max-2x2: [ours, costs]
    blur: theirs
"""
FIGURES = """\
sources:
  paper: A paper, https://example.org
  code: Its code
figures:
  ours: {source: paper, setting: "ImageNet, 100 epochs", top1: 78.14%, top5: 93.95%}
  costs: {source: code, setting: ImageNet, params: 24.96M, macs: 6.45G, note: counted by hand}
  theirs:
    source: paper
    setting: ImageNet
    top1_error: 21.93%
    ap_gain: 2.6%
    map: 75.9%
    statement: blurring is worse
    note: read off a figure
"""


def spelled(folder, space=SPACE, figures=FIGURES):
    (folder / "figures.yaml").write_text(figures)
    return space_from(folder, space)


def test_figures_come_by_variant_with_setting_and_source(tmp_path):
    found = spelled(tmp_path).published
    assert [(one.variant, one.metric, one.value) for one in found] == [
        ("max-2x2", "top1", 0.7814),
        ("max-2x2", "top5", 0.9395),
        ("max-2x2", "params", 24_960_000),
        ("max-2x2", "macs", 6_450_000_000),
        ("blur", "map", 0.759),
        ("blur", "ap_gain", 0.026),
        ("blur", "top1", 0.7807),
        ("blur", "statement", None),
    ]
    assert {one.source for one in found} == {"A paper, https://example.org", "Its code"}
    assert found[0].setting == "ImageNet, 100 epochs"


def test_an_error_becomes_an_accuracy_and_says_so(tmp_path):
    of_error = next(one for one in spelled(tmp_path).published if (one.variant, one.metric) == ("blur", "top1"))
    assert of_error.note == "published as a top-1 error of 21.93 %; read off a figure"


def test_a_statement_is_a_note_without_a_value(tmp_path):
    statement = spelled(tmp_path).published[-1]
    assert (statement.value, statement.note) == (None, "blurring is worse; read off a figure")


def test_a_space_that_names_none_has_none(tmp_path):
    assert spelled(tmp_path, SPACE.partition("published:")[0]).published == ()


def test_a_variant_that_the_design_does_not_ask_for_is_refused_once_all_are_known(tmp_path):
    space = spelled(tmp_path, SPACE.replace("blur: theirs", "blurr: theirs"))
    with pytest.raises(SpaceError, match=r"mine\.yaml:7: published\.variants\.blurr: there is no variant 'blurr'; did"):
        list(space.candidates())


def test_of_a_search_only_the_baseline_is_known_by_name(tmp_path):
    text = SPACE + "design: {kind: tpe, candidates: 3}\n"
    refusal = r"mine\.yaml:6: published\.variants\.max-2x2: there is no variant .* baseline"
    with pytest.raises(SpaceError, match=refusal):
        spelled(tmp_path, text)
    known = text.replace("    max-2x2: [ours, costs]\n    blur: theirs", "    baseline: ours")
    assert {one.variant for one in spelled(tmp_path, known).published} == {"baseline"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("blur: theirs", "blur: their"),
            "mine.yaml:7: published.variants.blur: figures.yaml has no figures 'their'; did",
        ),
        (("[ours, costs]", "[ours, cost]"), "mine.yaml:6: published.variants.max-2x2[1]: figures.yaml has no figures"),
        (("[ours, costs]", "[]"), "mine.yaml:6: published.variants.max-2x2: should have at least one item"),
        (("[ours, costs]", "3"), "mine.yaml:6: published.variants.max-2x2: should be a list, but is 3"),
        (("file: figures.yaml", "file: no.yaml"), "no.yaml: no such file; check the path"),
        (("file: figures.yaml", "files: figures.yaml"), "mine.yaml:4: published.files: unknown field; did you mean"),
        (("  file: figures.yaml\n", ""), "mine.yaml:3: published.file: is missing; add it"),
    ],
)
def test_a_mistake_in_the_space_is_answered_with_its_line(tmp_path, change, sentence):
    assert change[0] in SPACE
    with pytest.raises(SpaceError) as refusal:
        spelled(tmp_path, SPACE.replace(*change))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("source: code", "source: cod"),
            "figures.yaml:6: figures.costs.source: there is no source 'cod'; did you mean",
        ),
        (("top1: 78.14%", "top1: 78.14"), "figures.yaml:5: figures.ours.top1: should be a percentage, such as 77.41%"),
        (("top1: 78.14%", "top1: 178%"), "figures.yaml:5: figures.ours.top1: should be a percentage, such as 77.41%"),
        (("24.96M", "1.1x base"), "figures.yaml:6: figures.costs.params: should be a number, such as 24.96M"),
        (("24.96M", "many"), "figures.yaml:6: figures.costs.params: should be a number, such as 4.8M"),
        (("top1_error: 21.93%", "top1_error: 21.93%\n    top1: 78.07%"), "says what top1 says already; keep the one"),
        ((", top1: 78.14%, top5: 93.95%", ""), "figures.yaml:5: figures.ours: has neither a figure nor a statement"),
        (("top5:", "top6:"), "figures.yaml:5: figures.ours.top6: unknown field; did you mean 'top5'?"),
        (('setting: "ImageNet, 100 epochs", ', ""), "figures.yaml:5: figures.ours.setting: is missing; add it"),
        (("source: code, ", ""), "figures.yaml:6: figures.costs.source: is missing; add it"),
        (("figures:\n", "figure:\n"), "figures.yaml:4: figure: unknown field; did you mean 'figures'?"),
        ((FIGURES, "- 1\n"), "figures.yaml:1: should be fields with values"),
        ((FIGURES, "a: [\n"), "figures.yaml:2: is not valid YAML"),
    ],
)
def test_a_mistake_in_the_figures_is_answered_with_both_files_and_lines(tmp_path, change, sentence):
    assert change[0] in FIGURES
    with pytest.raises(SpaceError) as refusal:
        spelled(tmp_path, figures=FIGURES.replace(*change))
    assert sentence in str(refusal.value)
    assert all(line.startswith(f"{tmp_path}/mine.yaml:4: published.file: ") for line in str(refusal.value).splitlines())


@st.composite
def odd_files(draw):
    """The space and the figures above with some values that do not belong there."""
    files = {"space": yaml.safe_load(SPACE), "figures": yaml.safe_load(FIGURES)}
    for _ in range(draw(st.integers(1, 2))):
        spots = [at for at in places(files) if len(at) > 1 and (at[0] == "figures" or at[1] == "published")]
        if not spots:
            break
        *steps, last = draw(st.sampled_from(spots))
        inside = files
        for step in steps:
            inside = inside[step]
        inside[last] = copy.deepcopy(draw(ODD))
    return files


@settings(deadline=None, max_examples=60)
@given(odd_files())
def test_any_files_give_figures_or_a_refusal_with_file_and_line(files):
    texts = {name: yaml.safe_dump(data, sort_keys=False, allow_unicode=True) for name, data in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        try:
            space = spelled(Path(folder), texts["space"], texts["figures"])
            list(space.candidates())
        except SpaceError as refusal:
            assert all(f"{folder}/mine.yaml:" in line for line in str(refusal).splitlines()), str(refusal)
        else:
            assert all(one.value is None or one.value >= 0 for one in space.published)
