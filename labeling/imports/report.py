"""What became of each file of an import, kept as rows that are written many at once."""

import hmac
from typing import Any, Final

from images.models import Image
from labeling.models import Import, ImportFile
from mediscan_site.core.database import insert_all
from mediscan_site.core.storage import ring

Outcome = ImportFile.Outcome
LONGEST_PATH: Final = 500
BATCH: Final = 500


class Report:
    """The report of one import. `is_done`: this or an earlier attempt said what became of a path. Rows are held until `flush`."""

    def __init__(self, batch: Import) -> None:
        self._batch = batch
        # Keyed: a bare digest would still reveal whether an erased scan had a certain name.
        self._key = ring.current().derived("paths of imports")
        self._rows: list[ImportFile] = []
        final = ImportFile.objects.filter(batch=batch).exclude(outcome__in=(Outcome.WARNING, Outcome.NOTE))
        outcomes = dict(final.values_list("path_digest", "outcome"))
        self._done = set(outcomes)
        self.passed_over = sum(outcome == Outcome.PASSED_OVER for outcome in outcomes.values())

    def __len__(self) -> int:
        """How many files and rows are dealt with, without those that were passed over."""
        return len(self._done) - self.passed_over

    def is_done(self, path: str) -> bool:
        return self._digest(path) in self._done

    def _digest(self, path: str) -> str:
        return hmac.digest(self._key, path.encode("utf-8", "surrogatepass"), "sha256").hex()

    def add(
        self, path: str, outcome: Outcome, code: str, detail: str, image: Image | None = None, *, patient: str = ""
    ) -> None:
        digest = self._digest(path)
        values: dict[str, Any] = {"path": path[:LONGEST_PATH], "outcome": outcome, "code": code, "detail": detail}
        self._rows.append(ImportFile(batch=self._batch, path_digest=digest, image=image, patient=patient, **values))
        if outcome not in (Outcome.WARNING, Outcome.NOTE) and digest not in self._done:
            self._done.add(digest)
            self.passed_over += outcome == Outcome.PASSED_OVER
        if image is None and len(self._rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the rows. What an earlier attempt said about a path remains."""
        rows, self._rows = self._rows, []
        for start in range(0, len(rows), BATCH):
            insert_all(rows[start : start + BATCH], ignore_conflicts=True)
