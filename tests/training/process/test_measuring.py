"""The reading of the test split that belongs to a training run is made by the same report as an evaluation."""

import numpy as np
import pytest
import torch

from images.models import Image
from images.services import delete_scan
from mediscan_site.core import work
from mediscan_site.core.errors import Conflict, Invalid
from models_registry.deployments.services import deploy
from models_registry.evaluations import reporting
from models_registry.evaluations.services import request_evaluation
from models_registry.evaluations.worker import run_evaluation
from models_registry.inference.looks import COLOUR, Look
from models_registry.versions import serving
from tests.models_registry.conftest import _no_predictor_stays_in_memory, empty_snapshot, make_version, snapshot  # noqa: F401
from training.engine.config import TrainConfig
from training.models import TrainingRun
from training.process import tiles
from training.process.explaining import explain
from training.process.knowing import reference
from training.process.measuring import Heard, measure, require_readable
from training.process.recorder import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading(make_snapshot, make_version, admin):  # noqa: F811
    """A run at its test split: (run, recorder, the version that will come of it)."""
    frozen = make_snapshot(6)
    model = make_version(on=frozen)
    run = TrainingRun.objects.create(
        project=frozen.project, snapshot=frozen, created_by=admin, status="running", attempt=1, config={}
    )
    return run, Recorder(run, attempt=1), model


def test_a_training_run_and_an_evaluation_report_alike(reading, admin):
    run, recorder, model = reading
    found = measure(run, serving.predictor(model), recorder)
    evaluation = request_evaluation(actor=admin, model=model)
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    assert found == evaluation.metrics
    assert {"slices", "comparison", "curves", "undivided", "erased"} <= set(found)


def test_what_is_said_in_this_reading_serves_the_watching_too(reading):
    run, recorder, model = reading
    predictor = serving.predictor(model)
    heard = Heard()
    assert measure(run, predictor, recorder, heard) == measure(run, predictor, recorder)
    validation = tiles.load(
        run.snapshot, "val", class_ids=[entry["id"] for entry in model.classes], done=lambda _: None
    )
    alone, both = reference(predictor, validation), reference(predictor, validation, heard.said)
    assert len(both.confidence) == len(validation.tiles) + 6
    assert both.confidence[: len(validation.tiles)] == alone.confidence
    assert [one.image for one in heard.answers] == list(
        run.snapshot.members.filter(split="test").order_by("pk").values_list("image", flat=True)
    )
    assert both.prediction[-6:] == tuple(model.classes[k]["id"] for said in heard.said for k in said.classes.tolist())


def test_a_new_version_is_compared_before_it_is_registered(reading, admin):
    run, recorder, model = reading
    deploy(actor=admin, model=model)
    found = measure(run, serving.predictor(model), recorder)["comparison"]
    assert (found["deployed"], found["n"]) == (model.code, 6)
    assert {test["difference"] for test in found["tests"] if test["p"] is not None} == {0}


def test_a_run_that_is_cancelled_stops_while_it_reads(reading):
    run, recorder, model = reading
    recorder.stop()
    with pytest.raises(work.Stopped):
        measure(run, serving.predictor(model), recorder)


def test_a_test_scan_that_cannot_be_read_is_named(reading, monkeypatch):
    run, recorder, model = reading

    def damaged(image, frame):
        raise ValueError("cut short")

    monkeypatch.setattr("models_registry.versions.reading.tile", damaged)
    with pytest.raises(tiles.TileUnusable, match="cannot be read: its stored file is damaged"):
        measure(run, serving.predictor(model), recorder)


WINDOWED = TrainConfig(sees="windows", windows="40/400")


def test_a_run_of_windows_ends_before_it_learns_where_a_row_says_8_bits(reading):
    run, recorder, _ = reading
    require_readable(run, TrainConfig(), recorder)
    with pytest.raises(Invalid, match="18 of 18 scans of training, validation and test have 8 bits"):
        require_readable(run, WINDOWED, recorder)


def test_a_run_of_windows_ends_before_it_learns_where_the_view_of_a_deep_test_scan_has_8_bits(reading, monkeypatch):
    from images.models import Image
    from training.process.making import Training
    from training.process.reproducing import NoBook

    run, recorder, _ = reading
    Image.objects.update(bits=16)
    code = run.snapshot.members.filter(split="test").earliest("pk").image.code
    words = rf"{code} cannot be seen through windows\. .*Take the scan out of training and start a new run, or"
    work = Training(run, recorder, NoBook(run))
    work.__dict__["config"] = WINDOWED
    monkeypatch.setattr(work, "_prepare_process", lambda: None)
    monkeypatch.setattr(work, "make", lambda: pytest.fail("learned"))
    with pytest.raises(tiles.TileUnusable, match=words) as told:
        work.result()
    assert "verify_images" not in str(told.value)


