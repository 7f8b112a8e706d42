"""Which networks a report draws."""

from __future__ import annotations

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.candidates import best_variant
from fishnet_search.report.networks import draw_networks
from tests.records import SPEC, complete, study_of, trials_of, variant

WIDE = SPEC.model_copy(update={"stem": SPEC.stem.model_copy(update={"width": 32})})


def analysis(top1, wide="other", **fields):
    """A study one of whose variants is another network."""
    study = study_of(list(top1), **fields)
    variants = tuple(variant(name, spec=WIDE if name == wide else SPEC) for name in top1)
    trials = [trial.model_copy(update={"spec": WIDE}) if trial.variant == wide else trial for trial in trials_of(top1)]
    return analyse(study.model_copy(update={"variants": variants}), trials)


def test_the_baseline_and_the_best_are_drawn():
    drawings = draw_networks(analysis({"base": [0.90, 0.91], "other": [0.93, 0.92]}))
    assert [drawing.name for drawing in drawings] == ["network-baseline", "network-best"]
    assert drawings[1].title == "other has the highest validation top-1, 92.50 % over 2 seeds"
    assert ">32 channels<" in drawings[1].svg
    assert all(" id=" not in drawing.svg for drawing in drawings)


def test_a_baseline_that_is_the_best_is_drawn_once():
    (drawing,) = draw_networks(analysis({"base": [0.94, 0.95], "other": [0.93, 0.92]}))
    assert drawing.title == "The baseline base, which has the highest validation top-1, 94.50 % over 2 seeds"


def test_a_best_that_is_the_same_network_is_named_and_not_drawn_again():
    (drawing,) = draw_networks(analysis({"base": [0.90], "other": [0.93]}, wide="none"))
    assert drawing.title == (
        "The baseline base; other, which has the highest validation top-1, 93.00 % over 1 seed, is the same network "
        "trained otherwise"
    )


def test_the_best_of_a_search_is_the_best_of_its_finalists_and_the_baseline():
    top1 = {"base": [0.90, 0.91], "other": [0.93, 0.92], "lucky": [0.99]}
    (_, best) = draw_networks(analysis(top1, design="tpe", finalists=("other",)))
    assert (
        best.title == "other has the highest validation top-1 of the finalists and the baseline, 92.50 % over 2 seeds"
    )
    (only,) = draw_networks(analysis(top1 | {"other": [0.5, 0.5]}, design="tpe", finalists=("other",)))
    assert only.title == (
        "The baseline base, which has the highest validation top-1 of the finalists and the baseline, 90.50 % over 2 "
        "seeds"
    )


def test_a_search_that_is_not_over_has_a_best_of_all():
    (_, best) = draw_networks(analysis({"base": [0.90], "other": [0.93]}, design="tpe"))
    assert best.title == "other has the highest validation top-1, 93.00 % over 1 seed"


def test_the_best_is_chosen_on_validation_and_never_on_test_images():
    trials = trials_of({"base": [0.90, 0.91], "other": [0.92, 0.93]})
    lucky = complete("lucky", 1, 0.99, epochs=trials[0].epochs), complete("lucky", 2, 0.99, epochs=trials[0].epochs)
    effects = analyse(study_of(["base", "other", "lucky"]), [*trials, *lucky]).effects
    assert effects.set_index("variant").loc["lucky", "test_top1_mean"] == 0.99
    assert best_variant(effects).variant == "other"


def test_the_best_has_as_many_seeds_as_any():
    effects = analyse(study_of(["base", "other"]), trials_of({"base": [0.90, 0.91], "other": [0.99]})).effects
    assert best_variant(effects).variant == "base"


def test_where_nothing_that_is_compared_is_complete_none_is_called_the_best():
    study = study_of(["base", "other"], [1], design="tpe")
    (drawing,) = draw_networks(analyse(study, [complete("former", 1, 0.9)]))
    assert drawing.title == "The baseline base"
