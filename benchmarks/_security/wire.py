"""TLS, and what encryption costs."""

import hashlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO

from benchmarks._common import ROOT
from benchmarks._security import Failed, Skipped, World, check, must

MEGABYTE_ROUNDS = 12


@check(
    "tls.services-and-site",
    "wrong CAs, wrong names, old TLS, spoofed headers: tests/site/tls against real servers",
    "all refused",
)
def tls(world: World) -> str:
    if world.engine != "sqlite":
        raise Skipped("the same on every database")
    env = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "tests/site/tls"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800, check=False)
    counted = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    if done.returncode:
        raise Failed(done.stdout[-400:])
    return ", ".join(f"{number} {word}" for word, number in counted.items()) or f"{done.stdout.count('.')} passed"


@check(
    "crypto.share", "encryption and hashing of a scan of 1 MB, as a share of its upload and download", "at most a tenth"
)
def share(world: World) -> str:
    from mediscan_site.core.storage import envelope

    person, uploads, downloads = world.person("author"), [], []
    for _ in range(MEGABYTE_ROUNDS):
        body = megabyte()
        began = time.perf_counter()
        pk = person.json("POST", "images/", data={"project": world.project}, files={"file": ("noise.png", body)})["id"]
        uploads.append(time.perf_counter() - began)
        began = time.perf_counter()
        must(person.call("GET", f"images/{pk}/file/").ok, "no download")
        downloads.append(time.perf_counter() - began)
    # Of the scan's own bytes: one encryption and digests of what came, what it is and what is stored; then one decryption.
    key = envelope.new_file_key()
    sealed = envelope.encrypt(body, file_key=key, object_id="0")
    work = {
        "upload": lambda: [
            envelope.encrypt(body, file_key=key, object_id="0"),
            *map(hashlib.sha256, (body, body, sealed)),
        ],
        "download": lambda: envelope.Opener(BytesIO(sealed), file_key=key, object_id="0", size=len(body)).read(),
    }
    for name, measured in (("upload", uploads), ("download", downloads)):
        alone = statistics.median(seconds(work[name]) for _ in range(MEGABYTE_ROUNDS))
        world.figures[f"crypto_share_{name}"] = round(alone / statistics.median(measured), 4)
    up, down = world.figures["crypto_share_upload"], world.figures["crypto_share_download"]
    must(up <= 0.1 and down <= 0.1, f"{up:.1%} of an upload, {down:.1%} of a download")
    return f"{up:.1%} of an upload, {down:.1%} of a download"


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def megabyte() -> bytes:
    """A picture of noise, which does not get smaller: 1 MB as PNG."""
    from PIL import Image

    out = BytesIO()
    Image.frombytes("L", (1024, 1000), os.urandom(1024 * 1000)).save(out, "PNG")
    return out.getvalue()
