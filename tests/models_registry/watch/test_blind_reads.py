"""Blind reads: who draws, who may read, that it is blind, and that only these reads count."""

from datetime import timedelta

import pytest
from django.utils import timezone

from images.models import Project
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import AuditEvent
from models_registry.grades.feedback import give_feedback
from models_registry.models import BlindRead, Grade
from models_registry.policies import visible_grades
from models_registry.versions import blind_reads
from models_registry.watch import live, reads

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawn(project, answered):
    """`drawn(3)`: so many answered grades, asked for by the author, that were drawn."""

    def make(count: int, first: int = 1) -> list[BlindRead]:
        Project.objects.filter(pk=project.pk).update(blind_read_share=1.0)
        project.refresh_from_db()
        for seed in range(first, first + count):
            answered(seed=seed, patient=f"p{seed}")
        return list(BlindRead.objects.order_by("pk"))[-count:]

    return make


@pytest.fixture
def read(colleague, project):
    """The colleague takes the next one and reads it as this class."""

    def make(name: str = "", **said) -> BlindRead:
        row = reads.claim(actor=colleague, project=project)
        label = project.class_rows.get(name=name) if name else None
        return reads.read(actor=colleague, blind_read=row, label_class=label, **said)

    return make


def test_nothing_is_drawn_where_the_project_measures_nothing(answered):
    answered(seed=1)
    assert not BlindRead.objects.exists()


def test_the_share_that_was_asked_for_is_drawn():
    lots = [blind_reads.lot(pk) for pk in range(4000)]
    assert 0.03 < sum(lot < 0.05 for lot in lots) / 4000 < 0.07
    assert len(set(lots)) == 4000


def test_another_sites_keys_draw_others(monkeypatch):
    before = [blind_reads.lot(pk) < 0.5 for pk in range(64)]
    monkeypatch.setattr(blind_reads, "PURPOSE", "another key")
    assert [blind_reads.lot(pk) < 0.5 for pk in range(64)] != before


def test_each_draw_is_audited_with_the_share(drawn):
    drawn(2)
    events = AuditEvent.objects.filter(action="blind_read.draw")
    assert [event.details["share"] for event in events] == [1.0, 1.0]


def test_referrals_are_not_drawn(make_version, admin, author, project, make_scan):
    from models_registry.deployments.services import deploy
    from models_registry.grades.services import request_grade
    from models_registry.grades.worker import run_grade

    Project.objects.filter(pk=project.pk).update(blind_read_share=1.0)
    deploy(actor=admin, model=make_version(threshold=1.1))
    run_grade(request_grade(actor=author, project=project, image=make_scan(seed=1)).pk)
    assert Grade.objects.get().decision == "refer"
    assert not BlindRead.objects.exists()


def test_whoever_asked_or_gave_feedback_is_not_offered_the_read(drawn, author, colleague, admin, project):
    row = drawn(1)[0]
    assert reads.claim(actor=author, project=project) is None
    give_feedback(actor=colleague, grade=row.grade, correct=True)
    assert reads.claim(actor=colleague, project=project) is None
    assert reads.claim(actor=admin, project=project) == row


def test_a_read_is_one_readers_alone_until_the_lease_ends(drawn, colleague, admin, project):
    first, second = drawn(2)
    assert reads.claim(actor=colleague, project=project) == first
    assert reads.claim(actor=colleague, project=project) == first
    assert reads.claim(actor=admin, project=project) == second
    BlindRead.objects.filter(pk=first.pk).update(held_until=timezone.now() - timedelta(seconds=1))
    assert reads.release(actor=admin, project=project) == 1
    assert reads.claim(actor=admin, project=project) == first


def test_while_it_is_on_the_desk_the_reader_cannot_look_the_answer_up(drawn, colleague, project, api):
    row = drawn(1)[0]
    assert api(colleague).get(f"/api/v1/grades/{row.grade_id}/").status_code == 200
    reads.claim(actor=colleague, project=project)
    assert api(colleague).get(f"/api/v1/grades/{row.grade_id}/").status_code == 404
    assert visible_grades(colleague).count() == 0
    reads.release(actor=colleague, project=project)
    assert visible_grades(colleague).count() == 1


