"""Erasing one scan, all scans of a patient, and what tries to outlive them."""

import pytest
from django.db import connection
from django.utils import timezone

from images import renditions
from images.models import Image, PatientIdentity, Rendition, RenditionKind
from images.services import delete_scan, erase_patient
from labeling.imports import worker
from labeling.imports.services import start_import
from labeling.models import Import, ImportFile
from labeling.reading.labels import mark_ungradable
from mediscan_site.core.errors import Forbidden, Invalid, NotFound
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import scrub
from tests.labeling.imports.test_imports import packed


def living() -> set[int]:
    return set(Image.objects.filter(erased_at__isnull=True).values_list("pk", flat=True))


@pytest.mark.parametrize("named_by", ["id", "pseudonym"])
def test_an_admin_erases_a_patient_by_id_or_pseudonym(named_by, make_scan, admin, project):
    first, second = make_scan(seed=1, patient="MRN 1"), make_scan(seed=2, patient="MRN 1")
    other = make_scan(seed=3, patient="MRN 2")
    named = "MRN 1" if named_by == "id" else first.patient
    assert erase_patient(actor=admin, project=project, patient=named, reason="asked for it") == 2
    assert living() == {other.pk}
    assert set(PatientIdentity.objects.values_list("pseudonym", flat=True)) == {other.patient}
    event = AuditEvent.objects.get(action="patient.erase")
    assert event.details == {"scans": 2, "reason": "asked for it"}
    assert AuditEvent.objects.filter(action="scan.delete", object_id__in=[first.pk, second.pk]).count() == 2


def test_a_patient_of_another_project_is_left_alone(make_scan, admin, project):
    from images.services import create_project

    other = create_project(actor=admin, name="Other", classes=["NORMAL", "OPACITY"])
    make_scan(seed=1, patient="MRN 1")
    kept = make_scan(seed=1, patient="MRN 1", into=other, actor=admin)
    erase_patient(actor=admin, project=project, patient="MRN 1", reason="asked for it")
    assert living() == {kept.pk}


def test_a_snapshot_never_keeps_a_scan_from_its_patient(make_snapshot, admin, project):
    member = make_snapshot(4).members.select_related("image").first()
    assert erase_patient(actor=admin, project=project, patient=member.image.patient, reason="asked for it") == 1
    member.refresh_from_db()
    assert (member.sha256, member.group) == ("", f"scan:{member.image_id}")


def test_an_unknown_patient_a_missing_reason_and_a_doctor_are_refused(make_scan, author, admin, project):
    make_scan(seed=1, patient="MRN 1")
    with pytest.raises(Invalid, match="no scan of this patient"):
        erase_patient(actor=admin, project=project, patient="MRN 2", reason="asked for it")
    with pytest.raises(Invalid) as missing:
        erase_patient(actor=admin, project=project, patient="MRN 1", reason=" ")
    assert missing.value.attr == "reason"
    with pytest.raises(Forbidden):
        erase_patient(actor=author, project=project, patient="MRN 1", reason="asked for it")
    assert len(living()) == 1


def test_a_picture_in_the_making_does_not_outlive_its_scan(make_scan, admin, monkeypatch):
    image = make_scan(seed=1)
    Rendition.objects.filter(image=image, kind=RenditionKind.THUMBNAIL).delete()
    original, stored = renditions.write, []

    def write(*args, **options) -> Blob:
        stored.append(original(*args, **options))
        delete_scan(actor=admin, image=image)
        return stored[-1]

    monkeypatch.setattr(renditions, "write", write)
    with pytest.raises(NotFound):
        renditions.ensure(image, RenditionKind.THUMBNAIL)
    assert not Rendition.objects.filter(image=image).exists()
    assert not Blob.objects.filter(pk=stored[0].pk).exists()


