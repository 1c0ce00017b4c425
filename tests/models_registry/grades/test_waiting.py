"""Who waits for a grade holds no thread: the view leaves a marker, and finishes when the grade has ended."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from images.models import Image
from images.services import choose_frames
from mediscan_site.core.http.later import GATE, Later
from mediscan_site.core.models import IdempotencyRecord, WorkStatus
from models_registry import selectors, tasks
from models_registry.grade_serializers import GradeSerializer
from models_registry.grades import waiting
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Grade
from tests.images.cines import cine

pytestmark = pytest.mark.django_db
UNDER_THE_GATE = {GATE: True}


@pytest.fixture
def ask(api, author, deployed, make_scan):
    client = api(author)

    def asked(wait: float = 30, **extra):
        url = f"/api/v1/grades/?wait={wait}"
        return client.post(url, {"image": make_scan().pk}, format="json", **UNDER_THE_GATE, **extra)

    return asked


def test_a_caller_who_waits_leaves_a_marker_and_gets_the_answer_later(ask):
    marker = ask()
    assert isinstance(marker, Later)
    grade = Grade.objects.get()
    assert not marker.wait.is_over()
    run_grade(grade.pk)
    assert marker.wait.is_over()
    answer = marker.finished()
    assert answer.status_code == 201
    assert b'"succeeded"' in answer.content
    assert answer["X-Request-ID"] == marker["X-Request-ID"]
    assert answer["X-Frame-Options"] == "DENY"


def test_whoever_has_just_asked_is_not_looked_up_by_the_request(ask, monkeypatch):
    looked = []
    monkeypatch.setattr(waiting, "ended", lambda keys: looked.append(list(keys)) or set())
    assert isinstance(ask(), Later)
    assert not looked


def test_an_answer_is_read_with_two_queries_however_much_it_says(ask, admin, author, django_assert_num_queries):
    ask(wait=0)
    run_grade(Grade.objects.get().pk)
    with django_assert_num_queries(2):
        grade = selectors.answers(admin).get()
        said = dict(GradeSerializer(grade, context={"request": None}).data)
    assert said["image"] == grade.image.code
    assert said["prediction"] in ("NORMAL", "OPACITY")
    assert said["requested_by"] == author.username


def test_a_file_that_may_not_be_graded_yet_is_stored_all_the_same(api, author, deployed, project):
    asked = {"project": project.pk, "file": SimpleUploadedFile("cine.dcm", cine(), "application/dicom")}
    answer = api(author).post("/api/v1/grades/?wait=0", asked)
    assert answer.status_code == 400, answer.json()
    image = Image.objects.get(image_format="DICOM")
    assert not Grade.objects.exists()
    choose_frames(actor=author, image=image, frames=[2])
    assert api(author).post("/api/v1/grades/?wait=0", {"image": image.code}).status_code == 202


def test_when_the_time_is_up_the_answer_is_202_and_where_to_ask(ask):
    answer = ask().finished()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/grades/{Grade.objects.get().pk}/")


def test_who_does_not_wait_is_answered_at_once(ask):
    assert ask(wait=0).status_code == 202


def test_a_grade_that_is_gone_is_not_waited_for():
    assert waiting.ended([4711]) == {4711}
    assert waiting.drawn([4711]) == {4711}


def test_the_stored_answer_of_a_key_is_the_last_one(ask):
    marker = ask(HTTP_IDEMPOTENCY_KEY="once")
    assert IdempotencyRecord.objects.get().status is None
    run_grade(Grade.objects.get().pk)
    marker.finished()
    assert IdempotencyRecord.objects.get().status == 201


def test_the_heat_map_waits_for_the_grade_and_refuses_in_the_usual_shape(ask, api, author):
    ask()
    marker = api(author).get(f"/api/v1/grades/{Grade.objects.get().pk}/heatmap/?wait=30", **UNDER_THE_GATE)
    assert isinstance(marker, Later)
    marker.wait.seconds = 0
    answer = marker.finished()
    while isinstance(answer, Later):
        answer = answer.finished()
    assert answer.status_code == 409
    assert b"grade_not_ready" in answer.content


def test_no_header_of_a_client_opens_the_gate(api, author, deployed, make_scan):
    client = api(author)
    body = {"image": make_scan().pk}
    answer = client.post("/api/v1/grades/?wait=0.1", body, format="json", HTTP_MEDISCAN_GATE="1")
    assert answer.status_code == 202
    assert not isinstance(answer, Later)


@pytest.mark.parametrize("drawing", [tasks.draw, tasks.draw_answer])
def test_a_heat_map_comes_after_what_waits_to_be_graded(drawing, deployed, author, project, make_scan):
    grade = request_grade(actor=author, project=project, image=make_scan(seed=4))
    drawing(0)
    grade.refresh_from_db()
    assert grade.status == WorkStatus.SUCCEEDED
