"""Grading: the row is the queue, the worker's function is run directly."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Pillow

from images.services import delete_scan, rename_class
from mediscan_site.core import sweeping, work
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from models_registry import selectors
from models_registry.deployments.services import deploy
from models_registry.grades import heatmaps
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import Grade
from models_registry.versions import serving
from tests.models_registry.deployments.test_deployments import damage

pytestmark = pytest.mark.django_db


def ask(actor, image) -> Grade:
    return request_grade(actor=actor, project=image.project, image=image)


def test_a_grade_has_prediction_confidence_decision_and_heat_map(answered):
    grade = answered()
    assert grade.status == "succeeded"
    shares = selectors.named_probabilities(grade)
    assert list(shares) == ["NORMAL", "OPACITY"]
    assert sum(shares.values()) == pytest.approx(1)
    assert grade.confidence == pytest.approx(max(shares.values()))
    assert shares[grade.prediction.name] == pytest.approx(grade.confidence)
    assert (grade.decision, grade.reasons) == ("answer", [])
    assert grade.latency_ms > 0
    assert grade.heatmap is None
    picture = Pillow.open(blobs.open_blob(heatmaps.draw(grade)))
    width, height = grade.image.width, grade.image.height
    assert (picture.format, picture.mode) == ("PNG", "RGBA")
    assert picture.size == (512, round(512 * height / width))


def test_below_the_threshold_the_scan_is_referred(make_version, admin, author, make_scan):
    deploy(actor=admin, model=make_version(threshold=1.1))
    grade = ask(author, make_scan())
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert (grade.decision, grade.reasons) == ("refer", ["below_threshold"])
    assert grade.prediction is not None


def test_without_calibration_no_confidence_is_stored(make_version, admin, author, make_scan):
    deploy(actor=admin, model=make_version(calibrated=False))
    grade = ask(author, make_scan())
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.confidence is None
    assert (grade.decision, grade.reasons) == ("refer", ["not_calibrated"])


@pytest.mark.parametrize(
    ("reason", "made"), [("below_threshold", {"threshold": 1.1}), ("not_calibrated", {"calibrated": False})]
)
def test_the_page_of_a_referred_scan_says_why_and_what_helps(
    make_version, admin, author, make_scan, client, reason, made
):
    deploy(actor=admin, model=make_version(**made))
    grade = ask(author, make_scan())
    run_grade(grade.pk)
    client.force_login(author)
    page = client.get(reverse("grade_detail", args=[grade.pk])).content.decode()
    assert "Please read this yourself:" in page
    for other in ReferReason:
        assert (other.sentence in page) == (other.remedy in page and other == reason)


def test_without_a_deployed_model_there_is_no_grade(author, make_scan):
    with pytest.raises(Conflict) as refusal:
        ask(author, make_scan())
    assert refusal.value.code == "no_deployed_model"
    assert not Grade.objects.exists()


def test_outsiders_and_those_without_the_right_are_refused(deployed, make_scan, outsider, author, admin, project):
    from images.services import revoke

    image = make_scan()
    with pytest.raises(NotFound):
        ask(outsider, image)
    revoke(actor=admin, project=project, user=author, codename="grade_image")
    with pytest.raises(Forbidden):
        ask(author, image)


def test_scans_of_several_frames_are_refused(deployed, author, make_scan):
    image = make_scan()
    image.image_format, image.frames = "DICOM", 3
    with pytest.raises(Invalid) as refusal:
        ask(author, image)
    assert refusal.value.code == "unsupported_multiframe"


def test_a_grade_stays_with_the_version_it_was_asked_of(deployed, make_version, admin, author, make_scan):
    grade = ask(author, make_scan())
    newer = make_version(seed=1)
    deploy(actor=admin, model=newer)
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.status == "succeeded"
    assert grade.model == deployed
    assert ask(author, grade.image).model == newer


def test_a_grade_whose_worker_was_killed_is_answered_by_another(deployed, author, make_scan):
    grade = ask(author, make_scan())
    lost = work.claim(Grade, grade.pk)
    assert lost == 1
    Grade.objects.filter(pk=grade.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweeping.sweep()
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert (grade.status, grade.attempt) == ("succeeded", 2)
    # The lost worker comes back to life, and may not write any more.
    assert not work.finish(Grade, grade.pk, lost, status="failed", error="late")
    grade.refresh_from_db()
    assert grade.status == "succeeded"


def test_a_worker_that_was_fenced_off_writes_nothing(deployed, author, make_scan, monkeypatch):
    grade = ask(author, make_scan())
    real = serving.predictor

    def slow(model):
        Grade.objects.filter(pk=grade.pk).update(attempt=2)
        return real(model)

    monkeypatch.setattr(serving, "predictor", slow)
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert (grade.status, grade.prediction, grade.heatmap) == ("running", None, None)
    assert not AuditEvent.objects.filter(action="grade.finish").exists()


def test_a_doubled_message_answers_once(answered):
    grade = answered()
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.attempt == 1
    assert AuditEvent.objects.filter(action="grade.finish").count() == 1


def test_a_damaged_bundle_fails_the_grade_with_the_remedy(deployed, author, make_scan):
    serving.forget()
    damage(deployed)
    grade = ask(author, make_scan())
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.status == "failed"
    assert "bundle of" in grade.error
    assert "Deploy another version" in grade.error


def test_an_unforeseen_failure_is_told_without_details(deployed, author, make_scan, monkeypatch):
    from models_registry.versions import reading

    def broken(image, frame):
        raise RuntimeError("/secret/path of patient Smith")

    monkeypatch.setattr(reading, "tile", broken)
    grade = ask(author, make_scan())
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.status == "failed"
    assert "RuntimeError" in grade.error
    assert "Smith" not in grade.error


def test_a_heat_map_is_transparent_where_nothing_speaks():
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[0, 0] = 1
    import io

    pixels = np.asarray(Pillow.open(io.BytesIO(heatmaps.overlay(heat))))
    assert pixels[0, 0, 3] > 100
    assert pixels[1:, 1:, 3].max() == 0


def test_two_drawings_at_once_keep_one_object(answered):
    grade = answered()
    kept = heatmaps.draw(grade).pk
    unaware = Grade.objects.select_related("model", "image", "heatmap").get(pk=grade.pk)
    unaware.heatmap = None
    objects = Blob.objects.count()
    assert heatmaps.draw(unaware).pk == kept
    assert Blob.objects.count() == objects


def test_erasing_a_scan_destroys_its_heat_maps_and_hides_its_grades(
    answered, admin, django_capture_on_commit_callbacks
):
    grade = answered()
    blob = heatmaps.draw(grade)
    with django_capture_on_commit_callbacks(execute=True):
        delete_scan(actor=admin, image=grade.image)
    blob.refresh_from_db()
    assert blob.wrapped_key is None
    grade.refresh_from_db()
    assert grade.heatmap is None
    assert not selectors.grades(admin).exists()


def test_a_renamed_class_shows_its_new_name(answered, admin, project):
    grade = answered()
    rename_class(actor=admin, project_class=project.class_rows.get(name="NORMAL"), name="CLEAR")
    fresh = selectors.grades(admin).get(pk=grade.pk)
    assert list(selectors.named_probabilities(fresh)) == ["CLEAR", "OPACITY"]
