"""All that differs between a CPU and a GPU; no other part of a training asks where it runs."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .config import ConfigError

CPU = "cpu"
# Reading a loss waits for the GPU, so it is checked for being finite only every this many steps.
_STEPS_BETWEEN_LOOKS = 32
# Of the memory that is free on a GPU before a training, what its scans may take; the rest is for the network.
RESIDENT_SHARE = 0.25
CUDNN_BENCHMARK = True
# What Triton builds its launchers with.
COMPILERS = ("gcc", "clang", "cc")
_NO_MEMORY = ("can't allocate memory", "defaultcpuallocator", "not enough memory", "out of memory", "alloc_failed")


@dataclass(frozen=True)
class Device:
    """`half`: the type that convolutions multiply in: bfloat16 where the device has instructions for it, else float16
    with a scaled loss on a GPU and None, full precision, on a CPU. `compiled`: whether the steps of the whole network
    are compiled, which takes a minute before it pays."""

    name: str = CPU
    half: torch.dtype | None = None
    compiled: bool = False

    @classmethod
    def of(cls, name: str | None = None, *, compiled: bool = False) -> Device:
        """The device of this name, or the best of this machine. On a CPU `compiled` is ignored. `ConfigError` where a GPU
        is asked for and there is none, or no compiler."""
        chosen = name or ("cuda" if torch.cuda.is_available() else CPU)
        if not chosen.startswith("cuda"):
            return cls(chosen, torch.bfloat16 if cpu_multiplies_bfloat16() else None)
        if not torch.cuda.is_available():
            raise ConfigError(
                "device", "there is no GPU here that PyTorch can use; set TRAINING_DEVICE=cpu, or train where it is"
            )
        if compiled and not any(map(shutil.which, COMPILERS)):
            raise ConfigError("compiled", "there is no C compiler here; install gcc, or set TRAINING_COMPILE=false")
        wide = torch.cuda.is_bf16_supported(including_emulation=False)
        return cls(chosen, torch.bfloat16 if wide else torch.float16, compiled)

    @property
    def looks_every(self) -> int:
        """After how many steps a loss may be read."""
        return 1 if self.name == CPU else _STEPS_BETWEEN_LOOKS

    @property
    def has_memory_of_its_own(self) -> bool:
        return self.name != CPU

    def has_room_for(self, size: int) -> bool:
        """Whether that many bytes may stay on the device for the whole training; a CPU has no other memory."""
        return self.name == CPU or size <= RESIDENT_SHARE * torch.cuda.mem_get_info(self.name)[0]

    def sendable(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """The same pixels as what goes over to the device while the device computes."""
        x = torch.from_numpy(pixels)
        return x.pin_memory() if self.name.startswith("cuda") else x

    def place(self, x: Tensor) -> Tensor:
        """A batch of pictures on the device, in the layout that convolutions are quickest in."""
        return x.to(self.name, memory_format=torch.channels_last, non_blocking=True)

    def autocast(self) -> AbstractContextManager[Any]:
        kind = self.name.split(":", 1)[0]
        return torch.autocast(kind, dtype=self.half, enabled=self.half is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss for float16 and does nothing for any other type."""
        return torch.amp.GradScaler(self.name.split(":", 1)[0], enabled=self.half is torch.float16)

    def forward_of(self, network: nn.Module) -> nn.Module:
        """What to call for the logits in training: the network, compiled where that is wanted."""
        # Not dynamic: it is given batches of one size only, and code for all sizes is slower.
        return cast("nn.Module", torch.compile(network, dynamic=False)) if self.compiled else network

    def release(self) -> None:
        """Give back what a failed step has left behind."""
        gc.collect()
        if self.name != CPU:
            torch.cuda.empty_cache()


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it (AVX512-BF16 or AMX): a step takes about 0.6 of its time then. Without them
    it would take four to ten times as long."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def out_of_memory(error: BaseException) -> bool:
    """Whether this failure says that memory has run out; PyTorch has a type of its own for that only on a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _NO_MEMORY)


@contextmanager
def exact(device: Device) -> Iterator[None]:
    """On a CPU only operations with one possible result: that costs nothing there, and an operation without such a form
    raises. A GPU takes the quickest ones, which it looks for once for each size. What was set before is set again at the
    end."""
    before, filled = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    searched = torch.backends.cudnn.benchmark
    try:
        if device.name == CPU:
            torch.use_deterministic_algorithms(mode=True)
            # Filling memory that is about to be written serves the search for faults only, and costs time.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        else:
            torch.backends.cudnn.benchmark = CUDNN_BENCHMARK
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = searched
