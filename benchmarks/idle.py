"""What a site costs that nobody uses: seconds of CPU in a minute, of each of its processes and of the servers around it.

Beat, workers and web processes run as `make serve` starts them. With `--scans` the database is filled first, as what runs now
and then may cost what is new and not what is there. A server that others use too counts with all that it does: give
this benchmark servers of its own, by their process numbers."""

import argparse
import contextlib
import os
import time
from pathlib import Path

from benchmarks._common import A_MILLION, keep_of_scale, save
from benchmarks._site_process import Site, site

TICKS = os.sysconf("SC_CLK_TCK")
# Workers load models, beat sends what was due at the start, and the last of the filled rows are sealed.
SETTLE_S = 60.0
NAMES = ("grade@", "io@", "train@", "front.gate", " beat ")
GOAL_PERCENT = 2.0
ALL = "all, percent of one core"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default="", help="a server's address; nothing: SQLite")
    parser.add_argument("--broker", default="", help="the broker's address; nothing: files")
    parser.add_argument("--servers", type=int, nargs="*", default=[], help="process numbers of database and broker")
    parser.add_argument("--scans", type=int, default=0, help="how many to fill the database with")
    parser.add_argument("--data", default="", help="the folder of a site's data to start on, with --keys; SQLite")
    parser.add_argument("--keys", default="", help="its key file")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=SETTLE_S)
    given = parser.parse_args()
    kind = given.database.partition(":")[0] or "sqlite"
    own = {"MEDISCAN_DATA_DIR": given.data, "MEDISCAN_KEYS_FILE": given.keys} if given.data else {}
    with site(given.database, given.broker, **own) as made:
        if given.scans:
            print(made.manage("seed_scale", "--scans", str(given.scans)).stdout)
        time.sleep(given.settle)
        figures = measured(made, given.servers, given.seconds)
        save(f"idle_{kind}", figures)
        if given.scans >= A_MILLION:
            keep_of_scale({"idle_core_share_1e6": round(float(str(figures[ALL])) / 100, 4)})


def measured(made: Site, servers: list[int], seconds: float) -> dict[str, object]:
    """Percent of one core by program, and in all, over so many seconds."""
    before, began = _used(made, servers), time.monotonic()
    time.sleep(seconds)
    after, wall = _used(made, servers), time.monotonic() - began
    shares = {name: round(100 * (after[name] - before.get(name, 0.0)) / wall, 2) for name in sorted(after)}
    total = round(sum(shares.values()), 2)
    load = round(os.getloadavg()[0], 2)
    return {**shares, ALL: total, "at most": GOAL_PERCENT, "load of the machine": load}


def _used(made: Site, servers: list[int]) -> dict[str, float]:
    """Seconds of CPU by program since it began."""
    used: dict[str, float] = {}
    for pid in [*made.pids(), made.process.pid]:
        _add(used, _program(pid), pid)
    for server in servers:
        for pid in (server, *_children(server)):
            _add(used, f"server {_short(server)}", pid)
    return used


def _add(used: dict[str, float], name: str, pid: int) -> None:
    with contextlib.suppress(OSError):
        used[name] = used.get(name, 0.0) + _seconds(pid)


def _seconds(pid: int) -> float:
    # The name, in brackets, may have blanks of its own.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _short(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _program(pid: int) -> str:
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        return next((name.strip("@ ") for name in NAMES if name in line), "others")
    return "others"


if __name__ == "__main__":
    main()
