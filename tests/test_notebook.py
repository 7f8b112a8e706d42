"""The notebook runs from top to bottom on the studies kept with it, and what docs/notebook.md shows is true."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from matplotlib import pyplot as plt
from nbclient import NotebookClient

from fishnet_search import load_study
from fishnet_search.evidence.naming import explained
from fishnet_search.report.loaded import Best, LoadedStudy

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "studies" / "analysis.ipynb"
REFERENCE = ROOT / "studies" / "reference"
PAGE = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")


def outputs(notebook):
    """Everything that the cells of a notebook put out, as (type, content)."""
    return [
        (kind, content)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        for kind, content in output.get("data", {"stream": output.get("text")}).items()
    ]


def test_the_notebook_runs_from_top_to_bottom_and_shows_what_it_tells_of(tmp_path, monkeypatch):
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    before = {path: path.read_bytes() for path in REFERENCE.rglob("*") if path.is_file()}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = outputs(notebook)
    study = load_study(REFERENCE / "downsample")
    assert sum(kind == "image/png" for kind, _ in shown) == 4
    assert any("20 of 20 planned trials complete" in content for kind, content in shown if kind == "text/html")
    best = next(content for kind, content in shown if kind == "text/html" and "best on validation images" in content)
    assert study.best.variant in best
    assert "<svg" in best  # its spec draws itself
    params = study.effects.set_index("variant").loc[study.best.variant, "params"]
    assert str(params) in [content for kind, content in shown if kind == "text/plain"]
    assert {path: path.read_bytes() for path in REFERENCE.rglob("*") if path.is_file()} == before


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


def test_reference_studies_are_complete_and_hold_records_only():
    for folder in REFERENCE.iterdir():
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        trials = load_study(folder).trials
        assert trials["state"].unique().tolist() == ["complete"]
        assert files == {"study.json"} | {f"trials/{row.variant}-seed{row.seed}.json" for row in trials.itertuples()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder like a clone in which the demo has run."""
    mpl.use("agg")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "reference").symlink_to(REFERENCE)
    (tmp_path / "studies" / "downsample").symlink_to(REFERENCE / "downsample")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


def test_the_python_of_the_page_runs(home, capsys):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    assert "<study downsample: 20 of 20 planned trials complete>" in capsys.readouterr().out
    assert names["ax"].has_data()
    assert names["network"].training


def test_the_page_tells_of_every_attribute_and_names_columns_that_there_are(home):
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| .* \| (?:`([\w.]+)`)? ?\|$", PAGE, re.MULTILINE)
    told = {name: where for names, where in rows for name in re.findall(r"`(\w+)`", names)}
    study = load_study("downsample")
    public = {name for name in dir(LoadedStudy) if not name.startswith(("_", "plot_"))} | {"record", "records"}
    assert set(told) == public - {"name", "analysis", "pairs"}
    for name, where in told.items():
        if where:
            module, _, columns = where.rpartition(".")
            frame = getattr(study, name)
            assert list(frame) == list(explained(getattr(import_module(module), columns), frame))
    assert set(re.findall(r"`(plot_\w+)", PAGE)) == {name for name in dir(LoadedStudy) if name.startswith("plot_")}
    assert {"variant", "spec", "recipe"} <= set(Best.__dataclass_fields__)
