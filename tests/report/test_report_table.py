"""How numbers and words look."""

from __future__ import annotations

import math

import pytest

from fishnet_search.evidence.analysis import analyse
from fishnet_search.evidence.wording import counts, duration, p_value, percent, points
from fishnet_search.report.notes import incomplete_trials, method_notes
from fishnet_search.report.pages import escape_markdown
from fishnet_search.report.summary import summarise
from fishnet_search.report.table import effect_table
from tests.records import complete, duplicate, failed, study_of, trials_of

NAN = math.nan


def words_of(top1, extra=(), *, variants=None, seeds=(1, 2, 3)):
    """The summary of a study, as one text."""
    study = study_of(variants or list(top1), seeds)
    return "\n".join(summarise(analyse(study, [*trials_of(top1), *extra])))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12_345_678, 987_654], ["12.35 M", "0.99 M"]),
        ([4_263_656_704], ["4.264 G"]),
        ([123_456], ["123.5 k"]),
        ([512, 7], ["512", "7"]),
    ],
)
def test_counts_of_a_column_share_one_unit(values, shown):
    assert counts(values) == shown


def test_accuracies_are_per_cent_with_the_half_width_of_their_interval():
    assert percent(0.97312, 0.00419) == "97.31 ± 0.42"
    assert percent(0.97312) == "97.31"
    assert percent(0.97312, NAN) == "97.31"
    assert percent(NAN, NAN) == "–"


def test_differences_are_signed_points():
    assert points(-0.0093, 0.0042) == "−0.93 ± 0.42"
    assert points(0.0093, NAN) == "+0.93"
    assert points(-0.00001, 0) == "0.00 ± 0.00"
    assert points(NAN, NAN) == "–"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12.34, "12.3 s"), (200, "3 min 20 s"), (3_720, "1 h 2 min"), (NAN, "–")]
)
def test_times_have_the_units_that_matter(seconds, shown):
    assert duration(seconds) == shown


def test_a_row_reads_as_a_person_expects():
    study = study_of(["base", "other"])
    table = effect_table(analyse(study, trials_of({"base": [0.90, 0.92, 0.97], "other": [0.88, 0.91]})).effects)
    assert table.iloc[0].tolist() == [
        "base", "123.5 k", "12.35 M", "3", "93.00 ± 8.96", "99.90 ± 0.24", "93.00", "–", "–", "baseline",
    ]  # fmt: skip
    assert table["seeds"].tolist() == ["3", "2 of 3"]
    # by hand: differences −0.02, −0.01; t(0.975, 1) = 12.7062, s/√2 = 0.005
    assert table["difference (points)"].tolist() == ["–", "−1.50 ± 6.35"]


def test_a_clear_difference_is_said_in_a_sentence():
    words = words_of({"max-2x2": [0.90, 0.91, 0.92], "conv-3x3": [0.85, 0.86, 0.871]})
    assert (
        "The one difference to the baseline max-2x2 (91.00 % test top-1 over 3 seeds) is larger than the noise."
        in words
    )
    # by hand: differences −0.05, −0.05, −0.049, which vary less than rounding to whole images of 297 does:
    # √(1/6) / 297 = 0.1375 points, times t(0.975, 2) = 4.3027, over √3
    assert "conv-3x3 is 4.97 ± 0.34 points below the baseline over 3 seeds: larger than the noise." in words


def test_a_difference_within_the_noise_is_said_to_be():
    words = words_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.90, 0.93]})
    assert "is within the noise" in words
    assert "It is that of other (+0.33 ± 2.87 points, 3 seeds)." in words


def test_one_seed_is_said_to_give_no_interval():
    words = words_of({"base": [0.90], "other": [0.95]}, seeds=[1])
    assert "that takes two seeds or more" in words
    assert "no interval and no verdict: other (+5.00 points)" in words


def test_equal_differences_have_the_interval_of_rounding_to_whole_images():
    words = words_of({"base": [0.25, 0.50, 0.75], "other": [0.50, 0.75, 1.00]})
    assert "other is 25.00 ± 0.34 points above" in words


def test_missing_seeds_are_said_in_words():
    words = words_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.90]})
    assert "Fewer than 3 seeds: other has 2." in words
    assert "5 of 6 planned trials are complete: 1 missing." in words


def test_a_baseline_without_a_complete_trial_is_said_to_be_the_reason():
    words = words_of({"other": [0.90, 0.91]}, variants=["base", "other"])
    assert "The baseline base has no complete trial, so there is no difference to it." in words


