"""Break a working site in every way of the table, one after the other, and write the table.

    python -m benchmarks.faults [--only broker-upload two-beats] [--database URL --broker URL] [--table FILE]

Without services on one machine alone (SQLite, files). With the addresses of a database server and of a broker, also on a site
of services: these two, S3 (moto's server) and an MLflow server, each behind a proxy that can go away. Exit status 1 when a
verdict is not "as expected"; what cannot be done here is "skipped" and says why."""

import argparse
import importlib
import os
import signal
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import _common
from benchmarks.faults._registry import ALONE, BOTH, FAULTS, Fault, NotHere, Wrong
from benchmarks.faults._stage import Stage, stage

MODULES = ("workers", "services", "disks", "web", "messages", "clocks", "beats", "killed")
EXPECTED, WRONG, SKIPPED = "as expected", "WRONG", "skipped"


@dataclass
class Seen:
    """One cell of the table."""

    fault: str
    place: str
    seen: str
    verdict: str
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="the names of some rows")
    parser.add_argument("--places", nargs="*", default=[*BOTH, *ALONE], help="machine, services, alone")
    parser.add_argument("--database", default="", help="a server, as postgres://postgres@127.0.0.1:5432")
    parser.add_argument(
        "--broker", default="", help="as redis://127.0.0.1:6379/7 or amqp://guest:guest@127.0.0.1:5672//"
    )
    parser.add_argument("--table", type=Path, help="write the table, in Markdown, to this file")
    given = parser.parse_args()
    # What was mounted, stopped and started goes with this process, also where it is asked to end: as by Ctrl-C, which no row
    # takes for its own failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mediscan_site.settings"
    for module in MODULES:
        importlib.import_module(f"benchmarks.faults.{module}")
    if unknown := set(given.only) - set(FAULTS):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    wanted = [FAULTS[name] for name in given.only] or list(FAULTS.values())
    seen = list(_all(wanted, given.places, given.database, given.broker))
    _common.save("faults", {f"{one.fault}, {one.place}": asdict(one) for one in seen})
    print(table(seen))
    if given.table:
        given.table.write_text(table(seen))
    raise SystemExit(any(one.verdict == WRONG for one in seen))


def _all(wanted: list[Fault], places: list[str], database: str, broker: str) -> Iterator[Seen]:
    for place in places:
        rows = [row for row in wanted if place in row.places]
        if place in ALONE:
            yield from (_one(row, None, database, broker) for row in rows)
        elif place == "services" and not (database and broker):
            yield from (Seen(row.name, place, "needs DATABASE and BROKER", SKIPPED, 0.0) for row in rows)
        elif rows:
            yield from _on_a_stage(rows, place, database, broker)


def _on_a_stage(rows: list[Fault], place: str, database: str, broker: str) -> Iterator[Seen]:
    with stage(place, database, broker) as made:
        for row in rows:
            yield _one(row, made, database, broker)
        yield _whole(made)


def _one(row: Fault, made: Stage | None, database: str, broker: str) -> Seen:
    began = time.monotonic()
    place = made.place if made else "alone"
    try:
        seen, verdict = row.run(made) if made else row.run(Alone(database, broker)), EXPECTED  # type: ignore[arg-type]
        if made:
            made.settle()
    except NotHere as reason:
        seen, verdict = str(reason), SKIPPED
    except Wrong as words:
        seen, verdict = str(words), WRONG
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        seen, verdict = f"{type(error).__name__}: {error}"[:300], WRONG
    if made and verdict != EXPECTED:
        made.settle()
    found = Seen(row.name, place, " ".join(seen.split()), verdict, round(time.monotonic() - began, 1))
    print(f"{found.fault:20} {found.place:9} {found.verdict:12} {found.seconds:6.1f} s  {found.seen}", flush=True)
    return found


def _whole(made: Stage) -> Seen:
    """After all of it: the audit chain and each stored object."""
    row = Fault("whole", "All of these, one after the other", "Audit chain and stored objects are whole", (), _verified)
    FAULTS.setdefault(row.name, row)
    return _one(row, made, "", "")


def _verified(made: Stage) -> str:
    made.verify()
    return "verify_audit and verify_images hold"


@dataclass
class Alone:
    """What a fault with a site of its own gets: the addresses of servers, or nothing."""

    database: str
    broker: str


def table(seen: Iterable[Seen]) -> str:
    """The rows as Markdown, those of one fault together."""
    lines = ["| fault | what is done | expected | place | seen | verdict |", "|---|---|---|---|---|---|"]
    for one in seen:
        row = FAULTS[one.fault]
        lines.append(f"| `{row.name}` | {row.what} | {row.expected} | {one.place} | {one.seen} | {one.verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