def test_a_run_of_windows_goes_on_where_all_views_have_own_values(reading, monkeypatch):
    from images.models import Image

    run, recorder, _ = reading
    Image.objects.update(bits=16)
    looked = []
    monkeypatch.setattr("images.learning.kind", lambda image, frame: looked.append((image.pk, frame)) or (True, ""))
    require_readable(run, WINDOWED, recorder)
    test = run.snapshot.members.filter(split="test").order_by("pk")
    assert looked == [(pk, 0) for pk in test.values_list("image", flat=True)]


def test_a_training_scan_without_own_values_is_told_of_with_what_to_do(reading):
    run, *_ = reading
    with pytest.raises(tiles.TileUnusable, match=r"through windows\. This file has 8 bits .* sees grey or colour"):
        tiles.load(
            run.snapshot,
            "train",
            class_ids=[entry["id"] for entry in run.snapshot.classes],
            done=lambda _: None,
            size=32,
            look=WINDOWED.look,
        )


def test_a_test_split_that_was_erased_cannot_be_measured(reading):
    from django.utils import timezone

    from images.models import Image

    run, recorder, model = reading
    Image.objects.filter(snapshot_members__in=run.snapshot.members.filter(split="test")).update(
        erased_at=timezone.now()
    )
    with pytest.raises(reporting.NothingToRead, match="was erased"):
        measure(run, serving.predictor(model), recorder)


def test_patients_who_turn_out_to_be_one_while_the_run_is_at_work_are_not_measured(reading, admin, monkeypatch):
    from images.services import merge_patients

    run, recorder, model = reading
    tested, trained = (run.snapshot.members.filter(split=side)[0].image.patient for side in ("test", "train"))
    merge_patients(actor=admin, project=run.project, source=tested, target=trained)
    opened = []
    monkeypatch.setattr("models_registry.versions.reading.one", lambda *asked: opened.append(asked))
    with pytest.raises(Conflict, match=r"1 test scans of .* turned out") as refusal:
        measure(run, serving.predictor(model), recorder)
    assert refusal.value.code == "test_leak"
    assert not opened
    assert explain(run, refusal.value) == refusal.value.detail


@pytest.mark.parametrize(
    "lack", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError("CUDA")]
)
def test_a_lack_of_memory_is_told_with_what_to_do(reading, lack):
    assert "Choose a smaller image_size or batch_size" in explain(reading[0], lack)


def test_a_run_does_not_measure_on_scans_that_its_base_has_seen(reading, admin):
    run, recorder, model = reading
    earlier = empty_snapshot(run.project, admin, "9" * 64)
    member = run.snapshot.members.filter(split="test")[0]
    same = {name: getattr(member, name) for name in ("image", "label", "label_class", "group", "sha256")}
    earlier.members.create(split="train", **same)
    type(model).objects.filter(pk=model.pk).update(snapshot=earlier)
    run.base_model = type(model).objects.get(pk=model.pk)
    with pytest.raises(Conflict, match=f"{model.code} was trained on scans or patients"):
        measure(run, serving.predictor(model), recorder)


def test_a_validation_scan_that_was_erased_meanwhile_has_no_part_in_the_reference(reading, admin):
    run, _, model = reading
    predictor = serving.predictor(model)
    look, size = Look(COLOUR), predictor.manifest.preprocess.size
    validation = tiles.load(
        run.snapshot,
        "val",
        class_ids=[entry["id"] for entry in model.classes],
        done=lambda _: None,
        size=size,
        look=look,
    )
    gone = Image.objects.get(pk=validation.images[0])
    delete_scan(actor=admin, image=gone)
    answered = []

    class Seeing:
        needs_views = True
        manifest = predictor.manifest

        def predict(self, shown, pixels):
            answered.append((len(shown), pixels))
            return predictor.predict(shown)

        decide = predictor.decide

    found = reference(Seeing(), validation)
    assert len(found.confidence) == len(validation.tiles) - 1
    ((count, pixels),) = answered
    assert count == len(pixels) and np.array_equal(pixels, validation.tiles[1:])