def test_no_digest_of_an_erased_object_stays(make_scan, admin):
    image = make_scan(seed=1)
    objects = [image.blob_id, *Rendition.objects.filter(image=image).values_list("blob", flat=True)]
    delete_scan(actor=admin, image=image)
    assert set(Blob.objects.filter(pk__in=objects).values_list("sha256", "wrapped_key")) == {("", None)}


def test_the_reason_why_a_scan_was_ungradable_goes(make_scan, author, admin):
    image = make_scan(seed=1)
    mark_ungradable(actor=author, image=image, reason="Mrs Doe moved")
    delete_scan(actor=admin, image=image)
    assert image.labels.get().ungradable_reason == "(erased)"


def test_reports_lose_every_line_that_names_the_file_and_the_name_of_an_empty_import(author, admin, project):
    from tests.conftest import scan_bytes

    rows = "image_id,label\nDOE.jpg,NORMAL\nDOE.jpg,OPACITY\nROE.jpg,NORMAL\n"
    files = {"OPACITY/DOE.jpg": scan_bytes(1), "NORMAL/ROE.jpg": scan_bytes(2), "labels.csv": rows.encode()}
    batch = start_import(actor=author, project=project, source=packed(files), file_name="Family Doe.zip")
    worker.run(batch.pk)
    lines = ImportFile.objects.filter(batch=batch)
    assert lines.filter(path__contains="DOE").count() == 2
    for number, name in enumerate(("DOE", "ROE")):
        assert Import.objects.get().file_name == "Family Doe.zip"
        delete_scan(actor=admin, image=Image.objects.get(file_name=f"{name}.jpg"))
        assert not lines.filter(path__contains=name).exists()
        assert lines.filter(path__contains="ROE").count() == 1 - number
    assert Import.objects.get().file_name == "(erased)"
    assert not lines.exclude(detail="").filter(path="(erased)").exists()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="about the files of SQLite")
@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_is_overwritten_in_the_file_of_the_database(make_scan):
    from pathlib import Path

    image = make_scan(seed=1, external_id="something-to-be-found")
    paths = [Path(f"{connection.settings_dict['NAME']}{tail}") for tail in ("", "-wal")]

    def found() -> bool:
        return any(b"something-to-be-found" in path.read_bytes() for path in paths if path.exists())

    assert found()
    Image.objects.filter(pk=image.pk).update(external_id=None, updated_at=timezone.now())
    scrub.scrub()
    assert not found()


def test_a_patient_of_whom_only_reports_speak_is_erased_too(author, admin, project, api):
    from labeling.models import ImportFile
    from tests.labeling.imports.test_imports import bring

    rows = b"image_id,label,patient\nlost-1.png,,MRN 5\nlost-2.png,,MRN 6\n"
    bring(author, project, {"labels.csv": rows})
    url, body = f"/api/v1/projects/{project.pk}/erase-patient/", {"patient": "mrn 5", "reason": "asked for it"}
    assert api(admin).post(url, body, format="json").json() == {"erased": 0}
    assert sorted(ImportFile.objects.values_list("path", flat=True)) == ["(erased)", "labels.csv, row 2: lost-2.png"]
    assert api(admin).post(url, body, format="json").status_code == 400


def test_names_of_files_that_became_no_scan_go_after_thirty_days(author, project):
    from datetime import timedelta

    import time_machine
    from django.utils import timezone

    from labeling.models import Import, ImportFile
    from mediscan_site.core import tidy
    from tests.labeling.imports.test_imports import NORMAL, bring

    bring(author, project, {"Smith.txt": b"no picture"})
    bring(author, project, {"a.jpg": NORMAL, "Jones.txt": b"no picture"})
    tidy.run()
    assert ImportFile.objects.filter(path="(erased)").count() == 0
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        tidy.run()
    assert sorted(ImportFile.objects.values_list("path", flat=True)) == ["(erased)", "(erased)", "a.jpg"]
    assert list(Import.objects.order_by("pk").values_list("file_name", flat=True)) == ["(erased)", "many.zip"]
