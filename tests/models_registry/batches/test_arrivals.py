"""The project's rule that each new scan is graded when it comes in: by whichever door, and never in the way of the upload."""

import io

import numpy as np
import pytest

from images.services import ScanFacts, create_project, release_scan, revoke, store_scan, update_project
from labeling.imports import worker as import_worker
from labeling.imports.services import start_import
from labeling.models import ImportFile
from models_registry.batches import selectors
from models_registry.batches.worker import run_batch
from models_registry.deployments.services import deploy
from models_registry.grades.services import grade_upload
from models_registry.grades.worker import run_grade
from models_registry.models import Grade, GradeBatch, GradeBatchItem
from tests.conftest import scan_bytes
from tests.images.decoding.dicoms import dicom
from tests.labeling.imports.sets import packed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ruled(project, admin):
    """The project with the rule."""
    return update_project(actor=admin, project=project, changes={"grade_on_arrival": True})


def upload(api, who, project, seed: int):
    file = io.BytesIO(scan_bytes(seed))
    file.name = f"scan{seed}.jpg"
    answer = api(who).post("/api/v1/images/", {"project": project.pk, "file": file}, format="multipart")
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_without_the_rule_nothing_is_graded(deployed, api, author, project):
    upload(api, author, project, 1)
    assert not GradeBatch.objects.exists()


def test_new_scans_join_one_batch_asked_for_by_who_uploads_them(deployed, api, author, colleague, ruled):
    for seed in (1, 2):
        assert upload(api, author, ruled, seed)["warnings"] == []
    upload(api, colleague, ruled, 3)
    mine, others = GradeBatch.objects.order_by("pk")
    assert (mine.requested_by, mine.total, mine.origin, mine.model) == (author, 2, "arrival", deployed)
    assert (others.requested_by, others.total) == (colleague, 1)
    run_batch(mine.pk)
    assert Grade.objects.filter(requested_by=author, status="succeeded").count() == 2
    upload(api, author, ruled, 4)
    assert GradeBatch.objects.filter(requested_by=author).count() == 2, "that one was over"


def test_the_same_file_again_is_not_graded_again(deployed, api, author, ruled):
    upload(api, author, ruled, 1)
    file = io.BytesIO(scan_bytes(1))
    file.name = "again.jpg"
    assert (
        api(author).post("/api/v1/images/", {"project": ruled.pk, "file": file}, format="multipart").status_code == 200
    )
    assert GradeBatch.objects.get().total == 1


def test_what_an_import_brings_is_graded(deployed, author, ruled):
    files = {f"NORMAL/{seed}.jpg": scan_bytes(seed) for seed in (1, 2, 3)}
    batch = start_import(actor=author, project=ruled, source=packed(files), file_name="many.zip")
    import_worker.run(batch.pk)
    arrived = GradeBatch.objects.get()
    assert (arrived.total, arrived.requested_by) == (3, author)
    run_batch(arrived.pk)
    assert Grade.objects.filter(status="succeeded").count() == 3


def test_a_scan_that_joins_while_the_last_ones_are_graded_is_graded_too(deployed, api, author, ruled, monkeypatch):
    from models_registry.batches import worker

    upload(api, author, ruled, 1)
    batch, real, joined = GradeBatch.objects.get(), worker._Slice._grade, []

    def late(self, items):
        if not joined:
            joined.append(upload(api, author, ruled, 2))
        return real(self, items)

    monkeypatch.setattr(worker._Slice, "_grade", late)
    run_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.total) == ("succeeded", 2)
    assert Grade.objects.count() == 2


def test_a_file_that_is_sent_to_be_graded_is_graded_once(deployed, author, ruled):
    grade = grade_upload(
        actor=author, project=ruled, source=io.BytesIO(scan_bytes(1)), file_name="one.jpg", facts=ScanFacts()
    )
    run_grade(grade.pk)
    run_batch(GradeBatch.objects.get().pk)
    assert Grade.objects.count() == 1
    (reason,) = selectors.reasons(GradeBatch.objects.get())
    assert (reason["outcome"], reason["code"]) == ("left_out", "already_asked")


