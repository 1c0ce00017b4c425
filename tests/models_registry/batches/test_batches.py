"""Grading many stored scans: what is chosen, in which version's words, and that nothing is lost, done twice or held up."""

import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.models import Image
from images.services import create_project, delete_scan, revoke
from labeling.models import Import, ImportFile
from mediscan_site.core import sweeping, work
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from mediscan_site.core.models import AuditEvent
from models_registry.batches import selectors, services, worker
from models_registry.batches.services import cancel_batch, start_batch
from models_registry.batches.worker import run_batch
from models_registry.deployments.services import deploy
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Grade, GradeBatch, GradeBatchItem, Referral
from models_registry.versions import reading, serving
from tests.models_registry.deployments.test_deployments import damage

pytestmark = pytest.mark.django_db


@pytest.fixture
def scans(make_scan):
    return [make_scan(seed=seed) for seed in range(1, 5)]


def outcomes(batch: GradeBatch) -> dict[str, int]:
    row = selectors.batches(batch.requested_by).get(pk=batch.pk)
    numbers = {outcome.value: getattr(row, f"number_{outcome.value}") for outcome in GradeBatchItem.Outcome}
    return {name: number for name, number in numbers.items() if number}


def finished(batch: GradeBatch) -> GradeBatch:
    run_batch(batch.pk)
    batch.refresh_from_db()
    return batch


def test_every_scan_gets_the_grade_that_it_would_get_alone(deployed, author, project, scans):
    batch = finished(start_batch(actor=author, project=project))
    assert (batch.status, batch.progress, batch.total) == ("succeeded", 1.0, 4)
    assert outcomes(batch) == {"answered": 4}
    for scan in scans:
        together = Grade.objects.get(image=scan)
        alone = request_grade(actor=author, project=project, image=scan)
        run_grade(alone.pk)
        alone.refresh_from_db()
        assert together.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
        assert (together.prediction, together.decision, together.seen_in) == (
            alone.prediction,
            alone.decision,
            alone.seen_in,
        )
        assert together.heatmap is None, "nobody has asked for a picture yet"
        assert (together.status, together.model, together.requested_by) == ("succeeded", deployed, author)
        assert together.latency_ms > 0
    assert AuditEvent.objects.filter(action="grade.finish", details__batch=batch.pk).count() == 4


def test_referred_scans_come_into_the_worklist(make_version, admin, author, project, scans):
    deploy(actor=admin, model=make_version(threshold=1.1))
    batch = finished(start_batch(actor=author, project=project))
    assert outcomes(batch) == {"referred": 4}
    assert set(Referral.objects.filter(active=True).values_list("image", flat=True)) == {scan.pk for scan in scans}


def test_the_version_and_the_scans_are_those_of_the_start(
    deployed, make_version, admin, author, project, scans, make_scan
):
    batch = start_batch(actor=author, project=project, filters={"label_status": "unlabeled"})
    deploy(actor=admin, model=make_version(seed=1))
    make_scan(seed=9)
    Image.objects.filter(pk=scans[0].pk).update(label_status="labeled")
    finished(batch)
    assert outcomes(batch) == {"answered": 4}
    assert set(Grade.objects.values_list("model", flat=True)) == {deployed.pk}


def test_a_selection_a_filter_and_an_import_choose_what_they_say(deployed, author, project, scans):
    source = Import.objects.create(project=project, created_by=author, file_name="x.zip", status="succeeded")
    for number, outcome in enumerate(("created", "duplicate", "warning")):
        ImportFile.objects.create(
            batch=source, path=str(number), path_digest=str(number), outcome=outcome, image=scans[number]
        )
    chosen = {
        "selection": start_batch(actor=author, project=project, images=[scans[3], scans[3]]),
        "import": start_batch(actor=author, project=project, source_import=source),
        "filter": start_batch(actor=author, project=project, filters={"search": "scan2.jpg"}),
    }
    assert {name: batch.origin for name, batch in chosen.items()} == {name: name for name in chosen}
    items = {name: list(batch.items.order_by("pk").values_list("image", flat=True)) for name, batch in chosen.items()}
    assert items == {"selection": [scans[3].pk], "import": [scans[0].pk, scans[1].pk], "filter": [scans[1].pk]}
    assert chosen["filter"].filters == {"search": "(not kept)"}, "a name may be in it"


def test_what_cannot_be_graded_is_left_out_or_failed_and_says_why(deployed, author, admin, project, scans, monkeypatch):
    held, many, gone, broken = scans
    batch = start_batch(actor=author, project=project)
    Image.objects.filter(pk=held.pk).update(hold="burned_in_annotation")
    Image.objects.filter(pk=many.pk).update(image_format="DICOM", frames=3)
    delete_scan(actor=admin, image=gone)
    real = reading.tile

    def unreadable(image, frame):
        if image.pk == broken.pk:
            raise RuntimeError("/secret/path of patient Smith")
        return real(image, frame)

    monkeypatch.setattr(reading, "tile", unreadable)
    finished(batch)
    assert batch.status == "succeeded"
    assert outcomes(batch) == {"left_out": 3, "failed": 1}
    found = {row["code"]: row["detail"] for row in selectors.reasons(batch)}
    assert set(found) == {"held", "unsupported_multiframe", "erased", "unexpected"}
    assert "Release it" in found["held"]
    assert "Smith" not in found["unexpected"]
    assert not Grade.objects.exists()


