"""What a report says of a search: sentences, tables and captions, with numbers counted by hand."""

from __future__ import annotations

import pytest

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.design_space import coordinates_section, errors_section, importance_section
from fishnet_search.report.fidelity import fidelity_section
from fishnet_search.report.searching import pareto_section, progress_section
from fishnet_search.study.record import EpochRecord, Evaluation
from fishnet_search.train.recipe import Recipe
from tests.records import SPEED, complete, pruned, study_of, variant

RECIPE = Recipe(epochs=4, batch_size=64)
SECTIONS = (
    progress_section,
    pareto_section,
    importance_section,
    errors_section,
    coordinates_section,
    fidelity_section,
)


def trial(one, seed, curve, minute=0, **fields):
    epochs = tuple(
        EpochRecord(epoch=i, learning_rate=0.1, train=each, validation=each, seconds=1.0, **SPEED)
        for i, each in enumerate((Evaluation(loss=1.0, top1=top1, top5=1.0) for top1 in curve), 1)
    )
    best = curve.index(max(curve)) + 1
    told = {"recipe": RECIPE, "macs": one.macs, "levels": one.levels, "epochs": epochs, "best_epoch": best}
    started = f"2026-11-21T06:{minute:02}:00+00:00"
    return complete(one.name, seed, max(curve), **told, started=started, **fields)


def stopped(one, seed, curve, minute):
    return trial(one, seed, curve, minute, state="pruned").model_copy(update={"test": None})


