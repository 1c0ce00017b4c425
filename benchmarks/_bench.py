"""What a measurement of uploads and imports works with: a site's user and files, and import workers of their own processes."""

import io
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

from benchmarks import _common


@dataclass
class Bench:
    """A site with one user, and the files to bring into a fresh project per measurement."""

    folder: Path
    files: list[bytes]
    user: Any
    made: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def project(self) -> Any:
        from images.services import add_member, create_project

        self.made += 1
        made = create_project(actor=self.user, name=f"bench {self.made}", classes=["NORMAL", "OPACITY"])
        if not self.user.is_admin:
            add_member(actor=self.user, project=made, user=self.user)
        return made

    def start_import(self, packed: io.BytesIO) -> Any:
        from labeling.imports.services import start_import

        packed.seek(0)
        return start_import(actor=self.user, project=self.project(), source=packed, file_name="bench.zip")

    def note(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def ratio(self, real: str) -> float:
        pairs = zip(self.seconds["unavoidable"], self.seconds[real], strict=True)
        return round(statistics.median(least / seen for least, seen in pairs), 3)


class Worker:
    """An import worker of its own process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._worker"],
            cwd=_common.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._in, self._out = cast(TextIO, self.process.stdin), cast(TextIO, self.process.stdout)
        self.wait("ready")

    def give(self, pk: int) -> None:
        self._in.write(f"{pk}\n")

    def wait(self, word: str = "done") -> None:
        line = self._out.readline().strip()
        if line != word:
            raise SystemExit(f"The worker said {line!r} instead of {word!r}.")


@contextmanager
def worker_process() -> Iterator[Worker]:
    worker = Worker()
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()
