"""Where a training stands between two epochs, and how that is kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from fishnet_search.train.epoch import Epoch

_MAGIC = b"fishnet-search checkpoint 2\n"
_DIGEST = hashlib.sha256().digest_size
_ALWAYS = ("weights", "optimiser", "average")
_PARTS = ("train", "validation")
_LAID_OUT_OTHERWISE = AttributeError, KeyError, TypeError, ValueError, SafetensorError


class DamagedCheckpoint(Exception):  # noqa: N818 - nobody's mistake: whoever reads it does the epochs anew
    """The bytes are not what was written, or not of this training; says why."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training between two epochs. All tensors are on the CPU, in torch's usual memory format.

    The learning rate, the order of the images, their augmentation and dropout's random numbers are not in it: they
    follow from the recipe, the seed and the number of the epoch.
    """

    epochs: tuple[Epoch, ...]  # so far
    weights: Mapping[str, Tensor]  # the network's state dict
    optimiser: Mapping[str, Tensor]  # FIGURE/PARAMETER -> what the optimiser remembers: see `memory_of`
    average: Mapping[str, Tensor]  # state dict of the weights' moving average; none in a training without
    scaler: Mapping[str, float]  # state of the scaling of float16 gradients; none in other precisions
    best_weights: Mapping[str, Tensor]  # after the best epoch; `validated` itself where that is the last one

    @property
    def validated(self) -> Mapping[str, Tensor]:
        """The weights that the last epoch was validated with."""
        return self.average or self.weights


def to_bytes(checkpoint: Checkpoint, key: str) -> bytes:
    """Return the checkpoint as a line that names the format, a SHA-256 and a safetensors file that it is taken over.

    Args:
        checkpoint: of any training.
        key: names the training; `from_bytes` wants the same.
    """
    groups = {name: getattr(checkpoint, name) for name in _ALWAYS}
    if checkpoint.best_weights is not checkpoint.validated:
        groups["best"] = checkpoint.best_weights
    tensors = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
    epochs = [asdict(epoch) for epoch in checkpoint.epochs]
    notes = {"key": key, "epochs": epochs, "scaler": dict(checkpoint.scaler)}
    # in one piece: safetensors writes several in another order each time
    body = safetensors.torch.save(tensors, {"notes": json.dumps(notes)})
    return b"".join((_MAGIC, hashlib.sha256(body).digest(), body))


def from_bytes(content: bytes, key: str) -> Checkpoint:
    """Return the checkpoint that `to_bytes` was given with the same key. Nothing is unpickled.

    Raises:
        DamagedCheckpoint: a byte is missing or another than was written, or the checkpoint is of another key or format.
    """
    if not content.startswith(_MAGIC):
        raise DamagedCheckpoint("is empty" if not content else f"does not begin with {_MAGIC.decode().strip()!r}")
    start = len(_MAGIC) + _DIGEST
    digest, body = content[len(_MAGIC) : start], content[start:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedCheckpoint("differs from what was written: its SHA-256 is another")
    try:
        notes = _notes(body)
        written_for, epochs = notes["key"], tuple(map(_epoch, notes["epochs"]))
        scaler = dict(notes["scaler"])
        groups: dict[str, dict[str, Tensor]] = {name: {} for name in _ALWAYS}
        for path, tensor in safetensors.torch.load(body).items():
            group, _, name = path.partition("/")
            groups.setdefault(group, {})[name] = tensor
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        SafetensorError,
    ) as problem:  # made by hand: the digest is right
        raise DamagedCheckpoint(f"is laid out otherwise than in this version: {problem}") from problem
    if written_for != key:
        raise DamagedCheckpoint(f"is of the training {written_for!r}, not of {key!r}")
    best = groups.pop("best", groups["average"] or groups["weights"])
    return Checkpoint(epochs, **{name: groups[name] for name in _ALWAYS}, scaler=scaler, best_weights=best)


def _notes(body: bytes) -> Any:
    """Return the notes in a safetensors file, whose metadata the library gives of files alone and not of bytes."""
    size = int.from_bytes(body[:8], "little")
    return json.loads(json.loads(body[8 : 8 + size])["__metadata__"]["notes"])


def _epoch(fields: dict[str, Any]) -> Epoch:
    figures = {part: {str(name): float(figure) for name, figure in fields[part].items()} for part in _PARTS}
    return Epoch(**{**fields, **figures})
