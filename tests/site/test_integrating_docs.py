"""The lines of docs/integrating.md, run verbatim against a live site."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

from images.models import Image
from labeling.imports import worker
from labeling.models import Import
from mediscan_site.core import audit
from mediscan_site.core.services import issue_service_token
from mediscan_site.front.gate.__main__ import IDLE_S
from tests.conftest import PATIENCE_S, scan_bytes

PAGE = Path(settings.BASE_DIR) / "docs" / "integrating.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_document_says_how_long_a_connection_stays_open():
    assert f"open for {IDLE_S} seconds" in PAGE.read_text()


@pytest.mark.django_db(transaction=True)
def test_every_documented_line_works(live_server, author, project, tmp_path):
    missing = [name for name in ("bash", "curl", "sha256sum", "dd") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")
    (tmp_path / "scan.dcm").write_bytes(scan_bytes(1))
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as made:
        made.writestr("NORMAL/a.jpg", scan_bytes(2))
        made.writestr("OPACITY/b.jpg", scan_bytes(3, opacity=True))
    _, token = issue_service_token(actor=author, user=author, name="pacs bridge", scopes=["read", "upload"])
    audit.seal_pending()
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) >= 6
    env = {
        "PATH": os.environ["PATH"],
        "URL": live_server.url,
        "TOKEN": token,
        "PROJECT": str(project.pk),
        "PIECE": "3000",
    }
    script = "set -euo pipefail\n" + "\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    _check(tmp_path)


def _check(folder: Path) -> None:
    said = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    scan = Image.objects.get()
    assert (said["sent"]["image_id"], scan.external_id) == (scan.code, "pacs-4712")
    assert [row["image_id"] for row in said["found"]["results"]] == [scan.code]
    assert said["changed"]["external_id"] == "pacs-4712"
    whole, pieces = Import.objects.order_by("pk")
    assert (said["report"]["id"], said["answer"]["id"]) == (whole.pk, pieces.pk)
    assert said["preview"] == said["held"]["preview"] and said["preview"]["scans"] == 2
    assert "project.create" in {event["action"] for event in said["events"]["results"]}
    for batch in (whole, pieces):
        worker.run(batch.pk)
    assert Image.objects.count() == 3
