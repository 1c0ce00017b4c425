#!/usr/bin/env python3
"""Brings DICOM files from Orthanc, or from any DICOMweb server, to MediScan. Needs Python 3.11 and nothing else.

    bridge.py orthanc                                 follow the changes of an Orthanc, for as long as it runs (--once: what is new)
    bridge.py dicomweb 'ModalitiesInStudy=CR&...'     fetch what a QIDO-RS search finds, once

Set by the environment: MEDISCAN_URL, MEDISCAN_TOKEN (a service token with the scopes read and upload), MEDISCAN_PROJECT (its
number); SOURCE_URL (of Orthanc, or the root of DICOMweb), SOURCE_USER and SOURCE_PASSWORD if it asks for them; MODALITIES (such
as CR,DX; empty: all, Orthanc only); STATE_FILE (Orthanc only: where to go on after a restart).

A file that MediScan refuses is named in the log and passed over. While either side is away the bridge waits and tries again.
"""

import argparse
import base64
import hashlib
import json
import logging
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

log = logging.getLogger("bridge")
TIMEOUT_S = 120
PAUSES_S = (1, 2, 5, 15, 30, 60)
LOOK_EVERY_S = 5
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"


class Refused(Exception):
    """The other side said no, and would say so again."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


def setting(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        sys.exit(f"Set {name}. The settings are explained at the top of this script.")
    return value


def call(url: str, headers: dict[str, str], body: bytes | None = None) -> tuple[str, bytes]:
    """Content type and body of the answer. Tries again while the other side is away; Refused for any other refusal."""
    for attempt in range(10**9):
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 -- the operator names the addresses
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return answer.headers.get("Content-Type", ""), answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code not in (429, 500, 502, 503, 504, 507):
                raise Refused(error.code, text) from error
            reason = f"{error.code} {text[:120]}"
        except OSError as error:
            reason = str(error)
        pause = PAUSES_S[min(attempt, len(PAUSES_S) - 1)]
        log.warning("%s: %s. Again in %s s.", url.split("?")[0], reason, pause)
        time.sleep(pause)
    raise AssertionError("not reached")


class MediScan:
    def __init__(self) -> None:
        self.root = setting("MEDISCAN_URL").rstrip("/")
        self.project = setting("MEDISCAN_PROJECT")
        self.headers = {"Authorization": f"Token {setting('MEDISCAN_TOKEN')}", "Accept": "application/json"}

    def has(self, external_id: str) -> bool:
        query = urlencode({"project": self.project, "external_id": external_id})
        _, answer = call(f"{self.root}/api/v1/images/?{query}", self.headers)
        return bool(json.loads(answer)["results"])

    def send(self, external_id: str, data: bytes) -> None:
        """Upload one file. A repeated request is answered once more and not done twice; a broken transfer is refused."""
        digest, boundary = hashlib.sha256(data).hexdigest(), secrets.token_hex(16)
        headers = {
            **self.headers,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Idempotency-Key": f"{external_id[:64]}-{digest[:16]}",
            "X-Content-SHA256": digest,
        }
        fields = {"project": self.project, "external_id": external_id}
        try:
            _, answer = call(f"{self.root}/api/v1/images/", headers, form(boundary, fields, data))
        except Refused as error:
            if error.status in (401, 403):
                sys.exit(f"MediScan does not let this account upload. {error}")
            log.error("%s was refused and is passed over. %s", external_id, error)
        else:
            scan = json.loads(answer)
            log.info("%s is %s%s", external_id, scan["image_id"], " (was here)" if scan["duplicate"] else "")


def form(boundary: str, fields: dict[str, str], data: bytes) -> bytes:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="scan.dcm"\r\n\r\n'
    return "".join([*parts, head]).encode() + data + f"\r\n--{boundary}--\r\n".encode()


class Source:
    def __init__(self) -> None:
        self.root = setting("SOURCE_URL").rstrip("/")
        self.headers = {}
        if user := setting("SOURCE_USER", ""):
            secret = base64.b64encode(f"{user}:{setting('SOURCE_PASSWORD')}".encode()).decode()
            self.headers["Authorization"] = f"Basic {secret}"

    def get(self, path: str, accept: str = "*/*") -> tuple[str, bytes]:
        return call(f"{self.root}/{path}", {**self.headers, "Accept": accept})

    def json(self, path: str, accept: str = "application/json") -> Any:
        _, answer = self.get(path, accept)
        return json.loads(answer or b"[]")


def orthanc(*, once: bool) -> None:
    """Every new instance, in the order of Orthanc's own log of changes."""
    source, target, state = Source(), MediScan(), Path(setting("STATE_FILE"))
    wanted = {name for name in setting("MODALITIES", "").split(",") if name}
    since = int(state.read_text()) if state.exists() else 0
    while True:
        page = source.json(f"changes?since={since}&limit=100")
        for change in page["Changes"]:
            if change["ChangeType"] == "NewInstance":
                forward(source, target, change["ID"], wanted)
            remember(state, change["Seq"])
        since = page["Last"]
        if page["Done"]:
            if once:
                return
            time.sleep(LOOK_EVERY_S)


def forward(source: Source, target: MediScan, instance: str, wanted: set[str]) -> None:
    try:
        if wanted and source.json(f"instances/{instance}/simplified-tags").get("Modality") not in wanted:
            return
        _, data = source.get(f"instances/{instance}/file")
    except Refused as error:
        # Deleted in Orthanc meanwhile.
        log.warning("%s cannot be read. %s", instance, error)
        return
    # Orthanc's own name of it finds the picture there again, and says no number of the patient or the study.
    target.send(f"orthanc-{instance}", data)


def remember(state: Path, seq: int) -> None:
    aside = state.with_name(f"{state.name}.new")
    aside.write_text(str(seq))
    aside.replace(state)


def dicomweb(query: str) -> None:
    """Every instance that QIDO-RS finds and MediScan does not have."""
    source, target = Source(), MediScan()
    for uids in found(source, query):
        # UIDs identify: only a digest of them leaves.
        external_id = f"uid-{hashlib.sha256(uids[-1].encode()).hexdigest()[:40]}"
        if target.has(external_id):
            continue
        path = "studies/{}/series/{}/instances/{}".format(*uids)
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        target.send(external_id, only_part(*source.get(path, accept)))


def found(source: Source, query: str) -> Iterator[tuple[str, str, str]]:
    size, offset = 100, 0
    while True:
        page = source.json(f"instances?{query}&limit={size}&offset={offset}", "application/dicom+json")
        for row in page:
            study, series, instance = (row[tag]["Value"][0] for tag in (STUDY, SERIES, INSTANCE))
            yield study, series, instance
        if len(page) < size:
            return
        offset += size


def only_part(content_type: str, body: bytes) -> bytes:
    """The one file of a multipart/related answer."""
    words = dict(word.strip().partition("=")[::2] for word in content_type.split(";")[1:])
    boundary = words["boundary"].strip('"').encode()
    part = body.split(b"--" + boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("orthanc").add_argument("--once", action="store_true")
    commands.add_parser("dicomweb").add_argument("query")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if chosen.command == "orthanc":
        orthanc(once=chosen.once)
    else:
        dicomweb(chosen.query)


if __name__ == "__main__":
    main()