def test_bad_choices_are_refused_with_a_reason(deployed, author, admin, project, scans, outsider):
    other = create_project(actor=admin, name="Hands", classes=["A", "B"])
    foreign = Import.objects.create(project=other, created_by=admin, file_name="x.zip", status="succeeded")
    with pytest.raises(Invalid, match="another project"):
        start_batch(actor=author, project=project, source_import=foreign)
    with pytest.raises(Invalid, match="no filter 'colour'"):
        start_batch(actor=author, project=project, filters={"colour": "red"})
    with pytest.raises(Invalid, match="one of images"):
        start_batch(actor=author, project=project, images=scans, filters={"split": "test"})
    with pytest.raises(Conflict, match="nothing to grade"):
        start_batch(actor=author, project=project, filters={"split": "test"})
    gone = scans[0]
    delete_scan(actor=admin, image=gone)
    with pytest.raises(Invalid, match="scans of this project"):
        start_batch(actor=author, project=project, images=[gone])
    with pytest.raises(NotFound):
        start_batch(actor=outsider, project=project)
    revoke(actor=admin, project=project, user=author, codename="grade_image")
    with pytest.raises(Forbidden):
        start_batch(actor=author, project=project)
    assert not GradeBatch.objects.exists()


def test_without_a_deployed_model_nothing_is_queued(author, project, scans):
    with pytest.raises(Conflict) as refusal:
        start_batch(actor=author, project=project)
    assert refusal.value.code == "no_deployed_model"


def test_one_person_may_have_so_many_batches_waiting(deployed, author, colleague, project, scans, settings):
    settings.WAITING_PER_PERSON = {**settings.WAITING_PER_PERSON, "models_registry.GradeBatch": 1}
    start_batch(actor=author, project=project)
    with pytest.raises(TooMany) as refusal:
        start_batch(actor=author, project=project)
    assert refusal.value.code == "too_many_grade_batches"
    start_batch(actor=colleague, project=project)


def test_a_batch_gives_way_to_a_single_grade_after_one_chunk(deployed, author, colleague, project, scans, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 2)
    batch = start_batch(actor=author, project=project)
    single = request_grade(actor=colleague, project=project, image=scans[0])
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.attempt, batch.turn) == ("queued", 0, 1)
    assert outcomes(batch) == {"answered": 2, "waiting": 2}
    assert batch.progress == 0.5
    run_grade(single.pk)
    finished(batch)
    assert (batch.status, batch.attempt) == ("succeeded", 1)
    assert outcomes(batch) == {"answered": 4}


def test_batches_take_turns(deployed, author, colleague, project, scans, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 1)
    monkeypatch.setattr(worker, "SLICE_S", -1.0)
    big = start_batch(actor=author, project=project)
    small = start_batch(actor=colleague, project=project, images=scans[:1])
    for _ in range(2):
        work.in_turn(GradeBatch, big.pk, run_batch)
    small.refresh_from_db()
    big.refresh_from_db()
    assert (small.status, big.status) == ("succeeded", "queued")


def test_a_killed_worker_loses_nothing_and_nothing_is_graded_twice(deployed, author, project, scans, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 2)
    batch = start_batch(actor=author, project=project)
    real, chunks = worker._Slice._grade, []

    def dies(self, items):
        chunks.append(len(items))
        if len(chunks) == 2:
            raise SystemExit("kill -9")
        return real(self, items)

    monkeypatch.setattr(worker._Slice, "_grade", dies)
    with pytest.raises(SystemExit):
        run_batch(batch.pk)
    assert outcomes(batch) == {"answered": 2, "waiting": 2}
    GradeBatch.objects.filter(pk=batch.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweeping.sweep()
    finished(batch)
    assert (batch.status, batch.attempt) == ("succeeded", 2)
    run_batch(batch.pk)
    assert Grade.objects.count() == len(scans)
    assert AuditEvent.objects.filter(action="grade.finish").count() == len(scans)


def test_a_worker_that_was_fenced_off_writes_nothing(deployed, author, project, scans, monkeypatch):
    batch = start_batch(actor=author, project=project)
    real = worker._Slice._grade

    def slow(self, items):
        GradeBatch.objects.filter(pk=batch.pk).update(attempt=2)
        return real(self, items)

    monkeypatch.setattr(worker._Slice, "_grade", slow)
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.attempt) == ("running", 2)
    assert not Grade.objects.exists()


