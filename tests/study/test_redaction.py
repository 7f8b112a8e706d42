"""No credential leaves the machine with a report."""

from __future__ import annotations

import shlex
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fishnet_search.cli.app import command
from fishnet_search.report.write import write_report
from fishnet_search.study.redaction import redacted_command, redacted_study, redacted_trial, without_secrets
from tests.records import complete, failed, refused, study_of, trials_of

LETTERS = st.text("abcXYZ019!$%^&()_=+[]{}|;:,.<>?/~#-@", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run x.yaml --storage mysql://me:hunter2@host:3306/db", "run x.yaml --storage mysql://***@host:3306/db"),
        ("redis://:hunter2@host/0", "redis://***@host/0"),
        ("postgresql+psycopg://me:p@ss:w/rd@host/db", "postgresql+psycopg://***@host/db"),
        ("git+https://ghp_0123456789@github.com/a/b", "git+https://***@github.com/a/b"),
        ("http://host/db?user=me&password=hunter2&ssl=true", "http://host/db?user=me&password=***&ssl=true"),
        ("PGPASSWORD=hunter2 fishnet-search run x.yaml", "PGPASSWORD=*** fishnet-search run x.yaml"),
        ("AWS_SECRET_ACCESS_KEY='hunter 2' run", "AWS_SECRET_ACCESS_KEY=*** run"),
        ("run --api-key hunter2 --seeds 3", "run --api-key *** --seeds 3"),
        ("run --hf-token=hunter2 --seeds 3", "run --hf-token=*** --seeds 3"),
        ("Authorization: Bearer hunter2.hunter2", "Authorization: Bearer ***"),
        ("Authorization: Basic hunter2hunter2=", "Authorization: Basic ***"),
        ("https://host/c?sv=2022&sig=hunter2%3D,2;2&se=1", "https://host/c?sv=2022&sig=***&se=1"),
        ("AccountName=me;AccountKey=hunter2==;Suffix=net", "AccountName=me;AccountKey=***"),
        ("connect({'user': 'me', 'password': 'hunter2, 2'})", "connect({'user': 'me', 'password': ***})"),
        ('{"private_key": "hunter2", "storage-key": 12}', '{"private_key": ***, "storage-key": ***}'),
        ("['mysql', '--password', 'hunter2', '-v']", "['mysql', '--password', ***, '-v']"),
        ("pushed with ghp_hunter2hunter2 as me", "pushed with *** as me"),
        ("github_pat_11hunter2_hunter2", "***"),
        ("hf_hunter2hunter2hunter2", "***"),
        ("sk-proj-hunter2hunter2", "***"),
        ("xoxb-hunter2-hunter2", "***"),
        ("AKIAHUNTER2HUNTER2", "***"),
        ("token=hunter2,2;2&2 and more", "token=*** and more"),
        ("(OperationalError) 'mysql://me:hunter2@host/db'", "(OperationalError) 'mysql://***@host/db'"),
    ],
)
def test_a_credential_is_replaced(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "fishnet-search run spaces/downsample.yaml --data imagefolder:/images/mine@2x --seeds 5",
        "fishnet-search run x.yaml --storage sqlite:////tmp/study.db",
        "https://github.com/kevin-ssy/FishNet@master",
        "ray://head:10001",
        "ValueError: unexpected token ')' in line 3",
        "KeyError: 'tokens per second'",
        "me@example.org reported it",
        "A basic comparison, e.g. of the basic ResNet-50",
        "fishnet-search run sk-learn.yaml --name hf_small",
        "signals=3, keys=4",
    ],
)
def test_what_is_no_credential_stays(text):
    assert without_secrets(text) == text


@given(user=st.text("abc0_.", max_size=8), password=LETTERS)
def test_no_password_of_an_address_is_left(user, password):
    shown = without_secrets(f"run --storage mysql://{user}:{password}@host.example/db --seeds 3")
    assert shown == "run --storage mysql://***@host.example/db --seeds 3"


def test_no_file_of_a_report_has_a_password(tmp_path):
    address = "mysql://me:hunter2@host/db"
    study = study_of(["base"], [1, 2], command=f"fishnet-search run x.yaml --storage {address}")
    trials = [complete("base", 1, 0.9), failed("base", 2, f"cannot reach {address}")]
    trials[1] = trials[1].model_copy(
        update={"failure": trials[1].failure.model_copy(update={"traceback": f"connect({address!r})"})}
    )
    write_report(study, trials, tmp_path, command=f"fishnet-search report --storage {address}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert "cannot reach mysql://\\*\\*\\*@host/db" in (tmp_path / "report.md").read_text()


def test_a_trial_that_has_not_failed_is_left_alone():
    trial = trials_of({"base": [0.9]})[0]
    assert redacted_trial(trial) is trial


@given(secret=st.text(min_size=1))
@example(secret="a,b;c&d'e\"f g")
@example(secret="--token")
def test_no_letter_that_is_given_to_an_option_is_left(secret):
    shown = "fishnet-search run x.yaml --password=*** DB_TOKEN=*** --api-key *** --seeds 3"
    words = ["fishnet-search", "run", "x.yaml", f"--password={secret}", f"DB_TOKEN={secret}", "--api-key", secret]
    line = shlex.join([*words, "--seeds", "3"])
    assert redacted_command(line) == shown
    assert redacted_command(shown) == shown
    assert redacted_study(study_of(["base"], command=line)).command == shown  # of before commands were redacted


@given(user=st.text("abc0_.", max_size=8), password=st.text())
def test_no_letter_of_a_login_is_left_in_a_command(user, password):
    line = shlex.join(["run", "--storage", f"mysql://{user}:{password}@host.example/db"])
    assert redacted_command(line) == "run --storage mysql://***@host.example/db"


def test_the_command_line_is_redacted_word_by_word(monkeypatch):
    monkeypatch.delenv("FISHNET_SEARCH_STORAGE", raising=False)
    monkeypatch.setattr(sys, "argv", ["fishnet-search", "run", "my space.yaml", "--password=a,b;c&d 'e'"])
    assert command() == "fishnet-search run 'my space.yaml' --password=***"


def test_what_no_shell_would_read_is_redacted_as_text():
    assert redacted_command("run it's --token=hunter2") == "run it's --token=***"


def test_descriptions_and_refusals_are_redacted():
    study = study_of(["base"], description="see https://me:hunter2@host/x", refused=(refused("a", "axes", "token=b"),))
    shown = redacted_study(study)
    assert shown.description == "see https://***@host/x"
    assert shown.refused[0].reason == "token=***"
