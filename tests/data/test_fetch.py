"""Fetching image sets, from a server on this machine."""

import hashlib
import re
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cifar_on_disk import write_batches
from tiny_on_disk import WNIDS, write_tiny
from torchvision.datasets import CIFAR10

from fishnet_search.data import fetch as fetching
from fishnet_search.data.description import Data
from fishnet_search.data.fetch import fetch, fetchable
from fishnet_search.data.sources import classes_of
from fishnet_search.errors import DataError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(monkeypatch, tmp_path):
    """The address that the test's folder is served at."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def published(monkeypatch, tmp_path, address):
    """CIFAR-10's archive in small, where its address points to."""
    write_batches(monkeypatch, tmp_path / "unpacked", CIFAR10, images=20, classes=("cat", "dog"))
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        out.add(tmp_path / "unpacked/cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "url", f"{address}/{archive.name}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_what_is_fetched_can_be_read_at_once(published, tmp_path):
    there = fetch("cifar10", tmp_path / "data/new")
    assert there == tmp_path / "data/new/cifar-10-batches-py"
    assert classes_of(Data(source=f"cifar10:{there}")) == ("cat", "dog")


def test_nothing_but_the_image_set_is_left_there(published, tmp_path):
    fetch("cifar10", tmp_path / "data")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["cifar-10-batches-py"]


def test_tiny_imagenet_is_fetched(monkeypatch, tmp_path, address):
    write_tiny(tmp_path / "tiny-imagenet-200")
    archive = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted((tmp_path / "tiny-imagenet-200").rglob("*")):
            out.write(file, file.relative_to(tmp_path))
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    there = fetching._Archive(f"{address}/{archive.name}", md5, "tiny-imagenet-200")
    monkeypatch.setattr(fetching, "_archives", lambda: {"tiny-imagenet": there})
    fetched = fetch("tiny-imagenet", tmp_path / "data")
    assert classes_of(Data(source=f"tiny-imagenet:{fetched}")) == tuple(sorted(WNIDS))


def test_what_is_there_already_is_never_touched(published, tmp_path):
    (tmp_path / "data/cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "data/cifar-10-batches-py/mine").write_text("mine")
    with pytest.raises(DataError, match=r"cifar-10-batches-py: is there already; use it, or move it away"):
        fetch("cifar10", tmp_path / "data")
    assert [file.name for file in (tmp_path / "data").rglob("*")] == ["cifar-10-batches-py", "mine"]


def test_an_archive_that_is_not_the_published_one_is_not_unpacked(published, tmp_path):
    published.write_bytes(published.read_bytes() + b" ")
    with pytest.raises(DataError, match=r"cifar10: cannot be fetched from http:.*corrupted.*; try again"):
        fetch("cifar10", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_without_a_connection_the_address_is_told(published, tmp_path):
    published.unlink()
    with pytest.raises(DataError, match=re.escape(f"cifar10: cannot be fetched from {CIFAR10.url}: HTTP Error 404")):
        fetch("cifar10", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_imagenet_cannot_be_fetched_but_the_layout_is_told(tmp_path):
    with pytest.raises(DataError, match=r"imagenet: cannot be fetched, .* PATH/train/WNID/\*\.JPEG and PATH/val/WNID"):
        fetch("imagenet", tmp_path)


def test_an_unknown_name_is_refused_with_what_there_is(tmp_path):
    assert fetchable() == ("cifar10", "cifar100", "tiny-imagenet")
    with pytest.raises(DataError, match=r"^mnist: cannot be fetched; one of cifar10, cifar100, tiny-imagenet$"):
        fetch("mnist", tmp_path)


def test_every_set_comes_from_its_owners_with_a_digest():
    for archive in fetching._archives().values():
        assert re.match(r"https?://(www\.cs\.toronto\.edu/~kriz|cs231n\.stanford\.edu)/", archive.url)
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)
