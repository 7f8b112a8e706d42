"""Successive halving by hand, on learning curves that are given."""

from collections import Counter

import numpy as np
import optuna
import pytest

from fishnet_search.engine.stopping import Stopping, bracket_of
from fishnet_search.space.design import Stop
from fishnet_search.study.record import EpochRecord, TrialRecord
from fishnet_search.train.recipe import Recipe

ASHA = Stop(kind="asha", first=1, keep=3)
EPOCHS = 9


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def record(variant, curve, *, seed=0, state="interrupted", epochs=EPOCHS):
    """Return what a trial has come to: the validation top-1 of its epochs."""
    return TrialRecord.model_construct(
        trial=f"{variant}-seed{seed}",
        variant=variant,
        seed=seed,
        state=state,
        recipe=Recipe(epochs=epochs),
        epochs=tuple(
            EpochRecord.model_construct(epoch=i, validation={"loss": 1.0, "top1": top1, "top5": 1.0})
            for i, top1 in enumerate(curve, start=1)
        ),
    )


def run(stopping, variant, curve, **told):
    """Train to the end, or until the rule ends it; return the record."""
    for epoch in range(1, len(curve) + 1):
        if not stopping.goes_on(record(variant, curve[:epoch], **told)):
            break
    over = record(variant, curve[:epoch], state="complete" if epoch == len(curve) else "pruned", **told)
    stopping.ended(over)
    return over


def lengths(rule, curves, **told):
    """Return how many epochs each trial gets if they are trained one after the other."""
    stopping = Stopping(rule, [])
    return [len(run(stopping, f"v{i}", curve, **told).epochs) for i, curve in enumerate(curves)]


def flat(*accuracies, epochs=EPOCHS):
    return [[accuracy] * epochs for accuracy in accuracies]


def test_without_a_rule_no_trial_is_stopped():
    assert lengths(None, flat(0.9, 0.1, 0.2, 0.3)) == [9, 9, 9, 9]


def test_of_three_or_more_trials_the_best_third_goes_on():
    # at 1 epoch: 0.5 is the best of one; 0.4 and 0.3 are not the best of two and three; 0.6 is the best of four, as is
    # 0.7 of five; of six, two go on: 0.65 is the second, after which 0.62 is not. At 3 epochs: 0.5, 0.6, 0.7 are each
    # the best of those that came so far; 0.65 is not the best of four (one in three is one)
    assert lengths(ASHA, flat(0.5, 0.4, 0.3, 0.6, 0.7, 0.65, 0.62)) == [9, 1, 1, 9, 9, 3, 1]


def test_of_equals_all_go_on():
    assert lengths(ASHA, flat(0.5, 0.5, 0.5, 0.4)) == [9, 9, 9, 1]


