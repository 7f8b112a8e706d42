"""Designs, early stopping and resources: what can be asked for, and what is said to the rest."""

import pytest

from fishnet_search.errors import SpaceError
from fishnet_search.space.design import ExplicitList, Grid, OneFactor, Random, Search, Stop
from tests.space.spaces import space_from

AXES = """\
base: minnow.yaml
axes:
  a: {path: tail.depth, values: [1, 2]}
  b: {path: recipe.learning_rate, range: {from: 0.1, to: 0.3, step: 0.1}}
"""


def design_from(folder, text, axes=AXES):
    return space_from(folder, f"{axes}design: {text}\n").space.design


@pytest.mark.parametrize(
    ("text", "design"),
    [
        ("grid", Grid()),
        ("{kind: grid}", Grid()),
        ("one-factor", OneFactor()),
        ("{kind: one-factor, pairs: [[a, b]]}", OneFactor(pairs=(("a", "b"),))),
        ("{kind: list, variants: {deep: {a: 2}}}", ExplicitList(variants={"deep": {"a": 2}})),
        ("{kind: random, candidates: 3}", Random(candidates=3, seed=0)),
        ("{kind: tpe, candidates: 3, seed: 5}", Search(kind="tpe", candidates=3, seed=5)),
        (
            "{kind: tpe, candidates: 3, objectives: [macs, top1]}",
            Search(kind="tpe", candidates=3, objectives=("macs", "top1")),
        ),
        (
            "{kind: nsga2, candidates: 3, objectives: [top1, latency_ms], finalists: 1}",
            Search(kind="nsga2", candidates=3, objectives=("top1", "latency_ms"), finalists=1),
        ),
        ("{kind: evolution, candidates: 3}", Search(kind="evolution", candidates=3)),
    ],
)
def test_a_design_is_a_word_or_a_kind_with_more_to_say(tmp_path, text, design):
    assert design_from(tmp_path, text) == design


def test_without_a_design_every_combination_is_tried(tmp_path):
    assert space_from(tmp_path, AXES).space.design == Grid()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gird", "mine.yaml:5: design: there is no design 'gird'; did you mean 'grid'? one of one-factor, grid, list"),
        ("{kind: 3}", "mine.yaml:5: design: there is no design 3; one of one-factor"),
        ("[grid]", "mine.yaml:5: design: should be a word or fields, such as grid or {kind: random, candidates: 20}"),
        ("{candidates: 3}", "mine.yaml:5: design: has no kind; add it, such as kind: random"),
        ("tpe", "mine.yaml:5: design: tpe alone does not say enough; write it like {kind: tpe, candidates: 20}"),
        ("list", "mine.yaml:5: design: list alone does not say enough; write it like {kind: list, variants: {deep"),
        (
            "\n  kind: random\n  candidates: 3\n  sead: 3",
            "mine.yaml:8: design.sead: unknown field; did you mean 'seed'?",
        ),
        ("{kind: random}", "mine.yaml:5: design.candidates: is missing; add it"),
        (
            "{kind: tpe, candidates: 0}",
            "mine.yaml:5: design.candidates: should be greater than or equal to 1, but is 0",
        ),
        ("{kind: tpe, candidates: 3, objectives: [macs]}", "mine.yaml:5: design.objectives: does not have top1"),
        (
            "{kind: tpe, candidates: 3, objectives: [top1, top1]}",
            "mine.yaml:5: design.objectives: has an objective twice; keep one",
        ),
        (
            "{kind: tpe, candidates: 3, objectives: [top1, mac]}",
            "'activations' or 'latency_ms', but is 'mac'; did you mean 'macs'?",
        ),
        ("{kind: nsga2, candidates: 3}", "mine.yaml:5: design.objectives: nsga2 weighs two objectives or more; write"),
        (
            "{kind: evolution, candidates: 3, objectives: [top1, macs]}",
            "mine.yaml:5: design.objectives: evolution has one objective, top1, but here are 2; use nsga2 or tpe",
        ),
        ("{kind: cmaes, candidates: 3}", "mine.yaml:3: axes.a: a has values, but cmaes takes ranges alone"),
        ("{kind: one-factor, pairs: [[a, a]]}", "mine.yaml:5: design.pairs: pairs a with itself; name two axes"),
        ("{kind: one-factor, pairs: [[a, b], [b, a]]}", "mine.yaml:5: design.pairs: has the pair b, a twice; keep one"),
        (
            "{kind: one-factor, pairs: [[a]]}",
            "mine.yaml:5: design.pairs[0]: should be two axes, such as [width, depth], but is ['a']",
        ),
        ("{kind: one-factor, pairs: [[a, c]]}", "mine.yaml:5: design.pairs[0]: there is no axis 'c'; one of a, b"),
        ("{kind: list, variants: {}}", "mine.yaml:5: design.variants: should have at least one item"),
        ("{kind: list, variants: {x y: {a: 2}}}", "mine.yaml:5: design.variants.x y: 'x y' cannot be a name; use"),
        ("{kind: list, variants: {x: {c: 2}}}", "mine.yaml:5: design.variants.x.c: there is no axis 'c'; one of a, b"),
        ("{kind: list, variants: {x: {a: 3}}}", "mine.yaml:5: design.variants.x.a: 3 is not among the levels 1, 2"),
        (
            "{kind: list, variants: {x: {b: 0.25}}}",
            "mine.yaml:5: design.variants.x.b: 0.25 is not among the numbers from 0.1 to 0.3 in steps of 0.1",
        ),
        (
            "{kind: list, variants: {baseline: {a: 2}}}",
            "mine.yaml:5: design.variants.baseline: is not the baseline; give it another name",
        ),
    ],
)
def test_a_design_that_cannot_be_had_is_refused(tmp_path, text, sentence):
    with pytest.raises(SpaceError) as refusal:
        design_from(tmp_path, text)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


