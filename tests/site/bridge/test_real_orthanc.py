"""The bridge between a real Orthanc and the real site."""

import io
import threading
from contextlib import contextmanager

import pytest
from django.db import connection
from pydicom import dcmread

from images.models import Image
from labeling.imports import worker
from labeling.models import Import
from mediscan_site.core.services import issue_service_token
from tests.site.bridge import real_orthanc
from tests.site.bridge.files import dicom, written

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not real_orthanc.is_installed(), reason=real_orthanc.MISSING),
]
QUERY = "ModalitiesInStudy=CR&StudyDate=20261101-20261130"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with real_orthanc.running(tmp_path_factory.mktemp("orthanc")) as made:
        yield made


@pytest.fixture
def connected(archive, bridge, live_server, author, project, monkeypatch):
    """The bridge, with an empty archive behind it; it goes by uploads, unless a test says otherwise."""
    archive.clear()
    _, token = issue_service_token(actor=author, user=author, name="bridge", scopes=["read", "upload"])
    values = {
        "MEDISCAN_URL": live_server.url,
        "MEDISCAN_TOKEN": token,
        "MEDISCAN_PROJECT": str(project.pk),
        "SOURCE_URL": archive.root,
        "SOURCE_USER": real_orthanc.USER,
        "SOURCE_PASSWORD": real_orthanc.PASSWORD,
        "BATCH": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **env: str):
        if arguments[0] == "dicomweb":
            env["SOURCE_URL"] = f"{archive.root}/dicom-web"
        return bridge(*arguments, **env)

    return run


