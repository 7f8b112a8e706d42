"""What a report says of a search: sentences, tables and captions, with numbers counted by hand."""

from __future__ import annotations

import pytest

from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.design_space import coordinates_section, errors_section, importance_section
from fishnet_search.report.fidelity import fidelity_section
from fishnet_search.report.searching import pareto_section, progress_section
from tests.records import pruned
from tests.searches import RECIPE, curve_of, space, stopped, trial, whole

SECTIONS = (
    progress_section,
    pareto_section,
    importance_section,
    errors_section,
    coordinates_section,
    fidelity_section,
)


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
    assert section.numbers.to_dict("list") == {
        "variant": ["v1", "v3"],
        "macs": [1_000_000, 2_000_000],
        "params": [123_456, 123_456],
        "seeds": [1, 1],
        "validation_top1": [0.90, 0.95],
    }
    assert section.text[0].startswith("2 of 4 complete candidates are on the front")
    # by hand: 0.10 of the height from 80 to 95 over all of the width; v3 is as dear as the reference point
    assert (
        "The front dominates 66.67 % of the rectangle whose reference point is 2.000 M MACs and 80.00 % top-1"
        in words(section)
    )
    assert "(the dearest and the least accurate of those that are not far out)" in words(section)
    assert "Half of the 4 trials had come to 66.67 %; the last to add to it was trial 2." in words(section)
    assert len(section.figure.axes) == 2


@pytest.mark.parametrize(("metric", "unit"), [("latency_ms", "latency"), ("params", "parameters")])
def test_the_front_has_the_cost_that_is_sought_to_be_low_under_its_own_name(metric, unit):
    study = space(4, objectives=("top1", metric))
    dearer = tuple(one.model_copy(update={metric: 4 + i}) for i, one in enumerate(study.variants))
    section = pareto_section(analyse(study.model_copy(update={"variants": dearer}), whole(study)))
    assert section.numbers[metric].tolist() == [4, 5, 6, 7]
    assert list(section.numbers) == list(dict.fromkeys(("variant", metric, "params", "seeds", "validation_top1")))
    assert list(section.columns) == list(section.numbers)
    assert unit in section.table


def test_a_grid_over_several_seeds_has_a_front_of_means_and_no_history():
    study = space(design="grid")
    section = pareto_section(analyse(study, whole(study, (1, 2, 3))))
    assert len(section.figure.axes) == 1
    assert "in the mean over 3 seeds" in section.caption
    assert progress_section(analyse(study, whole(study, (1, 2, 3)))) is None


def test_the_baseline_and_the_finalists_are_named_below_the_front():
    study = space(finalists=("v11", "v5"))
    section = pareto_section(analyse(study, whole(study)))
    (legend,) = section.figure.legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["v0", "v11", "v5"]
    assert "Named: the baseline and the finalists." in section.caption
    section = pareto_section(analyse(space(), whole(space())))
    assert len(section.figure.legends[0].get_texts()) == 6
    assert "Named: the baseline and the best so far." in section.caption


def test_of_a_grid_whose_variants_all_stand_in_the_table_the_baseline_is_named():
    study = space(design="grid", seeds=(1,))
    section = pareto_section(analyse(study, whole(study)))
    assert [text.get_text() for text in section.figure.legends[0].get_texts()] == ["v0"]
    assert "Named: the baseline." in section.caption


def test_where_all_cost_the_same_points_are_drawn_and_no_trade_is_told():
    study = space()
    level = tuple(one.model_copy(update={"macs": 5}) for one in study.variants)
    section = pareto_section(analyse(study.model_copy(update={"variants": level}), whole(study)))
    (ax,) = section.figure.axes
    assert len(ax.collections[0].get_offsets()) == 12
    assert not ax.get_lines()[0].get_drawstyle().startswith("steps")
    assert "All cost the same, so that there is no trade between accuracy and MACs." in words(section)
    assert "1 of 12 complete candidates is on the front" in words(section)
    assert not any(told in words(section) + section.caption for told in ("hypervolume", "rectangle", "Shaded"))


