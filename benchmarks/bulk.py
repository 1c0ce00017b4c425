"""What work on very many scans costs: a data set, a backup, a sweep, the trail, an import; `python -m benchmarks.bulk`.

Sites are seeded (`manage.py seed_scale`) with few and with many scans. Each part runs in its own process and tells seconds, those
of the processor (which other work on the machine leaves alone), and its peak memory; `per_scan` is the processor's time for each
scan with many, as a multiple of that with few: 1 is what is new, more is a slowing tail. `--folder` keeps the seeded sites."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks import _common, lists

PARTS = ("snapshot", "backup", "sweep", "verify", "seal", "import")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="sqlite", choices=["sqlite", *lists.SERVERS])
    parser.add_argument("--scans", default="10000,100000")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--files", type=int, default=20_000, help="files of the import")
    parser.add_argument("--folder", type=Path, help="where the seeded sites are kept")
    given = parser.parse_args()
    sizes = sorted(map(int, given.scans.split(",")))
    figures: dict[str, Any] = {}
    with lists.kept_or_scratch(given.folder) as folder:
        for part in given.parts.split(","):
            for scans in sizes:
                site = lists.seeded(given.engine, scans, folder)
                figures[f"{part} {scans}"] = _told(site, part, given.files)
                print(f"{part}, {scans:,} scans: {figures[f'{part} {scans}']}", flush=True)
            if ratio := _per_scan(figures, part, sizes):
                figures[f"{part} per_scan"] = ratio
    _common.save("bulk", figures)
    if taken := [
        told["s"] for told in figures.values() if isinstance(told, dict) and told.get("events", 0) >= _common.A_MILLION
    ]:
        _common.keep_of_scale({"verify_audit_seconds_1e6": taken[-1]})


def _told(site: lists.Seeded, part: str, files: int) -> dict[str, Any]:
    last = site.run("-m", "benchmarks._bulk_parts", part, f"--files={files}").splitlines()[-1]
    told: dict[str, Any] = json.loads(last)
    return {**told, "load": round(os.getloadavg()[0], 1)}


def _per_scan(figures: dict[str, Any], part: str, sizes: list[int]) -> float | None:
    """Of what goes over all scans. An import has its own ratio: of its last tenth to its first."""
    few, many = (figures[f"{part} {scans}"].get("cpu_s") for scans in (sizes[0], sizes[-1]))
    return round(many / sizes[-1] / (few / sizes[0]), 2) if few and many and sizes[0] < sizes[-1] else None


if __name__ == "__main__":
    main()
