"""DICOMweb: every instance that a search (QIDO-RS) finds and MediScan does not have, fetched by WADO-RS."""

import json
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from mediscan_bridge.asking import Answer, source
from mediscan_bridge.files import files_in, sop_instance_uid
from mediscan_bridge.mediscan import MediScan, Parcel, external_id_of
from mediscan_bridge.running import Failed, Refused, Report, in_parallel, setting

log = logging.getLogger("bridge")
PAGE, LARGEST_PAGE, NOTHING_NEW = 100, 100_000, 3
STUDY, SERIES, INSTANCE, MODALITY, ADDRESS = "0020000D", "0020000E", "00080018", "00080060", "00081190"
# Terms of a query that are about series and instances, not about studies (PS3.18 10.6.1.2.3).
BELOW_STUDY = {
    "Modality", "00080060", "SeriesInstanceUID", "0020000E", "SeriesNumber", "00200011", "SeriesDescription", "0008103E",
    "BodyPartExamined", "00180015", "ProtocolName", "00181030", "PerformedProcedureStepStartDate", "00400244",
    "PerformedProcedureStepStartTime", "00400245", "SOPClassUID", "00080016", "SOPInstanceUID", "00080018",
    "InstanceNumber", "00200013",
}  # fmt: skip
ACCEPTED: tuple[str, ...] = (
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"',
    "application/dicom",
    "*/*",
)


class Found(NamedTuple):
    study: str
    series: str
    instance: str
    address: str
    modality: str

    def path(self) -> str:
        """Of the instance, below the root of DICOMweb."""
        if not self.series and (at := self.address.find("studies/")) >= 0:
            return self.address[at:]
        return f"studies/{self.study}/series/{self.series}/instances/{self.instance}"


class Dicomweb:
    """Every instance that a search finds and MediScan does not have."""

    def __init__(self, report: Report) -> None:
        patience_s = float(setting("PATIENCE_S", "600"))
        self.server = source("studies?limit=1", patience_s)
        self.target, self.report = MediScan(report, patience_s=patience_s), report
        self.wanted = {name.strip() for name in setting("MODALITIES", "").split(",")} - {""}
        self._accepted = ACCEPTED

    def run(self, query: str) -> None:
        in_parallel(self._found(query), self.target.batch, self._bring, lambda _: None)

    def _found(self, query: str) -> Iterator[Found]:
        """Instances by their studies: some archives (Orthanc) know ModalitiesInStudy only there. An instance comes once,
        whichever series and studies say that they have it."""
        terms = parse_qsl(query, keep_blank_values=True)
        below = urlencode([term for term in terms if term[0] in BELOW_STUDY], safe="*")
        studies = urlencode([term for term in terms if term[0] not in BELOW_STUDY], safe="*")
        seen: set[str] = set()
        for study in self._studies(studies):
            for row in self._in_study(study, below):
                one = Found(
                    text(row, STUDY) or study,
                    text(row, SERIES),
                    text(row, INSTANCE),
                    text(row, ADDRESS),
                    text(row, MODALITY),
                )
                if not one.instance:
                    self.report.add("found")
                    self._failed(f"An instance of studies/{study}", "The archive does not say its SOPInstanceUID.")
                elif one.instance not in seen:
                    seen.add(one.instance)
                    yield one

    def _studies(self, query: str) -> Iterator[str]:
        for row in self._rows("studies", query):
            if study := text(row, STUDY):
                yield study
            else:
                self._failed("A study", "The archive does not say its StudyInstanceUID.")

    def _in_study(self, study: str, query: str) -> list[dict[str, Any]]:
        """Instances of a study; series by series where the archive does not list them at once."""
        try:
            rows = list(self._rows(f"studies/{study}/instances", query))
            if not rows:
                for series in list(self._rows(f"studies/{study}/series", query)):
                    rows += self._rows(f"studies/{study}/series/{text(series, SERIES)}/instances", query)
        except (Failed, Refused) as error:
            self._failed(f"studies/{study}", error)
            return []
        if not rows:
            log.warning("studies/%s has no instances that match.", study)
        return rows

    def _rows(self, path: str, query: str) -> Iterator[dict[str, Any]]:
        """All rows of a search. A page may have fewer rows than were asked for, repeat some, or be all that there is."""
        seen: set[str] = set()
        size, offset, idle = PAGE, 0, 0
        while True:
            page = self._page(path, f"{query}&limit={size}&offset={offset}".lstrip("&"))
            fresh = {key: row for row in page if (key := json.dumps(row, sort_keys=True)) not in seen}
            yield from fresh.values()
            seen |= set(fresh)
            offset, idle = offset + len(page), 0 if fresh else idle + 1
            if not page or (idle >= NOTHING_NEW and (len(page) < size or size >= LARGEST_PAGE)):
                return
            if idle >= NOTHING_NEW:
                # Full pages, and always the same: it does not know `offset`. Then as many rows as it gives at once.
                size, offset, idle = size * 10, 0, 0

    def _page(self, path: str, query: str) -> list[dict[str, Any]]:
        # 404 is how some archives say that nothing matches.
        answer = self.server.ask(f"{path}?{query}", {"Accept": "application/dicom+json"}, also=(404,))
        if answer.status == 404:
            log.warning(
                "%s is answered with 404: nothing matches, or SOURCE_URL is not the root of DICOMweb.",
                path.split("/")[0],
            )
        if answer.status in (204, 404) or not answer.body.strip():
            return []
        if "299" in answer.headers.get("Warning", ""):
            log.warning("The archive says of this search: %s", answer.headers["Warning"])
        try:
            rows = json.loads(answer.body)
            return [
                {tag.upper(): value for tag, value in row.items()}
                for row in (rows if isinstance(rows, list) else [rows])
            ]
        except (ValueError, AttributeError):
            raise Failed(f"A search is answered with what is not DICOM JSON: {answer.body[:80]!r}") from None

    def _bring(self, some: list[Found]) -> None:
        self.target.bring(some, self._fetch, lambda one, error: self._failed(one.path(), error))

    def _fetch(self, one: Found) -> Parcel | None:
        external_id = external_id_of(one.instance)
        if self.wanted and one.modality and one.modality not in self.wanted:
            self.report.add("left out")
        elif self.target.has(external_id):
            self.report.add("known")
        else:
            return Parcel(external_id, self._file(one), one.path())
        return None

    def _file(self, one: Found) -> bytes:
        answer = self._fetched(one.path())
        files = files_in(answer)
        if (
            answer.headers.get_content_type() in ("text/html", "application/json", "application/dicom+json")
            or not files
        ):
            raise Failed(
                f"It is answered with {answer.headers.get_content_type()} and {len(answer.body)} bytes, which is no file."
            )
        if len(files) > 1:
            files = [file for file in files if sop_instance_uid(file) == one.instance]
        if not files:
            raise Failed("It is answered with other instances.")
        return files[0]

    def _fetched(self, path: str) -> Answer:
        """By the first of the ways to ask that the archive knows."""
        for accept in (ways := self._accepted):
            try:
                answer = self.server.ask(path, {"Accept": accept})
                self._accepted = ways[ways.index(accept) :]
                return answer
            except Refused as error:
                if error.status not in (400, 406, 415) or accept == ways[-1]:
                    raise
        raise AssertionError("not reached")

    def _failed(self, what: str, why: object) -> None:
        self.report.add("failed")
        log.error("%s did not come in and is tried again at the next run. %s", what, why)


def text(row: dict[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM JSON (PS3.18 F.2); empty without one."""
    values = (row.get(tag) or {}).get("Value") or [""]
    return str(values[0] or "").strip("\0 ")
