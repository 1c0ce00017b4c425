"""How long pages, lists, filters, queues and figures take with few and with very many scans: `python -m benchmarks.lists`.

For each engine and each number of scans a site of its own is seeded (`manage.py seed_scale`; minutes for a million) and asked in a
process of its own, each question in a transaction that is rolled back. The 95th percentile is that of the rounds. With BASE, an
older checkout answers its first page of scans about the same rows on MariaDB, in turns with this one: the ratio is that of the
medians. `--folder` keeps the seeded sites for another run."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import _common, _lists_plot, _scale_older

LIMIT_MS = 300.0
SERVERS = {
    "mariadb": os.environ.get("BENCH_MARIADB", "mysql://root@127.0.0.1:3306"),
    "mysql": os.environ.get("BENCH_MYSQL", "mysql://root@127.0.0.1:3307"),
    "postgres": os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432"),
}
# Of one project, and of all (what an older version sorted in whole).
FIRST_PAGES = ("scans, first page", "scans of all projects")


@dataclass(frozen=True)
class Seeded:
    """A seeded site: where it is, and what its processes are told."""

    engine: str
    scans: int
    folder: Path
    database: str

    @property
    def env(self) -> dict[str, str]:
        server = SERVERS.get(self.engine)
        return {
            **dict.fromkeys(_common.FOREIGN, ""),
            "MEDISCAN_DATA_DIR": str(self.folder / "data"),
            "MEDISCAN_KEYS_FILE": str(self.folder / "keys.json"),
            "DATABASE_URL": f"{server}/{self.database}" if server else "",
            "SECRET_KEY": "a sentence for a site that is only measured, of fifty letters",
            "ALLOWED_HOSTS": "localhost",
            "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
            "LOG_LEVEL": "ERROR",
        }

    def run(self, *command: str, root: Path = _common.ROOT) -> str:
        env = {**os.environ, **self.env, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, *command], cwd=root, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="sqlite,mariadb,postgres", help="also mysql (8 or newer: BENCH_MYSQL)")
    parser.add_argument("--scans", default="1000,1000000")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="parts of names of what is asked, with semicolons")
    parser.add_argument("--base", type=Path, help="an older checkout, asked for its first pages on MariaDB")
    parser.add_argument("--folder", type=Path, help="where the seeded sites are kept")
    parser.add_argument("--plot", type=Path, help="an SVG to draw")
    given = parser.parse_args()
    figures: dict[str, Any] = {"load": os.getloadavg()[0]}
    with kept_or_scratch(given.folder) as home:
        for engine in given.engines.split(","):
            for scans in map(int, given.scans.split(",")):
                site = seeded(engine, scans, home)
                told = json.loads(
                    site.run("-m", "benchmarks._scale_pages", f"--rounds={given.rounds}", f"--only={given.only}")
                )
                figures[f"{engine} {scans}"] = _figures(told)
                _print(engine, scans, told["asked"])
        if given.base:
            figures["base"] = beside(
                seeded("mariadb", max(map(int, given.scans.split(","))), home), given.base.resolve()
            )
            print(json.dumps(figures["base"], indent=1), flush=True)
    _common.save("lists", figures)
    if not given.only:
        _common.keep_of_scale(_told(figures))
    if given.plot:
        _lists_plot.draw(figures, LIMIT_MS, given.plot)
    over = [name for name, row in _rows(figures) if row.get("p95_ms", 0) > LIMIT_MS]
    print("\n".join(["Over the limit:", *over]) if over else f"All within {LIMIT_MS:.0f} ms.")
    if refused := [name for name, row in _rows(figures) if "status" in row]:
        raise SystemExit("\n".join(["Refused, so nothing was measured:", *refused]))


@contextmanager
def kept_or_scratch(kept: Path | None) -> Iterator[Path]:
    if kept:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="mediscan-scale-") as name:
        yield Path(name)


def seeded(engine: str, scans: int, folder: Path) -> Seeded:
    """The site of this engine and size, made unless it is kept from another run."""
    home = folder / f"{engine}-{scans}"
    site = Seeded(engine, scans, home, f"mediscan_scale_{scans}")
    mark = home / "database"
    if mark.exists():
        return Seeded(engine, scans, home, mark.read_text().strip())
    home.mkdir(parents=True, exist_ok=True)
    made_anew(engine, site.database)
    if engine != "sqlite":
        site.run("-m", "mediscan_site.core.storage.keys", str(home / "keys.json"))
    site.run("manage.py", "migrate", "--verbosity", "0")
    print(site.run("manage.py", "seed_scale", "--scans", str(scans)).splitlines()[-1])
    mark.write_text(site.database)
    return site


def address(engine: str) -> dict[str, Any]:
    """Where its server is, as its driver takes it. Empty for SQLite."""
    server = urlsplit(SERVERS.get(engine, ""))
    told = {"host": server.hostname, "port": server.port, "user": server.username, "password": server.password}
    return {name: value for name, value in told.items() if value}


def made_anew(engine: str, database: str) -> None:
    """An empty database of this name, on the server of this engine."""
    if engine == "sqlite":
        return
    where = address(engine)
    if engine == "postgres":
        import psycopg

        with psycopg.connect(**where, dbname="postgres", autocommit=True) as link:
            link.execute(f'DROP DATABASE IF EXISTS "{database}"')
            link.execute(f'CREATE DATABASE "{database}"')
        return
    import MySQLdb

    with MySQLdb.connect(**where).cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def older(site: Seeded, base: Path) -> Seeded:
    """The same rows in a site of an older checkout, made unless it is kept from another run. It has the same keys."""
    home = site.folder.with_name(f"{site.folder.name}-older")
    old = Seeded(site.engine, site.scans, home, f"{site.database}_older")
    mark = home / "database"
    if mark.exists():
        return Seeded(site.engine, site.scans, home, mark.read_text().strip())
    home.mkdir(parents=True, exist_ok=True)
    (home / "keys.json").write_bytes((site.folder / "keys.json").read_bytes())
    (home / "keys.json").chmod(0o600)
    made_anew(site.engine, old.database)
    old.run("manage.py", "migrate", "--verbosity", "0", root=base)
    _scale_older.copy(site, old, **address(site.engine))
    mark.write_text(old.database)
    return old


def beside(site: Seeded, base: Path, turns: int = 3) -> dict[str, Any]:
    """The first pages of scans here and in an older checkout, about the same rows of MariaDB, in turns."""
    old = older(site, base)
    script = str(_common.ROOT / "benchmarks" / "_scale_pages.py")
    times: dict[str, dict[str, list[float]]] = {page: {"here": [], "older": []} for page in FIRST_PAGES}
    for _ in range(turns):
        for name, one, root in (("here", site, _common.ROOT), ("older", old, base)):
            told = json.loads(one.run(script, "--rounds=3", f"--only={';'.join(FIRST_PAGES)}", root=root))
            for page in FIRST_PAGES:
                times[page][name] += told["asked"][page]["ms"]
    return {page: _compared(taken) for page, taken in times.items()}


def _compared(times: dict[str, list[float]]) -> dict[str, float]:
    medians = {name: round(statistics.median(taken), 1) for name, taken in times.items()}
    return {**medians, "times_as_quick": round(medians["older"] / medians["here"], 1)}


def _rows(figures: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What was asked of each site, with its figures."""
    sites = [(site, asked) for site, asked in figures.items() if isinstance(asked, dict)]
    return [(f"{site}: {name}", row) for site, asked in sites for name, row in asked.items() if isinstance(row, dict)]


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures under the names that others read: the worst list or page of an engine, of the engines of this run, the most
    queries."""
    rows = _rows(figures)
    worst: dict[str, float] = {}
    for name, row in rows:
        if "p95_ms" in row:
            engine, scans = name.partition(":")[0].split()
            size = {"1000": "1e3", "1000000": "1e6"}.get(scans, scans)
            for key in (f"list_p95_ms_{size}", f"p95_ms_{size}_{engine}"):
                worst[key] = max(worst.get(key, 0.0), row["p95_ms"])
    queries = [(name.partition(": ")[2], row["queries"]) for name, row in rows if "queries" in row]
    told: dict[str, Any] = {
        "queries_max": max((number for _, number in queries), default=None),
        "queries_per_list": max((number for name, number in queries if name == FIRST_PAGES[0]), default=None),
    }
    if base := figures.get("base"):
        told["mariadb_first_page_vs_153c71b"] = base[FIRST_PAGES[0]]["times_as_quick"]
    return {**worst, **{key: value for key, value in told.items() if value is not None}}


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    return {name: _row(row) for name, row in told["asked"].items()} | {"peak_mb": told["peak_mb"]}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(row["ms"])
    worst = taken[min(len(taken) - 1, int(0.95 * len(taken)))]
    said = {"status": row["status"]} if row["status"] >= 400 else {}
    return {"p50_ms": round(statistics.median(taken), 1), "p95_ms": worst, "queries": row["queries"], **said}


def _print(engine: str, scans: int, asked: dict[str, Any]) -> None:
    print(f"{engine}, {scans:,} scans")
    for name, row in asked.items():
        seen = _row(row)
        mark = f" {seen['status']}" if "status" in seen else (" over" if seen["p95_ms"] > LIMIT_MS else "")
        print(f"  {name:30} {seen['p50_ms']:9.1f} {seen['p95_ms']:9.1f} {seen['queries']:3}{mark}", flush=True)


if __name__ == "__main__":
    main()
