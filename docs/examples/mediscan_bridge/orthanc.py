"""Orthanc: every new instance of its own log of changes."""

import contextlib
import fcntl
import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mediscan_bridge.asking import source
from mediscan_bridge.files import sop_instance_uid
from mediscan_bridge.mediscan import MediScan, Parcel, external_id_of
from mediscan_bridge.running import Over, Refused, Report, in_parallel, setting, stopping

log = logging.getLogger("bridge")
LOOK_EVERY_S = 5
AGAIN_EVERY_S = 900


class State:
    """How far each pair of an archive and a project has come: `last` change that was dealt with, the newest `date` seen, and
    `again`: identifiers of what failed, with their changes."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._lock = path.with_name(f"{path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"Another bridge works with {path}. Give each its own STATE_FILE.")
        text = path.read_text().strip() if path.exists() else ""
        # A number alone is what older bridges wrote, or somebody who wants to begin there.
        try:
            self._all: dict[str, Any] = {key: {"last": int(text)}} if text.isdecimal() else json.loads(text or "{}")
        except ValueError:
            sys.exit(f"{path} is damaged. Remove it: everything is sent again, and what MediScan has stays one scan.")
        if text and key not in self._all:
            log.warning("%s is of other archives or projects: everything of this one is sent.", path)
        known = self._all.get(key, {})
        self.last: int = known.get("last", 0)
        self.date: str = known.get("date", "")
        self.again: dict[str, int] = known.get("again", {})

    def close(self) -> None:
        self._lock.close()

    def keep(self) -> None:
        self._all[self._key] = {"last": self.last, "date": self.date, "again": self.again}
        aside = self._path.with_name(f"{self._path.name}.new")
        aside.write_text(json.dumps(self._all, indent=1))
        aside.replace(self._path)


class Change(NamedTuple):
    seq: int
    instance: str


class Orthanc:
    """Every new instance of Orthanc's own log of changes."""

    def __init__(self, report: Report, *, once: bool) -> None:
        patience_s = float(setting("PATIENCE_S", "600")) if once else math.inf
        self.server = source("changes?since=0&limit=1", patience_s)
        self.target, self.report = MediScan(report, patience_s=patience_s), report
        key = f"{self.server.root} > {self.target.server.root} project {self.target.project}"
        self.state = State(Path(setting("STATE_FILE")), key)
        self._reached, self._pending, self._ignored = self.state.last, set[int](), (-1, -1)
        self._left: set[str] = set()
        self.wanted = {name.strip() for name in setting("MODALITIES", "").split(",")} - {""}
        self.modality = lru_cache(10_000)(self._modality)

    def bring_what_failed(self) -> None:
        if self.state.last and self._is_another():
            self._begin_anew()
        failed = [Change(seq, instance) for instance, seq in self.state.again.items()]
        in_parallel(failed, self.target.batch, self._bring, self._done)

    def bring_what_is_new(self) -> None:
        in_parallel(self._changes(), self.target.batch, self._bring, self._done)
        self.state.last = self._reached
        self.state.keep()

    def _changes(self) -> Iterator[Change]:
        while not stopping.is_set():
            page = self._page(self._reached, 100)
            fresh = [change for change in page["Changes"] if change["Seq"] > self._reached]
            for change in fresh:
                self.state.date = max(self.state.date, change.get("Date", ""))
                if change["ChangeType"] == "NewInstance":
                    self._pending.add(change["Seq"])
                    yield Change(change["Seq"], change["ID"])
                self._reached = max(self._reached, change["Seq"])
            if not fresh:
                seen = (page["Last"], self._reached)
                if page["Last"] >= self._reached or seen == self._ignored:
                    return
                # Once for the same two numbers: some server might count otherwise.
                self._ignored = seen
                self._begin_anew()

    def _page(self, since: int, limit: int) -> Any:
        try:
            page = self.server.json(f"changes?since={since}&limit={limit}")
        except Refused as error:
            raise Over(f"{self.server.root} does not answer as Orthanc does. {error}") from error
        if not isinstance(page, dict) or not {"Changes", "Last"} <= set(page):
            raise Over(f"{self.server.root} does not answer as Orthanc does. Set SOURCE_URL to the root of Orthanc.")
        return page

    def _is_another(self) -> bool:
        """Whether the log was begun anew and has already passed our place: up to there it holds what is younger than we were."""
        pages = [self._page(since, 100)["Changes"] for since in {0, max(0, self.state.last - 100)}]
        up_to = [change.get("Date", "") for page in pages for change in page if change["Seq"] <= self.state.last]
        return bool(self.state.date) and max(up_to, default="") > self.state.date

    def _begin_anew(self) -> None:
        log.warning(
            "The changes of %s do not fit the place %d that was kept: this archive was built anew. "
            "Everything in it is sent; what MediScan has stays one scan.",
            self.server.root,
            self.state.last,
        )
        self._reached, self.state.last, self.state.date, self.state.again = 0, 0, "", {}

    def _bring(self, changes: list[Change]) -> None:
        self.target.bring(changes, self._fetch, self._failed)

    def _fetch(self, change: Change) -> Parcel | None:
        about = self.server.json(f"instances/{change.instance}", also=(404,)) or {}
        if self.wanted and self.modality(about.get("ParentSeries", ""), change.instance) not in self.wanted:
            self.report.add("left out")
            return None
        data = self.server.ask(f"instances/{change.instance}/file").body
        uid = about.get("MainDicomTags", {}).get("SOPInstanceUID") or sop_instance_uid(data)
        external_id = external_id_of(uid) if uid else f"orthanc-{change.instance}"
        older = about.get("ModifiedFrom") or about.get("AnonymizedFrom") or ""
        return Parcel(external_id, data, f"instances/{change.instance}", self._made_from(older))

    def _made_from(self, older: str) -> str:
        """What is known of the instance that one was modified from; it may be deleted meanwhile."""
        if not older:
            return ""
        about = self.server.json(f"instances/{older}", also=(404,)) or {}
        uid = about.get("MainDicomTags", {}).get("SOPInstanceUID")
        return f"Orthanc's instance {older}{f' ({external_id_of(uid)})' if uid else ''}"

    def _failed(self, change: Change, error: Exception) -> None:
        if isinstance(error, Refused) and error.status == 404 and not self._is_listed(change):
            self.report.add("deleted")
            log.info("%s was deleted in Orthanc meanwhile.", change.instance)
            return
        self._left.add(change.instance)
        self.report.add("failed")
        log.error("%s did not come in and is tried again at the next run. %s", change.instance, error)

    def _modality(self, series: str, instance: str) -> str:
        if series:
            tags = self.server.json(f"series/{series}").get("MainDicomTags", {})
        else:
            tags = self.server.json(f"instances/{instance}/simplified-tags")
        return str(tags.get("Modality", ""))

    def _is_listed(self, change: Change) -> bool:
        """What is deleted goes from the log of changes too."""
        page = self._page(change.seq - 1, 1)["Changes"]
        return any((other["Seq"], other["ID"]) == change for other in page)

    def _done(self, changes: list[Change]) -> None:
        for change in changes:
            self._pending.discard(change.seq)
            self.state.again.pop(change.instance, None)
            if change.instance in self._left:
                self.state.again[change.instance] = change.seq
                self._left.discard(change.instance)
        self.state.last = min(self._pending) - 1 if self._pending else self._reached
        self.state.keep()


def orthanc(report: Report, *, once: bool) -> None:
    archive = Orthanc(report, once=once)
    with contextlib.closing(archive.state):
        follow(archive, report, once=once)


def follow(archive: Orthanc, report: Report, *, once: bool) -> None:
    again_at = 0.0
    while True:
        before = report.counts["found"]
        if time.monotonic() >= again_at:
            archive.bring_what_failed()
            again_at = time.monotonic() + AGAIN_EVERY_S
        archive.bring_what_is_new()
        if once:
            return
        if report.counts["found"] > before:
            log.info("So far: %s", report)
        if stopping.wait(LOOK_EVERY_S):
            return