def space(n=12, **fields):
    """Variants with two axes, the deeper the dearer: twelve are all combinations of six depths and two pools."""
    variants = tuple(
        variant(f"v{i}", levels={"depth": i // 2, "pool": "ab"[i % 2]}, macs=1_000_000 * (1 + i // 2), recipe=RECIPE)
        for i in range(n)
    )
    told = {
        "design": "tpe",
        "recipe": RECIPE,
        "axes": {"depth": ("body.depth",), "pool": ("tail.downsample",)},
        **fields,
    }
    return study_of(["v0"], **told).model_copy(update={"variants": variants})


def curve_of(i):
    """Validation top-1 over four epochs: it ends at 0.80, 0.81, ..., in the order of the variants from the first on."""
    return [round(0.80 + 0.01 * i - lag, 3) for lag in (0.3, 0.2, 0.1, 0.0)]


def whole(study, seeds=(1,)):
    return [trial(one, seed, curve_of(i), i) for seed in seeds for i, one in enumerate(study.variants)]


def words(section):
    return " ".join(section.text)


def test_the_course_of_a_search_is_told_with_the_epochs_that_it_took():
    study = space()
    trials = whole(study)
    trials[11] = stopped(study.variants[11], 1, [0.3], 11)
    section = progress_section(analyse(study, trials))
    assert section.text[0] == (
        "The best validation top-1, 90.00 %, came with trial 11 of 12 (v10), when 44 of 45 epochs were spent."
    )
    assert section.text[1] == (
        "Early stopping ended 1 of the trials, which saved 3 epochs: 6 % of what all would have taken."
    )
    assert "with seed 1 alone" in section.caption


def test_trials_after_the_best_are_counted():
    study = space()
    backwards = [trial(one, 1, curve_of(11 - i), i) for i, one in enumerate(study.variants)]
    assert "The 11 trials since have found nothing better." in words(progress_section(analyse(study, backwards)))


def test_the_front_is_told_with_its_hypervolume_and_reference_point():
    study = space(4)
    accuracies = [0.80, 0.90, 0.85, 0.95]  # costs 1, 1, 2 and 2 million
    trials = [trial(one, 1, [top1], i) for i, (one, top1) in enumerate(zip(study.variants, accuracies, strict=True))]
    section = pareto_section(analyse(study, trials))
    assert section.table.to_dict("list") == {
        "variant": ["v1", "v3"],
        "MACs": ["1.000 M", "2.000 M"],
        "parameters": ["123.5 k", "123.5 k"],
        "validation top-1 (%)": ["90.00", "95.00"],
    }
    assert section.text[0].startswith("2 of 4 complete candidates are on the front")
    # by hand: 0.10 of the height from 80 to 95 over all of the width; v3 is as dear as the reference point
    assert (
        "The front dominates 66.67 % of the rectangle whose reference point is 2.000 M MACs and 80.00 % top-1"
        in words(section)
    )
    assert "Half of the 4 trials had come to 66.67 %; the last to add to it was trial 2." in words(section)
    assert len(section.figure.axes) == 2


def test_a_grid_over_several_seeds_has_a_front_of_means_and_no_history():
    study = space(design="grid")
    section = pareto_section(analyse(study, whole(study, (1, 2, 3))))
    assert len(section.figure.axes) == 1
    assert "in the mean over 3 seeds" in section.caption
    assert progress_section(analyse(study, whole(study, (1, 2, 3)))) is None


def test_where_all_cost_the_same_there_is_no_front():
    study = space()
    level = tuple(one.model_copy(update={"macs": 5}) for one in study.variants)
    assert pareto_section(analyse(study.model_copy(update={"variants": level}), whole(study))) is None


def test_importance_names_what_goes_beyond_chance():
    study = space(24)
    section = importance_section(analyse(study, whole(study)))
    assert section.text[0].startswith("Beyond chance, validation top-1 hangs on depth (")
    assert section.table["axis"].tolist() == ["depth", "pool"]
    assert section.table["candidates"].tolist() == ["24", "24"]


def test_the_distribution_of_the_error_is_told_by_its_lowest_tenth_and_half():
    study = space(design="grid", seeds=(1,))
    section = errors_section(analyse(study, whole(study)))
    # errors 9 to 20 %: a tenth of 12 are 2, a half 6
    assert section.text == (
        "The lowest error of 12 candidates is 9.00 %; one in ten has at most 10.00 %, half at most 14.00 %.",
    )
    assert [ax.get_title(loc="center") or ax.get_title(loc="left") for ax in section.figure.axes] == ["pool"]


def test_a_search_is_said_to_have_chosen_its_candidates_and_shown_by_halves():
    study = space()
    section = errors_section(analyse(study, whole(study)))
    assert "this is not the distribution of its space" in words(section)
    (ax,) = section.figure.axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["all 12", "first half of the trials (6)", "second half (6)"]


def test_where_most_were_stopped_half_of_the_errors_are_not_known():
    study = space(24)
    trials = whole(study)
    for i in range(13):
        trials[i] = stopped(study.variants[i], 1, [0.3], i)
    section = errors_section(analyse(study, trials))
    assert "more than half were stopped early" in section.text[0]
    assert "Those stopped early count as never having come so low." in section.caption


def test_coordinates_leave_out_axes_that_do_not_vary_and_say_what_is_left_out():
    study = space()
    trials = whole(study)
    trials[0] = stopped(study.variants[0], 1, [0.3], 0)
    section = coordinates_section(analyse(study, trials))
    names = [text.get_text() for text in section.figure.axes[0].texts]
    assert {"depth", "pool", "MACs (M)", "top-1 (%)"} <= set(names)
    assert section.caption.endswith("Left out: 1 stopped early.")


def test_ranks_and_what_successive_halving_would_have_done_are_told():
    study = space(seeds=(1,), design="grid")
    section = fidelity_section(analyse(study, whole(study)))
    assert section.text == (
        "After epoch 1 of 4, Kendall's τ with the ranks in the end is 1.00 (1.00 to 1.00).",
        "It is 0.7 or more after every epoch.",
        # by hand: 12 trials one epoch, 4 two more, 1 the last: 21 of 48
        "Successive halving on these curves, with 1 in 3 trials going on after epochs 1, 3, would have spent 44 % of "
        "the epochs: the best of all is among what is left.",
    )
    assert section.table["after epoch"].tolist() == ["1", "3"]
    assert section.table["what is left falls short by (points)"].tolist() == ["0.00", "0.00"]


def test_a_study_that_was_stopped_early_tells_where_its_best_stood():
    study = space(20, stop="asha")
    trials = whole(study)
    for i in range(8):  # all of them behind the best after epoch 2
        trials[i] = stopped(study.variants[i], 1, curve_of(i)[:2], i)
    section = fidelity_section(analyse(study, trials))
    assert "With seed 1, asha stopped 8 of 20 after epoch 2." in words(section)
    assert "the best in the end had place 1 of 20." in words(section)
    assert section.table.iloc[0].tolist()[:5] == ["2", "20", "8", "1", "1.00 (1.00 to 1.00)"]
    assert "What became of the others is not known." in section.notes[0]


def test_where_few_came_to_their_end_the_stops_alone_are_told():
    study = space(stop="asha")
    trials = [stopped(one, 1, curve_of(i)[:1], i) for i, one in enumerate(study.variants)]
    trials[11] = trial(study.variants[11], 1, curve_of(11), 11)
    section = fidelity_section(analyse(study, trials))
    assert section.figure is None
    assert section.table.to_dict("list") == {
        "after epoch": ["1"],
        "trials so far": ["12"],
        "stopped": ["11"],
        "place of the best in the end": ["1"],
    }


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_small_comparison_has_none_of_these_parts(provider):
    study = space(3, design="one-factor")
    assert provider(analyse(study, whole(study))) is None


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_search_that_has_just_begun_has_none_of_these_parts(provider):
    study = space(2)
    assert provider(analyse(study, [*whole(study)[:1], pruned("v1", 1)])) is None or provider is fidelity_section


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_study_without_axes_is_told_as_far_as_it_goes(provider):
    study = space()
    bare = tuple(one.model_copy(update={"levels": {}}) for one in study.variants)
    analysis = analyse(study.model_copy(update={"variants": bare, "axes": {}}), whole(study))
    assert (provider(analysis) is None) == (provider in (importance_section, coordinates_section))
