"""What a grade is worth as evidence: the model knew the picture, its modality is another, or the classes have changed since."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from PIL import Image as Pillow

from images.models import Image, NearDuplicate
from images.services import rename_class, update_project
from labeling.models import Snapshot, SnapshotMember
from models_registry.deployments.services import deploy
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Grade
from tests.conftest import scan_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def frozen(snapshot, make_scan, make_version, admin):
    """A deployed version of a data set with one scan on each side."""
    for seed, side in enumerate(("train", "val", "test"), 50):
        image = make_scan(seed=seed, label="NORMAL")
        label = image.labels.get()
        row = {"label": label, "label_class": label.label_class, "group": str(seed), "sha256": image.sha256}
        SnapshotMember.objects.create(snapshot=snapshot, image=image, split=side, **row)
    deploy(actor=admin, model=make_version())
    return snapshot


def member(snapshot: Snapshot, side: str) -> Image:
    return SnapshotMember.objects.get(snapshot=snapshot, split=side).image


def graded(actor, image: Image) -> Grade:
    grade = request_grade(actor=actor, project=image.project, image=image)
    run_grade(grade.pk)
    return Grade.objects.get(pk=grade.pk)


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_a_scan_of_the_models_own_data_set_is_named(frozen, author, api, client, side):
    grade = graded(author, member(frozen, side))
    assert grade.seen_in == side
    assert api(author).get(f"/api/v1/grades/{grade.pk}/").json()["seen_in"] == side
    assert api(author).get("/api/v1/history/").json()["results"][0]["seen_in"] == side
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    said = {"train": "was trained on this picture", "val": "validation split", "test": "is in the test split"}
    assert said[side] in client.get(f"/grades/{grade.pk}/").content.decode()


def test_a_scan_that_is_new_to_the_model_has_no_side(frozen, author, make_scan, api):
    grade = graded(author, make_scan(seed=7))
    assert grade.seen_in is None
    graded(author, member(frozen, "train"))
    rows = api(author).get("/api/v1/history/?seen_in=none").json()["results"]
    assert [row["id"] for row in rows] == [grade.pk]
    assert len(api(author).get("/api/v1/history/?seen_in=train").json()["results"]) == 1


def test_the_same_pixels_in_another_file_are_the_same_picture(frozen, author, project):
    from images.services import ScanFacts
    from labeling.imports.services import upload_scan

    known, out = member(frozen, "train"), io.BytesIO()
    Pillow.open(io.BytesIO(scan_bytes(50))).save(out, "PNG")
    source = io.BytesIO(out.getvalue())
    copy, created = upload_scan(
        actor=author, project=project, source=source, file_name="c.png", facts=ScanFacts(), label_class=None
    )
    assert created and copy.pk != known.pk
    assert graded(author, copy).seen_in == "train"


def test_a_confirmed_near_duplicate_is_the_same_picture(frozen, author, make_scan, project):
    scan, known = make_scan(seed=8), member(frozen, "val")
    NearDuplicate.objects.create(project=project, first=known, second=scan, distance=3, correlation=0.999)
    assert graded(author, scan).seen_in == "val"


def test_a_scan_of_another_modality_is_referred(deployed, author, make_scan, api):
    grade = graded(author, make_scan(seed=1, modality="CT"))
    assert (grade.decision, grade.reasons) == ("refer", ["other_modality"])
    assert api(author).get(f"/api/v1/grades/{grade.pk}/").json()["label"] is None


@pytest.mark.parametrize("modality", ["DX", "", "OT"])
def test_a_scan_of_the_same_modality_or_of_none_that_is_known_is_answered(deployed, author, make_scan, modality):
    assert graded(author, make_scan(seed=1, modality=modality)).decision == "answer"


def test_a_modality_that_the_model_has_learned_from_is_its_own(frozen, author, make_scan):
    Image.objects.filter(pk=member(frozen, "train").pk).update(modality="CT")
    assert graded(author, make_scan(seed=9, modality="CT")).reasons == []


def test_what_became_of_the_classes_since_the_training_is_said_everywhere(
    deployed, admin, author, project, make_scan, api, client
):
    normal = project.class_rows.get(name="NORMAL")
    rename_class(actor=admin, project_class=normal, name="Healthy")
    changes = {"classes": ["Healthy", "EFFUSION", "NODULE"]}
    project.refresh_from_db()
    update_project(actor=admin, project=project, changes=changes, expected_version=None)
    grade = graded(author, make_scan(seed=1))
    answer, version = (
        api(author).get(f"/api/v1/{path}/").json() for path in (f"grades/{grade.pk}", f"models/{deployed.pk}")
    )
    assert list(answer["probabilities"]) == version["classes"] == ["Healthy", "OPACITY"]
    assert version["classes_at_training"] == ["NORMAL", "OPACITY"]
    for said in (answer, version):
        assert (said["unknown_classes"], said["retired_classes"]) == (["EFFUSION", "NODULE"], ["OPACITY"])
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    for path in (f"/models/{deployed.pk}/", f"/grades/{grade.pk}/"):
        page = client.get(path).content.decode()
        assert ("NORMAL is now called Healthy." in page) == path.startswith("/models/")
        assert "does not know the classes EFFUSION, NODULE" in page
        assert "has retired the class OPACITY" in page
    assert "NORMAL is now called Healthy." in version["card_text"]


def test_the_command_says_it_beside_the_answer(frozen, admin, project, tmp_path):
    file, out, beside = tmp_path / "again.jpg", io.StringIO(), io.StringIO()
    file.write_bytes(scan_bytes(50))
    call_command("grade", str(project.pk), str(file), stdout=out, stderr=beside)
    assert f"{member(frozen, 'train').code}: The model was trained on this picture" in beside.getvalue()


def test_a_file_that_says_its_modality_is_referred_in_the_call_that_sends_it(
    deployed, author, project, api, monkeypatch
):
    from mediscan_site.core import work

    monkeypatch.setattr(work, "send", lambda task, pk: run_grade(pk))
    file = SimpleUploadedFile("s.jpg", scan_bytes(3))
    body = {"project": project.pk, "file": file, "modality": "MR"}
    answer = api(author).post("/api/v1/grades/", body, format="multipart").json()
    assert (answer["decision"], answer["reasons"], answer["seen_in"]) == ("refer", ["other_modality"], None)