def test_a_running_batch_stops_between_chunks_when_it_is_cancelled(deployed, author, project, scans, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 1)
    batch = start_batch(actor=author, project=project)
    real = worker._Slice._grade

    def cancelled(self, items):
        if self._done == 1:
            cancel_batch(actor=author, batch=batch)
        return real(self, items)

    monkeypatch.setattr(worker._Slice, "_grade", cancelled)
    finished(batch)
    assert batch.status == "cancelled"
    assert outcomes(batch) == {"answered": 1, "waiting": 3}
    with pytest.raises(Conflict) as refusal:
        cancel_batch(actor=author, batch=batch)
    assert refusal.value.code == "batch_ended"


def test_only_who_started_it_and_administrators_cancel(deployed, author, colleague, admin, project, scans):
    batch = start_batch(actor=author, project=project)
    with pytest.raises(Forbidden):
        cancel_batch(actor=colleague, batch=batch)
    cancel_batch(actor=admin, batch=batch)
    batch.refresh_from_db()
    assert batch.status == "cancelled"


def test_a_damaged_bundle_ends_the_batch_with_the_remedy(deployed, author, project, scans):
    serving.forget()
    damage(deployed)
    batch = finished(start_batch(actor=author, project=project))
    assert batch.status == "failed"
    assert "Deploy another version" in batch.error
    assert outcomes(batch) == {"waiting": 4}


def test_a_chunk_of_many_asks_the_database_no_more_than_a_chunk_of_one(deployed, author, project, make_scan):
    def asked(number: int, first: int) -> int:
        images = [make_scan(seed=first + place) for place in range(number)]
        batch = start_batch(actor=author, project=project, images=images)
        with CaptureQueriesContext(connection) as queries:
            finished(batch)
        return len(queries)

    asked(1, 100)
    assert asked(1, 200) == asked(8, 300)


def test_choosing_many_scans_is_one_statement(deployed, author, project, make_scan):
    def asked(number: int, first: int) -> int:
        images = [make_scan(seed=first + place) for place in range(number)]
        with CaptureQueriesContext(connection) as queries:
            start_batch(actor=author, project=project, images=images)
        return len(queries)

    assert asked(1, 200) == asked(8, 300)


def test_a_grade_says_that_the_same_version_was_asked_before(deployed, make_version, admin, author, project, make_scan):
    from models_registry.grades.evidence import remarks
    from models_registry.selectors import grades

    scan = make_scan(seed=1)
    for _ in range(2):
        finished(start_batch(actor=author, project=project, images=[scan]))
    deploy(actor=admin, model=make_version(seed=1))
    finished(start_batch(actor=author, project=project, images=[scan]))
    first, again, other = grades(author).order_by("pk")
    assert (first.graded_before, other.graded_before) == (None, None)
    assert (again.graded_before, again.graded_before_at) == (first.pk, first.finished_at)
    assert any(f"grade {first.pk}" in remark for remark in remarks(again))
    assert not any("asked about this scan before" in remark for remark in [*remarks(first), *remarks(other)])


def test_the_command_grades_tells_and_writes_a_line_for_each(deployed, author, project, scans, tmp_path):
    from django.core.management import call_command
    from django.core.management.base import CommandError

    out, target = io.StringIO(), tmp_path / "grades.csv"
    filters = ("--filter", "label_status=unlabeled", "--csv", str(target))
    call_command("grade_batch", str(project.pk), *filters, "--as", "author", stdout=out, stderr=io.StringIO())
    assert "4 scans, answered 4, referred 0, failed 0, left out 0" in out.getvalue()
    lines = target.read_text().splitlines()
    assert lines[0].startswith("id,image,file_name")
    assert [line.split(",")[1] for line in lines[1:]] == [scan.code for scan in scans]

    def refused(*args: str) -> int:
        with pytest.raises(CommandError) as caught:
            call_command("grade_batch", str(project.pk), *args, stdout=io.StringIO(), stderr=io.StringIO())
        return caught.value.returncode

    assert refused("--csv", str(target)) == 2
    assert refused("--filter", "split") == 2
    assert refused("--import", "999") == 2
    assert refused("--filter", "split=test") == 1


def test_the_command_exits_with_one_when_a_scan_failed(deployed, project, scans, monkeypatch):
    from django.core.management import call_command
    from django.core.management.base import CommandError

    def unreadable(image, frame):
        raise RuntimeError("no")

    monkeypatch.setattr(reading, "tile", unreadable)
    with pytest.raises(CommandError, match="4 of 4 scans got no answer") as caught:
        call_command("grade_batch", project.name, stdout=io.StringIO(), stderr=io.StringIO())
    assert caught.value.returncode == 1


def test_more_than_a_batch_may_have_is_refused(deployed, author, project, scans, monkeypatch):
    monkeypatch.setattr(services, "MOST_SCANS", 3)
    with pytest.raises(Invalid, match="Narrow the filters"):
        start_batch(actor=author, project=project)
