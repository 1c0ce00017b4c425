"""Grades that wait for one version are answered together, and each is still its own."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mediscan_site.core import batches, bell, sweeping, work
from mediscan_site.core.models import AuditEvent, ServiceToken, TokenWork
from mediscan_site.core.storage import blobs
from models_registry import tasks
from models_registry.deployments.services import deploy
from models_registry.grades import worker
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade, run_grades
from models_registry.inference.predictor import Predictor
from models_registry.models import Grade
from models_registry.versions import reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(deployed, author, make_scan, project):
    """`ask(5)`: so many queued grades of different scans."""

    def make(count: int, *, actor=None, first: int = 0) -> list[Grade]:
        scans = [make_scan(seed=first + number) for number in range(count)]
        return [request_grade(actor=actor or author, project=project, image=scan) for scan in scans]

    return make


def state(grades):
    return [Grade.objects.get(pk=grade.pk).status for grade in grades]


def test_one_wake_up_answers_what_waits_and_the_others_find_nothing(ask):
    grades = ask(5)
    tasks.grade(grades[3].pk)
    assert state(grades) == ["succeeded"] * 5
    assert AuditEvent.objects.filter(action="grade.finish").count() == 5
    tasks.grade(grades[0].pk)
    assert {grade.attempt for grade in Grade.objects.all()} == {1}
    assert AuditEvent.objects.filter(action="grade.finish").count() == 5


def test_together_they_get_the_answers_that_they_would_get_alone(ask, admin, project):
    together = ask(6)
    tasks.grade(together[0].pk)
    alone = [request_grade(actor=admin, project=project, image=grade.image) for grade in together]
    for grade in alone:
        run_grade(grade.pk)
    columns = ("prediction_id", "decision", "reasons", "seen_in", "status")
    for one, other in zip(together, alone, strict=True):
        one.refresh_from_db()
        other.refresh_from_db()
        assert [getattr(one, name) for name in columns] == [getattr(other, name) for name in columns]
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_no_more_are_taken_at_once_than_go_together_well(ask, monkeypatch):
    monkeypatch.setattr(worker, "MOST_TOGETHER", 4)
    grades = ask(6)
    tasks.grade(grades[0].pk)
    assert state(grades) == ["succeeded"] * 4 + ["queued"] * 2


def test_whose_turn_it_is_goes_first_also_in_a_batch(ask, author, colleague, monkeypatch):
    monkeypatch.setattr(worker, "MOST_TOGETHER", 2)
    many = ask(4)
    (single,) = ask(1, actor=colleague, first=50)
    tasks.grade(many[3].pk)
    assert state([single]) == ["succeeded"]
    assert state(many).count("succeeded") == 1


def test_a_batch_is_of_one_version(ask, make_version, admin):
    older = ask(2)
    newer_version = make_version(seed=1)
    deploy(actor=admin, model=newer_version)
    newer = ask(2, first=50)
    tasks.grade(newer[0].pk)
    assert state(older) == ["succeeded", "succeeded"]
    assert state(newer) == ["queued", "queued"]
    tasks.grade(newer[0].pk)
    assert {Grade.objects.get(pk=grade.pk).model_id for grade in newer} == {newer_version.pk}


def test_a_scan_that_cannot_be_read_fails_alone(ask, monkeypatch):
    grades = ask(3)
    real = reading.tile

    def broken(image, frame):
        if image.pk == grades[1].image_id:
            raise RuntimeError("unreadable")
        return real(image, frame)

    monkeypatch.setattr(reading, "tile", broken)
    tasks.grade(grades[0].pk)
    assert state(grades) == ["succeeded", "failed", "succeeded"]


def test_a_picture_that_the_networks_cannot_take_fails_alone(ask, monkeypatch):
    grades = ask(3)
    doomed = reading.tile(grades[2].image)
    real = Predictor.predict

    def predict(self, tiles, pixels=None):
        if any((tile == doomed).all() for tile in tiles):
            raise RuntimeError("cannot")
        return real(self, tiles, pixels)

    monkeypatch.setattr(Predictor, "predict", predict)
    tasks.grade(grades[0].pk)
    assert state(grades) == ["succeeded", "succeeded", "failed"]


def test_an_answer_that_cannot_be_written_fails_alone(ask, monkeypatch):
    grades = ask(3)
    finish = work.finish

    def refuse(model, pk, attempt, *, status, **columns):
        if pk == grades[0].pk and status == "succeeded":
            raise IntegrityError("no such class")
        return finish(model, pk, attempt, status=status, **columns)

    monkeypatch.setattr(work, "finish", refuse)
    tasks.grade(grades[0].pk)
    assert state(grades) == ["failed", "succeeded", "succeeded"]
    assert AuditEvent.objects.filter(action="grade.finish").count() == 2


def test_a_row_that_another_attempt_has_taken_over_is_left_to_it(ask, monkeypatch):
    grades = ask(2)
    real = reading.tile

    def slow(image, frame):
        Grade.objects.filter(pk=grades[0].pk).update(attempt=2)
        return real(image, frame)

    monkeypatch.setattr(reading, "tile", slow)
    tasks.grade(grades[0].pk)
    assert state(grades) == ["running", "succeeded"]
    assert AuditEvent.objects.filter(action="grade.finish").count() == 1


def test_a_lost_batch_is_answered_by_another_worker_once(ask):
    grades = ask(3)
    lost = batches.claim(Grade, [grade.pk for grade in grades])
    assert [one.attempt for one in lost] == [1, 1, 1]
    assert batches.claim(Grade, [grade.pk for grade in grades]) == []
    Grade.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweeping.sweep()
    tasks.grade(grades[0].pk)
    run_grades(lost)
    assert state(grades) == ["succeeded"] * 3
    assert {grade.attempt for grade in Grade.objects.all()} == {2}
    assert AuditEvent.objects.filter(action="grade.finish").count() == 3


def test_each_answer_is_recorded_with_the_token_that_asked_for_it(ask, author):
    grades = ask(2)
    token = ServiceToken.objects.create(
        user=author, made_by=author, name="bridge", digest="d" * 64, scopes=["grade"], expires_at=timezone.now()
    )
    TokenWork.objects.create(table="models_registry.Grade", row=grades[1].pk, token=token)
    tasks.grade(grades[0].pk)
    named = {event.object_id: event.details.get("token") for event in AuditEvent.objects.filter(action="grade.finish")}
    assert named[str(grades[0].pk)] is None
    assert named[str(grades[1].pk)] == {"id": token.pk, "name": "bridge"}


def test_a_grade_in_a_batch_costs_few_queries_and_one_decryption(ask, monkeypatch):
    ask(1)
    tasks.grade(Grade.objects.get().pk)  # the version is in memory
    opened = []
    real = blobs.open_blob
    monkeypatch.setattr(blobs, "open_blob", lambda blob, **more: opened.append(blob.pk) or real(blob, **more))

    def queries(count: int, first: int) -> int:
        grades = ask(count, first=first)
        opened.clear()
        with CaptureQueriesContext(
            connection,
        ) as seen:
            tasks.grade(grades[0].pk)
        assert len(opened) == count
        return len(seen)

    one, eleven = queries(1, 100), queries(11, 200)
    assert one <= 24
    assert (eleven - one) / 10 <= 6


def test_whoever_waits_is_rung_for_answers_and_failures(ask, monkeypatch, django_capture_on_commit_callbacks):
    rung = []
    monkeypatch.setattr(bell, "touch", rung.append)
    (grade,) = ask(1)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.grade(grade.pk)
    assert rung
    rung.clear()
    (grade,) = ask(1, first=60)
    monkeypatch.setattr(reading, "tile", lambda image, frame: 1 / 0)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.grade(grade.pk)
    assert state([grade]) == ["failed"]
    assert rung
