import json
import os
import secrets
import subprocess
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mediscan_site.core.models import Role, User
from mediscan_site.core.services import create_user
from mediscan_site.front import supervisor
from mediscan_site.front.demo.client import Api, ApiError
from mediscan_site.front.demo.scans import own_data, sample_data
from mediscan_site.front.demo.steps import STEPS, Story
from mediscan_site.front.prepare import prepare

START_LIMIT_S = 180
STOP_LIMIT_S = 60
PEOPLE = {"admin": Role.ADMIN, "dr001": Role.DOCTOR, "dr002": Role.DOCTOR}


class Command(BaseCommand):
    help = "Run the whole loop on sample scans (or your own), through the real API with real workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", metavar="PATH", help="a ZIP or folder of your own scans, with classes as folders")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            data = own_data(Path(options["data"]).expanduser()) if options["data"] else sample_data()
        except (ValueError, OSError) as error:
            raise CommandError(f"DATA cannot be used: {error}") from error
        prepare()
        passwords = _people()
        with _running_site(console) as base:
            people = {name: Api(base, name, password) for name, password in passwords.items()}
            accuracy = _play(console, people, data)
        for name, password in passwords.items():
            console.print(f"  {name}  {password}", highlight=False)
        console.print("Open it with: make serve DEMO=1", highlight=False)
        shown = "not_available" if accuracy is None else f"{accuracy:.2f}"
        self.stdout.write(f"demo: ok balanced_accuracy={shown} data={settings.DATA_DIR}")


def _play(console: Console, people: dict[str, Api], data: Any) -> float | None:
    table = Table("step", "seconds", "result", title="MediScan demo. Research use only; not for diagnosis.")
    columns = TextColumn("{task.description:16}"), BarColumn(24), TextColumn("{task.fields[note]}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("start", total=1.0, note="")
        story = Story(
            people["admin"],
            people["dr001"],
            people["dr002"],
            data,
            tell=lambda share, note: progress.update(task, completed=share, note=note[:60]),
        )
        for name, step in STEPS:
            progress.reset(task, description=name, note="")
            started = time.monotonic()
            try:
                result = step(story)
            except (ApiError, RuntimeError, requests.RequestException) as error:
                raise CommandError(f"Step '{name}' failed: {error}  (log: {_log_path()})") from error
            progress.console.print(f"{name:16} {result}", highlight=False)
            table.add_row(name, f"{time.monotonic() - started:.1f}", result)
    console.print(table)
    value = story.evaluation["metrics"]["balanced_accuracy"]["value"]
    return None if value is None else float(value)


def _people() -> dict[str, str]:
    """The demo's accounts with random passwords, made once and kept next to the demo's data, readable by its owner alone."""
    path = Path(settings.DATA_DIR) / "demo-accounts.json"
    if path.is_file():
        known: dict[str, str] = json.loads(path.read_text())
        return known
    passwords = {name: secrets.token_urlsafe(12) for name in PEOPLE}
    for name, role in PEOPLE.items():
        if not User.objects.filter(username=name).exists():
            create_user(actor=None, username=name, role=role, password=passwords[name])
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(passwords, out)
    return passwords


def _log_path() -> Path:
    return Path(settings.DATA_DIR) / "demo.log"


@contextmanager
def _running_site(console: Console) -> Iterator[str]:
    """The real site with its real workers, on a port of its own, for as long as the body runs."""
    port = supervisor.free_port()
    root = f"http://127.0.0.1:{port}"
    with _log_path().open("ab") as log:
        site = subprocess.Popen(  # noqa: S603 -- our own virtual environment
            supervisor.command(), env=supervisor.environment(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait_until_ready(root, site)
            console.print(f"site and workers are up on {root}", highlight=False)
            yield f"{root}/api/v1"
        finally:
            site.terminate()
            site.wait(STOP_LIMIT_S)


def _wait_until_ready(root: str, site: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and site.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(f"{root}/healthz", timeout=10).ok:
                return
        time.sleep(0.3)
    raise CommandError(f"The site did not start within {START_LIMIT_S} s. Its log: {_log_path()}")