def test_a_read_is_kept_and_labels_nothing(drawn, read, colleague):
    row = drawn(1)[0]
    done = read("OPACITY")
    assert (done.reader, done.read_class.name) == (colleague, "OPACITY")
    assert not row.grade.image.labels.exists()
    with pytest.raises(Conflict) as refused:
        reads.read(actor=colleague, blind_read=done, label_class=done.read_class)
    assert refused.value.code == "already_read"


def test_an_ungradable_scan_is_counted_apart(drawn, read):
    row = drawn(1)[0]
    read(ungradable="cut off")
    found = live.figures(row.grade.model)
    assert (found["drawn"], found["ungradable"], found["here"]["n"]) == (1, 1, 0)


def test_without_holding_it_nothing_can_be_read(drawn, colleague, author, project):
    row = drawn(1)[0]
    label = project.class_rows.first()
    with pytest.raises(Conflict) as refused:
        reads.read(actor=colleague, blind_read=row, label_class=label)
    assert refused.value.code == "not_held"
    with pytest.raises(Forbidden):
        reads.read(actor=author, blind_read=row, label_class=label)
    with pytest.raises(Invalid):
        reads.read(actor=colleague, blind_read=row)


def test_a_retired_class_is_refused_as_everywhere_else(drawn, colleague, project, admin):
    from images.services import add_class, retire_class

    add_class(actor=admin, project=project, name="THIRD")
    drawn(1)
    row = reads.claim(actor=colleague, project=project)
    gone = project.class_rows.get(name="OPACITY")
    retire_class(actor=admin, project_class=gone)
    gone.refresh_from_db()
    with pytest.raises(Invalid) as refused:
        reads.read(actor=colleague, blind_read=row, label_class=gone)
    assert (refused.value.code, refused.value.attr) == ("retired_class", "label")


def test_only_blind_reads_count_for_the_live_accuracy(drawn, read, colleague, project, author):
    rows = drawn(8)
    for row in rows[:2]:
        give_feedback(actor=author, grade=row.grade, correct=False)
    for row in rows:
        row.grade.refresh_from_db()
        read(row.grade.prediction.name)
    found = live.figures(rows[0].grade.model)
    assert (found["here"]["n"], found["here"]["answered_accuracy"]["value"]) == (8, 1.0)
    assert (found["volunteered"]["feedback"], found["volunteered"]["overridden"]["value"]) == (2, None)


def test_the_drift_against_the_test_split_has_an_interval(drawn, read, project):
    rows = drawn(10)
    model = rows[0].grade.model
    evaluation = model.evaluations.get()
    evaluation.metrics = evaluation.metrics | {"answered_accuracy": {"value": 0.97, "low": 0.93, "high": 0.99}}
    evaluation.save()
    for row in rows:
        row.grade.refresh_from_db()
        other = project.class_rows.exclude(pk=row.grade.prediction_id).get()
        read(other.name)
    drift = live.figures(model)["drift"]["answered_accuracy"]
    assert drift["value"] == pytest.approx(-0.97)
    assert drift["lower"]


def test_blind_reads_through_the_api(drawn, api, colleague, author, project):
    row = drawn(1)[0]
    body = {"project": project.pk}
    assert api(author).post("/api/v1/blind-reads/claim/", body, format="json").status_code == 204
    task = api(colleague).post("/api/v1/blind-reads/claim/", body, format="json").json()
    assert (task["image"], task["grade"], task["label"]) == (row.grade.image.code, None, None)
    url = f"/api/v1/blind-reads/{row.pk}/read/"
    assert api(colleague).post(url, {"label": "NORMAL", "ungradable": "x"}, format="json").status_code == 400
    done = api(colleague).post(url, {"label": "NORMAL"}, format="json").json()
    assert (done["grade"], done["label"], done["reader"]) == (row.grade_id, "NORMAL", "colleague")
    assert api(colleague).get("/api/v1/blind-reads/?waiting=true").json()["results"] == []
    assert api(colleague).post("/api/v1/blind-reads/release/", body, format="json").json() == {"released": 0}
