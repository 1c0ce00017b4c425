"""The laboratory book of a run while it runs. In a thread of its own, so that training never waits for MLflow; what MLflow
does not take now, the registry's mirror task brings it when there is a version."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from typing import Any, Final

from django.conf import settings
from django.db import connection

from models_registry.book import gateway, mirroring
from models_registry.book.gateway import MlflowAway
from training.models import TrainingRun

log = logging.getLogger(__name__)

ANSWER_S: Final = 20.0
INPUTS_SHEET: Final = "inputs_sheet"


class Book:
    """One run's page. After the first refusal nothing more is tried: the mirror task writes all of it later."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._run_id = run.mlflow_run_id
        self._away = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="laboratory-book")

    def open(self, params: Mapping[str, object]) -> None:
        self._later(lambda: self._open(params))

    def epoch(self, number: int, metrics: Mapping[str, Any]) -> None:
        self._later(lambda: gateway.log_epoch(self._run_id, number, metrics))

    def inputs_sheet(self, picture: bytes) -> None:
        """Pictures of patients leave the encrypted store only where the site says so."""
        if settings.TRAINING_SHEET_IN_MLFLOW:
            self._later(lambda: gateway.log_picture(self._run_id, INPUTS_SHEET, picture))

    def run_id(self) -> str:
        """The page's id once all entries so far are written; empty when MLflow is away or slow."""
        try:
            self._later(lambda: None).result(timeout=ANSWER_S)
        except TooSlow:
            self._away = True
        return "" if self._away else self._run_id

    def abandon(self, *, failed: bool) -> None:
        """Close the page of a run that makes no version."""
        self._later(lambda: gateway.end_run(self._run_id, failed=failed) if self._run_id else None)
        self.close()

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _open(self, params: Mapping[str, object]) -> None:
        if not self._run_id:
            self._run_id = gateway.start_run(self._run.project, self._run.source, params)
            TrainingRun.objects.filter(pk=self._run.pk).update(mlflow_run_id=self._run_id)
            gateway.log_dataset(self._run_id, mirroring.dataset_note(self._run.snapshot))

    def _later(self, entry: Callable[[], None]) -> Future[None]:
        return self._thread.submit(self._tolerantly, entry)

    def _tolerantly(self, entry: Callable[[], None]) -> None:
        if self._away:
            return
        try:
            entry()
        except MlflowAway as error:
            self._away = True
            log.warning("%s goes on without MLflow: %s", self._run.code, error)
        except Exception:
            self._away = True
            log.exception("%s goes on without MLflow", self._run.code)
        finally:
            connection.close()


class NoBook(Book):
    """Nothing is written down."""

    def _later(self, entry: Callable[[], None]) -> Future[None]:
        return self._thread.submit(lambda: None)
