"""Optuna's dashboard on a study, with a stand-in for the dashboard itself, which is an extra."""

import json
import os
import signal
import subprocess
import sys
import threading
import types
import urllib.error
import urllib.request

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from fishnet_search.engine.dashboard import dashboard_server
from fishnet_search.errors import StudyError

STAND_IN = """
import json
def wsgi(storage):
    def app(request, begin):
        begin("200 OK", [("Content-Type", "application/json")])
        return [json.dumps([study.study_name for study in storage.get_all_studies()]).encode()]
    return app
"""


@pytest.fixture
def installed(monkeypatch):
    module = types.ModuleType("optuna_dashboard")
    exec(STAND_IN, module.__dict__)
    monkeypatch.setitem(sys.modules, "optuna_dashboard", module)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "studies" / "tiny"
    folder.mkdir(parents=True)
    optuna.create_study(storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))), study_name="tiny")
    return folder


def asked(folder, method="GET", storage=None):
    """Serve a study, and return status and content of the answer to a request."""
    with dashboard_server(folder, storage=storage, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/", method=method)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("installed")
def test_the_dashboard_shows_the_journal_of_the_study_and_leaves_the_folder_as_it_is(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert asked(folder) == (200, ["tiny"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed_from_it(folder, method):
    status, content = asked(folder, method)
    assert status == 405
    assert content == {"reason": "fishnet-search shows studies only; nothing can be changed here"}


@pytest.mark.usefixtures("installed")
def test_a_database_takes_the_journals_place(folder, tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    optuna.create_study(storage=url, study_name="shared")
    assert asked(folder, storage=url) == (200, ["shared"])


def test_where_it_is_not_installed_a_sentence_says_what_to_install(call, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    code, _, err = call("dashboard", "tiny")
    assert code == 2
    assert "pip install optuna-dashboard" in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_served_is_told(folder, tmp_path):
    with pytest.raises(StudyError, match="is no study that has been run"):
        dashboard_server(tmp_path, storage=None, host="127.0.0.1", port=0)
    with (
        dashboard_server(folder, storage=None, host="127.0.0.1", port=0) as server,
        pytest.raises(StudyError, match=r"cannot listen there: .*; give another --host or --port"),
    ):
        dashboard_server(folder, storage=None, host="127.0.0.1", port=server.server_port)
    (folder / "journal.log").write_text('{"op_code": "x"}\n{}\n')
    with pytest.raises(StudyError, match=r"journal\.log: is damaged"):
        dashboard_server(folder, storage=None, host="127.0.0.1", port=0)


def test_ctrl_c_ends_it_without_a_traceback(folder, tmp_path):
    (tmp_path / "optuna_dashboard.py").write_text(STAND_IN)
    process = subprocess.Popen(
        [sys.executable, "-c", "from fishnet_search.cli import main; main()", "dashboard", "tiny", "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("study tiny: http://127.0.0.1:"), line
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
