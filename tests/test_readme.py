"""What the README shows is true."""

import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from PIL import Image

from fishnet_search import cli
from fishnet_search.cost.ledger import cost_of
from fishnet_search.export.folding import latency_before_and_after
from fishnet_search.graph.build import build_graph
from fishnet_search.network.measure import measure
from fishnet_search.spec.loading import load_spec, preset_names
from tests.figures import plain_figures

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^    (fishnet-search .+)$", README, re.MULTILINE)]
# later options win, so the run is the README's but shorter
SHORT = ["--limit", "10", "--epochs", "1", "--seeds", "1", "--jobs", "1"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder like a clone, with a small folder of images."""
    for folder in ("spaces", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for i in range(20):
        for part in ("train", "test"):
            file = tmp_path / "PATH" / part / ("cat", "dog")[i % 2] / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 32), (12 * i, 99, 0)).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(home, monkeypatch, capsys):
    """The first report has its figures in all formats; those of the others are not drawn so often."""
    for timed in (measure, latency_before_and_after):
        monkeypatch.setitem(timed.__kwdefaults__, "seconds", 0.1)
    assert len(COMMANDS) == 18
    for command in COMMANDS:
        words = [word.replace("epochs=8", "epochs=2") for word in shlex.split(command)]
        if words[1] == "dashboard":  # serves until Ctrl-C, in tests of its own
            continue
        monkeypatch.setattr(
            sys, "argv", words + {"run": SHORT, "train": ["--limit", "20", "--threads", "1"]}.get(words[1], [])
        )
        written = (home / "reports" / "downsample").is_dir()
        with plain_figures() if written else nullcontext(), pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, (command, capsys.readouterr().err)
    assert (home / "reports" / "downsample" / "report.html").is_file()
    names = {}
    exec(blocks("python")[1], names)  # loads what was exported
    network, program, session = (torch.as_tensor(logits) for logits in names["logits"])
    assert torch.allclose(network, program, atol=1e-4)
    assert torch.allclose(network, session, atol=1e-4)


def test_the_specs_can_be_built(home):
    specs = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(specs) == 2
    for spec in specs:
        (home / "mine.yaml").write_text(spec)
        assert cost_of(build_graph(load_spec("mine.yaml"))).params > 0


def test_the_python_runs(capsys):
    exec(blocks("python")[0], {})
    params, macs = map(int, capsys.readouterr().out.split())
    assert (params, macs) == (16_628_904, 4_263_656_704)  # neither pooling nor dilation changes the cost


def test_the_table_of_presets_has_every_preset_with_its_cost():
    shown = re.findall(r"^\| `(.+?)` \| (\d+) pixels \| ([\d,]+) \| ([\d,]+) \|$", README, re.MULTILINE)
    counted = {name: (load_spec(name), cost_of(build_graph(load_spec(name)))) for name in preset_names()}
    assert {name: numbers for name, *numbers in shown} == {
        name: [str(spec.image_size), f"{cost.params:,}", f"{cost.macs:,}"] for name, (spec, cost) in counted.items()
    }


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()]
    assert missing == []
