"""Axes held against the base: the fields they set, the levels these take, conditions and the baseline."""

import pytest

from fishnet_search.errors import SpaceError
from tests.fishes import minnow
from tests.space.spaces import space_from


def axes_from(folder, *axes, more=""):
    return space_from(folder, "base: minnow.yaml\naxes:\n" + "".join(f"  {axis}\n" for axis in axes) + more)


def refused(folder, *axes, more=""):
    with pytest.raises(SpaceError) as refusal:
        axes_from(folder, *axes, more=more)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def levels(spelled):
    return spelled.baseline.levels


def test_an_axis_may_set_fields_of_the_recipe(tmp_path):
    spelled = axes_from(tmp_path, "rate: {path: recipe.learning_rate, values: [0.1, 0.5]}")
    made = list(spelled.candidates())
    assert [one.recipe.learning_rate for one in made] == [0.1, 0.5]
    assert {one.spec for one in made} == {minnow()}


def test_an_axis_may_set_fields_of_network_and_recipe_together(tmp_path):
    spelled = axes_from(tmp_path, "both: {path: [body.depth, recipe.step_epochs], values: [1, 2]}")
    last = list(spelled.candidates())[-1]
    assert ([stage.depth for stage in last.spec.body], last.recipe.step_epochs) == ([2, 2, 2], 2)


def test_whole_numbers_are_decimals_for_a_field_that_is_one(tmp_path):
    spelled = axes_from(
        tmp_path,
        "rate: {path: recipe.learning_rate, range: {from: 1, to: 2}}",
        "epochs: {path: recipe.epochs, range: {from: 1, to: 100}}",
        more="baseline: {rate: 1.5}\ndesign: {kind: random, candidates: 1}",
    )
    assert (spelled.axes["rate"].size, spelled.axes["epochs"].size) == (None, 100)


def test_an_axis_for_each_stage_of_a_part(tmp_path):
    spelled = axes_from(tmp_path, "depth: {path: body.depth, values: [1, 2], per: stage}")
    assert {name: axis.paths for name, axis in spelled.axes.items()} == {
        "depth.body0": ("body[0].depth",),
        "depth.body1": ("body[1].depth",),
        "depth.body2": ("body[2].depth",),
    }
    made = spelled.candidate({"depth.body1": 2})
    assert [stage.depth for stage in made.spec.body] == [1, 2, 1]
    assert [stage.depth for stage in spelled.candidate({"depth": 2}).spec.body] == [2, 2, 2]


def test_parts_are_tied_stage_by_stage(tmp_path):
    spelled = axes_from(tmp_path, "depth: {path: [tail.depth, head.depth], values: [1, 2], per: stage}")
    assert [*spelled.axes] == ["depth.stage0", "depth.stage1", "depth.stage2"]
    assert spelled.axes["depth.stage1"].paths == ("tail[1].depth", "head[1].depth")


def test_the_baseline_is_the_first_level_or_what_the_base_has_in_a_range(tmp_path):
    spelled = axes_from(
        tmp_path,
        "dilation: {path: body.dilation, values: {two: 2, one: 1}}",
        "depth: {path: body.depth, range: {from: 1, to: 3}}",
        "rate: {path: recipe.learning_rate, range: {from: 0.1, to: 0.3, step: 0.1}}",
        more="recipe: {learning_rate: 0.3}\n",
    )
    assert levels(spelled) == {"dilation": "two", "depth": 1, "rate": 0.3}


def test_the_baseline_can_be_written(tmp_path):
    spelled = axes_from(
        tmp_path,
        "dilation: {path: body.dilation, values: {two: 2, one: 1}}",
        "depth: {path: body.depth, range: {from: 1, to: 3}, per: stage}",
        more="baseline: {dilation: one, depth: 2, depth.body0: 3}\n",
    )
    assert levels(spelled) == {"dilation": "one", "depth.body0": 3, "depth.body1": 2, "depth.body2": 2}


def test_axes_that_are_never_active_together_may_set_one_field(tmp_path):
    spelled = axes_from(
        tmp_path,
        "kind: {path: stem.kind, values: [one-conv, strided-conv]}",
        "few: {path: body.depth, values: [1, 2], when: {kind: one-conv}}",
        "many: {path: body.depth, values: [3, 4], when: {kind: strided-conv}}",
    )
    depths = [(one.levels["kind"], one.spec.body[0].depth) for one in spelled.candidates()]
    assert depths == [("one-conv", 1), ("one-conv", 2), ("strided-conv", 3), ("strided-conv", 4)]


