"""MediScan's side: what it has, and sending it one file."""

import csv
import hashlib
import hmac
import io
import json
import logging
import secrets
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

from mediscan_bridge.asking import FULL, PAUSES_S, TRIES, Server
from mediscan_bridge.files import frames
from mediscan_bridge.running import Failed, Over, Refused, Report, setting, stopping

log = logging.getLogger("bridge")
Task = TypeVar("Task")
# Fewer files than this are sent one by one: their answers come sooner.
FEW = 4
BATCH_BYTES = 32 * 2**20
IMPORT_POLL_S = 0.3
IMPORT_WAIT_S = 20
LABELS = "labels.csv"


class Parcel(NamedTuple):
    """A file on its way. `where`: its place in the archive; `made_from`: what the archive says it was modified from, empty for
    most."""

    external_id: str
    data: bytes
    where: str
    made_from: str = ""


class Outcome(NamedTuple):
    """What became of a file, or of all its frames. `code` and `detail`: why MediScan refused it."""

    is_new: bool = False
    scan: str = ""
    code: str = ""
    detail: str = ""


class MediScan:
    def __init__(self, report: Report, *, patience_s: float) -> None:
        token = setting("MEDISCAN_TOKEN")
        if not (token.isascii() and setting("MEDISCAN_PROJECT").isdecimal()):
            sys.exit("MEDISCAN_TOKEN is a token as MediScan showed it, MEDISCAN_PROJECT a number.")
        headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
        self.server = Server(setting("MEDISCAN_URL"), headers, probe="healthz", patience_s=patience_s, full=FULL)
        self.project, self.report = setting("MEDISCAN_PROJECT"), report
        self.splits = setting("SPLIT_FRAMES", "0") not in ("0", "no", "false")
        self.batch = int(setting("BATCH", "20"))
        self._may_import, self._has_worker = self.batch > 1 or self.splits, False

    def bring(
        self, tasks: list[Task], fetch: Callable[[Task], Parcel | None], failed: Callable[[Task, Exception], None]
    ) -> None:
        """Fetch some files, send them, and count what became of each; `fetch` gives none for what need not be sent."""
        waiting: list[tuple[Task, Parcel]] = []
        for task in tasks:
            self.report.add("found")
            try:
                if parcel := fetch(task):
                    waiting.append((task, parcel))
            except (Failed, Refused) as error:
                failed(task, error)
            if sum(len(parcel.data) for _, parcel in waiting) > BATCH_BYTES:
                self._deliver(waiting, failed)
                waiting = []
        self._deliver(waiting, failed)

    def _deliver(self, waiting: list[tuple[Task, Parcel]], failed: Callable[[Task, Exception], None]) -> None:
        """Many as one ZIP, which is a third of the work for MediScan; what is left, or must be renamed, one by one."""
        outcomes: dict[str, Outcome] = {}
        if self._may_import and len(waiting) >= min(FEW, self.batch):
            try:
                outcomes = self._imported([parcel for _, parcel in waiting])
            except (Failed, Refused) as error:
                for task, _ in waiting:
                    failed(task, error)
                return
        for task, parcel in waiting:
            try:
                # Of two versions of one instance, the ZIP holds the first.
                self._settle(parcel, outcomes.pop(parcel.external_id, None))
            except Failed as error:
                failed(task, error)

    def _settle(self, parcel: Parcel, outcome: Outcome | None) -> None:
        """Count what became of a file. The same instance with other bytes is a correction: it comes in beside the older scan,
        under a name of its own."""
        outcome = outcome or self._sent(parcel)
        if outcome.code == "external_id_taken":
            older = f"{self.has(parcel.external_id)}, which is the same instance with other content"
            version = f"{parcel.external_id}-{hashlib.sha256(parcel.data).hexdigest()[:12]}"
            parcel = Parcel(version, parcel.data, parcel.where, older)
            outcome = self._sent(parcel)
        name = f"{parcel.external_id} ({parcel.where})"
        if outcome.code:
            self.report.add("refused", outcome.code)
            log.error("%s was refused (%s) and is passed over. %s", name, outcome.code, outcome.detail)
            return
        self.report.add("sent" if outcome.is_new else "known")
        log.info("%s is %s%s", name, outcome.scan, "" if outcome.is_new else " (was here)")
        if outcome.is_new and parcel.made_from:
            self.report.add("corrected")
            said = "%s, %s, is a corrected copy of %s. Decide which of the two is used."
            log.warning(said, outcome.scan, name, parcel.made_from)

    def has(self, external_id: str) -> str:
        """Its name here of the scan (or of its first frame) with this external_id, or nothing."""
        for name in (external_id, f"{external_id}#1") if self.splits else (external_id,):
            query = urlencode({"project": self.project, "external_id": name})
            try:
                rows = (self.server.json(f"api/v1/images/?{query}") or {}).get("results", [])
            except Refused as error:
                raise self._over(error) from error
            if rows:
                return str(rows[0]["image_id"])
        return ""

    def _over(self, error: Refused) -> Over:
        return Over(f"MediScan does not let this account upload to project {self.project}. {error}")

    def _sent(self, parcel: Parcel) -> Outcome:
        if self.splits and frames(parcel.data) > 1:
            outcome = self._imported([parcel]).get(parcel.external_id)
            return outcome or Outcome(
                code="split_refused", detail="MediScan takes no import of this account, and only imports split."
            )
        fields = {"project": self.project, "external_id": parcel.external_id}
        try:
            digest = hashlib.sha256(parcel.data).hexdigest()
            once = "\n".join((self.server.root, self.project, parcel.external_id, digest))
            scan, is_replayed = self._post("images", fields, "scan.dcm", parcel.data, once)
        except Refused as error:
            if error.status in (403, 404, 405) or error.code == "does_not_exist":
                raise self._over(error) from error
            return Outcome(code=error.code, detail=error.detail)
        return Outcome(not (scan["duplicate"] or is_replayed), str(scan["image_id"]))

    def _post(self, route: str, fields: dict[str, str], name: str, data: bytes, once: str) -> tuple[Any, bool]:
        """The answer, and whether it was given before: what is sent twice with the same `once` is answered twice and done once. A
        transfer that broke is refused and sent again."""
        boundary = secrets.token_hex(16)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Idempotency-Key": f"bridge-{hashlib.sha256(once.encode()).hexdigest()}",
            "X-Content-SHA256": hashlib.sha256(data).hexdigest(),
        }
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
        body = ["".join(parts).encode(), data, f"\r\n--{boundary}--\r\n".encode()]
        for attempt in count(1):
            try:
                answer = self.server.ask(f"api/v1/{route}/", headers, body)
                return json.loads(answer.body), "Idempotency-Replayed" in answer.headers
            except ValueError:
                raise Failed(f"{self.server.root} does not answer as MediScan does: {answer.body[:80]!r}") from None
            except Refused as error:
                broken = error.code in ("digest_mismatch", "incomplete", "idempotency_in_progress")
                if not broken or attempt == TRIES or stopping.wait(PAUSES_S[0]):
                    raise
        raise AssertionError("not reached")

    def _imported(self, parcels: list[Parcel]) -> dict[str, Outcome]:
        """Files by one ZIP: what became of each, by external_id. Empty where the account may not import (it needs the right to
        label besides), and where no worker takes the import: then they are sent one by one."""
        files = {f"{parcel.external_id}.dcm": parcel for parcel in reversed(parcels)}
        fields = {"project": self.project, "split_frames": str(self.splits).lower()}
        try:
            batch, _ = self._post("imports", fields, "bridge.zip", packed(files), secrets.token_hex(16))
        except Refused as error:
            self._may_import = error.status not in (403, 404, 405)
            log.warning("Files are sent one by one, which is slower: MediScan takes no import. %s", error)
            return {}
        if why := self._ended(batch):
            if self.splits:
                raise Failed(why)
            # Should a worker come to it later, it finds them there.
            log.warning("%s Its files are sent one by one.", why)
            return {}
        return self._outcomes(batch["id"], files)

    def _ended(self, batch: dict[str, Any]) -> str:
        """Wait for an import. Empty when it succeeded, else what is wrong with it."""
        path, began = f"api/v1/imports/{batch['id']}/", time.monotonic()
        while batch["status"] not in ("succeeded", "failed", "cancelled"):
            # Who has begun one comes to the others.
            self._has_worker |= batch["status"] != "queued"
            if not (self._has_worker or self.splits) and time.monotonic() > began + IMPORT_WAIT_S:
                self._may_import = False
                return f"No worker takes import {batch['id']}."
            if stopping.wait(IMPORT_POLL_S):
                raise Over("It was told to end.")
            batch = self.server.json(path)
        self._has_worker = True
        return "" if batch["status"] == "succeeded" else f"Import {batch['id']} {batch['status']}: {batch['error']}"

    def _outcomes(self, number: int, files: dict[str, Parcel]) -> dict[str, Outcome]:
        lines: dict[str, list[dict[str, Any]]] = {}
        for line in self._lines(f"api/v1/imports/{number}/files/?page_size=200"):
            if line["path"].startswith(LABELS):
                log.warning("Import %s has not used all of %s: %s", number, LABELS, line["detail"])
            elif line["outcome"] != "warning":
                lines.setdefault(line["path"].split("#")[0], []).append(line)
        return {files[name].external_id: summed(found) for name, found in lines.items() if name in files}

    def _lines(self, path: str) -> Iterator[dict[str, Any]]:
        while path:
            page = self.server.json(path)
            yield from page["results"]
            further = urlsplit(page["next"] or "")
            path = f"{further.path.lstrip('/')}?{further.query}" if page["next"] else ""


