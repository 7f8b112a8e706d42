"""Processes that train: which GPUs they see, whom they obey, and that their start costs no time."""

import os
import signal
import subprocess
import sys
from ast import literal_eval

import pytest
import torch

from fishnet_search.data.description import Data
from fishnet_search.data.load_scenes import load_scenes
from fishnet_search.engine.processes import begin


def tell(connection, *arguments):
    """Send what a process was given, and what it sees."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    connection.send((arguments, os.environ.get("CUDA_VISIBLE_DEVICES"), signal.Signals.SIGINT in held))


def told_by(*arguments, gpus=None):
    process, connection = begin(tell, *arguments, gpus=gpus)
    told = connection.recv()
    process.join()
    assert process.exitcode == 0
    return told


@pytest.mark.parametrize(
    ("visible", "count", "gpus", "sees"),
    [
        pytest.param(None, 0, [0], None, id="no GPU"),
        pytest.param(None, 1, [1], None, id="one for all"),
        pytest.param(None, 4, None, None, id="all, if none is named"),
        pytest.param(None, 4, [2, 3], "2,3", id="two of four"),
        pytest.param(None, 2, [3], "1", id="from the first again, past the last"),
        pytest.param(None, 2, [1, 3], "1", id="one, not the same twice"),
        pytest.param("GPU-a,GPU-b", 2, [1], "GPU-b", id="of those that this process sees, by their names"),
        pytest.param("3", 1, [1], "3", id="the only one that this process sees"),
        pytest.param("3,4", 2, None, "3,4", id="all that this process sees"),
        pytest.param("", 0, [0], "", id="none where this process sees none"),
    ],
)
def test_a_process_sees_the_gpus_that_are_its_own(monkeypatch, visible, count, gpus, sees):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert told_by(gpus=gpus)[1] == sees


def test_a_process_has_its_arguments_and_leaves_ctrl_c_to_the_one_that_started_it():
    assert told_by(torch.arange(3).tolist(), "b") == (([0, 1, 2], "b"), None, True)


def tell_sums(connection, scenes):
    """Send what all truths of the training images come to."""
    connection.send(sums_of(scenes))


def sums_of(scenes):
    truths = scenes.train.truths
    if isinstance(truths[0], torch.Tensor):
        return [int(truth.sum()) for truth in truths]
    return [(float(truth.boxes_K4.sum()), int(truth.labels_K.sum()), len(truth.masks)) for truth in truths]


@pytest.mark.parametrize("maps", [False, True])
def test_what_is_in_hundreds_of_images_reaches_a_process(maps):
    scenes = load_scenes(Data(source="shapes:200"), image_size=32, maps=maps, masks=not maps)
    process, connection = begin(tell_sums, scenes)
    assert connection.recv() == sums_of(scenes)
    process.join()
    assert process.exitcode == 0


IMPORTS = """
import sys

def modules(connection=None):
    names = {"torch", "torchmetrics", "torchvision", "matplotlib", "ray", "fishnet_search.study.training"}
    (print if connection is None else connection.send)(sorted(names & set(sys.modules)))

if __name__ == "__main__":
    from fishnet_search.engine.processes import begin, prepare
    prepare()
    modules()
    import fishnet_search.engine.run, fishnet_search.engine.workers
    modules()
    print(begin(modules)[1].recv())
"""


def test_what_training_needs_is_imported_beside_what_planning_needs(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(IMPORTS)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    before, planning, child = map(literal_eval, done.stdout.splitlines())
    assert (before, planning) == ([], ["torch"])
    assert {"fishnet_search.study.training", "torchmetrics", "torch"} <= set(child)
