"""Processor time of the test suite compared with an older commit: `make bench-tests` (`BASE=commit`, `ROUNDS=2`).

Both suites run whole, in turn, with the command of `make test` and this virtual environment; the older one in a git worktree
of its own. The ratio is the median of this tree's processor time (user + system, children included) ÷ the median of the
older one's. Assertions are counted in the source: `assert` statements and the contexts `pytest.raises` and `pytest.warns`.
"""

import argparse
import ast
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _common

BASE = "153c71b"
COMMAND = ("-m", "pytest", "-n", "2", "--dist", "loadgroup")


@dataclass(frozen=True)
class Timing:
    """Seconds of one run of a suite."""

    cpu: float
    wall: float


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The commit as a folder next to this checkout (tests look for the real scans there), gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mediscan-suite-", dir=_common.ROOT.parent))
    git = ("git", "-C", str(_common.ROOT), "worktree")
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def run(folder: Path) -> Timing:
    """Run the suite of a tree; one that fails measures nothing, so it ends the benchmark."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, *COMMAND], cwd=folder, env=environment)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"The suite of {folder} failed.")
    return Timing(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def assertions(folder: Path) -> int:
    """How many things the tests of a tree assert."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (folder / "tests").rglob("*.py"))
    return sum(_asserts(node) for tree in trees for node in ast.walk(tree))


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Attribute) and node.attr in ("raises", "warns") and ast.unparse(node.value) == "pytest"


def compare(base: str, rounds: int) -> dict[str, float | int | str]:
    """The figures of this tree and of the commit, with every single round."""
    with worktree(base) as older:
        pairs = [(run(older), run(_common.ROOT)) for _ in range(rounds)]
        counted = {"assertions": assertions(_common.ROOT), f"assertions_{base}": assertions(older)}
    cpu = [statistics.median(side.cpu for side in sides) for sides in zip(*pairs, strict=True)]
    wall = [statistics.median(side.wall for side in sides) for sides in zip(*pairs, strict=True)]
    return {
        f"cpu_vs_{base}": round(cpu[1] / cpu[0], 3),
        f"wall_vs_{base}": round(wall[1] / wall[0], 3),
        "cpu_s": round(cpu[1], 1),
        f"cpu_s_{base}": round(cpu[0], 1),
        "wall_s": round(wall[1], 1),
        f"wall_s_{base}": round(wall[0], 1),
        "rounds": "; ".join(f"{old.cpu:.0f} -> {new.cpu:.0f}" for old, new in pairs),
        **counted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default=BASE, help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=1, help="how often each suite runs")
    given = parser.parse_args()
    _common.save("tests", compare(given.base, given.rounds))


if __name__ == "__main__":
    main()
