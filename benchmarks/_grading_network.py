"""What the network alone takes: PyTorch as it is beside the exported graph, each in a process of its own, asked in turns.

Not in one process: PyTorch's threads spin for some milliseconds after their work, on the other side's processor and clock."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

THREADS = 2
# Until threads that spin have gone to sleep.
PAUSE_S: Final = 0.05
USUAL, OURS, INTEGERS = "usual", "ours", "integers"
LARGE: Final = "full_grade"
# What each side does once when it is asked, by its bundle.
JOBS: Final[dict[str, dict[str, Any]]] = {
    "fp32": {"architecture": "resnet18", "size": 224, "members": 1},
    "committee": {"size": 28, "members": 3},
    "committee_64": {"size": 64, "members": 3},
    LARGE: {"architecture": "resnet18", "size": 224, "members": 1},
}
_KEYS: Final = {
    ("fp32", OURS): "fp32_vs_eager",
    ("fp32", INTEGERS): "int8_vs_eager",
    ("committee", OURS): "committee_vs_eager",
    ("committee", INTEGERS): "committee_int8_vs_eager",
    ("committee_64", OURS): "committee_64_vs_eager",
    ("committee_64", INTEGERS): "committee_64_int8_vs_eager",
    (LARGE, OURS): "full_grade_vs_usual",
    (LARGE, INTEGERS): "full_grade_int8_vs_usual",
}
SIDES: Final = (USUAL, OURS, INTEGERS)
Spent = tuple[float, float]


def bundle(
    classes: Sequence[tuple[int, str]], *, seed: int = 0, architecture: str = "resnet_compact", size: int = 64,
    members: int = 3, channels: int = 1,
) -> bytes:  # fmt: skip
    """Random weights: how long an answer takes does not depend on what it says. By default the usual committee of three."""
    import torch

    from models_registry.inference import bundle as bundles
    from models_registry.inference.architectures import build
    from models_registry.inference.preprocess import Preprocess
    from models_registry.statistics.calibration import Calibration, Referral

    states = []
    for number in range(members):
        torch.manual_seed(100 * seed + number)
        states.append(build(architecture, len(classes), channels).state_dict())
    manifest = bundles.Manifest(
        architecture=architecture,
        classes=tuple(bundles.ClassRef(key, name) for key, name in classes),
        preprocess=Preprocess(size, 0.5, 0.25, channels),
        calibration=Calibration(1.5, 100),
        referral=Referral(0.0, 0.9, 0.9, 100),
        prevalence=tuple(1 / len(classes) for _ in classes),
        dataset_hash="d" * 64,
        members=members,
    )
    return bundles.pack(manifest, bundles.join_members(states))


def figures(rounds: int) -> dict[str, Any]:
    """Times that PyTorch takes as long, medians over interleaved rounds: by the processor's time, and (`_wall`) by the clock, which
    needs a quiet machine."""
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_side(name)) for name in SIDES}
        found: dict[str, Any] = {}
        for job in JOBS:
            turns = [{name: _ask(side, job) for name, side in sides.items()} for _ in range(rounds + 2)]
            # The first ones load what is loaded late.
            for name in (OURS, INTEGERS):
                for place, end in enumerate(("", "_wall")):
                    ratios = [turn[USUAL][place] / turn[name][place] for turn in turns[2:]]
                    found[_KEYS[job, name] + end] = round(statistics.median(ratios), 3)
    return found


@contextlib.contextmanager
def _side(name: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "benchmarks._grading_network_side", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if _line(process) != "ready":
                raise SystemExit(f"The side {name} did not start.")
            yield process
        finally:
            process.kill()


def _ask(side: "subprocess.Popen[str]", job: str) -> Spent:
    time.sleep(PAUSE_S)
    if side.stdin is None:
        raise SystemExit("This side takes no questions.")
    side.stdin.write(f"{job}\n")
    side.stdin.flush()
    processor, clock = json.loads(_line(side))
    return processor, clock


def _line(side: "subprocess.Popen[str]") -> str:
    line = side.stdout.readline() if side.stdout else ""
    if not line:
        raise SystemExit("One side of the network's benchmark has ended.")
    return line.strip()