def test_a_variant_that_shares_no_seed_with_the_baseline_is_named():
    words = words_of({"base": [0.90]}, [complete("other", 2, 0.9)], variants=["base", "other"])
    assert "No complete seed in common with the baseline, so not compared: other." in words


def test_many_variants_within_the_noise_are_told_in_one_short_sentence():
    top1 = {"base": [0.90, 0.91, 0.92]} | {f"v{i}": [0.91, 0.90, 0.92] for i in range(19)}
    assert "Within the noise: 19 variants, with differences from 0.00 to 0.00 points." in words_of(top1)


def test_every_trial_that_is_not_complete_is_named():
    study = study_of(["base", "other"], [1, 2])
    trials = [
        complete("base", 1, 0.9),
        failed("base", 2),
        complete("other", 1, 0.9, state="interrupted", test=None),
        complete("former", 7, 0.9),
    ]
    assert incomplete_trials(analyse(study, trials)) == (
        "Failed: base seed 2.",
        "Interrupted: other seed 1.",
        "Missing: other seed 2.",
        "Outside the study's present plan: former seed 7.",
    )


def test_the_notes_say_what_the_intervals_are_not():
    trials = trials_of({"base": [0.99, 0.91, 0.95], "one": [0.98, 0.92, 0.96], "two": [0.98, 0.93, 0.96]})
    notes = " ".join(method_notes(analyse(study_of(["base", "one", "two"]), trials), environments=2))
    assert "an interval near 0 or 100 % may reach beyond it" in notes
    assert "MACs are multiply-accumulates of one image." in notes
    assert "after Holm's correction for the 2 comparisons of the table" in notes
    assert "The intervals are of single comparisons and not corrected." in notes
    assert "In all complete trials no epoch is better on validation images than the last." in notes
    assert "one of the 297 test images is 0.34 points" in notes
    assert "2 different environments" in notes


def test_the_notes_on_a_single_variant_tell_of_no_difference():
    notes = " ".join(method_notes(analyse(study_of(["base"]), trials_of({"base": [0.9, 0.91, 0.92]})), environments=1))
    assert "ifference" not in notes
    assert "paired" not in notes


def test_the_notes_on_one_comparison_correct_nothing():
    trials = trials_of({"base": [0.90, 0.91, 0.92], "other": [0.91, 0.90, 0.93]})
    notes = " ".join(method_notes(analyse(study_of(["base", "other"]), trials), environments=1))
    assert "one comparison needs no correction" in notes
    assert "from few seeds is a rough guess" in notes
    assert "about twice as often" in notes


def test_the_notes_name_networks_that_have_not_learnt():
    """297 images of 10 classes and 3 seeds: guessing right 10 % ± 1.0, so 5 of 100 are above 11.65 %."""
    trials = trials_of({"base": [0.50, 0.60, 0.55], "flat": [0.12, 0.11, 0.118], "near": [0.12, 0.12, 0.12]})
    notes = " ".join(method_notes(analyse(study_of(["base", "flat", "near"]), trials), environments=1))
    assert "No better than guessing one of 10 classes (10.00 %) on test images: flat." in notes


def test_the_gap_between_best_and_last_epochs_is_told():
    trials = [worse_at_the_end(each, 0.02) for each in trials_of({"base": [0.90], "other": [0.95]})]
    trials[1] = worse_at_the_end(trials[1], 0.04)
    notes = " ".join(method_notes(analyse(study_of(["base", "other"], [1]), trials), environments=1))
    assert "is 3.00 points above that of the last on average over variants, at most 4.00 (other)." in notes


def worse_at_the_end(trial, by):
    """The trial with the first of two epochs as its best."""
    first, last = trial.epochs
    below = last.validation | {"top1": first.validation["top1"] - by}
    return trial.model_copy(update={"best_epoch": 1, "epochs": (first, last.model_copy(update={"validation": below}))})


def test_more_seeds_that_would_settle_a_difference_are_told():
    words = words_of(
        {
            "base": [0.90, 0.91, 0.92],
            "near": [0.92, 0.92, 0.95],
            "far": [0.91, 0.90, 0.93],
            "tiny": [0.91, 0.90, 0.9201],
        }
    )
    # by hand: + 2, 1, 3 points, d_z 2; held against 0.05 / 3, power of 80 % takes 6 seeds
    assert "3 more seeds would settle a difference of 2.00 points (near)" in words
    assert (
        "more one of 0.33 points (far): in 80 of 100 studies, if in truth difference and spread are those seen."
        in words
    )
    assert "1,000 seeds would not settle a difference as small as that of tiny." in words


