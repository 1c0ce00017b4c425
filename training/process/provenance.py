"""What must be known of a machine, of the code and of the data to make a training again."""

import os
import platform
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
from django.conf import settings

from models_registry.inference.bundle import package_versions
from training import planning, processes
from training.engine.device import CPU, CUDNN_BENCHMARK, Device
from training.engine.group import ALONE, Group
from training.models import TrainingRun

PACKAGES: Final = ("pillow", "scikit-learn", "pydicom")
# The engine keeps no state of a random generator: every epoch derives its own from the seed.
RNG: Final = (
    "numpy SeedSequence of (seed, epoch, purpose), and the rank of a further process; torch.Generator per epoch; weights from "
    "manual_seed(seed)"
)
NOTE: Final = "processes_note"
GIT_TIMEOUT_S: Final = 10.0
# Looking must write nothing: `git status` would else refresh the index, whose lock another git may hold.
_GIT_LOOKS_ONLY: Final = {"GIT_OPTIONAL_LOCKS": "0"}
_LIBRARIES: Final = {
    "blas": re.compile(r"^\s*- (.*(?:Math Kernel Library|OpenBLAS|Accelerate).*)$", re.MULTILINE),
    "onednn": re.compile(r"(?:MKL-DNN|oneDNN) (v[\d.]+ \(Git Hash \w+\))"),
}


def of(run: TrainingRun, group: Group = ALONE) -> dict[str, Any]:
    """The whole record of a run about to start in this process, or in this group of them: `environment`, its data set's digests
    and its seed."""
    snapshot = run.snapshot
    return {
        "dataset_hash": snapshot.content_hash,
        "test_hash": snapshot.test_hash,
        "seed": run.config.get("seed"),
        "rng": RNG,
        "compiled": settings.TRAINING_COMPILE,
        **_processes(run, group),
        **environment(),
    }


def _processes(run: TrainingRun, group: Group) -> dict[str, Any]:
    """How many trained together, on how many hosts, and what they spoke; and why they are no more."""
    why = processes.note(run)
    facts: dict[str, Any] = {"processes": group.size, **({NOTE: why} if why else {})}
    if not group.alone:
        gpu = (group.device or CPU) != CPU
        facts |= {"hosts": group.size // group.local_size, "backend": "nccl" if gpu else "gloo"}
    return facts


def environment() -> dict[str, Any]:
    """Code, packages, processor, device, threads and flags of this process: flat, plain JSON types."""
    device = Device.of(planning.device())
    return {
        "mediscan": code_version(),
        **checkout(),
        **package_versions(),
        **{name: metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **_libraries(torch.__config__.show()),
        **_device(device.name),
        "precision": str(device.half or torch.float32).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


def code_version() -> str:
    """The version of MediScan."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as source:
        return str(tomllib.load(source)["project"]["version"])


def checkout(folder: Path | None = None) -> dict[str, Any]:
    """`git_commit` and `git_changed` (tracked files differ from it) where the code is a checkout and git answers; else nothing."""
    place = folder or settings.BASE_DIR
    if not (place / ".git").exists():
        return {}
    commit, status = _git(place, "rev-parse", "HEAD"), _git(place, "status", "--porcelain", "--untracked-files=no")
    if not commit or status is None:
        return {}
    return {"git_commit": commit, "git_changed": bool(status)}


def _git(place: Path, *words: str) -> str | None:
    """What git says, or None where it is not installed or refuses."""
    command = ["git", "-C", str(place), *words]
    try:
        done = subprocess.run(  # noqa: S603 -- fixed words about our own folder
            command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, env={**os.environ, **_GIT_LOOKS_ONLY}
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_model(source: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's own name where Linux tells it, else what the platform says."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", source.read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or platform.machine()


def _libraries(built_with: str) -> dict[str, str]:
    """Who does the arithmetic: two builds of the same PyTorch may round differently."""
    matches = {name: pattern.search(built_with) for name, pattern in _LIBRARIES.items()}
    return {name: match[1].strip() for name, match in matches.items() if match}


def _device(chosen: str) -> dict[str, Any]:
    if chosen == CPU:
        return {"device": CPU}
    return {
        "device": chosen,
        "device_name": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": CUDNN_BENCHMARK,
        "tf32": torch.backends.cudnn.allow_tf32,
    }
