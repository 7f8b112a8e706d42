"""Processes that train one network together, each with its share of every batch."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

_ALL_HERE = timedelta(minutes=5)  # from the first rank's start to the last one's
_ANY_EVALUATION = timedelta(days=30)  # what rank 0 does alone while the others wait


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is. `joined` makes those of more than one."""

    rank: int  # from 0, which alone evaluates and is asked for results
    world: int
    store: Store | None = field(default=None, repr=False, compare=False)  # that all ranks of a world share

    def share(self, batch_N: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Return this rank's images of a batch in so many parts, or in fewer where a part would have a single image.

        One image would be its own mean to batch normalisation. All ranks have the same number of parts, but for the
        last ones of a batch that has fewer than two images for each: those have none.
        """
        shares = batch_N.tensor_split(max(1, min(self.world, len(batch_N) // 2)))
        if self.rank >= len(shares):
            return ()
        return shares[self.rank].tensor_split(max(1, min(parts, len(shares[-1]) // 2)))

    def mean(self, figure: Tensor) -> Tensor:
        """Return the mean of all ranks' figures; each of them has to ask."""
        if self.world > 1:
            dist.all_reduce(figure)
            figure /= self.world
        return figure


ALONE = Ranks(0, 1)


class Lead:
    """How rank 0 tells the others of one training whether there is another epoch.

    They wait for it by the store and not in a collective operation, which would run into its time limit while rank 0
    evaluates, and which tells nothing of a rank 0 that ended.
    """

    def __init__(self, ranks: Ranks) -> None:
        if ranks.store is None:
            raise ValueError(f"{ranks}: several ranks need a store; take the Ranks that `joined` gives")
        number = ranks.store.add(f"trainings of rank {ranks.rank}", 1)
        self._store = PrefixStore(f"training {number}", ranks.store)

    def tell(self, epoch: int, *, go_on: bool) -> None:
        """Say of the epoch with this number whether there is one."""
        self._store.set(str(epoch), "go on" if go_on else "stop")

    def hear(self, epoch: int) -> bool:
        """Wait for rank 0, and return whether there is an epoch with this number: none if rank 0 has gone."""
        try:
            self._store.wait([str(epoch)], _ANY_EVALUATION)
            return self._store.get(str(epoch)) == b"go on"
        except dist.DistNetworkError:
            return False


@contextmanager
def joined(rank: int, world: int, address: str, device: torch.device) -> Iterator[Ranks]:
    """Make this process one of several that train together: by gloo on the CPU, by NCCL on GPUs.

    Args:
        rank: of this process; another for each, from 0.
        world: how many there are.
        address: HOST:PORT where rank 0 listens; the same for all. `free_address` finds one.
        device: that this rank trains on. NCCL wants another GPU for each rank.

    Raises:
        torch.distributed.DistError: not all ranks came within five minutes.
    """
    host, _, port = address.rpartition(":")
    store = dist.TCPStore(  # type: ignore[attr-defined]
        host, int(port), world, is_master=rank == 0, timeout=_ALL_HERE
    )
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    try:
        yield Ranks(rank, world, store)
    finally:
        dist.destroy_process_group()


def free_address(host: str = "127.0.0.1") -> str:
    """Return HOST:PORT with a port that nobody on this machine listens at.

    Args:
        host: an address of this machine, by which the other ranks can reach it.
    """
    with socket.socket() as free:
        free.bind((host, 0))
        return f"{host}:{free.getsockname()[1]}"
