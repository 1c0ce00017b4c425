"""Instances a second that the bridge brings from a real Orthanc into a site: `make bench-bridge BASE=folder`.

`BASE` is another checkout (`git worktree add folder commit`) whose bridge is compared with this one's. Both send to the same whole
site (`manage.py serve`), which is this checkout's, from the same Orthanc. Rounds are interleaved, each into a project of its own; a
figure is the median over rounds of instances ÷ seconds from the start of the process until its end, a ratio the median over rounds
of new ÷ old.

`limit`: the same files uploaded one by one from memory over as many kept connections as the bridge uses, without an Orthanc: what
no bridge that uploads can pass. `limit_cpu_share`: how much of the machine's processors this takes."""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from benchmarks import _common, _site_process
from benchmarks._bench import Bench
from benchmarks.ingest import BOUNDARY, _form

SCRIPT = Path("docs/examples/bridge.py")
SENDERS = 4
SIDE = 280


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=None, help="the checkout whose bridge is compared")
    parser.add_argument("--files", type=int, default=120, help="instances per round, of about 155 kB")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with _common.scratch_site(OMP_NUM_THREADS="1") as folder, _served(folder) as site:
        from tests.conftest import make_user
        from tests.site.bridge import real_orthanc
        from tests.site.bridge.files import dicom

        if not real_orthanc.is_installed():
            raise SystemExit(real_orthanc.MISSING)
        files = [dicom(number, side=SIDE) for number in range(given.files)]
        bench = Bench(site.folder, files, make_user("bench", role="admin"))
        (site.folder / "orthanc").mkdir()
        with real_orthanc.running(site.folder / "orthanc") as orthanc:
            for data in files:
                orthanc.store(data)
            figures = _Race(bench, orthanc.root, int(site.env["PORT"])).run(given.base, given.rounds)
    _common.save("bridge", figures)


@contextmanager
def _served(folder: Path) -> Iterator[_site_process.Site]:
    """The scratch site as it is run: web processes, workers and beat."""
    from mediscan_site.front.supervisor import free_port

    port = free_port()
    env = {**os.environ, "PORT": str(port)}
    with (folder / "log").open("wb") as log:
        serve = [sys.executable, "manage.py", "serve"]
        process = subprocess.Popen(serve, cwd=_common.ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    made = _site_process.Site(f"http://127.0.0.1:{port}", env, folder, process)
    try:
        made.wait_until_up()
        yield made
    finally:
        _site_process.stop(made)


class _Race:
    def __init__(self, bench: Bench, source: str, port: int) -> None:
        from tests.site.bridge.real_orthanc import PASSWORD, USER

        self._bench, self._port = bench, port
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "MEDISCAN_URL": f"http://127.0.0.1:{port}",
            "SOURCE_URL": source,
            "SOURCE_USER": USER,
            "SOURCE_PASSWORD": PASSWORD,
        }

    def run(self, base: Path | None, rounds: int) -> dict[str, Any]:
        runners = {"new": _common.ROOT, **({"old": base} if base else {})}
        rates: dict[str, list[float]] = {}
        for number in range(rounds + 1):
            order = list(runners.items())
            for name, root in order if number % 2 else reversed(order):
                rate = self._bridge(root.resolve())
                if number:  # the first round warms up
                    rates.setdefault(name, []).append(rate)
            if number:
                with _processors() as share:
                    rates.setdefault("limit", []).append(self._limit())
                rates.setdefault("share", []).append(share[0])
            print({name: round(values[-1], 2) for name, values in rates.items()}, flush=True)
        figures = {
            f"instances_per_second_{name}": round(statistics.median(rates[name]), 2) for name in (*runners, "limit")
        }
        figures["limit_cpu_share"] = round(statistics.median(rates["share"]), 2)
        pairs = zip(rates["new"], rates.get("old", []), strict=False)
        ratios = [new / old for new, old in pairs]
        return {**figures, "bridge_speedup": round(statistics.median(ratios), 2) if ratios else None}

    def _account(self) -> tuple[Any, str]:
        """A new project and the token of a new account: what an older bridge sent before is not an answer given again."""
        from images.services import add_member
        from mediscan_site.core.services import issue_service_token
        from tests.conftest import make_user

        project = self._bench.project()
        user = make_user(f"bridge {project.pk}")
        add_member(actor=self._bench.user, project=project, user=user)
        _, token = issue_service_token(actor=user, user=user, name="bridge", scopes=["read", "upload"])
        return project, token

    def _bridge(self, root: Path) -> float:
        project, token = self._account()
        state = self._bench.folder / f"since-{project.pk}"
        env = {**self._env, "MEDISCAN_TOKEN": token, "MEDISCAN_PROJECT": str(project.pk), "STATE_FILE": str(state)}
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(root / SCRIPT), "orthanc", "--once"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        spent = time.perf_counter() - start
        self._check(project, done.stderr)
        return len(self._bench.files) / spent

    def _limit(self) -> float:
        project, token = self._account()
        headers = {"Authorization": f"Token {token}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        left: SimpleQueue[bytes] = SimpleQueue()
        for number, data in enumerate(self._bench.files):
            left.put(_form({"project": project.pk}, number, data))

        def client(_number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            while True:
                try:
                    connection.request("POST", "/api/v1/images/", left.get_nowait(), headers)
                except Empty:
                    return
                connection.getresponse().read()

        start = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(client, range(SENDERS)))
        spent = time.perf_counter() - start
        self._check(project, "")
        return len(self._bench.files) / spent

    def _check(self, project: Any, said: str) -> None:
        """A figure from a bridge that did not do its work would be worthless."""
        from images.models import Image

        stored = Image.objects.filter(project=project).count()
        if stored != len(self._bench.files):
            raise SystemExit(f"{stored} of {len(self._bench.files)} instances came in.\n{said[-3000:]}")


@contextmanager
def _processors() -> Iterator[list[float]]:
    """How much of all processors of the machine was at work meanwhile, whoever it was for."""

    def ticks() -> tuple[int, int]:
        values = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(values), values[3] + values[4]

    share, (total, idle) = [0.0], ticks()
    yield share
    after, rested = ticks()
    share[0] = 1 - (rested - idle) / max(1, after - total)


if __name__ == "__main__":
    main()