RANGES = AXES.replace("a: {path: tail.depth, values: [1, 2]}", "a: {path: tail.depth, range: {from: 1, to: 2}}")


def test_cmaes_takes_two_ranges(tmp_path):
    assert design_from(tmp_path, "{kind: cmaes, candidates: 3}", RANGES) == Search(kind="cmaes", candidates=3)


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        (RANGES.replace("step: 0.1}", "step: 0.1}, when: {a: 1}"), "mine.yaml:4: axes.b: b is conditional, but cmaes"),
        (AXES.replace("  a: {path: tail.depth, values: [1, 2]}\n", ""), "mine.yaml:2: axes: has one axis, but cmaes"),
    ],
)
def test_cmaes_takes_nothing_else(tmp_path, axes, sentence):
    with pytest.raises(SpaceError) as refusal:
        design_from(tmp_path, "{kind: cmaes, candidates: 3}", axes)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("design", ["grid", "one-factor"])
def test_designs_that_try_all_levels_need_an_end_of_them(tmp_path, design):
    with pytest.raises(SpaceError) as refusal:
        design_from(tmp_path, design, AXES.replace(", step: 0.1", ""))
    assert f"mine.yaml:4: axes.b.range: has no end of levels, but the design {design} tries all; give a step" in str(
        refusal.value
    )


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("asha", Stop(kind="asha", first=None, keep=3)),
        ("{kind: hyperband, first: 2, keep: 4}", Stop(kind="hyperband", first=2, keep=4)),
    ],
)
def test_early_stopping_is_a_word_or_a_kind_with_more_to_say(tmp_path, text, stop):
    assert space_from(tmp_path, f"{AXES}stop: {text}\n").space.stop == stop


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stop: ahsa", "mine.yaml:5: stop: should be 'asha' or 'hyperband', but is 'ahsa'; did you mean 'asha'?"),
        ("stop: {kind: asha, keep: 1}", "mine.yaml:5: stop.keep: should be greater than or equal to 2, but is 1"),
        ("stop: {kind: asha, grace: 1}", "mine.yaml:5: stop.grace: unknown field; one of kind, first, keep"),
        (
            "stop: asha\ndesign: {kind: nsga2, candidates: 9, objectives: [top1, macs]}",
            "mine.yaml:5: stop: goes by one objective, top1, but the search has 2; remove it, or all but top1",
        ),
        (
            "match: {metric: macs}\ndesign: {kind: tpe, candidates: 9}",
            "mine.yaml:5: match: does not go with a search; make its metric one of the objectives, or constrain it",
        ),
        (
            "resources: {gpu: 1.5}",
            "mine.yaml:5: resources.gpu: should be a fraction below 1, or a whole number of GPUs",
        ),
        ("resources: {gpu: -1}", "mine.yaml:5: resources.gpu: should be greater than or equal to 0, but is -1"),
    ],
)
def test_stopping_and_resources_that_cannot_be_had_are_refused(tmp_path, text, sentence):
    with pytest.raises(SpaceError) as refusal:
        space_from(tmp_path, f"{AXES}{text}\n")
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("gpu", [0, 0.25, 1, 8])
def test_a_trial_may_use_a_fraction_of_a_gpu_or_whole_ones(tmp_path, gpu):
    assert space_from(tmp_path, f"{AXES}resources: {{gpu: {gpu}}}\n").space.resources.gpu == gpu
