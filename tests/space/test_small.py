"""The small version of a space stands in its file, and is read whether it is asked for or not."""

import copy
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fishnet_search.errors import SpaceError
from tests.fishes import minnow
from tests.space.spaces import space_from
from tests.space.test_space import ODD

GOOD = """\
base: fishnet-cifar
axes: {pooling: {path: tail.downsample, values: [max-2x2, blur]}}
recipe: fishnet-cifar
published:
  file: figures.yaml
  variants: {max-2x2: [ours], blur: ours}
small:
  base: minnow.yaml
  seeds: [4, 5]
  recipe:
    epochs: 2
    batch_size: 8
"""
FIGURES = """\
sources: {paper: A paper}
figures:
  ours: {source: paper, setting: CIFAR-10, top1: 93.5%}
"""


def spelled(folder, text, **arguments):
    (folder / "figures.yaml").write_text(FIGURES)
    return space_from(folder, text, **arguments)


def test_fields_of_the_small_version_stand_in_place_of_the_others(tmp_path):
    whole, small = spelled(tmp_path, GOOD), spelled(tmp_path, GOOD, small=True)
    assert (whole.name, whole.space.seeds, whole.space.recipe.epochs) == ("mine", (0, 1, 2), 100)
    assert (small.name, small.space.seeds, small.space.recipe.epochs) == ("mine-small", (4, 5), 2)
    assert (small.base, small.space.recipe.crop) == (minnow(), "centre")  # the whole field, not parts of it
    assert [one.spec for one in small.candidates()] == [minnow(), minnow(**{"tail.downsample": "blur"})]
    assert small.published == whole.published


def test_the_classes_of_the_data_reach_the_version_that_is_asked_for(tmp_path):
    assert spelled(tmp_path, GOOD, small=True, classes=3).base.classes == 3
    assert spelled(tmp_path, GOOD, classes=3).base.classes == 3


def test_axes_baseline_and_design_can_be_others(tmp_path):
    text = GOOD.replace(
        "  seeds: [4, 5]\n",
        "  axes: {depth: {path: body.depth, values: [1, 2, 3]}}\n  baseline: {depth: 2}\n  design: one-factor\n"
        "  published: null\n",
    )
    assert [one.name for one in spelled(tmp_path, text, small=True).candidates()] == ["2", "1", "3"]
    assert [one.name for one in spelled(tmp_path, text).candidates()] == ["max-2x2", "blur"]


def test_a_space_without_a_small_version_says_so(tmp_path):
    with pytest.raises(SpaceError, match=r"mine\.yaml: has no small version; leave out --small, or add `small`"):
        spelled(tmp_path, GOOD.partition("small:")[0], small=True)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("seeds: [4, 5]", "seed: 4"),
            "mine.yaml:9: small.seed: is no field that `small` can set; did you mean 'seeds'?",
        ),
        (("seeds: [4, 5]", "small: {}"), "mine.yaml:9: small.small: is no field that `small` can set"),
        (("seeds: [4, 5]", "seeds: 0"), "mine.yaml:9: seeds: should be a number of seeds from 1 to 10000"),
        (("epochs: 2", "epoch: 2"), "mine.yaml:11: recipe.epoch: unknown field; did you mean 'epochs'?"),
        (("epochs: 2", "epochs: 0"), "mine.yaml:11: recipe.epochs: should be greater than or equal to 1, but is 0"),
        (("base: minnow.yaml", "base: fishnet-nana"), "mine.yaml:8: base: fishnet-nana: neither a YAML file nor a"),
        (
            ("base: minnow.yaml", "base: resnet50"),
            "mine.yaml:2: axes.pooling.path: tail: unknown field",  # the line that no longer fits
        ),
        (
            ("seeds: [4, 5]", "axes: {depth: {path: body.depth, values: [0]}}"),
            "mine.yaml:9: axes.depth.values[0]: body[0].depth: should be greater than or equal to 1",
        ),
        (("seeds: [4, 5]", "baseline: {pooling: avg-2x2}"), "mine.yaml:9: baseline.pooling: 'avg-2x2' is not among"),
        (
            ("seeds: [4, 5]", "published: {file: figures.yaml, variants: {blur: others}}"),
            "mine.yaml:9: published.variants.blur: figures.yaml has no figures 'others'",
        ),
    ],
)
def test_a_mistake_in_it_is_answered_with_its_line_also_where_it_is_not_asked_for(tmp_path, small, change, sentence):
    assert change[0] in GOOD
    with pytest.raises(SpaceError) as refusal:
        spelled(tmp_path, GOOD.replace(*change), small=small)
    assert sentence in str(refusal.value)


def test_a_mistake_that_only_the_small_version_has_says_so(tmp_path):
    with pytest.raises(SpaceError, match=r"mine\.yaml:2: axes\.pooling\.path: .* \(with --small\)$"):
        spelled(tmp_path, GOOD.replace("base: minnow.yaml", "base: resnet50"))


@pytest.mark.parametrize("small", ["3", "[]", "a", "true"])
def test_what_is_no_mapping_is_refused(tmp_path, small):
    text = GOOD.partition("small:")[0] + f"small: {small}\n"
    with pytest.raises(SpaceError, match=r"mine\.yaml:7: small: should be names with values"):
        spelled(tmp_path, text)


FIELDS = st.sampled_from(
    ["base", "axes", "baseline", "design", "match", "seeds", "recipe", "data", "small", "published", "a", "", "ü"]
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(FIELDS, ODD | st.dictionaries(st.sampled_from(["file", "variants", "a", "epochs"]), ODD)),
    st.booleans(),
)
def test_any_small_version_is_spelled_out_or_refused_with_file_and_line(given_fields, small):
    data = {**yaml.safe_load(GOOD), "base": "minnow.yaml", "recipe": {}}
    data["small"] = {**data["small"], **copy.deepcopy(given_fields)}
    with tempfile.TemporaryDirectory() as folder:
        try:
            text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
            made = list(spelled(Path(folder), text, small=small).candidates())
        except SpaceError as refusal:
            assert all(f"{folder}/mine.yaml:" in line for line in str(refusal).splitlines()), str(refusal)
        else:
            assert made
