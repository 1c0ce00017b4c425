"""The processes that train one network together, and all that they say to each other.

Each of them has the same network and the same scans. Of every batch each computes a shard; gradients, batch-norm statistics and
the loss are added up (`sharing`), and all take the same step. `DistributedDataParallel` is built for networks whose forward pass
and whose learning parameters stay the same: here stages open one after the other, the frozen phase calls the head alone, and
learning without labels calls the backbone twice. So the sum is made here, with the same `all_reduce`.

Nothing that arrives from another process is unpickled: tensors, and text as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from .config import ConfigError
from .device import CPU, Device

Made = TypeVar("Made")
Index = npt.NDArray[np.int64]
# A process waits for the others as long as they live, which is watched elsewhere: some read more scans than others.
PATIENCE: Final = timedelta(days=1)
# What the store may take to answer.
ANSWER: Final = timedelta(seconds=30)
# In which all must have come, once their hosts have met: loading PyTorch takes a slow machine minutes.
ARRIVAL_S: Final = 600.0
ASKED_EVERY_S: Final = 0.1
# What PyTorch's launcher (torchrun) sets in the processes that it starts.
LAUNCHED: Final = "TORCHELASTIC_RUN_ID"


class PeerLost(Exception):
    """Another process of the group has ended or cannot be reached. It is the one that knows why."""


@dataclass(frozen=True)
class Group:
    """`rank` in 0..size-1 over all hosts; `local_rank` in 0..local_size-1 on this `host`, which is counted from 0. `device`: where
    this process computes, None for the best of its machine. `store`: small facts by name, which all processes see: `note` and
    `noted` may be called from any thread."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    host: int = 0
    device: str | None = None
    store: Any = None

    @property
    def alone(self) -> bool:
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that tells the others, and the world."""
        return self.rank == 0

    def shard(self, batch: Index) -> Index:
        """This process's part of a batch, in its order: as large as the others', or one more."""
        return batch if self.alone else np.array_split(batch, self.size)[self.rank]

    def span(self, count: int, step: int) -> slice:
        """This process's part of `count` things, of whole steps: an equal number, or one more."""
        steps = np.array_split(np.arange(-(-count // step)), self.size)[self.rank]
        return slice(int(steps[0]) * step, min(count, (int(steps[-1]) + 1) * step)) if len(steps) else slice(0, 0)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, the same to the bit in each."""
        if self.alone or not tensors:
            return
        flat = torch.cat([one.detach().reshape(-1).to(self._place, torch.float32) for one in tensors])
        with _among_peers():
            dist.all_reduce(flat)
        parts = torch.split(flat, [one.numel() for one in tensors])
        for one, part in zip(tensors, parts, strict=True):
            one.detach().copy_(part.view(one.shape))

    def follow(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the process that leads."""
        for one in () if self.alone else tensors:
            there = one.detach().to(self._place).contiguous()
            with _among_peers():
                dist.broadcast(there, 0)
            one.detach().copy_(there)

    def told(self, made: Callable[[], Made]) -> Made:
        """What `made`, asked in the process that leads, gives: plain JSON types."""
        if self.alone:
            return made()
        text = json.dumps(made()).encode() if self.leads else b""
        length = torch.tensor([len(text)], device=self._place)
        with _among_peers():
            dist.broadcast(length, 0)
            letters = torch.zeros(int(length), dtype=torch.uint8, device=self._place)
            if self.leads:
                letters.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
            dist.broadcast(letters, 0)
        heard: Made = json.loads(letters.cpu().numpy().tobytes())
        return heard

    def note(self, name: str, fact: str) -> None:
        """Tell all processes, without waiting for any of them."""
        with _among_peers():
            self.store.set(name, fact)

    def noted(self, name: str) -> str | None:
        """What one of them has told under this name last; None: nothing yet."""
        with _among_peers():
            if not self.store.check([name]):
                return None
            told: bytes = self.store.get(name)
        return told.decode()

    def wait(self) -> None:
        """Until all processes have come here."""
        self.told(lambda: None)
        self.add_up([torch.zeros(1)])

    def close(self) -> None:
        """Leave: from now on this process goes on, or ends, by itself."""
        if not self.alone and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def _place(self) -> str:
        return self.device or CPU


ALONE: Final = Group()


def join(device: str | None) -> Group:
    """The group that PyTorch's launcher has started this process for. `device`: as `Device.of` takes it; each process of a host
    takes a GPU of its own. Raises ConfigError where there are too few of them, and PeerLost where the others cannot be reached."""
    env = os.environ
    rank, size, local_rank, local_size = (
        int(env[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    )
    place = own_device(Device.of(device).name, local_rank, local_size)
    gpu = place != CPU
    if gpu:
        torch.cuda.set_device(place)
    with _among_peers():
        # The launcher holds the store of its processes; only where it does not, the first of them must.
        held = env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        address = env["MASTER_ADDR"], int(env["MASTER_PORT"])
        store = dist.TCPStore(*address, is_master=rank == 0 and not held, timeout=PATIENCE)  # type: ignore[attr-defined]
        named = dist.PrefixStore("group", store)  # type: ignore[attr-defined]
        # By a connection of its own: whoever asks must not wait for what the group waits for.
        told = dist.PrefixStore("told", dist.TCPStore(*address, is_master=False, timeout=ANSWER))  # type: ignore[attr-defined]
        gather(told, size)
        backend = "nccl" if gpu else "gloo"
        dist.init_process_group(backend, store=named, rank=rank, world_size=size, timeout=PATIENCE)
    return Group(rank, size, local_rank, local_size, int(env["GROUP_RANK"]), place, told)


def gather(store: Any, size: int) -> None:
    """Wait until so many processes have come here. Raises PeerLost when one does not: a host may be gone between the meeting of
    the hosts and the group of their processes, where nobody else would notice."""
    came, ends = store.add("came", 1), time.monotonic() + ARRIVAL_S
    while came < size:
        if time.monotonic() > ends:
            # Whoever comes later must not take this one for somebody who waits.
            store.add("came", -size)
            raise PeerLost(f"of the {size} processes of the training {came} came within {ARRIVAL_S:.0f} seconds")
        time.sleep(ASKED_EVERY_S)
        came = store.add("came", 0)


def launched() -> bool:
    """Whether PyTorch's launcher has started this process."""
    return LAUNCHED in os.environ


def leads() -> bool:
    """Whether this process is, or will be, the one that leads: also before it has joined."""
    return not launched() or int(os.environ["RANK"]) == 0


def own_device(name: str, local_rank: int, local_size: int) -> str:
    """The device of one of a host's processes. Raises ConfigError where it has fewer GPUs than processes."""
    if not name.startswith("cuda"):
        return name
    if torch.cuda.device_count() < local_size:
        raise ConfigError(
            "processes",
            f"{local_size} processes need a GPU each, and there are {torch.cuda.device_count()} here; set TRAINING_PROCESSES "
            "to their number, or TRAINING_DEVICE=cpu",
        )
    return f"cuda:{local_rank}"


@contextmanager
def _among_peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # gloo and NCCL raise this alone when a connection is gone.
        raise PeerLost(f"another process of the training cannot be reached: {error}") from error
