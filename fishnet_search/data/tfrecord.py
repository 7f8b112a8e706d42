"""ImageNet, or a set like it, in the shards that TensorFlow's script writes.

    PATH/train-00000-of-01024, ...          to learn from; of them to choose by as for `imagenet`
    PATH/validation-00000-of-00128, ...     to report

A record is an example with `image/encoded`, the file's bytes, `image/class/label`, a number from 1, and maybe
`image/class/synset`, which then names the class. Classes are in the order of their labels, which for ImageNet is that
of the names. The shards have no index, so all of them are read through once to find the labels; a pack saves that.

The package tfrecord has the format of examples and the checksum: `pip install -e '.[tfrecord]'`.

Source: build_imagenet_data.py of TensorFlow's models (research/inception); the layout of records, TensorFlow's
python_io guide.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fishnet_search.data.folders import check_several, named, opened
from fishnet_search.data.imagenet import VALIDATION_A_CLASS
from fishnet_search.data.listing import ListedPart, Offer
from fishnet_search.data.modes import decoded
from fishnet_search.errors import DataError

_LAYOUT = "expected PATH/train-00000-of-01024, ... and PATH/validation-00000-of-00128, ..., or other numbers of shards"
_LENGTH, _CHECKSUM = struct.Struct("<Q"), 4  # a record: its length, that one's checksum, its bytes, theirs


class _Record(NamedTuple):
    name: str  # the file and the place in it
    file: str
    start: int  # of the example, in bytes
    length: int
    label: int
    synset: str  # or the label


def offer_tfrecord(path: str) -> Offer:
    """Return the images of all shards; none of them is decoded yet.

    Raises:
        DataError: the package tfrecord is missing, shards are missing or damaged, or the parts' labels do not fit.
    """
    _check_package()
    root = opened(path, _LAYOUT)
    train, test = (_records(root, part) for part in ("train", "validation"))
    names = _names(root, train, test)
    check_several(root, names.values())
    places = {label: place for place, label in enumerate(sorted(names))}
    classes = tuple(names[label] for label in places)
    return Offer(classes, _part(train, places), test=_part(test, places), aside_a_class=VALIDATION_A_CLASS)


def _names(root: Path, train: Sequence[_Record], test: Sequence[_Record]) -> dict[int, str]:
    """Return the class that each label stands for."""
    names = {record.label: record.synset for record in train}
    for record in (*train, *test):
        known = names.get(record.label)
        if known != record.synset:
            problem = f"is {known!r} elsewhere" if known else "is not in the training shards"
            raise DataError(
                f"{record.name}: label {record.label}, {record.synset!r}, {problem}; write the shards again"
            )
    missing = sorted(names.keys() - {record.label for record in test})
    if missing:
        raise DataError(f"{root}: the validation shards have no images of the labels {named(missing)}; add them")
    return names


def _check_package() -> None:
    try:
        import tfrecord  # noqa: F401
    except ImportError as error:
        raise DataError(
            "tfrecord: needs the package tfrecord, which is not installed; "
            "run `pip install -e '.[tfrecord]'` in the folder of the clone, or `pip install tfrecord`"
        ) from error


def _records(root: Path, part: str) -> list[_Record]:
    """Return the records of all shards of a part, in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [record for records in pool.map(_scanned_once, _shards(root, part)) for record in records]


def _shards(root: Path, part: str) -> list[Path]:
    found = sorted(file for file in root.iterdir() if re.fullmatch(rf"{part}-[0-9]{{5}}-of-[0-9]{{5}}", file.name))
    if not found:
        raise DataError(f"{root}: has no {part} shards; {_LAYOUT}")
    count = int(found[0].name[-5:])
    missing = {f"{part}-{shard:05}-of-{count:05}" for shard in range(count)} ^ {file.name for file in found}
    if missing:
        raise DataError(f"{root}: {len(missing):,} {part} shards are missing or too many: {named(sorted(missing))}")
    return found


def _scanned_once(file: Path) -> tuple[_Record, ...]:
    status = file.stat()
    return _scanned(str(file), status.st_size, status.st_mtime_ns)


@cache  # the classes are asked for first, then the images
def _scanned(file: str, size: int, _changed: int) -> tuple[_Record, ...]:
    """Read a shard through."""
    with Path(file).open("rb") as shard:
        return tuple(_read_labels(file, size, shard))


def _read_labels(file: str, size: int, shard: Any) -> Iterator[_Record]:
    start, number = 0, 0
    while start < size:
        name = f"{file}: record {number}"
        head = _checked(name, shard.read(_LENGTH.size), shard.read(_CHECKSUM))
        (length,) = _LENGTH.unpack(head)
        start += _LENGTH.size + _CHECKSUM
        if length > size - start:
            raise DataError(f"{name}: is cut short; copy the shard again")
        features = _features(name, _checked(name, shard.read(length), shard.read(_CHECKSUM)))
        label = _only(name, features, "image/class/label").int64_list.value[0]
        synset = features["image/class/synset"].bytes_list.value if "image/class/synset" in features else ()
        yield _Record(name, file, start, length, label, synset[0].decode(errors="replace") if synset else str(label))
        start, number = start + length + _CHECKSUM, number + 1


def _checked(name: str, content: bytes, checksum: bytes) -> bytes:
    from tfrecord.writer import TFRecordWriter

    if len(checksum) < _CHECKSUM or TFRecordWriter.masked_crc(content) != checksum:
        raise DataError(f"{name}: is damaged, by its checksum, or the file is no TFRecord; copy the shard again")
    return content


def _features(name: str, content: bytes) -> Any:
    """Return what an example has, by name."""
    from google.protobuf.message import DecodeError
    from tfrecord import example_pb2

    try:
        return example_pb2.Example.FromString(content).features.feature
    except DecodeError as error:
        raise DataError(f"{name}: is no example: {error}; write the shard again") from error


def _only(name: str, features: Any, wanted: str) -> Any:
    """Return the feature of that name, which has one value."""
    kind = "bytes_list" if wanted == "image/encoded" else "int64_list"
    if wanted not in features or len(getattr(features[wanted], kind).value) != 1:
        raise DataError(f"{name}: has no {wanted} of one value; write the shards as TensorFlow's ImageNet script does")
    return features[wanted]


def _part(records: Sequence[_Record], places: dict[int, int]) -> ListedPart:
    labels = np.array([places[record.label] for record in records])
    return ListedPart([partial(_read, record) for record in records], labels)


def _read(record: _Record) -> tuple[bytes, Image.Image]:
    with Path(record.file).open("rb") as shard:
        shard.seek(record.start)
        content = shard.read(record.length)
    encoded = _only(record.name, _features(record.name, content), "image/encoded").bytes_list.value[0]
    return encoded, decoded(encoded, record.name)
