"""Several observers of one study."""

from fishnet_search.engine.together import Together
from fishnet_search.study.record import RefusedRecord
from fishnet_search.study.tracker import Tracker
from tests.terminal.fakes import trial


def test_every_observer_is_told_everything_also_of_records_that_come_one_by_one():
    first, second = Tracker(), Tracker()
    both = Together(first, second)
    both.study_started(planned=3, done=(trial(name, (0.5,), state="complete") for name in "ab"))
    both.plan_changed(5)
    both.trial_started(trial("c"))
    both.epoch_ended(trial("c", (0.7,)))
    both.candidate_refused(RefusedRecord(name="x", levels={}, where="", reason=""))
    both.noticed("a worker was lost")
    for tracker in (first, second):
        progress = tracker.progress()
        assert (progress.planned, progress.ended, progress.refused) == (5, {"complete": 2}, 1)
        assert progress.best.trial == "c"
    both.trial_ended(trial("c", (0.7,), state="pruned"))
    assert first.progress().ended == second.progress().ended == {"complete": 2, "pruned": 1}
