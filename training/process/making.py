"""What one attempt of a training run makes: reads the scans, trains, measures, and registers the version."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from django.conf import settings

from mediscan_site.core import work
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.inference.predictor import Predictor
from models_registry.models import ModelVersion
from models_registry.statistics.calibration import softmax
from models_registry.versions import exporting, serving
from models_registry.versions.lineage import ancestry
from models_registry.versions.services import register_version
from training import planning, selectors
from training.engine.calibrating import CalibrationScans, Division, divide, out_of_fold_scans, scans_of
from training.engine.checkpoint import CheckpointError
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.ensemble import Trained, train
from training.engine.group import ALONE, Group
from training.engine.package import Knowledge
from training.engine.report import FitResult
from training.engine.series import Watch
from training.models import TrainingRun
from training.process import cores, doubts, knowing, measuring, packing, provenance, scores, sheets, telling
from training.process.beating import Beats
from training.process.book import Book
from training.process.reading import Reading
from training.process.recorder import Recorder
from training.process.sides import Sides

log = logging.getLogger(__name__)


@dataclass
class Training:
    """The steps of one attempt, in the order of `result`. Several processes train together; the one that leads goes on alone."""

    run: TrainingRun
    recorder: Recorder
    book: Book
    processes: Group = ALONE
    # Logits (members, N, K) of a run with folds.
    out_of_fold: npt.NDArray[np.float64] | None = None

    def result(self) -> tuple[ModelVersion, str] | None:
        """The registered version, and a sentence about how it came to be; None in a process that does not lead."""
        with Beats(self.processes, settings.TRAINING_PEER_TIMEOUT_S):
            self._prepare_process()
            if self.processes.leads:
                measuring.require_fair(self.run)
                measuring.require_readable(self.run, self.config, self.recorder)
            learned = self.train()
        self.processes.close()
        return self._version(*learned) if self.processes.leads else None

    def _version(self, data: TrainData, trained: Trained) -> tuple[ModelVersion, str]:
        packed = self.make(data, trained)
        self.recorder.stage(0.93, 0.97, "evaluating on the test split")
        heard = measuring.Heard()
        report = measuring.measure(self.run, packed.predictor, self.recorder, heard)
        self.recorder.check()
        model = self._register(packed, report, heard)
        self._export(model, packed.predictor)
        self.recorder.stage(0.98, 1.0, "scoring unlabelled scans for the queue")
        self._score(packed.predictor)
        self._doubt(packed)
        seen = self.scans.unlabelled
        others = None if seen is None else len(seen)
        return model, telling.outcome(packed, self.config, others, self.run.config["initialisation_note"])

    def make(self, data: TrainData, trained: Trained) -> packing.Packed:
        self.out_of_fold = trained.out_of_fold
        return packing.pack_affordable(
            self.run, self.config, data, trained.members, self._calibration_scans, self.knowledge_of
        )

    def knowledge_of(self, fitted: FitResult) -> Knowledge:
        """What the version knows of its own limits: from all of validation, whatever else a part of it decided."""
        return knowing.knowledge(self.run, self.config, self.sides, fitted)

    def train(self) -> tuple[TrainData, Trained]:
        """All that decides the weights; never reads the test split. `reproduce` does it again."""
        self.recorder.stage(0.0, 0.05, "reading scans")
        data = self._data()
        sheets.keep(self.recorder, self.book, data, self.config, self.sides.learning.images)
        self.recorder.stage(0.05, 0.93, "training")
        trained = self._fit(data)
        if trained.stopped:
            raise work.Stopped
        return data, trained

    @cached_property
    def config(self) -> TrainConfig:
        return planning.engine_config(self.run.config)

    @cached_property
    def classes(self) -> list[dict[str, Any]]:
        return list(self.run.snapshot.classes)

    def _prepare_process(self) -> None:
        os.nice(settings.TRAINING_NICENESS)
        usual, each = torch.get_num_threads(), self.processes.local_size
        torch.set_num_threads(self.processes.told(lambda: cores.of(self.run, usual, each)))
        facts = provenance.of(self.run, self.processes)
        self.recorder.environment(facts)
        self.book.open({**self.run.config, "dataset": self.run.snapshot.code, **facts})

    def _data(self) -> TrainData:
        # Out-of-fold scans calibrate a run with folds: all of its validation split chooses the epoch.
        return self.sides.data(len(self.classes), None if self.config.folds else self.division.selection)

    @cached_property
    def scans(self) -> Reading:
        return Reading(self.run, self.config, self.recorder, self.processes)

    @property
    def sides(self) -> Sides:
        return self.scans.sides

    @cached_property
    def division(self) -> Division:
        val, base = self.sides.validation, self.run.base_model
        elsewhere = base is not None and any(one.snapshot_id != self.run.snapshot_id for one in ancestry(base))
        return divide(
            val.scan_labels,
            val.scan_groups,
            len(self.classes),
            self.run.snapshot.content_hash,
            # A version of another data set may have chosen its epoch on what would be held out here.
            hold_out=not elsewhere,
        )

    def _calibration_scans(self, fitted: FitResult) -> CalibrationScans:
        val = self.sides.validation
        if self.out_of_fold is None:
            scans = val.scan_labels, val.scan_groups
            return scans_of(self.division, fitted, self.config, val.tiles, *scans, val.scans)
        return out_of_fold_scans(self.sides.of_scans(self.out_of_fold), fitted, self.sides.labels, self.sides.groups)

    def _fit(self, data: TrainData) -> Trained:
        try:
            return self._fit_from(data, self._saved())
        except CheckpointError as error:
            log.warning("%s starts over: %s", self.run.code, error)
            return self._fit_from(data, None)

    def _fit_from(self, data: TrainData, resume: bytes | None) -> Trained:
        recorder, base = self.recorder, self._base()
        return train(
            data,
            self.config,
            Watch(recorder.progress, self._epoch, recorder.should_stop, self._save),
            groups=self.sides.learning.groups + self.sides.validation.groups if self.config.folds else (),
            resume=resume,
            initial_states=base.bundle.member_states if base else (),
            initial_preprocess=base.manifest.preprocess if base else None,
            unlabelled=self.scans.unlabelled,
            weights_dir=settings.WEIGHTS_DIR or None,
            allow_download=False,
            device=self.processes.device or planning.device(),
            processes=self.processes,
            compiled=settings.TRAINING_COMPILE,
            checkpoint_interval_s=settings.TRAINING_CHECKPOINT_S,
        )

    @property
    def _save(self) -> Callable[[bytes], None] | None:
        """All processes are in the state that the one that leads keeps."""
        return self.recorder.checkpoint if self.processes.leads else None

    def _epoch(self, report: Any) -> None:
        self.recorder.epoch(report)
        measured = {name: value for name, value in report.to_dict().items() if name not in ("epoch", "epochs")}
        self.book.epoch(report.epoch, measured)

    def _saved(self) -> bytes | None:
        """The checkpoint of a lost attempt. A damaged one only costs time: the run starts over."""
        if self.run.checkpoint is None:
            return None
        try:
            return blobs.read(self.run.checkpoint)
        except DamagedObject as error:
            log.warning("The checkpoint of %s is damaged, it starts over: %s", self.run.code, error)
            return None

    def _base(self) -> Predictor | None:
        """The version to continue from, loaded."""
        return serving.predictor(self.run.base_model) if self.run.base_model else None

    def _register(self, packed: packing.Packed, report: dict[str, Any], heard: measuring.Heard) -> ModelVersion:
        run, fitted = self.run, packed.fitted
        facts = {
            "training": run.code,
            "params": run.config,
            "environment": run.environment,
            "epochs": selectors.epochs(run),
            "best_epoch": fitted.best_epoch,
            "seconds": selectors.seconds(run),
            "members": fitted.members,
            "latency_ms": packed.latency_ms,
        }
        return register_version(
            actor=run.created_by,
            project=run.project,
            snapshot=run.snapshot,
            architecture=self.config.architecture,
            bundle=packed.bundle,
            source=run.source,
            classes=[entry["id"] for entry in self.classes],
            calibration={},
            card=facts,
            metrics=report,
            reference=knowing.reference(packed.predictor, self.sides.validation, heard.said).to_json(),
            answers=heard.answers,
            mlflow_run_id=self.book.run_id(),
        )

    def _export(self, model: ModelVersion, predictor: Predictor) -> None:
        self.recorder.stage(0.97, 0.98, "exporting the graph that will serve")
        try:
            exporting.make(model, predictor)
        except Exception:
            # The version stands, and PyTorch serves it until the graph is made in the background.
            log.exception("No graph after %s", self.run.code)

    def _score(self, predictor: Predictor) -> None:
        try:
            scores.write(predictor, self.recorder)
        except Exception:
            # The version stands; a queue in its old order is no reason to call the run failed.
            log.exception("No queue scores after %s", self.run.code)

    def _doubt(self, packed: packing.Packed) -> None:
        if self.out_of_fold is None:
            return
        scans = self._calibration_scans(packed.fitted)
        shares = softmax(scans.logits, packed.predictor.manifest.calibration.temperature or 1.0)
        try:
            doubts.write(self.run, self.sides.images, scans.labels, shares)
        except Exception:
            log.exception("No label doubts after %s", self.run.code)
