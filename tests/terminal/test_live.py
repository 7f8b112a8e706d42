"""What a person sees of a study while it runs."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fishnet_search.study.progress import Best, Progress, Running
from fishnet_search.study.record import RefusedRecord
from fishnet_search.terminal.live import LiveProgress
from fishnet_search.terminal.picture import picture
from fishnet_search.terminal.words import ending, literal, shortened
from tests.terminal.fakes import failed, trial

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
PROGRESS = Progress(
    planned=40,
    ended={"complete": 9, "pruned": 2, "failed": 1, "duplicate": 3},
    refused=5,
    best=Best(trial="max-2x2-seed0", metric="top1", value=0.932),
    seconds_left=200.0,
    running=(
        Running(trial="depth[1]=[2]-seed0", epoch=3, epochs=12, value=0.7, epoch_seconds=12.34),
        Running(trial="new-seed0", epoch=0, epochs=12, value=None, epoch_seconds=None),
    ),
)


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


def shown(renderable, width=80):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(renderable)
    return console.file.getvalue()


def plain(events, clock=None):
    """Return what is written to a file while the events happen."""
    console = Console(width=200, file=io.StringIO(), highlight=False, markup=False)
    with LiveProgress(console, clock or Clock()) as live:
        events(live)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_picture_sums_up_and_has_a_line_for_each_running_trial(width):
    text = shown(picture(PROGRESS, width), width)
    for fact in (
        "15 of 40 trials done", "9 complete", "2 pruned", "1 failed", "3 duplicate", "2 running",
        "5 candidates refused", "about 3 min 20 s left", "93.2%",
    ):  # fmt: skip
        assert fact in text
    rows = [line for line in text.splitlines() if "/12" in line]
    assert ["epoch 3/12" in rows[0], "epoch 0/12" in rows[1]] == [True, True]
    assert [row[:5] for row in rows] == ["depth", "new-s"]
    assert all(len(line) <= width for line in text.splitlines())


def test_a_running_trial_has_its_name_validation_and_time_an_epoch():
    text = shown(picture(PROGRESS, 120), 120)
    assert re.search(r"depth\[1\]=\[2\]-seed0 +━+.*epoch 3/12  validation 70\.0%  12\.3 s/epoch", text)


@pytest.mark.parametrize("height", [1, 2, 5, 24])
@pytest.mark.parametrize("count", [0, 1, 3, 64])
def test_the_picture_fits_the_height_and_counts_what_it_leaves_out(count, height):
    some = tuple(Running(trial=f"t{i}", epoch=1, epochs=2, value=0.5, epoch_seconds=1.0) for i in range(count))
    lines = shown(picture(PROGRESS.model_copy(update={"running": some}), 200, height), 200).splitlines()
    rows = [line for line in lines if "epoch 1/2" in line]
    left_out = sum(int(line.split()[1]) for line in lines if line.endswith("more running"))
    assert len(lines) <= max(height, 2)
    assert len(rows) + left_out == count


def test_nothing_is_said_of_the_time_left_before_there_is_something_to_tell_it_from():
    assert "left" not in shown(picture(PROGRESS.model_copy(update={"seconds_left": None}), 80))


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            trial("a-seed0", (0.5, 0.9, 0.8), state="complete"),
            "a-seed0: validation 90.0% (epoch 2), test 80.0%, 6.0 s",
        ),
        (
            trial("a-seed0", (0.9,), state="complete", seconds=4000, micro_batches=2),
            "a-seed0: validation 90.0% (epoch 1), test 80.0%, 1 h 6 min, "
            "batches split into 2 micro-batches after memory ran out",
        ),
        (trial("a-seed0", (0.5,), state="pruned"), "a-seed0: pruned after 1 epoch: validation 50.0% (epoch 1)"),
        (
            trial("a-seed0", (0.5, 0.6), state="duplicate", duplicate_of="../other/trials/b-seed0.json"),
            "a-seed0: duplicate of ../other/trials/b-seed0.json: validation 60.0% (epoch 2), test 50.0%, "
            "not trained again",
        ),
        (
            failed("a-seed0", (0.5,)),
            "a-seed0: failed after 1 epoch: TrainingError: epoch 2, step 1: training loss is nan",
        ),
        (trial("a-seed0"), "a-seed0: interrupted after 0 epochs"),
    ],
)
def test_how_a_trial_ended_is_said_in_one_line(record, sentence):
    assert ending(record) == sentence


def test_without_a_terminal_there_is_a_plain_line_for_each_trial_that_ends_and_each_notice():
    def events(live):
        live.study_started(planned=4, done=[trial("d-seed0", (0.4,), state="complete")])
        for name in ("a-seed0", "b-seed0"):
            live.trial_started(trial(name))
            live.epoch_ended(trial(name, (0.5,)))
        live.noticed("worker 3 was lost; [red] its trial goes on")
        live.candidate_refused(RefusedRecord(name="x", levels={}, where="a:1", reason="no"))
        live.trial_ended(failed("a-seed0", (0.5,)))
        live.trial_ended(trial("b-seed0", (0.5,), state="pruned"))

    assert plain(events).splitlines() == [
        "1 of 4 trials are complete already; 3 to go",
        "worker 3 was lost; [red] its trial goes on",
        "[2/4] a-seed0: failed after 1 epoch: TrainingError: epoch 2, step 1: training loss is nan",
        "[3/4] b-seed0: pruned after 1 epoch: validation 50.0% (epoch 1)",
    ]


def test_without_a_terminal_long_trials_are_summed_up_at_most_once_a_minute():
    clock = Clock()

    def events(live):
        live.study_started(planned=2, done=[])
        live.trial_started(trial("a-seed0", epochs=10))
        for epoch in range(1, 10):
            clock.now += 20
            live.epoch_ended(trial("a-seed0", (0.5,) * epoch, epochs=10))

    assert plain(events, clock).splitlines() == [
        "0 of 2 trials done · 1 running · best validation top-1 50.0%: a-seed0 · about 5 min 40 s left",
        "0 of 2 trials done · 1 running · best validation top-1 50.0%: a-seed0 · about 4 min 40 s left",
        "0 of 2 trials done · 1 running · best validation top-1 50.0%: a-seed0 · about 3 min 40 s left",
    ]


def test_trials_that_were_over_before_are_told_by_their_states():
    done = [trial("a", (0.4,), state="complete"), trial("b", (0.4,), state="pruned")]
    assert plain(lambda live: live.study_started(planned=3, done=done)) == (
        "2 of 3 trials are over already (1 complete, 1 pruned); 1 to go\n"
    )


def test_in_a_terminal_ended_trials_stand_above_the_view_which_is_gone_in_the_end():
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, highlight=False)
    with LiveProgress(console) as live:
        live.study_started(planned=2, done=[])
        live.trial_started(trial("a[/b]-seed0"))
        live.epoch_ended(trial("a[/b]-seed0", (0.5,)))
        live._live.refresh()
        live.trial_ended(trial("a[/b]-seed0", (0.5,), state="complete"))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "epoch 1/4" in text
    assert "[1/2] a[/b]-seed0: validation 50.0% (epoch 1), test 40.0%, 2.0 s" in text
    assert text.rindex("1 of 2 trials done · 1 complete · best validation top-1 50.0%: a[/b]") > text.index("[1/2]")
    assert console.file.getvalue().endswith("\x1b[2K")  # the last line of the view is wiped


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(width=80, file=io.StringIO(), force_terminal=True, highlight=False, color_system=None)
    with LiveProgress(console) as live:
        live.study_started(planned=2, done=[])
        live.trial_ended(trial("a-seed0", (0.5,), state="pruned"))
    assert console.file.getvalue() == "[1/2] a-seed0: pruned after 1 epoch: validation 50.0% (epoch 1)\n"


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1, max_size=40), state=st.sampled_from(["pruned", "failed"]))
def test_any_name_is_shown_literally_on_one_line_without_control_characters(name, state):
    record = failed(name) if state == "failed" else trial(name, (0.5,), state=state)
    text = plain(lambda live: (live.study_started(planned=1, done=[]), live.trial_ended(record)))
    assert not CONTROL.search(text)
    assert text.startswith(f"[1/1] {literal(name).plain}: {state} after")
    assert len(text.splitlines()) == 1


@given(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40))
def test_what_can_be_printed_is_not_changed(name):
    assert literal(name).plain == name


@given(st.from_regex(r"[a-z\[\]=]{0,60}-seed[0-9]", fullmatch=True), st.integers(12, 60))
def test_a_shortened_name_fits_and_keeps_its_seed(name, width):
    short = shortened(name, width)
    assert len(short) <= width
    assert short[-2:] == name[-2:]
    assert short == name or "…" in short