def test_importance_names_what_goes_beyond_chance():
    study = space(24)
    section = importance_section(analyse(study, whole(study)))
    assert section.text[0].startswith("Beyond chance, validation top-1 hangs on depth (")
    assert section.table["axis"].tolist() == ["depth", "pool"]
    assert section.table["candidates"].tolist() == ["24", "24"]
    assert section.table["explains (%)"].tolist() == [f"{100 * share:.1f}" for share in section.numbers["share"]]


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
    assert section.numbers["epoch"].tolist() == [1, 2, 3]
    assert section.numbers["tau"].tolist() == pytest.approx([1, 1, 1])
    stops = section.numbers[["reached", "stopped", "place_of_best"]]
    assert stops.iloc[1].tolist() == [20, 8, 1]
    assert stops.iloc[[0, 2]].isna().all(axis=None)
    assert list(section.numbers) == list(section.columns)
    assert "What became of the others is not known." in section.notes[0]


def test_stops_are_told_among_the_trials_that_were_to_have_as_many_epochs_as_the_best():
    study = space(24, stop="asha", axes={"epochs": ("recipe.epochs",)})
    short = RECIPE.model_copy(update={"epochs": 2})
    variants = tuple(one.model_copy(update={"recipe": short}) if i % 2 else one for i, one in enumerate(study.variants))
    study = study.model_copy(update={"variants": variants})
    trials = [
        trial(one, 1, curve_of(i)[: one.recipe.epochs], i).model_copy(update={"recipe": one.recipe})
        for i, one in enumerate(variants)
    ]
    trials[0] = stopped(variants[0], 1, curve_of(0)[:3], 0)
    trials[1] = stopped(variants[1], 1, curve_of(1)[:1], 1)
    section = fidelity_section(analyse(study, trials))
    # the even ones have four epochs; the last of them is the best
    assert (
        "With seed 1, among the trials that were to have as many epochs as the best, asha stopped 1 of 12 after epoch "
        "3. There the trial that was the best in the end had place 1 of 12." in words(section)
    )


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
    assert section.numbers.to_dict("list") == {"epoch": [1], "reached": [12], "stopped": [11], "place_of_best": [1]}
    assert list(section.numbers) == list(section.columns)


def test_an_epoch_after_which_trials_were_stopped_is_told_though_most_trials_ended_before_it():
    study = space(24, stop="asha", axes={"epochs": ("recipe.epochs",)})
    long = RECIPE.model_copy(update={"epochs": 6})
    variants = tuple(one.model_copy(update={"recipe": long}) if i > 20 else one for i, one in enumerate(study.variants))
    trials = whole(study)
    for i in (21, 22, 23):
        curve = [*curve_of(i), 0.98, 0.99 + i / 10_000]
        trials[i] = trial(variants[i], 1, curve, i).model_copy(update={"recipe": long})
    trials[21] = stopped(variants[21], 1, [*curve_of(21), 0.5], 21)
    section = fidelity_section(analyse(study.model_copy(update={"variants": variants}), trials))
    assert section.numbers["epoch"].tolist() == [1, 2, 3, 5]
    assert section.numbers["stopped"].dropna().tolist() == [1]
    assert section.numbers["variants"].dropna().tolist() == [21, 21, 21]


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_small_comparison_has_none_of_these_parts(provider):
    study = space(3, design="one-factor")
    assert provider(analyse(study, whole(study))) is None


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_search_that_has_just_begun_has_none_of_these_figures(provider):
    study = space(2)
    section = provider(analyse(study, [*whole(study)[:1], pruned("v1", 1)]))
    if provider is fidelity_section:  # which tells whom early stopping has stopped
        assert section.figure is None
    else:
        assert section is None


@pytest.mark.parametrize("provider", SECTIONS, ids=lambda one: one.__name__)
def test_a_study_without_axes_is_told_as_far_as_it_goes(provider):
    study = space()
    bare = tuple(one.model_copy(update={"levels": {}}) for one in study.variants)
    analysis = analyse(study.model_copy(update={"variants": bare, "axes": {}}), whole(study))
    assert (provider(analysis) is None) == (provider in (importance_section, coordinates_section))
