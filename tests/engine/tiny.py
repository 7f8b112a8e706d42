"""A study whose trials take a fraction of a second: the smallest fish on the first digits, 8 pixels a side."""

from pathlib import Path

from fishnet_search.engine.plan import plan_study
from fishnet_search.engine.run import Settings, run_study

SPACE = """\
description: Two ways of downsampling, tiny.
base: base.yaml
axes:
  downsample: {path: [tail.downsample, head.downsample], values: [max-2x2, avg-2x2]}
seeds: 2
recipe: {epochs: 2, batch_size: 16, learning_rate: 0.05}
"""

BASE = """\
image_size: 8
classes: 10
stem: {kind: one-conv, width: 8}
tail: [{depth: 1, width: 8}]
bridge: {depth: 1, width: 16}
body: [{depth: 1, width: 8}]
head: [{depth: 1}]
"""

UNTIMED = {"seconds": 0, "images_per_second": 0, "waiting": 0}
"""What an epoch's record has that is another each time."""

TRIALS = ["avg-2x2-seed0", "avg-2x2-seed1", "max-2x2-seed0", "max-2x2-seed1"]


def write_space(folder: Path, text: str = SPACE) -> Path:
    (folder / "base.yaml").write_text(BASE)
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def plan(folder: Path, text: str = SPACE, **changes):
    """The study of a space, in the folder `study`."""
    return plan_study(write_space(folder, text), folder / "study", **({"command": "test", "limit": 40} | changes))


class Recorder:
    """An observer that remembers what it was told, and may act on an epoch."""

    def __init__(self, on_epoch=lambda snapshot: None):
        self.planned, self.done = None, []
        self.started, self.ended, self.refused, self.notices = [], [], [], []
        self.on_epoch = on_epoch

    def study_started(self, *, planned, done):
        self.planned, self.done = planned, [record.trial for record in done]

    def plan_changed(self, planned):
        self.planned = planned

    def trial_started(self, snapshot):
        self.started.append(snapshot.trial)

    def epoch_ended(self, snapshot):
        self.on_epoch(snapshot)

    def trial_ended(self, record):
        self.ended.append((record.trial, record.state))

    def candidate_refused(self, refusal):
        self.refused.append(refusal.name)

    def noticed(self, sentence):
        self.notices.append(sentence)


def run(plan, folder, observer=None, **settings):
    """The records of a study that is run here and now."""
    return run_study(plan, folder, observer or Recorder(), Settings(**settings))


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def deadly(patch, owner, step, moment, nth):
    """Have the n-th call of a function end everything, before it does anything or when it is done."""
    real, calls = getattr(owner, step), []

    def call(*arguments, **keywords):
        calls.append(step)
        if moment == "before" and len(calls) == nth:
            raise Killed
        result = real(*arguments, **keywords)
        if len(calls) == nth:
            raise Killed
        return result

    patch.setattr(owner, step, call)
