"""The command line as a person meets it."""

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from fishnet_search import build_graph, cost_of, ledger_of, load_spec
from fishnet_search.cli.app import command
from fishnet_search.study.store import read_trials
from fishnet_search.terminal import description
from tests.engine import survival
from tests.engine.tiny import BASE, SPACE, TRIALS, write_space

pytestmark = pytest.mark.usefixtures("plain_figures")

RUN = [sys.executable, "-c", "from fishnet_search.cli import main; main()"]


@pytest.mark.parametrize(
    ("preset", "params"), [("fishnet150", "24,959,400"), ("fishnet99", "16,628,904"), ("fishnet201", "44,584,552")]
)
def test_describe_gives_the_published_number_of_parameters(call, preset, params):
    code, out, _ = call("describe", preset)
    assert code == 0
    assert f"{params} parameters" in out


def test_describe_shows_every_stage_with_resolution_channels_params_and_macs(call):
    _, out, _ = call("describe", "fishnet99", "--image-size", "448")
    assert "image 3×448×448" in out
    row = next(line for line in out.splitlines() if "body2" in line)
    assert "320×112×112" in row
    assert "1 UR-block of dilation 4, k 2, 1 transfer, nearest" in row


def test_describe_tells_the_backbone_from_the_whole_and_says_memory_taps_and_identity(call):
    _, out, _ = call("describe", "detnet59", "--batch", "8")
    assert re.search(r"backbone +│.*│ +63 │ +17,347,648 │ +4,999,135,232", out)
    assert re.search(r"total +│.*│ +64 │ +18,372,648 │ +5,000,159,232", out)
    spec = load_spec("detnet59")
    gib = cost_of(build_graph(spec)).training_bytes(8) / 2**30
    assert f"about {gib:.2f} GiB for batches of 8" in out
    assert "taps: c2 (stage0) 256 channels at stride 4, c3 (stage1) 512 channels at stride 8" in out
    assert f"identity: {spec.identity()[:16]}" in out


@pytest.mark.parametrize(("by", "row"), [("part", "body"), ("stage", "body1"), ("node", "body1.block0.conv2")])
def test_describe_tells_costs_by_part_stage_or_node(call, by, row):
    _, out, _ = call("describe", "fishnet-nano", "--by", by)
    assert re.search(rf"^│ {re.escape(row)} +│", out, re.MULTILINE)
    assert re.search(r"│ total +│.*│ +100,670 │ +4,571,920 │", out)


def test_describe_resolved_is_yaml_and_nothing_else(call, tmp_path):
    code, out, _ = call("describe", "fishnext150", "--resolved")
    (tmp_path / "whole.yaml").write_text(out)
    assert code == 0
    assert load_spec(tmp_path / "whole.yaml").identity() == load_spec("fishnext150").identity()
    assert "width: 1600" in out


def test_describe_resolved_takes_the_image_size_and_draws_too(call, tmp_path):
    _, out, _ = call("describe", "fishnet-nano", "--resolved", "--image-size", "64", "--draw", "fish.svg")
    assert "image_size: 64" in out
    assert (tmp_path / "fish.svg").is_file()


def test_no_figure_is_cut_in_a_narrow_terminal():
    ledger = ledger_of(build_graph(load_spec("fishnet201")))
    console = Console(width=80, file=io.StringIO())
    for each in description("fishnet201", ledger, "0" * 64, 64, "stage", 80):
        console.print(each)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert re.search(r"total +│ +│ +│ +202 │ 44,584,552 │ 10,514.4 M", shown)
    assert "body1: 2 UR-blocks of dilation 2, k 2, 2 transfers, nearest" in shown


