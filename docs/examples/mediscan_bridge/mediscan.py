"""MediScan's side: what it has, and sending it one file."""

import csv
import hashlib
import hmac
import io
import json
import logging
import secrets
import zipfile
from itertools import count
from typing import Any
from urllib.parse import urlencode

from mediscan_bridge.asking import FULL, PAUSES_S, TRIES, Server
from mediscan_bridge.files import frames
from mediscan_bridge.running import Failed, Over, Refused, Report, setting, stopping

log = logging.getLogger("bridge")


class MediScan:
    def __init__(self, report: Report, *, patience_s: float) -> None:
        headers = {"Authorization": f"Token {setting('MEDISCAN_TOKEN')}", "Accept": "application/json"}
        self.server = Server(setting("MEDISCAN_URL"), headers, probe="healthz", patience_s=patience_s, full=FULL)
        self.project, self.report = setting("MEDISCAN_PROJECT"), report
        self.splits = setting("SPLIT_FRAMES", "0") not in ("0", "no", "false")

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

    def send(self, external_id: str, data: bytes, made_from: str = "") -> None:
        """Send one file and count what became of it. The same instance with other bytes is a correction: it comes in beside the
        older scan, under a name of its own. `made_from`: what the archive says it was modified from."""
        try:
            is_new, scan = self._sent(external_id, data)
        except Refused as error:
            if error.code != "external_id_taken":
                return self._refused(external_id, error)
            older = self.has(external_id)
            made_from = f"{older}, which is the same instance with other content"
            external_id = f"{external_id}-{hashlib.sha256(data).hexdigest()[:12]}"
            try:
                is_new, scan = self._sent(external_id, data)
            except Refused as again:
                return self._refused(external_id, again)
        self.report.add("sent" if is_new else "known")
        log.info("%s is %s%s", external_id, scan, "" if is_new else " (was here)")
        if is_new and made_from:
            self.report.add("corrected")
            log.warning(
                "%s (%s) is a corrected copy of %s. Decide which of the two is used.", scan, external_id, made_from
            )
        return None

    def _refused(self, external_id: str, error: Refused) -> None:
        if error.status in (403, 404, 405) or error.code == "does_not_exist":
            raise self._over(error) from error
        self.report.add("refused", error.code)
        log.error("%s was refused and is passed over. %s", external_id, error)

    def _over(self, error: Refused) -> Over:
        return Over(f"MediScan does not let this account upload to project {self.project}. {error}")

    def _sent(self, external_id: str, data: bytes) -> tuple[bool, str]:
        """Whether it is new, and its name here."""
        if self.splits and frames(data) > 1:
            return self._imported(external_id, data)
        scan = self._post("images", {"project": self.project, "external_id": external_id}, "scan.dcm", data)
        return not (scan["duplicate"] or scan["replayed"]), str(scan["image_id"])

    def _post(self, route: str, fields: dict[str, str], name: str, data: bytes) -> Any:
        """A repeated request is answered once more and not done twice; a transfer that broke is refused and sent again."""
        digest, boundary = hashlib.sha256(data).hexdigest(), secrets.token_hex(16)
        once = "\n".join([self.server.root, route, *(f"{key}={value}" for key, value in fields.items()), digest])
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Idempotency-Key": f"bridge-{hashlib.sha256(once.encode()).hexdigest()}",
            "X-Content-SHA256": digest,
        }
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
        body = ["".join(parts).encode(), data, f"\r\n--{boundary}--\r\n".encode()]
        for attempt in count(1):
            try:
                answer = self.server.ask(f"api/v1/{route}/", headers, body)
                return {**json.loads(answer.body), "replayed": "Idempotency-Replayed" in answer.headers}
            except (ValueError, TypeError):
                raise Failed(f"{self.server.root} does not answer as MediScan does: {answer.body[:80]!r}") from None
            except Refused as error:
                broken = error.code in ("digest_mismatch", "incomplete", "idempotency_in_progress")
                if not broken or attempt == TRIES or stopping.wait(PAUSES_S[0]):
                    raise
        raise AssertionError("not reached")

    def _imported(self, external_id: str, data: bytes) -> tuple[bool, str]:
        """A multi-frame file as a ZIP of its own: only imports split."""
        packed, rows = io.BytesIO(), io.StringIO()
        csv.writer(rows).writerows([("image_id", "external_id"), ("scan.dcm", external_id)])
        with zipfile.ZipFile(packed, "w") as made:
            for name, content in (("scan.dcm", data), ("labels.csv", rows.getvalue())):
                # Without a time of day, the same file makes the same ZIP.
                made.writestr(zipfile.ZipInfo(name), content)
        fields = {"project": self.project, "split_frames": "true"}
        batch = self._post("imports", fields, f"{external_id}.zip", packed.getvalue())
        path, replayed = f"api/v1/imports/{batch['id']}/", batch["replayed"]
        while batch["status"] not in ("succeeded", "failed", "cancelled"):
            if stopping.wait(1):
                raise Over("It was told to end.")
            batch = self.server.json(path)
        errors = {row["code"]: row["detail"] for row in batch["errors"]}
        if batch["status"] != "succeeded":
            raise Failed(f"Import {batch['id']} {batch['status']}: {batch['error']}")
        if batch["rejected"]:
            code = "external_id_taken" if "external_id_taken" in errors else next(iter(errors))
            raise Refused(400, json.dumps({"errors": [{"code": code, "detail": errors[code]}]}).encode())
        return batch[
            "created"
        ] > 0 and not replayed, f"{batch['created'] or batch['duplicates']} frames of import {batch['id']}"


def external_id_of(uid: str) -> str:
    """UIDs identify: only a digest of them leaves. The same for each way on which the instance comes."""
    key = setting("ID_KEY", "")
    made = hmac.new(key.encode(), uid.encode(), "sha256") if key else hashlib.sha256(uid.encode())
    return f"uid-{made.hexdigest()[:40]}"
