"""What an upgrade does to a site that has very many scans: `python -m benchmarks.upgrade --base OLDER_CHECKOUT`.

For each engine a seeded site's rows are put into the tables of the older checkout; then `manage.py migrate` of this one runs, and
is timed. Exit status 1 where a row is lost, a kept number is wrong, or the trail does not verify. `--folder` keeps the seeded
sites for another run, but not the upgraded one."""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import _common, _scale_older, lists

# Of each table how many rows it has.
COUNT = """
import django, json
django.setup()
from django.db import connection
found = {}
with connection.cursor() as cursor:
    for name in connection.introspection.table_names(cursor):
        cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(name)}")
        found[name] = cursor.fetchone()[0]
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="an older checkout")
    parser.add_argument("--engines", default="sqlite,mariadb,postgres")
    parser.add_argument("--scans", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the seeded sites are kept")
    given = parser.parse_args()
    figures: dict[str, Any] = {"load": os.getloadavg()[0], "scans": given.scans}
    with lists.kept_or_scratch(given.folder) as folder:
        for engine in given.engines.split(","):
            site = lists.seeded(engine, given.scans, folder)
            old = lists.older(site, given.base.resolve())
            figures[engine] = upgraded(old, given.base.resolve())
            shutil.rmtree(old.folder)
            print(engine, json.dumps(figures[engine]), flush=True)
    _common.save("upgrade", figures)
    sys.exit(any(one["lost"] or one["wrong"] for one in figures.values() if isinstance(one, dict)))


def upgraded(site: lists.Seeded, base: Path) -> dict[str, Any]:
    """Seconds of the upgrade; tables that have fewer rows than before; what the checks of this version found wrong."""
    before = _counted(site, base)
    begun = time.monotonic()
    site.run("manage.py", "migrate", "--verbosity", "0")
    seconds = round(time.monotonic() - begun, 1)
    after = _counted(site, _common.ROOT)
    lost = {name: [number, after.get(name)] for name, number in before.items() if after.get(name, 0) < number}
    return {
        "seconds": seconds,
        "rows": sum(before.values()),
        "lost": {name: numbers for name, numbers in lost.items() if name not in _scale_older.OWN},
        "wrong": [words for command in ("check_totals", "verify_audit") if (words := _complaint(site, command))],
    }


def _counted(site: lists.Seeded, root: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads(site.run("-c", COUNT, root=root))
    return found


def _complaint(site: lists.Seeded, command: str) -> str:
    """What a check of the site says, unless it ends with "ok" of something; `run` ends with its words where it fails."""
    try:
        said = site.run("manage.py", command)
    except SystemExit as refused:
        return str(refused)
    return "" if " ok" in said else said


if __name__ == "__main__":
    main()