def test_what_correction_undoes_is_told_with_both_p_values():
    top1 = {
        "base": [0.90, 0.91, 0.92],
        "near": [0.92, 0.927, 0.945],
        "far": [0.91, 0.90, 0.93],
        "third": [0.9, 0.92, 0.91],
    }
    words = words_of(top1)
    # by hand: + 2, 1.7, 2.5 points, t = 0.020667 / (0.0040415 / √3) = 8.857, p = 0.0125; three times that is 0.037
    assert "near is 2.07 ± 1.00 points above" in words
    fourth = words_of(top1 | {f"v{i}": [0.9, 0.92, 0.91] for i in range(2)})
    assert "Below 0.05 alone, but not after correction for 5 comparisons: p of near (0.013, corrected 0.063)." in fourth


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0412, "0.041"), (0.2149, "0.21"), (0.00049, "< 0.001"), (1.0, "1.00"), (NAN, "–")]
)
def test_p_values_have_two_digits(p, shown):
    assert p_value(p) == shown


def test_one_variant_with_one_seed_is_told_by_its_figures_and_not_by_differences():
    trial = worse_at_the_end(complete("fishnet", 7, 0.90), 0.01)
    words = summarise(analyse(study_of(["fishnet"], [7]), [trial]))
    assert words == (
        "fishnet has 90.00 % test top-1 and 99.90 % top-5 with seed 7.",
        # Wilson's interval by hand, z = 1.95996 and n = 297: (0.9 + z²/2n ± z √(0.09/n + z²/4n²)) / (1 + z²/n)
        "With other test images, as many (297) of the same kind, the same weights may have from 86.06 to 92.92 % (95 % "
        "Wilson interval).",
        "The best epoch by validation top-1 is 1 of 2, with 90.00 %, 1.00 points above the last.",
        "There top-1 is 90.00 % on training images (as they are augmented, while the weights move), 90.00 % on "
        "validation and 90.00 % on test images: 0.00 and 0.00 points.",
        "The trial took 1 min 23 s on cpu, training 800 images a second (median over epochs).",
        "One seed cannot say how much of this is chance: another would give other figures, and it takes two or more to "
        "tell by how much.",
    )


def test_one_variant_with_several_seeds_is_told_by_their_mean():
    trials = trials_of({"fishnet": [0.90, 0.91, 0.92]})
    words = "\n".join(summarise(analyse(study_of(["fishnet"]), trials)))
    assert words.startswith("fishnet has 91.00 ± 2.48 % test top-1 and 99.90 ± 0.24 % top-5, means over 3 seeds.")
    assert (
        "The best epochs by validation top-1 are 2 of 2, 2 of 2, 2 of 2, on average 0.00 points above the last."
        in words
    )
    assert "One seed" not in words


def test_markdown_specials_are_escaped():
    assert escape_markdown("a|b\n<i>_c_ $d$") == r"a\|b \<i\>\_c\_ \$d\$"


NAMES = [f"a-variant-with-a-name-of-some-length-{i:03}" for i in range(200)]
FIRST = trials_of({"base": [0.90, 0.91, 0.92]})


def as_another():
    """A hundred variants and beside each another of the same network."""
    firsts = [complete(name, 1, 0.9) for name in NAMES[:100]]
    return [FIRST[0], *firsts, *(duplicate(name, of) for name, of in zip(NAMES[100:], firsts, strict=True))]


@pytest.mark.parametrize(
    ("trials", "told"),
    [
        ([FIRST[0], *(complete(name, 1, 0.8) for name in NAMES)], "and 188 more."),
        ([*FIRST, *trials_of({name: [0.8, 0.7] for name in NAMES})], f"Fewer than 3 seeds: {NAMES[0]} has 2, "),
        (as_another(), "88 more, which table.csv names, are the same as another."),
    ],
    ids=["one-seed", "fewer-seeds", "equals"],
)
def test_no_sentence_is_longer_for_more_variants(trials, told):
    seeds = sorted({trial.seed for trial in trials})
    words = summarise(analyse(study_of(["base", *NAMES], seeds), trials))
    assert any(told in sentence for sentence in words)
    assert all(len(sentence) < 1_500 for sentence in words)
    assert len(words) < 30


def test_one_variant_is_told_by_its_own_trials_where_others_are_recorded_too():
    study = study_of(["base", "other"], design="tpe", finalists=("base",))
    trials = trials_of({"base": [0.90, 0.91, 0.92], "other": [0.5]})
    trials[3] = worse_at_the_end(trials[3], 0.1).model_copy(update={"wall_seconds": 1.0})
    words = summarise(analyse(study, trials))
    assert words[:5] == summarise(analyse(study_of(["base"]), trials[:3]))[:5]
    assert words[0].endswith("means over 3 seeds.")
