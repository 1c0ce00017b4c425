"""Attack a site of our own on each database, with harmless input, and say what held.

    python -m benchmarks.security [--engines sqlite,mysql,postgresql] [--only ID…] [--scans 40] [--kills 50] [--seconds 60]

Starts `manage.py serve` with all its processes on SQLite, and on MariaDB and PostgreSQL where they answer (SECURITY_MYSQL and
SECURITY_POSTGRES name them), each on a database of its own that is dropped afterwards; runs every check of `_security`; prints
what failed or was skipped and why. Exit status 1 when one check failed. --scans 2000 also measures a restore of that size."""

import argparse
import contextlib
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks import _common
from benchmarks._security import CHECKS, Check, Failed, Skipped, World, furnished
from benchmarks._security.pipe import piped
from benchmarks._site_process import site

FIGURES = ("crypto_share_upload", "crypto_share_download", "restore_seconds_2000", "flips_found", "flips_made")
SERVERS = {
    "sqlite": "",
    "mysql": os.environ.get("SECURITY_MYSQL", "mysql://root@127.0.0.1:3306"),
    "postgresql": os.environ.get("SECURITY_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres"),
}
BROKER = os.environ.get("SECURITY_BROKER", "")
MARKS = {"pass": "green", "fail": "red", "skip": "yellow"}


@dataclass
class Outcome:
    result: str
    said: str
    seconds: float


class _Mail(socketserver.StreamRequestHandler):
    """A mail server that takes its time, and throws away what it takes."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                time.sleep(0.15)
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (part := self.rfile.readline()) and part != b".\r\n":
                        pass
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@contextlib.contextmanager
def mail_server() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def answers(server: str) -> bool:
    from urllib.parse import urlsplit

    parts = urlsplit(server)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 0), timeout=3):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def world(engine: str, scans: int) -> Iterator[World]:
    """A furnished site on this database, with backups and a mail server."""
    import pyrage

    with (
        mail_server() as port,
        piped(SERVERS[engine]) as (way, pipe),
        TemporaryDirectory(prefix="mediscan-security-") as name,
    ):
        folder, identity = Path(name), pyrage.x25519.Identity.generate()
        (folder / "store").mkdir()
        (folder / "identity.txt").write_text(f"{identity}\n")
        extra = {
            "BACKUP_DIR": str(folder / "store"),
            "BACKUP_RECIPIENTS": str(identity.to_public()),
            "IDENTITY": str(folder / "identity.txt"),
            "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            "SERVER": SERVERS[engine],
            "TLS": "",
            "TLS_CERT": "",
            "TLS_KEY": "",
            "BIND": "",
            "OMP_NUM_THREADS": "1",
        }
        with site(way, BROKER, **extra) as place:
            made = furnished(place, engine, scans)
            made.pipe = pipe
            yield made


def tried(run: Callable[[], str]) -> Outcome:
    began = time.monotonic()
    try:
        result, said = "pass", run()
    except Skipped as reason:
        result, said = "skip", str(reason)
    except Failed as instead:
        result, said = "fail", str(instead)
    except Exception as error:
        # A check that breaks has not shown that the site holds.
        result, said = "fail", f"the check broke: {type(error).__name__}: {error}"
    return Outcome(result, said[:300], time.monotonic() - began)


def on(engine: str, checks: list[Check], given: argparse.Namespace, figures: dict[str, object]) -> dict[str, Outcome]:
    """The outcome of every check on this database."""
    if SERVERS[engine] and not answers(SERVERS[engine]):
        return {row.id: Outcome("skip", f"{engine} does not answer", 0) for row in checks}
    found: dict[str, Outcome] = {}
    if checks:
        with world(engine, given.scans) as here:
            for row in sorted(checks, key=lambda row: row.spoils):
                found[row.id] = tried(lambda row=row: row.run(here))
                print(
                    f"{engine:11} {row.id:26} {found[row.id].result:5} {found[row.id].seconds:6.1f} s  {found[row.id].said}",
                    flush=True,
                )
                # What one check does to the site is not the next one's.
                here.place.wait_until_up()
            figures.update({name: value for name, value in here.figures.items() if name not in figures})
    return found


def shown(table: dict[str, dict[str, Outcome]], checks: list[Check]) -> None:
    out = Table(title="What was tried, and what held")
    for head in ("check", "what", *table):
        out.add_column(head)
    for row in checks:
        cells = [found[row.id] for found in table.values()]
        out.add_row(
            row.id, row.what, *(f"[{MARKS[cell.result]}]{cell.result}[/] {cell.seconds:.0f} s" for cell in cells)
        )
    Console(width=160).print(out)
    for engine, found in table.items():
        for name, cell in found.items():
            if cell.result != "pass":
                print(f"{cell.result} {name} on {engine}: {cell.said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default=",".join(SERVERS))
    parser.add_argument("--only", nargs="*", default=[], help="checks, or beginnings of their names")
    parser.add_argument("--scans", type=int, default=60)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "mediscan_site.settings"
    from benchmarks._security import access, bodies, losses, told, waits, wire  # noqa: F401 -- importing them fills the table

    kill = Check("faults.killed", "processes of the site killed at random during work", "every 2xx answer is true",
                 lambda here: "")  # fmt: skip
    wanted = [row for row in [*CHECKS, kill] if not given.only or row.id.startswith(tuple(given.only))]
    figures: dict[str, object] = {}
    table: dict[str, dict[str, Outcome]] = {}
    for engine in given.engines.split(","):
        table[engine] = on(engine, [row for row in wanted if row is not kill], given, figures)
        if kill in wanted:
            server = SERVERS[engine]
            runs = not server or answers(server)
            table[engine][kill.id] = (
                tried(
                    lambda engine=engine, server=server: losses.killed(
                        engine, server, BROKER, given.kills, given.seconds
                    )
                )
                if runs
                else Outcome("skip", f"{engine} does not answer", 0)
            )
    shown(table, wanted)
    failed = sum(cell.result == "fail" for found in table.values() for cell in found.values())
    checked = {f"checks_{word}": sum(c.result == word for f in table.values() for c in f.values()) for word in MARKS}
    _common.save("security", {**{name: figures.get(name) for name in FIGURES}, **checked})
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