def test_only_the_epochs_first_times_powers_of_keep_decide():
    dip = [0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert lengths(ASHA, [flat(0.5)[0], dip]) == [9, 9]
    late = Stop(kind="asha", first=2, keep=2)  # at 2, 4 and 8 epochs
    worse_from = [[0.9] * (n - 1) + [0.1] * (12 - n + 1) for n in (1, 2, 3, 4, 5, 8, 9)]
    assert lengths(late, [[0.5] * 12, *worse_from], epochs=12)[1:] == [2, 2, 4, 4, 8, 8, 12]


def test_the_last_epoch_stops_no_trial():
    curves = [[0.5] * 9, [0.6] * 8 + [0.1]]
    stopping = Stopping(ASHA, [])
    assert [run(stopping, f"v{i}", curve).state for i, curve in enumerate(curves)] == ["complete", "complete"]


def test_seeds_are_not_compared_with_each_other():
    stopping = Stopping(ASHA, [])
    assert len(run(stopping, "a", [0.9] * 9, seed=0).epochs) == 9
    assert len(run(stopping, "a", [0.1] * 9, seed=1).epochs) == 9
    assert len(run(stopping, "b", [0.2] * 9, seed=0).epochs) == 1
    assert len(run(stopping, "b", [0.2] * 9, seed=1).epochs) == 9


def test_trials_of_different_lengths_are_not_compared_with_each_other():
    stopping = Stopping(ASHA, [])
    assert len(run(stopping, "long", [0.9] * 27, epochs=27).epochs) == 27
    assert len(run(stopping, "short", [0.1] * 9, epochs=9).epochs) == 9


def halving(curves, first, keep):
    """Count the epochs of each trial by the definition of successive halving, all at once for one after the other."""
    reached, epochs = Counter(), []
    hurdles = {first * keep**power: [] for power in range(10)}
    for curve in curves:
        for epoch in range(1, len(curve) + 1):
            if epoch == len(curve) or epoch not in hurdles:
                continue
            field = hurdles[epoch]
            field.append(curve[epoch - 1])
            reached[epoch] += 1
            if sum(other > curve[epoch - 1] for other in field) >= max(1, reached[epoch] // keep):
                break
        epochs.append(epoch)
    return epochs


@pytest.mark.parametrize(("first", "keep", "epochs"), [(1, 3, 9), (1, 2, 8), (2, 4, 30), (3, 3, 28), (5, 2, 5)])
def test_decisions_are_those_of_successive_halving_on_any_learning_curves(first, keep, epochs):
    rng = np.random.default_rng(first)
    rising = 1 - np.exp(-rng.uniform(0.1, 0.5, (40, 1)) * np.arange(1, epochs + 1))
    curves = np.round(rising + rng.normal(0, 0.05, rising.shape), 2).tolist()  # with ties
    expected = halving(curves, first, keep)
    assert lengths(Stop(kind="asha", first=first, keep=keep), curves, epochs=epochs) == expected
    assert len(set(expected)) > 1 or epochs <= first


def test_several_trials_at_once_are_compared_with_those_that_have_come_as_far():
    stopping = Stopping(ASHA, [])
    verdicts = [stopping.goes_on(record(f"v{i}", [top1])) for i, top1 in enumerate((0.3, 0.5, 0.4, 0.6))]
    assert verdicts == [True, True, False, True], "0.3 came first, and was the best then"
    assert [stopping.goes_on(record(f"v{i}", [0.9] * 2)) for i in (3, 0)] == [True, True]
    assert [stopping.goes_on(record(f"v{i}", [0, 0, top1])) for i, top1 in ((3, 0.7), (1, 0.6), (0, 0.8))] == [
        True,
        False,
        True,
    ]


def test_a_decision_stands_when_a_lost_worker_brings_a_trial_to_the_same_epoch_again():
    stopping = Stopping(ASHA, [])
    assert stopping.goes_on(record("a", [0.5]))
    assert not stopping.goes_on(record("b", [0.4]))
    assert stopping.goes_on(record("c", [0.6]))
    for _ in range(2):
        assert stopping.goes_on(record("a", [0.5])), "though it would not now"
        assert not stopping.goes_on(record("b", [0.4]))
    assert stopping.goes_on(record("a", [0.5, 0.6]))
    assert stopping.goes_on(record("a", [0.5])), "its checkpoint was older"


def test_a_trial_that_comes_again_does_not_count_twice():
    stopping = Stopping(ASHA, [])
    for _ in range(3):
        stopping.goes_on(record("a", [0.9]))
    assert not stopping.goes_on(record("b", [0.8])), "the second of two; of four, too"
    assert not stopping.goes_on(record("c", [0.85])), "the second of three; of six it would go on"


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
@pytest.mark.parametrize("cut", [1, 7, 20, 39])
def test_a_study_that_goes_on_from_its_records_decides_as_an_undisturbed_one(kind, cut):
    rng = np.random.default_rng(1)
    curves = np.sort(rng.random((40, EPOCHS)), axis=1).tolist()
    rule = Stop(kind=kind)
    undisturbed = lengths(rule, curves)
    stopping = Stopping(rule, [])
    records = [run(stopping, f"v{i}", curve) for i, curve in enumerate(curves[:cut])]
    again = Stopping(rule, sorted(records, key=lambda record: record.trial))  # as a folder lists them
    rest = [len(run(again, f"v{i}", curve).epochs) for i, curve in enumerate(curves[cut:], start=cut)]
    assert [len(record.epochs) for record in records] + rest == undisturbed


@pytest.mark.parametrize("far", range(1, 9))
def test_a_trial_that_was_interrupted_goes_on_where_it_was(far):
    rng = np.random.default_rng(2)
    curves = np.sort(rng.random((12, EPOCHS)), axis=1).tolist()
    undisturbed = lengths(ASHA, curves)
    longest = max(range(3, 12), key=lambda i: undisturbed[i])
    stopping = Stopping(ASHA, [])
    before = [run(stopping, f"v{i}", curve) for i, curve in enumerate(curves[:longest])]
    under_way = record(f"v{longest}", curves[longest][:far])
    for records in (before, [under_way, *before]):  # whether or not it left a record
        again = Stopping(ASHA, records)
        assert again.goes_on(under_way)
        assert len(run(again, f"v{longest}", curves[longest]).epochs) == undisturbed[longest] == EPOCHS


def test_figures_of_duplicates_count_and_so_do_those_of_trials_that_failed_later():
    for state in ("complete", "duplicate", "failed"):
        stopping = Stopping(ASHA, [record("a", [0.9] * 5, state=state)])
        assert not stopping.goes_on(record("b", [0.5]))


def test_hyperband_lets_some_variants_be_judged_later_by_their_names_alone():
    rule = Stop(kind="hyperband", first=1, keep=3)
    brackets = Counter(bracket_of(f"v{i}", rule, 9) for i in range(17_000))
    # s = 2, 1, 0 for 9 epochs: ⌈3/3 × 9⌉, ⌈3/2 × 3⌉ and ⌈3/1 × 1⌉ trials of 17 skip 0, 1 and 2 hurdles
    assert [round(brackets[skipped] / 1000) for skipped in range(3)] == [9, 5, 3]
    assert [bracket_of("v1", rule, epochs) for epochs in (1, 2)] == [0, 0], "there is nothing to skip"


def test_hyperband_compares_within_a_bracket_and_skips_its_first_hurdles():
    rule = Stop(kind="hyperband", first=1, keep=3)
    stopping = Stopping(rule, [])
    run(stopping, "good", [0.9] * 9)
    for variant in (f"v{i}" for i in range(60)):
        bracket = bracket_of(variant, rule, 9)
        expected = {0: 1, 1: 3, 2: 9}[bracket]
        first = not any(
            bracket_of(other, rule, 9) == bracket for other in ("good", *(f"v{i}" for i in range(int(variant[1:]))))
        )
        rank = int(variant[1:]) / 1000
        assert len(run(stopping, variant, [0.5 - rank] * 9).epochs) == (9 if first else expected)