def test_describe_draws_into_a_file(call, tmp_path):
    code, out, _ = call("describe", "fishnet99", "--draw", "fish.svg")
    assert code == 0
    assert "drawing: fish.svg" in out
    assert (tmp_path / "fish.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(("file", "sign"), [("fish.PNG", b"\x89PNG"), ("fish.pdf", b"%PDF")])
def test_describe_draws_into_the_format_that_the_file_says(call, tmp_path, file, sign):
    assert call("describe", "fishnet-nano", "--draw", file)[0] == 0
    assert (tmp_path / file).read_bytes().startswith(sign)


def test_describe_says_into_which_files_it_can_draw(call, tmp_path):
    code, _, err = call("describe", "fishnet-nano", "--draw", "fish.jpg")
    assert code == 2
    assert "fish.jpg: the name ends in neither .svg nor .png nor .pdf" in " ".join(err.replace("│", "").split())
    assert not (tmp_path / "fish.jpg").exists()


def test_describe_reads_a_file(call, tmp_path):
    (tmp_path / "mine.yaml").write_text(BASE)
    code, out, _ = call("describe", "mine.yaml")
    assert code == 0
    assert "classifier" in out


@pytest.mark.parametrize(
    "command", ["run", "report", "transfer", "check", "status", "dashboard", "describe", "list", "measure", "schema"]
)
def test_every_command_has_help_with_an_example(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"fishnet-search {command}" in out.partition("Example:")[2]


def test_a_space_is_run_and_reported_and_listed(call, tmp_path):
    write_space(tmp_path)
    code, out, _ = call("run", "tiny.yaml", "--limit", 20, "--epochs", 1, "--seeds", 2, "--name", "quick", "--jobs", 1)
    assert code == 0
    assert (
        "study quick: grid, 2 variants, 2 seeds, 1 epoch, digits with 20 training, 20 validation and 20 test images"
        in out
    )
    assert re.search(r"^\[4/4\] (avg|max)-2x2-seed1: validation", out, re.MULTILINE)
    assert "report: reports/quick/report.html" in out
    assert (tmp_path / "reports" / "quick" / "report.html").is_file()

    code, out, _ = call("report")
    assert code == 0
    assert "max-2x2" in out
    assert "baseline" in out
    assert "report: reports/quick/report.html" in out

    code, out, _ = call("run", "tiny.yaml", "--limit", 20, "--epochs", 1, "--seeds", 2, "--name", "quick", "--jobs", 1)
    assert code == 0
    assert "4 of 4 trials are complete already; 0 to go" in out

    code, out, _ = call("list")
    assert code == 0
    assert "study: quick, 4 trials complete" in out
    assert "24,959,400" in out


def test_paths_with_square_brackets_are_shown_as_they_are(call, tmp_path):
    odd = tmp_path / "a[/b]"
    odd.mkdir(parents=True)
    (odd / "x.yaml").write_text(BASE)
    code, out, _ = call("describe", odd.relative_to(tmp_path) / "x.yaml")
    assert code == 0
    assert "a[/b]/x.yaml, image" in out


def test_failed_trials_are_told_and_end_with_exit_code_1(call, tmp_path):
    write_space(tmp_path, SPACE.replace("learning_rate: 0.05", "learning_rate: 1.0e+30"))
    code, out, _ = call("run", "tiny.yaml", "--limit", 20, "--jobs", 1)
    assert code == 1
    assert re.search(r"^\[1/4\] .+-seed0: failed after 0 epochs: TrainingError", out, re.MULTILINE)
    assert "4 of 4 trials failed; their records in studies/tiny/trials say why." in out


@pytest.mark.parametrize(
    ("words", "files", "sentence"),
    [
        (["run", "none.yaml"], {}, "none.yaml: no such file; check the path"),
        (["run", "."], {}, ".: cannot be read: Is a directory"),
        (["run", "a.yaml"], {"a.yaml": "axes: [1"}, "a.yaml:1: is not valid YAML"),
        (["run", "a.yaml"], {"a.yaml": SPACE.replace("seeds", "sedes")}, "a.yaml:5: sedes: unknown field; did you"),
        (["run", "tiny.yaml", "--name", "../out"], {}, "study name '../out': must be up to 100 letters"),
        (["run", "tiny.yaml", "--data", "digit"], {}, "unknown data 'digit'; did you mean 'digits'?"),
        (["run", "tiny.yaml", "--data", "imagefolder:none"], {}, "none: no such folder; expected PATH/train/CLASS"),
        (["run", "tiny.yaml", "--limit", "3"], {}, "limit 3: each part needs an image of every class"),
        (
            ["run", "tiny.yaml", "--data", "imagefolder:pictures"],
            {
                f"pictures/{part}/{name}/1.png": "no picture"
                for part in ("train", "val", "test")
                for name in ("cat", "dog")
            },
            "6 images are broken: pictures/train/cat/1.png",
        ),
        (["describe", "fishnet15"], {}, "fishnet15: neither a file nor a preset; did you mean 'fishnet150'?"),
        (["describe", "fishnet99", "--image-size", "100"], {}, "image side 100 does not fit this network"),
        (["report", "none"], {}, "studies: holds no study; run one by"),
        (["report", "studies/none"], {}, "studies/none: there is no such folder; `fishnet-search list` shows"),
        (["report"], {}, "studies: holds no study; start one with"),
        (["report", ""], {}, "studies: holds no study; run one by"),
        (
            ["report", "old"],
            {"studies/old/study.json": "{"},
            "studies/old/study.json: is damaged",
        ),
        (
            ["report", "old"],
            {"studies/old/study.json": '{"format": 1}'},
            "studies/old/study.json: has the record format 1 of another version of fishnet-search; report it with that",
        ),
    ],
)  # fmt: skip
def test_what_a_person_can_mend_is_said_in_a_line_or_two_with_exit_code_2(call, tmp_path, words, files, sentence):
    write_space(tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    code, out, err = call(*words)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in out + err
    assert not (tmp_path / "reports").exists()


def test_candidates_that_are_refused_are_told_before_anything_is_trained(call, tmp_path):
    widths = SPACE.replace("values: [max-2x2, avg-2x2]", "values: [8, 9]")
    write_space(tmp_path, widths.replace("[tail.downsample, head.downsample]", "body.width"))
    code, out, _ = call("run", "tiny.yaml", "--limit", 20, "--epochs", 1, "--seeds", 1, "--jobs", 1)
    assert code == 0
    assert (
        "refused: 9: tiny.yaml:3: axes: body[0].width: must be a multiple of the expansion 4, but is 9; use 8 or 12"
        in out
    )


@pytest.mark.parametrize("words", [["run"], ["run", "a.yaml", "--epochs", "0"], ["fly"], ["list", "--fast"]])
def test_words_that_are_no_command_end_with_exit_code_2_too(call, words):
    code, _, err = call(*words)
    assert code == 2
    assert "Traceback" not in err


def test_a_folder_that_cannot_be_written_is_said_in_a_line(call, tmp_path):
    write_space(tmp_path)
    (tmp_path / "studies").write_text("a file where the folder should be")
    code, _, err = call("run", "tiny.yaml", "--limit", 20)
    assert code == 2
    assert "studies" in err
    assert "Traceback" not in err


def start(folder, *words):
    """The command in a process that has imported nothing, as a person starts it."""
    return subprocess.Popen([*RUN, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip


def await_first_trial(folder, process):
    """Wait until a trial is complete."""
    deadline = time.monotonic() + 120
    while not list(folder.glob("studies/tiny/trials/*.json")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


LONG = SPACE.replace("epochs: 2", "epochs: 12")


def test_a_run_killed_in_the_middle_ends_with_every_trial_complete_exactly_once(tmp_path, call, processes):
    write_space(tmp_path, LONG)
    words = ["run", "tiny.yaml", "--limit", 40, "--jobs", 1]
    first = processes(survival.command, words)
    while not list(tmp_path.glob("studies/tiny/trials/*.json")):
        assert first.await_event() is not None, first.errors
    first.kill()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("studies/tiny/trials/*.json")}
    assert 1 <= len(before) < 4

    code, out, _ = call(*words)

    assert code == 0, out
    assert f"{len(before)} of 4 trials are complete already" in out
    records = read_trials(tmp_path / "studies" / "tiny")
    assert [(record.trial, record.state) for record in records] == [(name, "complete") for name in TRIALS]
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none was run twice
    assert (tmp_path / "reports" / "tiny" / "report.md").is_file()


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_and_sigterm_end_a_run_cleanly(tmp_path, stop):
    write_space(tmp_path, LONG)
    process = start(tmp_path, "run", "tiny.yaml", "--limit", "40", "--jobs", "1")
    await_first_trial(tmp_path, process)
    process.send_signal(stop)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "stopped; what is complete is kept in studies/tiny. The same command goes on from there." in out
    assert "Traceback" not in out
    assert {record.state for record in read_trials(tmp_path / "studies" / "tiny")} <= {"complete", "interrupted"}


def test_a_space_and_an_architecture_taken_for_each_other_are_told_apart(call, tmp_path):
    (tmp_path / "mine.yaml").write_text("family: fish\nstem: {kind: one-conv, width: 16}\n")
    (tmp_path / "space.yaml").write_text("base: fishnet-nano\naxes: {width: {path: stem.width, values: [8, 16]}}\n")
    code, _, err = call("run", str(tmp_path / "mine.yaml"))
    assert (code, err.startswith(f"error: {tmp_path}/mine.yaml: is no space")) == (2, True)
    assert f"`fishnet-search describe {tmp_path}/mine.yaml` shows it" in err
    code, _, err = call("describe", str(tmp_path / "space.yaml"))
    assert (code, err.startswith(f"error: {tmp_path}/space.yaml: is a space, not an architecture")) == (2, True)


def test_the_variable_that_names_a_storage_is_told_and_its_password_is_not(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["fishnet-search", "run", "space.yaml"])
    monkeypatch.setenv("FISHNET_SEARCH_STORAGE", "postgresql://me:secret@host/base")
    assert command() == "FISHNET_SEARCH_STORAGE=... fishnet-search run space.yaml"
    monkeypatch.setattr(
        sys, "argv", ["fishnet-search", "run", "space.yaml", "--storage", "mysql://me:secret@host/base"]
    )
    assert command() == "fishnet-search run space.yaml --storage mysql://***@host/base"