@contextmanager
def importing():
    """A worker of imports, beside the test."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for pk in Import.objects.filter(status="queued").values_list("pk", flat=True):
                worker.run(pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def report_without_a_picture() -> bytes:
    made = dcmread(io.BytesIO(dicom(90)))
    made.SOPClassUID, made.Modality = "1.2.840.10008.5.1.4.1.1.88.11", "SR"
    del made.PixelData
    return written(made)


def test_both_modes_bring_the_same_scans_once(archive, connected):
    for number in range(6):
        archive.store(dicom(number))
    archive.store(report_without_a_picture())
    ran = connected("orthanc", "--once")
    assert (ran.status, ran.counts) == (0, "found 7, sent 6, known 0, refused 1 (no_picture 1), failed 0")
    assert Image.objects.filter(external_id__startswith="uid-").count() == 6
    assert connected("orthanc", "--once").counts.startswith("found 0")
    ran = connected("dicomweb", QUERY, MODALITIES="CR")
    assert (ran.status, ran.counts) == (0, "found 6, sent 0, known 6, refused 0, failed 0")


def test_the_documented_search_finds_and_sends_bit_by_bit(archive, connected):
    import hashlib

    files = [dicom(number) for number in range(6)]
    for data in files:
        archive.store(data)
    ran = connected("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 6, sent 6, known 0, refused 0, failed 0")
    kept = set(Image.objects.values_list("received_sha256", flat=True))
    assert kept == {hashlib.sha256(data).hexdigest() for data in files}
    assert connected("orthanc", "--once").counts == "found 6, sent 0, known 6, refused 0, failed 0"
    assert connected("dicomweb", "ModalitiesInStudy=MG").counts.startswith("found 0")


def test_many_go_as_one_zip_to_the_same_end(archive, connected):
    for number in range(9):
        archive.store(dicom(number))
    archive.store(report_without_a_picture())
    with importing():
        ran = connected("orthanc", "--once", BATCH="20")
        assert (ran.status, ran.counts) == (0, "found 10, sent 9, known 0, refused 1 (no_picture 1), failed 0"), ran.log
        assert Import.objects.count() == 1
        assert Image.objects.filter(external_id__startswith="uid-").count() == 9
        archive.store(dicom(3, StudyDescription="corrected"))
        for number in range(20, 24):
            archive.store(dicom(number))
        ran = connected("orthanc", "--once", BATCH="20")
        assert (ran.status, ran.counts) == (0, "found 5, sent 5, known 0, refused 0, failed 0, corrected 1"), ran.log
        assert Import.objects.count() == 2


def test_a_site_without_a_worker_gets_them_one_by_one(archive, connected, monkeypatch):
    from mediscan_bridge import mediscan

    monkeypatch.setattr(mediscan, "IMPORT_WAIT_S", 0.1)
    for number in range(5):
        archive.store(dicom(number))
    ran = connected("orthanc", "--once", BATCH="20", THREADS="1")
    assert (ran.status, ran.counts) == (0, "found 5, sent 5, known 0, refused 0, failed 0")
    worker.run(Import.objects.get().pk)
    assert Image.objects.count() == 5


def test_frames_of_a_multi_frame_file_become_scans(archive, connected):
    archive.store(dicom(1, frames=3))
    archive.store(dicom(2))
    with importing():
        ran = connected("orthanc", "--once", SPLIT_FRAMES="1")
        assert (ran.status, ran.counts) == (0, "found 2, sent 2, known 0, refused 0, failed 0"), ran.log
        names = sorted(Image.objects.values_list("external_id", flat=True))
        assert [name.rpartition("#")[2] for name in names if "#" in name] == ["1", "2", "3"]
        assert len(names) == 4
        assert connected("dicomweb", QUERY, SPLIT_FRAMES="1").counts == "found 2, sent 0, known 2, refused 0, failed 0"


def test_corrected_instances_and_patients_come_in_beside_the_older_scans(archive, connected):
    first = archive.store(dicom(1))
    connected("orthanc", "--once")
    older = Image.objects.get()
    assert archive.store(dicom(1, StudyDescription="corrected")) == first
    ran = connected("orthanc", "--once")
    assert (ran.status, ran.counts) == (0, "found 1, sent 1, known 0, refused 0, failed 0, corrected 1")
    assert older.code in ran.log
    assert Image.objects.exclude(pk=older.pk).get().external_id.startswith(f"{older.external_id}-")
    patient = archive.ask("GET", "patients").json()[0]
    archive.ask("POST", f"patients/{patient}/modify", json={"Replace": {"PatientID": "right"}, "Force": True})
    ran = connected("orthanc", "--once")
    assert ran.counts == "found 1, sent 1, known 0, refused 0, failed 0, corrected 1"
    assert f"is a corrected copy of Orthanc's instance {first} ({older.external_id})" in ran.log


def test_an_archive_that_was_rebuilt_is_read_from_its_beginning(archive, connected):
    for number in range(6):
        archive.store(dicom(number))
    connected("orthanc", "--once")
    archive.rebuild()
    for number in range(4, 8):
        archive.store(dicom(number))
    ran = connected("orthanc", "--once")
    assert (ran.status, ran.counts) == (0, "found 4, sent 2, known 2, refused 0, failed 0")
    assert "built anew" in ran.log


def test_the_same_account_sends_to_two_projects(archive, connected, admin, author):
    from images.services import add_member, create_project

    archive.store(dicom(1))
    connected("orthanc", "--once")
    other = create_project(actor=admin, name="Other", classes=["A", "B"], modality="X-ray")
    add_member(actor=admin, project=other, user=author)
    ran = connected("orthanc", "--once", MEDISCAN_PROJECT=str(other.pk))
    assert (ran.status, ran.counts) == (0, "found 1, sent 1, known 0, refused 0, failed 0")
    assert Image.objects.filter(project=other).count() == 1


def test_a_wrong_token_ends_the_bridge_and_keeps_its_place(archive, connected, tmp_path):
    archive.store(dicom(1))
    ran = connected("orthanc", "--once", MEDISCAN_TOKEN="ms_wrong")
    assert ran.status == 1
    assert "does not let this account in" in ran.log
    assert connected("orthanc", "--once").counts.startswith("found 1, sent 1")