@pytest.fixture
def held(deployed, author, ruled):
    """A scan that came in under the rule and was held."""
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    source = io.BytesIO(dicom(pixels, BurnedInAnnotation="YES"))
    return store_scan(actor=author, project=ruled, source=source, file_name="a.dcm", facts=ScanFacts())[0]


@pytest.mark.parametrize("left_out_first", [True, False])
def test_a_scan_that_was_held_is_graded_once_when_it_is_released(held, author, colleague, left_out_first):
    first = GradeBatch.objects.get()
    if left_out_first:
        run_batch(first.pk)
        assert GradeBatchItem.objects.get().code == "held"
        assert not Grade.objects.exists()
    release_scan(actor=colleague, image=held)
    release_scan(actor=colleague, image=held)
    second = GradeBatch.objects.exclude(pk=first.pk).get()
    assert (second.requested_by, second.origin, second.total) == (colleague, "arrival", 1)
    for batch in (first, second):
        run_batch(batch.pk)
    assert Grade.objects.get().image == held


def test_a_batch_that_left_it_out_and_goes_on_does_not_take_it_twice(held, author):
    GradeBatchItem.objects.update(outcome="left_out", code="held")
    release_scan(actor=author, image=held)
    assert GradeBatch.objects.count() == 2, "a scan is in a batch once"


def test_a_released_scan_is_graded_in_the_name_of_who_may(held, admin, author, colleague, ruled):
    revoke(actor=admin, project=ruled, user=colleague, codename="grade_image")
    run_batch(GradeBatch.objects.get().pk)
    release_scan(actor=colleague, image=held)
    assert GradeBatch.objects.order_by("-pk").first().requested_by == author


def test_without_the_rule_a_released_scan_is_not_graded(held, admin, author, ruled):
    run_batch(GradeBatch.objects.get().pk)
    held.project = update_project(actor=admin, project=ruled, changes={"grade_on_arrival": False})
    release_scan(actor=author, image=held)
    assert GradeBatch.objects.count() == 1


def test_without_a_model_the_upload_goes_through_and_the_page_says_so(client, api, author, ruled):
    assert upload(api, author, ruled, 1)["warnings"] == []
    assert not GradeBatch.objects.exists()
    client.force_login(author)
    page = client.get(f"/projects/{ruled.pk}/").content.decode()
    assert "no model is deployed: none is graded until one is" in page


def test_who_may_not_grade_is_told_and_the_scan_comes_in(deployed, api, admin, author, ruled):
    revoke(actor=admin, project=ruled, user=author, codename="grade_image")
    (warning,) = upload(api, author, ruled, 1)["warnings"]
    assert warning["code"] == "not_graded"
    assert "grade_image" in warning["detail"]
    assert not GradeBatch.objects.exists()


def test_an_import_of_who_may_not_grade_says_it_once(deployed, admin, author, ruled):
    revoke(actor=admin, project=ruled, user=author, codename="grade_image")
    files = {f"NORMAL/{seed}.jpg": scan_bytes(seed) for seed in (1, 2, 3)}
    batch = start_import(actor=author, project=ruled, source=packed(files), file_name="many.zip")
    import_worker.run(batch.pk)
    assert [row.path for row in ImportFile.objects.filter(batch=batch, code="not_graded")] == ["many.zip"]
    assert ImportFile.objects.filter(batch=batch, outcome="created").count() == 3


def test_arrivals_do_not_count_against_what_a_person_may_have_waiting(
    deployed, make_version, admin, api, author, ruled, settings
):
    settings.WAITING_PER_PERSON = {**settings.WAITING_PER_PERSON, "models_registry.GradeBatch": 1}
    upload(api, author, ruled, 1)
    deploy(actor=admin, model=make_version(seed=1))
    upload(api, author, ruled, 2)
    assert GradeBatch.objects.count() == 2


def test_the_rule_is_off_unless_asked_for(admin):
    made = create_project(actor=admin, name="Hands", classes=["A", "B"])
    assert made.grade_on_arrival is False
