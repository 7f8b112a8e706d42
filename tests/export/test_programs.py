"""Programs of torch.export: the same logits for every batch and size, from a file that needs PyTorch alone."""

import subprocess
import sys
import zipfile

import pytest
import torch

from fishnet_search.errors import ExportError
from fishnet_search.export.programs import load_program, write_program
from tests.export.seasoned import VARIED, images, model_of, small_spec

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model():
    return model_of()


@pytest.fixture(scope="module")
def varied():
    return model_of(small_spec(**VARIED))


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("programs") / "small.pt2"
    write_program(model, path)
    return path


@pytest.fixture(scope="module")
def sizeable(varied, tmp_path_factory):
    path = tmp_path_factory.mktemp("programs") / "varied.pt2"
    write_program(varied, path, dynamic_size=True)
    return path


@pytest.fixture(scope="module")
def run(file):
    return load_program(file)


@pytest.fixture(scope="module")
def run_sizeable(sizeable):
    return load_program(sizeable)


@torch.no_grad()
def test_a_program_computes_the_logits_of_batches_of_any_size(model, run):
    for batch in (1, 2, 5, 300):
        torch.testing.assert_close(run(images(batch)), model.network(images(batch)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sides", [(32, 32), (16, 16), (16, 80), (64, 24)])
@torch.no_grad()
def test_a_program_of_free_size_computes_the_logits_of_all_multiples_of_the_stride(varied, run_sizeable, sides):
    for batch in (1, 3):
        given = images(batch, *sides)
        torch.testing.assert_close(run_sizeable(given), varied.network(given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [33, 40])
def test_a_program_of_fixed_size_refuses_other_images(run, side):
    with pytest.raises((RuntimeError, AssertionError), match=r"32"):
        run(images(1, side))


@pytest.mark.parametrize("side", [20, 8])
def test_a_program_of_free_size_refuses_sides_that_are_no_multiple_and_those_of_one_stride(run_sizeable, side):
    with pytest.raises((RuntimeError, AssertionError), match=r"8\*|>="):
        run_sizeable(images(1, side))


def test_a_program_says_nothing_of_this_package_or_machine_and_holds_no_pickle(file, sizeable):
    for path in (file, sizeable):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        for name, content in members.items():
            assert b"fishnet_search" not in content, name
            assert b".py" not in content, name
            assert b'"use_pickle": true' not in content, name
        assert not any(content for name, content in members.items() if name.endswith(".pt"))


def test_a_program_keeps_the_names_of_parameters_and_modules(model, file):
    program = torch.export.load(file)
    assert set(program.state_dict) == set(model.network.state_dict())
    stacks = [node.meta.get("nn_module_stack") for node in program.graph.nodes]
    assert "tail0.block0.conv1" in {place for stack in stacks if stack for place, _ in stack.values()}


def test_a_program_is_loaded_and_run_where_this_package_cannot_be_imported(model, file, tmp_path):
    torch.save(images(3), tmp_path / "images.pt")
    code = (
        "import sys; sys.modules['fishnet_search'] = None\n"
        "import torch\n"
        f"run = torch.export.load({str(file)!r}).module()\n"
        "torch.save(run(torch.load('images.pt', weights_only=True)).detach(), 'logits.pt')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with torch.no_grad():
        expected = model.network(images(3))
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt", weights_only=True), expected, rtol=1e-5, atol=1e-5)


def test_a_file_that_is_missing_or_no_program_is_said_in_a_sentence(tmp_path):
    with pytest.raises(ExportError, match=r"none.pt2: there is no such file; export the network first"):
        load_program(tmp_path / "none.pt2")
    (tmp_path / "text.pt2").write_text("no archive")
    with pytest.raises(ExportError, match=r"text.pt2: not a program, which is a zip archive; export the network again"):
        load_program(tmp_path / "text.pt2")
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("other/text", "no program")
    with pytest.raises(ExportError, match=r"other.pt2: not a program that PyTorch .* can load; export it again"):
        load_program(tmp_path / "other.pt2")


def test_a_failure_of_the_exporter_is_said_in_a_sentence(model, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Guard failed\nand pages of advice")

    monkeypatch.setattr(torch.export, "export", fail)
    with pytest.raises(ExportError, match=r"^small: torch.export failed: Guard failed$"):
        write_program(model, tmp_path / "small.pt2")
