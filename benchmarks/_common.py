"""What every benchmark needs: a site of its own in a scratch folder, scans to work on, and a place for the figures."""

import contextlib
import http.client
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
# What the environment says about the real site is not for a benchmark.
FOREIGN = (
    "DATABASE_URL", "CELERY_BROKER_URL", "MEDIA_STORAGE_URL", "MLFLOW_TRACKING_URI", "EMAIL_URL", "PUBLIC_URL",
    "ALLOWED_HOSTS", "SECRET_KEY", "DEBUG", "BACKUP_DIR", "WEIGHTS_DIR",
)  # fmt: skip
# One caller of a benchmark asks as often as it can: that is measured, not held back.
UNTHROTTLED = dict.fromkeys(
    ("THROTTLE_READING", "THROTTLE_WRITING", "THROTTLE_UPLOADS", "THROTTLE_EXPENSIVE", "THROTTLE_STRANGERS"), "0"
)


@contextlib.contextmanager
def scratch_site(**env: str) -> Iterator[Path]:
    """A migrated site over an empty folder, gone afterwards; its environment is also that of the processes started inside."""
    folder = Path(tempfile.mkdtemp(prefix="mediscan-bench-"))
    os.environ.update(dict.fromkeys(FOREIGN, ""))
    os.environ.update(
        MEDISCAN_DATA_DIR=str(folder / "data"),
        MEDISCAN_KEYS_FILE=str(folder / "keys" / "keys.json"),
        DJANGO_SETTINGS_MODULE="mediscan_site.settings",
        LOG_LEVEL="WARNING",
        **UNTHROTTLED,
        **env,
    )
    try:
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def web_process(module: str, *options: str, root: Path = ROOT, **env: str) -> Iterator[int]:
    """A web server of the checkout `root` as `python -m module options --bind …`, up; its port. `env`: beside this process's."""
    from mediscan_site.front.supervisor import free_port

    port = free_port()
    command = [sys.executable, "-m", module, *options, "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=root, env={**os.environ, **UNTHROTTLED, **env, "PYTHONPATH": str(root)})
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The web process did not start.")


def jpegs(data: Path | None, count: int) -> list[bytes]:
    """`count` different JPEG files of about 100 KB: the real ones below `data`, else phantoms."""
    if data is not None:
        # Next to `dataset`, a folder of test data has files that are broken on purpose.
        folder = data / "dataset" if (data / "dataset").is_dir() else data
        pictures = [path.read_bytes() for path in sorted(folder.rglob("*.jp*g"))]
        usual = [content for content in pictures if 40_000 < len(content) < 250_000]
        if not usual:
            raise SystemExit(f"There are no JPEG files of 40 to 250 KB below {data}.")
        return usual[:count]
    return [_phantom_jpeg(number) for number in range(count)]


def _phantom_jpeg(number: int) -> bytes:
    from images.phantoms import phantom

    out = io.BytesIO()
    phantom(number, 0, bool(number % 2)).resize((1024, 960)).save(out, "JPEG", quality=91)
    return out.getvalue()


A_MILLION = 1_000_000
# What `results/scale.json` has, whoever measures it; null where nobody has.
SCALE = (
    "rows", "list_p95_ms_1e3", "list_p95_ms_1e6", "p95_ms_1e6_sqlite", "p95_ms_1e6_mariadb", "p95_ms_1e6_mysql",
    "p95_ms_1e6_postgres", "queries_per_list", "queries_max", "mariadb_first_page_vs_153c71b", "idle_core_share_1e6",
    "verify_audit_seconds_1e6", "throughput_vs_bare_drf",
)  # fmt: skip


def keep_of_scale(figures: dict[str, Any]) -> None:
    """Put these beside what other benchmarks of this commit have put into `results/scale.json`; what another measured goes."""
    path, now = RESULTS / "scale.json", commit()
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("commit") != now:
        before = {}
    save("scale", {**dict.fromkeys(SCALE), **before, **figures, "commit": now})


def commit() -> str:
    """Of this checkout, with a mark where files of it were changed since; empty where it is none of git's."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def save(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them as `results/NAME.json`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    for key, value in figures.items():
        print(f"{key:32} {'not measured' if value is None else value}")
    print(f"kept in {path.relative_to(ROOT)}")
