"""Labels files that name several findings a scan, asked for one of them: a scan has it or has not."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from images.models import Image
from images.services.meaning import Classes
from labeling.imports import worker
from labeling.imports.services import start_import
from labeling.imports.understanding import understand
from labeling.models import Import, ResumableUpload
from mediscan_site.core.errors import Invalid
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import opened, packed

HAS, HAS_NOT = "Cardiomegaly", "No Cardiomegaly"
NIH = (
    "Image Index,Finding Labels,Patient ID\n1.png,Cardiomegaly|Effusion,7\n2.png,Effusion,7\n3.png,No Finding,8\n"
    "4.png,cardiomegaly,9\n5.png,,9\n"
)
CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema\n1.png,M,60,Frontal,AP,,1.0,1.0\n"
    "2.png,M,60,Frontal,AP,,0.0,1.0\n3.png,M,60,Frontal,AP,1.0,,\n4.png,M,60,Frontal,AP,,-1.0,\n"
)
PADCHEST = "ImageID,Labels,PatientID\n1.png,\"['cardiomegaly', ' kyphosis']\",1\n2.png,['normal'],2\n3.png,[],3\n"
PLAIN = "image_id,label\n1.png,Cardiomegaly\n2.png,Edema\n3.png,nan\n"
TWO = (HAS_NOT, HAS)


def known(text: str, finding: str = "Cardiomegaly", classes=TWO):
    return understand(
        [("table.csv", opened(text.encode()))], [f"{n}.png" for n in range(1, 6)], Classes(classes), "auto", finding
    )


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (NIH, [HAS, HAS_NOT, HAS_NOT, HAS, None]),
        (CHEXPERT, [HAS, HAS_NOT, None, None]),
        (PADCHEST, [HAS, HAS_NOT, None]),
        (PLAIN, [HAS, HAS_NOT, None]),
    ],
)
@pytest.mark.parametrize("finding", ["Cardiomegaly", " CARDIOMEGALY "])
def test_a_scan_has_the_finding_or_has_not_or_nobody_says(text, labels, finding):
    found = known(text, finding)
    assert [stated.label for stated in found.by_path.values()] == labels
    assert not any(stated.refusal for stated in found.by_path.values())
    assert f"is {HAS}" in found.says and f"is {HAS_NOT}" in found.says
    assert {count.name for count in found.classes} == {HAS, HAS_NOT}


@pytest.mark.parametrize(
    ("text", "named"), [(NIH, "Effusion"), (CHEXPERT, "Edema"), (PADCHEST, "kyphosis"), (PLAIN, "Edema")]
)
def test_a_finding_that_no_row_names_labels_nothing(text, named):
    found = known(text, "Cardiomegali", classes=("None", "Cardiomegali"))
    (problem,) = found.problems
    assert problem.code == "invalid_labels_file" and not found.by_path
    assert "never names 'Cardiomegali'" in problem.detail and named in problem.detail


def test_rows_that_contradict_each_other_about_the_finding_are_named():
    found = known("image_id,label\n1.png,Cardiomegaly\n1.png,Edema\n")
    assert found.by_path["1.png"].label is None
    assert [code for code, _ in found.by_path["1.png"].notes] == ["contradictory_row"]


@pytest.fixture
def heart(project):
    for row, name in zip(project.class_rows.order_by("position"), TWO, strict=True):
        row.name = name
        row.save()
    return project


def zipped() -> io.BytesIO:
    files = {f"{number}.png": scan_bytes(number) for number in range(1, 6)}
    return packed({"Data_Entry_2017.csv": NIH.encode(), **files})


EXPECTED = {"1.png": HAS, "2.png": HAS_NOT, "3.png": HAS_NOT, "4.png": HAS, "5.png": None}


def labels() -> dict[str, str | None]:
    return dict(Image.objects.values_list("file_name", "label_class__name"))


def test_the_api_asks_for_a_finding(heart, author, api):
    file = SimpleUploadedFile("nih.zip", zipped().getvalue())
    body = {"project": heart.pk, "file": file, "finding": "Cardiomegaly"}
    answer = api(author).post("/api/v1/imports/", body, format="multipart")
    assert answer.status_code == 202 and answer.json()["finding"] == "Cardiomegaly"
    worker.run(answer.json()["id"])
    assert labels() == EXPECTED


def test_the_shell_asks_for_a_finding(heart, author, tmp_path, capsys):
    path = tmp_path / "nih.zip"
    path.write_bytes(zipped().getvalue())
    options = {"as": author.username, "finding": "Cardiomegaly"}
    call_command("import_dataset", str(heart.pk), str(path), preview=True, **options)
    assert f"{HAS_NOT}: 2" in capsys.readouterr().out
    call_command("import_dataset", str(heart.pk), str(path), **options)
    assert labels() == EXPECTED


def test_the_page_asks_for_a_finding_and_starts_the_import_with_it(heart, author, client):
    client.force_login(author)
    file = SimpleUploadedFile("nih.zip", zipped().getvalue())
    page = client.post(reverse("upload", args=[heart.pk]), {"file": file, "preview": "on"}, follow=True)
    url = reverse("upload_preview", args=[ResumableUpload.objects.get().pk])
    assert page.status_code == 200, page.content.decode()[-6000:]
    asked = client.get(url, {"dialect": "auto", "finding": "Cardiomegaly"}).content.decode()
    assert f"A row that names Cardiomegaly is {HAS}" in asked and 'name="finding" value="Cardiomegaly"' in asked
    edema = client.get(url, {"dialect": "auto", "finding": "Edema"})
    assert edema.status_code == 200 and "needs two classes" in edema.content.decode()
    client.post(
        reverse("upload_start", args=[ResumableUpload.objects.get().pk]), {"dialect": "auto", "finding": "Cardiomegaly"}
    )
    worker.run(Import.objects.get().pk)
    assert labels() == EXPECTED


@pytest.mark.parametrize("finding", ["Edema", "x" * 101, "a\0b"])
def test_a_finding_that_the_classes_cannot_hold_is_refused_before_anything_is_kept(heart, author, finding):
    with pytest.raises(Invalid) as refused:
        start_import(actor=author, project=heart, source=zipped(), file_name="nih.zip", finding=finding)
    assert refused.value.attr == "finding" and not Import.objects.exists()
