"""Trials that were stopped early, reused, or never run."""

from __future__ import annotations

import math

import pytest

from fishnet_search.errors import StudyError
from fishnet_search.evidence.analysis import analyse
from fishnet_search.report.notes import incomplete_trials, method_notes, refusals
from fishnet_search.report.provenance import recipe_facts, space_facts
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import effect_table, trial_table
from tests.records import RECIPE, complete, duplicate, failed, pruned, refused, study_of, trials_of, variant

BASE = trials_of({"base": [0.90, 0.91, 0.92]})


def told(study, trials):
    return "\n".join(summarise(analyse(study, trials)))


def test_a_pruned_trial_is_in_no_mean():
    study = study_of(["base", "other"], stop="asha")
    analysis = analyse(study, [*BASE, complete("other", 1, 0.90), complete("other", 2, 0.92), pruned("other", 3)])
    effect = analysis.effects.set_index("variant").loc["other"]
    assert effect.test_top1_mean == pytest.approx(0.91)
    assert effect.validation_top1_mean == pytest.approx(0.91)  # the pruned one's is 0.5
    assert effect.difference_top1 == pytest.approx(0.005)  # by hand: (0 + 0.01) / 2
    assert effect_table(analysis.effects)["seeds"].tolist() == ["3", "2 of 3"]


def test_what_was_stopped_early_is_told_with_its_epochs_and_that_the_rest_did_better():
    study = study_of(["base", "other", "third"], stop="asha")
    trials = [*BASE, complete("other", 1, 0.90), pruned("other", 2, epochs=2), pruned("third", 1)]
    words = told(study, trials)
    assert "Stopped early, and in no mean: other seed 2 after 2 epochs, third seed 1 after 1 epoch." in words
    assert "The means of other are over the seeds that were not stopped" in words
    assert "Fewer than 3 seeds: other has 1, third has 0." in words
    assert "4 of 9 planned trials are complete: 2 pruned, 3 not run." in words


def test_seeds_after_the_one_that_a_variant_was_stopped_with_are_not_run_rather_than_missing():
    study = study_of(["base", "other"], stop="asha")
    analysis = analyse(study, [*BASE[:2], complete("other", 1, 0.9), pruned("other", 2)])
    rows = analysis.trials.set_index(["variant", "seed"])
    assert rows.loc[("other", 3), "state"] == "not run"
    assert rows.loc[("other", 3), "reason"] == "its variant was stopped early with seed 2"
    assert rows.loc[("base", 3), "state"] == "missing"
    assert incomplete_trials(analysis) == (
        "Stopped early: other seed 2.",
        "Not run, since their variant was stopped early with an earlier seed: other seed 3.",
        "Missing: base seed 3.",
    )


def test_a_study_that_stops_nothing_any_more_lacks_the_later_seeds():
    analysis = analyse(study_of(["base", "other"]), [*BASE, pruned("other", 1)])
    assert analysis.trials.set_index(["variant", "seed"]).loc[("other", 2), "state"] == "missing"


def test_the_table_of_trials_says_when_a_trial_was_stopped():
    analysis = analyse(study_of(["base", "other"], [1], stop="asha"), [BASE[0], pruned("other", 1, epochs=3)])
    assert trial_table(analysis.trials)["state"].tolist() == ["complete", "pruned after epoch 3"]


def test_a_duplicate_counts_like_the_trial_that_its_figures_are_of():
    others = [duplicate("other", trial, "../former/") for trial in trials_of({"former": [0.92, 0.93, 0.97]})]
    analysis = analyse(study_of(["base", "other"]), [*BASE, *others])
    effect = analysis.effects.set_index("variant").loc["other"]
    assert (effect.seeds, effect.pairs) == (3, 3)
    assert effect.test_top1_mean == pytest.approx(0.94)
    assert effect.difference_top1 == pytest.approx(0.03)  # by hand: (0.02 + 0.02 + 0.05) / 3
    assert effect.verdict == "within the noise"


def test_the_baseline_under_another_name_is_no_comparison():
    twins = [duplicate("twin", trial) for trial in BASE]
    study = study_of(["base", "twin", "other"])
    analysis = analyse(study, [*BASE, *twins, *trials_of({"other": [0.95, 0.96, 0.971]})])
    effect = analysis.effects.set_index("variant").loc["twin"]
    assert (effect.verdict, effect.difference_top1, effect.difference_ci95) == ("same network", 0, 0)
    words = "\n".join(summarise(analysis))
    assert words.startswith("The one difference to the baseline base (91.00 % test top-1 over 3 seeds) is larger")
    assert "twin is the same network as the baseline base, trained by the same recipe" in words
    assert "Within the noise" not in words