def packed(files: dict[str, Parcel]) -> bytes:
    """A ZIP of these files and their external_ids. The same files make the same bytes."""
    out, rows = io.BytesIO(), io.StringIO()
    csv.writer(rows).writerows(
        [("image_id", "label", "external_id"), *((name, "", one.external_id) for name, one in files.items())]
    )
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(zipfile.ZipInfo(LABELS), rows.getvalue())
        for name, parcel in files.items():
            made.writestr(zipfile.ZipInfo(name), parcel.data)
    return out.getvalue()


def summed(lines: list[dict[str, Any]]) -> Outcome:
    """One outcome of the lines of a file: of its frames, where it was split."""
    refused = next((line for line in lines if line["outcome"] == "rejected"), None)
    if refused:
        return Outcome(code=refused["code"], detail=refused["detail"])
    scans = [str(line["image"]) for line in lines]
    shown = scans[0] if len(scans) == 1 else f"{scans[0]} to {scans[-1]} ({len(scans)} frames)"
    return Outcome(any(line["outcome"] == "created" for line in lines), shown)


def external_id_of(uid: str) -> str:
    """UIDs identify: only a digest of them leaves. The same for each way on which the instance comes."""
    key = setting("ID_KEY", "")
    made = hmac.new(key.encode(), uid.encode(), "sha256") if key else hashlib.sha256(uid.encode())
    return f"uid-{made.hexdigest()[:40]}"
