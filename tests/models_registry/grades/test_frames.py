"""Grades of scans of several frames."""

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image as Pillow

from images.models import Image
from images.renditions import tile
from images.services import choose_frames, update_project
from mediscan_site.core import batches
from mediscan_site.core.errors import Invalid
from mediscan_site.core.storage import blobs
from models_registry.batches.services import start_batch
from models_registry.batches.worker import run_batch
from models_registry.grades import heatmaps
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade, run_grades
from models_registry.models import Grade, GradeBatchItem
from models_registry.versions import serving
from tests.images.cines import cine, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def film(deployed, project, author):
    """A cine of six frames of which nobody has chosen."""
    return store(project, author, cine())


def graded(actor, image) -> Grade:
    grade = request_grade(actor=actor, project=image.project, image=image)
    run_grade(grade.pk)
    grade.refresh_from_db()
    return grade


def test_a_scan_of_which_nobody_chose_frames_is_refused_with_what_helps(film, author):
    with pytest.raises(Invalid) as refusal:
        request_grade(actor=author, project=film.project, image=film)
    assert (refusal.value.code, refusal.value.attr) == ("unsupported_multiframe", "image")
    assert "Choose frames on its page" in refusal.value.detail


def test_chosen_frames_give_one_answer_by_the_mean_of_their_logits(deployed, film, author):
    choose_frames(actor=author, image=film, frames=[1, 3, 6])
    grade = graded(author, film)
    assert (grade.status, grade.frames, grade.frames_unread) == ("succeeded", [1, 3, 6], [])
    predictor = serving.predictor(deployed)
    said = predictor.predict(np.stack([tile(film, frame) for frame in (1, 3, 6)]))
    mean = said.logits.astype(np.float64).mean(axis=0) / predictor.manifest.calibration.temperature
    shares = np.exp(mean) / np.exp(mean).sum()
    ids = [entry["id"] for entry in deployed.classes]
    assert [grade.probabilities[str(pk)] for pk in ids] == pytest.approx(shares.tolist(), abs=1e-6)
    best = ids.index(grade.prediction_id)
    assert grade.worst_frame == [1, 3, 6][int(said.probabilities[:, best].argmax())]


def test_the_heat_map_is_of_the_frame_that_is_shown(deployed, film, author, monkeypatch):
    choose_frames(actor=author, image=film, frames=[2, 5])
    grade = graded(author, film)
    seen = []
    real = serving.predictor(deployed).heatmap
    monkeypatch.setattr(
        serving.predictor(deployed), "heatmap", lambda picture, index: seen.append(picture) or real(picture, index)
    )
    heatmaps.draw(grade)
    assert np.array_equal(seen[0], tile(film, grade.worst_frame))
    assert not np.array_equal(tile(film, 2), tile(film, 5))


def test_scans_of_one_and_of_several_frames_are_answered_together_as_alone(deployed, film, author, make_scan):
    choose_frames(actor=author, image=film, frames=[2, 5])
    scans = [make_scan(seed=1), film, make_scan(seed=2)]
    grades = [request_grade(actor=author, project=film.project, image=image) for image in scans]
    run_grades(batches.claim(Grade, [grade.pk for grade in grades]))
    together = [Grade.objects.get(pk=grade.pk) for grade in grades]
    assert [grade.frames for grade in together] == [[], [2, 5], []]
    assert [grade.worst_frame is None for grade in together] == [True, False, True]
    for image, grade in zip(scans, together, strict=True):
        alone = graded(author, image)
        assert alone.probabilities == pytest.approx(grade.probabilities, abs=1e-5)


def test_frames_on_which_nothing_can_be_read_are_named(deployed, project, author):
    film = store(project, author, cine(4, blank=(1,)))
    choose_frames(actor=author, image=film, frames=[1, 2, 3])
    grade = graded(author, film)
    assert (grade.frames, grade.frames_unread) == ([2, 3], [1])
    assert "blank" not in grade.reasons
    dark = store(project, author, cine(4, seed=5, blank=(1, 2, 3)))
    choose_frames(actor=author, image=dark, frames=[1, 2, 4])
    assert graded(author, dark).reasons[-1] == "blank"


def test_a_choice_that_was_taken_back_meanwhile_ends_in_a_failed_grade_that_says_so(film, author):
    choose_frames(actor=author, image=film, frames=[2])
    grade = request_grade(actor=author, project=film.project, image=film)
    choose_frames(actor=author, image=film, frames=[])
    run_grade(grade.pk)
    grade.refresh_from_db()
    assert grade.status == "failed"
    assert "nobody has said which" in grade.error


def test_a_batch_grades_by_the_rule_of_the_project(film, author, admin, project):
    start_batch(actor=author, project=project, images=[film])
    run_batch(GradeBatchItem.objects.get().batch_id)
    left_out = GradeBatchItem.objects.get()
    assert (left_out.outcome, left_out.code) == ("left_out", "unsupported_multiframe")
    update_project(actor=admin, project=project, changes={"frames_seen": 2})
    project.refresh_from_db()
    again = start_batch(actor=author, project=project, images=[film])
    run_batch(again.pk)
    assert Grade.objects.get().frames == [2, 5]


def test_page_api_and_history_name_the_frames(film, author, api, client):
    choose_frames(actor=author, image=film, frames=[2, 5])
    grade = graded(author, film)
    body = api(author).get(f"/api/v1/grades/{grade.pk}/").json()
    assert (body["frames"], body["frames_unread"], body["worst_frame"]) == ([2, 5], [], grade.worst_frame)
    (line,) = api(author).get("/api/v1/history/").json()["results"]
    assert (line["frames"], line["worst_frame"]) == ([2, 5], grade.worst_frame)
    client.force_login(author)
    page = " ".join(client.get(reverse("grade_detail", args=[grade.pk])).content.decode().split())
    assert "Answered on 2 frames of 6 (2, 5)" in page
    assert f"Shown: frame {grade.worst_frame}" in page
    assert f"/frames/{grade.worst_frame}/" in page


@pytest.mark.parametrize("name", ["dicom/examples_ybr_color.dcm", "dicom_more/emri_small_jpeg_ls_lossless.dcm"])
def test_a_real_recording_is_graded_on_chosen_frames(deployed, project, author, shared_data, name):
    path = shared_data / name
    if not path.exists():
        pytest.skip(f"no {name} among the shared files")
    film = store(project, author, path.read_bytes())
    Image.objects.filter(pk=film.pk).update(hold="")
    film.hold = ""
    chosen = [2, film.frames // 2, film.frames]
    choose_frames(actor=author, image=film, frames=chosen)
    grade = graded(author, film)
    assert (grade.status, sorted(grade.frames + grade.frames_unread)) == ("succeeded", chosen)
    assert grade.worst_frame in grade.frames
    with Pillow.open(blobs.open_blob(heatmaps.draw(grade))) as heat:
        assert heat.mode == "RGBA"