def test_where_all_are_the_baseline_there_is_no_headline_of_differences():
    words = told(study_of(["base", "twin"]), [*BASE, *(duplicate("twin", trial) for trial in BASE)])
    assert words.startswith("twin is the same network as the baseline base")


def test_equal_variants_count_as_one():
    trials = trials_of({"other": [0.95, 0.96, 0.971]})
    words = told(study_of(["base", "other", "again"]), [*BASE, *trials, *(duplicate("again", each) for each in trials)])
    assert words.startswith("The one difference to the baseline base")
    assert "again is the same network and recipe as other: they count as one." in words


def test_whose_figures_were_reused_is_told():
    former = trials_of({"former": [0.92, 0.93]})
    others = [duplicate("other", former[0], "../pooling-1/"), duplicate("other", former[1], "../pooling-2/")]
    twins = [duplicate("twin", BASE[0])]
    notes = " ".join(
        method_notes(analyse(study_of(["base", "other", "twin"]), [*BASE, *others, *twins]), environments=1)
    )
    assert "1 trial has the figures of an equal trial of this study" in notes
    assert "2 trials have the figures of equal trials of other studies" in notes
    assert "1 of ../pooling-1, 1 of ../pooling-2" in notes


def test_batches_that_were_split_are_told():
    split = BASE[1].model_copy(update={"micro_batches": 2})
    notes = " ".join(method_notes(analyse(study_of(["base"]), [BASE[0], split]), environments=1))
    assert "batch normalisation saw fewer images at a time: base seed 2 (2 parts)." in notes


def test_refused_candidates_are_told_rule_by_rule():
    study = study_of(["base"], refused=(refused("a", "axes"), refused("b", "constraints.params"), refused("c", "axes")))
    assert refusals(analyse(study, BASE)) == (
        "spaces/pooling.yaml:14: axes refused 2: a, c.",
        "spaces/pooling.yaml:14: constraints.params refused 1: b.",
    )


SLOW = RECIPE.model_copy(update={"learning_rate": 0.01})


def by_rate():
    """A study of learning rates and the trials of its slow variant."""
    slow = variant("slow", recipe=SLOW)
    study = study_of(["base"], axes={"rate": ("recipe.learning_rate",)})
    return study.model_copy(update={"variants": (*study.variants, slow)})


def test_a_recipe_may_differ_in_the_fields_of_axes_and_differences_remain_paired_by_seed():
    slow = [complete("slow", seed, top1, recipe=SLOW) for seed, top1 in ((1, 0.92), (3, 0.92))]
    analysis = analyse(by_rate(), [*BASE, *slow])
    effect = analysis.effects.set_index("variant").loc["slow"]
    assert effect.pairs == 2
    assert effect.difference_top1 == pytest.approx(0.01)  # by hand: (0.02 + 0) / 2


def test_each_recipe_is_told_by_what_it_sets_otherwise():
    assert recipe_facts(by_rate(), ["base", "slow"])[-1] == ("learning rate 0.01", "in slow")
    assert dict(recipe_facts(by_rate(), ["base", "slow"]))["learning rate"] == "0.1"


def test_a_trial_outside_the_plan_may_have_another_recipe_on_the_axes_only():
    former = RECIPE.model_copy(update={"learning_rate": 1.0})
    assert len(analyse(by_rate(), [*BASE, complete("former", 1, 0.9, recipe=former)]).effects) == 3
    longer = former.model_copy(update={"epochs": 99})
    with pytest.raises(StudyError, match="recipe of its study but for the fields of axes, but 'former-seed1' does not"):
        analyse(by_rate(), [*BASE, complete("former", 1, 0.9, recipe=longer)])


def test_the_design_is_told_with_all_that_the_study_asks_for():
    facts = dict(space_facts(study_of(["base"], design="tpe", objectives=("top1", "macs"), stop="asha", workers=4)))
    assert facts["design"] == "tpe"
    assert facts["objectives"] == "top1, macs"
    assert facts["stopped early"] == "by asha"
    assert facts["workers"] == "4 processes train a trial together"
    assert list(dict(space_facts(study_of(["base"])))) == ["base", "axis pooling", "design"]


def test_a_baseline_that_was_stopped_early_is_compared_with_nothing():
    analysis = analyse(study_of(["base", "other"], [1], stop="asha"), [pruned("base", 1), complete("other", 1, 0.9)])
    assert math.isnan(analysis.effects["difference_top1"].iloc[1])
    assert "The baseline base has no complete trial" in "\n".join(summarise(analysis))


def test_more_failures_than_one_reads_are_counted():
    names = [f"v{i}" for i in range(20)]
    analysis = analyse(study_of(["base", *names], [1]), [BASE[0], *(failed(name, 1) for name in names)])
    (sentence,) = incomplete_trials(analysis)
    assert sentence == "Failed: 20 trials, which trials.csv names."
