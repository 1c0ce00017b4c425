"""An export: requested, made by a worker, fetched, withdrawn."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from images import renditions
from images.models import Hold, Image, RenditionKind
from images.services import delete_scan
from labeling.exports import worker
from labeling.exports.services import discard_export, open_export, start_export
from labeling.models import Export, Label
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from labeling.reading.undo import undo_last
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound
from mediscan_site.core.models import AuditEvent, Blob, WorkStatus
from mediscan_site.core.storage import blobs
from tests.conftest import CLASSES, scan_bytes


def made(export: Export) -> Export:
    worker.run(export.pk)
    export.refresh_from_db()
    return export


def zipped(export: Export) -> zipfile.ZipFile:
    assert export.status == WorkStatus.SUCCEEDED, export.error
    assert export.blob is not None
    return zipfile.ZipFile(io.BytesIO(blobs.read(export.blob)))


def rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    path = next(path for path in archive.namelist() if path.endswith(f"/{name}"))
    return list(csv.DictReader(io.StringIO(archive.read(path).decode())))


def stored_files() -> set[Path]:
    return {path for path in (Path(settings.DATA_DIR) / "blobs").glob("*/*/*") if path.is_file()}


def test_a_snapshot_leaves_in_the_layout_that_imports_read(make_snapshot, author, project):
    snapshot = make_snapshot(4)
    export = made(start_export(actor=author, project=project, snapshot=snapshot))
    archive = zipped(export)
    lines = rows(archive, "labels.csv")
    assert (export.total, export.done, export.progress, len(lines)) == (12, 12, 1.0, 12)
    assert {line["image_id"].split("/")[0] for line in lines} == {"train", "val", "test"}
    for member in snapshot.members.select_related("image", "label_class"):
        path = f"{member.split}/{member.label_class.name}/{member.image.code}.jpg"
        line = next(line for line in lines if line["image_id"] == path)
        assert line["label"] == member.label_class.name
        assert line["patient"] == line["pseudonym"] == member.image.patient
        # This file held nothing but its picture: it leaves as it came.
        assert archive.read(f"{snapshot.code}/{path}") == blobs.read(member.image.blob)
    facts = json.loads(archive.read(f"{snapshot.code}/metadata.json"))
    assert (facts["content_hash"], facts["scans"], facts["classes"]) == (snapshot.content_hash, 12, CLASSES)
    assert b"Research use only" in archive.read(f"{snapshot.code}/README.txt")


def test_a_filtered_list_leaves_as_it_stands(make_scan, author, project):
    make_scan(seed=1, label="NORMAL", split="train", external_id="=acc-1", device="A", institution="St. Mary")
    make_scan(seed=2, label="OPACITY")
    unlabelled = make_scan(seed=3)
    archive = zipped(made(start_export(actor=author, project=project, filters={"label_status": "labeled"})))
    lines = rows(archive, "labels.csv")
    assert [line["image_id"].rsplit("/", 1)[0] for line in lines] == ["train/NORMAL", "OPACITY"]
    assert (lines[0]["external_id"], lines[0]["device"], lines[0]["approval_status"]) == ("'=acc-1", "A", "pending")
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"St. Mary" not in everything
    assert unlabelled.code.encode() not in everything


def test_a_scan_without_label_and_split_lies_flat(make_scan, author, project):
    image = make_scan(seed=3)
    archive = zipped(made(start_export(actor=author, project=project)))
    assert rows(archive, "labels.csv")[0]["image_id"] == f"{image.code}.jpg"


def test_renditions_leave_instead_of_files_on_request(make_scan, author, project):
    image = make_scan(seed=3)
    archive = zipped(made(start_export(actor=author, project=project, files="renditions")))
    picture = blobs.read(renditions.ensure(image, RenditionKind.VIEW))
    assert archive.read(f"{archive.namelist()[0].split('/')[0]}/{image.code}.png") == picture


def test_the_history_tells_who_said_what_but_no_comment(make_scan, author, colleague, project):
    image = make_scan(seed=1, label="NORMAL")
    opacity = project.class_rows.get(name="OPACITY")
    label_scan(actor=colleague, image=image, label_class=opacity, comment="Mrs Doe looks ill")
    archive = zipped(made(start_export(actor=author, project=project)))
    history = rows(archive, "labels_history.csv")
    assert [(line["reader"], line["label"], line["source"]) for line in history] == [
        ("author", "NORMAL", Label.Source.DOCTOR),
        ("colleague", "OPACITY", Label.Source.DOCTOR),
    ]
    assert b"Mrs Doe" not in b"".join(archive.read(name) for name in archive.namelist())


def test_the_history_says_what_was_taken_back(make_scan, author, colleague, project):
    image = make_scan(seed=1, label="NORMAL")
    label_scan(actor=colleague, image=image, label_class=project.class_rows.get(name="OPACITY"))
    undo_last(actor=colleague, project=project, task="label")
    review_scan(actor=colleague, image=image, status="modified", label_class=project.class_rows.get(name="OPACITY"))
    undo_last(actor=colleague, project=project, task="review")
    review_scan(actor=colleague, image=image, status="approved")
    archive = zipped(made(start_export(actor=author, project=project)))
    assert [line["label"] for line in rows(archive, "labels.csv")] == ["NORMAL"]
    history = rows(archive, "labels_history.csv")
    assert [(line["what"], line["decision"], line["taken_back"]) for line in history] == [
        ("label", "", ""), ("label", "", "yes"), ("label", "", "yes"), ("review", "modified", "yes"), ("review", "approved", ""),
    ]  # fmt: skip


def test_held_and_erased_scans_stay(make_scan, author, admin, project):
    held, gone, free = make_scan(seed=1), make_scan(seed=2), make_scan(seed=3)
    Image.objects.filter(pk=held.pk).update(hold=Hold.TEXT)
    export = start_export(actor=author, project=project)
    delete_scan(actor=admin, image=gone)
    assert [line["image_id"] for line in rows(zipped(made(export)), "labels.csv")] == [f"{free.code}.jpg"]


def test_what_cannot_be_exported_is_refused_with_its_reason(make_scan, author, project):
    make_scan(seed=1)
    with pytest.raises(Invalid, match="no filter 'colour'"):
        start_export(actor=author, project=project, filters={"colour": "blue"})
    with pytest.raises(Invalid) as refused:
        start_export(actor=author, project=project, filters={"label_status": "perhaps"})
    assert refused.value.attr == "label_status"
    with pytest.raises(Conflict) as nothing:
        start_export(actor=author, project=project, filters={"label": "OPACITY"})
    assert nothing.value.code == "nothing_to_export"
    assert not Export.objects.exists()


def test_nobody_outside_the_project_may_export(make_scan, outsider, project):
    make_scan(seed=1)
    with pytest.raises(NotFound):
        start_export(actor=outsider, project=project)


def test_a_raw_patient_id_in_a_filter_is_written_down_nowhere(make_scan, admin, project):
    image = make_scan(seed=1, patient="MRN-0815")
    make_scan(seed=2, patient="MRN-0816")
    for asked in ("MRN-0815", image.patient):
        export = start_export(actor=admin, project=project, filters={"patient": asked, "search": "scan"})
        assert export.filters["patient"] == image.patient
        assert len(rows(zipped(made(export)), "labels.csv")) == 1
        assert export.filters == {}


def test_the_file_is_audited_and_says_when_it_is_not_there(make_scan, author, project):
    make_scan(seed=1)
    export = start_export(actor=author, project=project)
    with pytest.raises(Conflict) as early:
        open_export(actor=author, export=export)
    assert early.value.code == "export_not_ready"
    stream, blob = open_export(actor=author, export=made(export))
    assert len(stream.read()) == blob.size
    assert AuditEvent.objects.filter(action="export.download", object_id=str(export.pk)).count() == 1
    Export.objects.filter(pk=export.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    export.refresh_from_db()
    with pytest.raises(Conflict) as late:
        open_export(actor=author, export=export)
    assert late.value.code == "export_gone"


@pytest.mark.django_db(transaction=True)
def test_after_seven_days_the_zip_is_destroyed(make_scan, author, project):
    make_scan(seed=1)
    before = stored_files()
    export = made(start_export(actor=author, project=project))
    assert export.expires_at is not None
    assert timedelta(days=6, hours=23) < export.expires_at - timezone.now() < timedelta(days=7)
    worker.destroy_expired()
    assert len(stored_files() - before) == 1
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    worker.destroy_expired()
    export.refresh_from_db()
    assert export.blob is None
    assert stored_files() == before


@pytest.mark.django_db(transaction=True)
def test_only_who_asked_or_an_admin_gives_an_export_up(make_scan, author, colleague, admin, project):
    make_scan(seed=1)
    before = stored_files()
    waiting, ended = start_export(actor=author, project=project), start_export(actor=author, project=project)
    made(ended)
    with pytest.raises(Forbidden):
        discard_export(actor=colleague, export=ended)
    discard_export(actor=author, export=waiting)
    discard_export(actor=admin, export=ended)
    assert made(waiting).status == WorkStatus.CANCELLED
    ended.refresh_from_db()
    assert (ended.status, ended.blob) == (WorkStatus.SUCCEEDED, None)
    assert stored_files() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cause", ["cancelled", "damaged", "disk full"])
def test_an_export_that_fails_leaves_nothing_behind(cause, make_scan, author, project, monkeypatch):
    first, second = make_scan(seed=1), make_scan(seed=2)
    before = stored_files()
    export = start_export(actor=author, project=project)
    if cause == "damaged":
        Blob.objects.filter(pk=second.blob_id).update(quarantined_at=timezone.now())
    elif cause == "disk full":
        monkeypatch.setattr(worker.blobs, "write", _full)
    else:
        _cancel_while(monkeypatch, export)
    made(export)
    assert export.status == (WorkStatus.CANCELLED if cause == "cancelled" else WorkStatus.FAILED)
    assert {"cancelled": "", "damaged": second.code, "disk full": "disk is full"}[cause] in export.error
    assert first.code not in export.error
    assert stored_files() == before


def _full(*args, **kwargs) -> None:
    raise OSError(28, "No space left on device")


def _cancel_while(monkeypatch: pytest.MonkeyPatch, export: Export) -> None:
    original = worker.parcel.outgoing

    def reading(*args, **kwargs):
        monkeypatch.setattr(worker, "WRITE_INTERVAL_S", 0.0)
        Export.objects.filter(pk=export.pk).update(cancel_requested=True)
        return original(*args, **kwargs)

    monkeypatch.setattr(worker.parcel, "outgoing", reading)


@pytest.mark.django_db(transaction=True)
def test_an_erasure_takes_back_the_zips_that_may_hold_the_scan(make_snapshot, make_scan, author, admin, project):
    snapshot = make_snapshot(4)
    doomed = snapshot.members.first().image
    with_it = made(start_export(actor=author, project=project, snapshot=snapshot))
    listed = made(start_export(actor=author, project=project, filters={"split": "test"}))
    stranger = make_scan(seed=900)
    stranger.upload_date += timedelta(hours=1)
    delete_scan(actor=admin, image=stranger)
    with_it.refresh_from_db()
    listed.refresh_from_db()
    assert with_it.blob is not None
    assert listed.blob is not None, "the stranger came after this list had left"
    delete_scan(actor=admin, image=doomed)
    for export in (with_it, listed):
        export.refresh_from_db()
        assert export.blob is None
        assert "erased" in export.error
    again = zipped(made(start_export(actor=author, project=project, snapshot=snapshot)))
    assert len(rows(again, "labels.csv")) == 11


@pytest.mark.django_db(transaction=True)
def test_a_scan_erased_while_its_export_is_made_is_not_in_it(make_scan, author, admin, project, monkeypatch):
    first, second = make_scan(seed=1), make_scan(seed=2)
    before = stored_files()
    export = start_export(actor=author, project=project)
    original, erased = worker.parcel.outgoing, []

    def reading(image: Image, **kwargs):
        # The first one is in the ZIP already.
        if image.pk == second.pk and not erased:
            erased.append(first)
            delete_scan(actor=admin, image=first)
        return original(image, **kwargs)

    monkeypatch.setattr(worker.parcel, "outgoing", reading)
    assert made(export).status == WorkStatus.QUEUED
    archive = zipped(made(export))
    assert [line["image_id"] for line in rows(archive, "labels.csv")] == [f"{second.code}.jpg"]
    assert len(stored_files() - before) == 1
    assert export.attempt == 2


def test_another_attempt_gets_the_row_and_the_lost_one_writes_nothing(make_scan, author, project, monkeypatch):
    make_scan(seed=1)
    export = start_export(actor=author, project=project)
    original = worker.parcel.outgoing

    def reading(*args, **kwargs):
        Export.objects.filter(pk=export.pk).update(attempt=2)
        return original(*args, **kwargs)

    monkeypatch.setattr(worker.parcel, "outgoing", reading)
    made(export)
    assert (export.status, export.blob, export.attempt) == (WorkStatus.RUNNING, None, 2)


def test_memory_stays_flat_however_many_scans_leave(make_scan, author, project):
    for seed in range(6):
        make_scan(seed=seed)
    parcel = worker.parcel.of_scans(
        "x", project, Image.objects.filter(project=project), files="originals", reader=author
    )
    pieces = list(worker.zip_stream(parcel.files()))
    assert max(map(len, pieces)) < 2 * len(scan_bytes(0)) + 4096