A = "a: {path: tail.depth, values: [1, 2]}"


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        (
            ["a: {path: recipe.lr, values: [1]}"],
            "mine.yaml:3: axes.a.path: 'recipe.lr': unknown field; one of epochs, batch_size, accumulate",
        ),
        (["a: {path: recipe.epochs, values: [1, 0]}"], "mine.yaml:3: axes.a.values[1]: epochs: should be greater than"),
        (
            ["a: {path: recipe.epochs, values: {zero: 0}}"],
            "mine.yaml:3: axes.a.values.zero: epochs: should be greater than",
        ),
        (["a: {path: body.kernel, values: [3, 4]}"], "mine.yaml:3: axes.a.values[1]: body[0].kernel: must be odd"),
        (
            ["a: {path: norm, values: [batch, layer]}"],
            "mine.yaml:3: axes.a.values[1]: norm: should be 'batch' or 'group'",
        ),
        (["a: {path: 'tail[0].dilation', values: [[1, x]]}"], "mine.yaml:3: axes.a.values[0]: tail[0].dilation"),
        (
            ["a: {path: body.kernel, range: {from: 1, to: 5}}"],
            "mine.yaml:3: axes.a.range: body[0].kernel: must be odd, so that the output keeps its place, but is 2;",
        ),
        (
            ["a: {path: body.depth, range: {from: 1, to: 100000000}}"],
            "mine.yaml:3: axes.a.range: body[0].depth: should be less than or equal to 1000, but is 100000000",
        ),
        (
            ["a: {path: body.depth, range: {from: 0.5, to: 2}}"],
            "mine.yaml:3: axes.a.range: body[0].depth: should be a whole number, but is 0.5",
        ),
        (
            ["a: {path: body.depth, range: {from: 2, to: 3}}"],
            "mine.yaml:3: axes.a.range: the base has 1, not one of the whole numbers from 2 to 3; add a to `baseline`",
        ),
        (
            ["a: {path: tail.width, range: {from: 16, to: 64, step: 8}}"],
            "mine.yaml:3: axes.a.range: the base has 16, 32, 64, not one of the whole numbers from 16 to 64 in steps",
        ),
        (
            ["a: {path: body.groups, range: {from: 1, to: 2}}"],
            "mine.yaml:3: axes.a.range: the base has 'derived', not one of the whole numbers from 1 to 2; add a to",
        ),
        (
            ["a: {path: bridge.depth, values: [1], per: stage}"],
            "mine.yaml:3: axes.a.path: bridge.depth is no field of a part's stages, such as body.depth; remove per",
        ),
        (
            ["a: {path: 'tail[0].depth', values: [1], per: stage}"],
            "mine.yaml:3: axes.a.path: tail[0].depth is no field of a part's stages",
        ),
        (
            ["a: {path: recipe.epochs, values: [1], per: stage}"],
            "mine.yaml:3: axes.a.path: recipe.epochs is no field of",
        ),
        (
            ["a: {path: tail.depth, values: [1, 2], per: stage}", "a.tail1: {path: body.depth, values: [1]}"],
            "mine.yaml:4: axes.a.tail1: there is another axis a.tail1; give one of them another name",
        ),
        (
            ["a b: {path: tail.depth, values: [1]}"],
            "mine.yaml:3: axes.a b: 'a b' cannot be a name; use up to 60 letters",
        ),
        (
            [A, "b: {path: body.depth, values: [1], when: {c: 1}}"],
            "mine.yaml:4: axes.b.when.c: there is no axis 'c' above; one of a",
        ),
        (
            [A, "b: {path: body.depth, values: [1], when: {a: [1, 3]}}"],
            "mine.yaml:4: axes.b.when.a: 3 is not among the levels 1, 2",
        ),
        (
            ["b: {path: body.depth, values: [1], when: {a: 1}}", A],
            "mine.yaml:3: axes.b.when.a: b hangs on a, which is written below it; a condition names an axis above",
        ),
        (
            ["b: {path: body.depth, values: [1], when: {b: 1}}"],
            "mine.yaml:3: axes.b.when.b: b hangs on itself; a condition names an axis above",
        ),
        (
            [A, "b: {path: body.depth, values: [1], when: {a: 1}}", "c: {path: body.depth, values: [1]}"],
            "mine.yaml:5: axes.c.path: body[0].depth is set by axis b already; keep it in one place",
        ),
        (
            [
                A,
                "b: {path: body.depth, values: [1], when: {a: [1, 2]}}",
                "c: {path: body.depth, values: [1], when: {a: 2}}",
            ],
            "mine.yaml:5: axes.c.path: body[0].depth is set by axis b already; keep it in one place",
        ),
    ],
)
def test_an_axis_that_does_not_fit_is_answered_with_its_line(tmp_path, axes, sentence):
    assert sentence in refused(tmp_path, *axes)


def test_parts_of_different_length_cannot_be_tied(tmp_path):
    (tmp_path / "short.yaml").write_text("base: minnow.yaml\nhead: [{depth: 1}]\n")
    text = "base: short.yaml\naxes: {a: {path: [tail.depth, head.depth], values: [1], per: stage}}"
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, text)
    assert (
        "mine.yaml:2: axes.a.path: there is tail.depth in 3, head.depth in 1 stages, which cannot be tied stage by "
        "stage; make them two axes"
    ) in str(refusal.value)
