"""Who and which examination a scan belongs to, and what contradicts it."""

import csv
import io

import numpy as np
import pytest
from django.urls import reverse

from images.models import Image
from images.services import ScanFacts, erase_patient, store_scan, update_scan
from images.services.meaning import Classes
from mediscan_site.core.errors import Invalid
from tests.images.decoding.dicoms import INSTANCE, dicom
from tests.labeling.imports.sets import opened

PIXELS = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint16) * 16
pytestmark = pytest.mark.django_db


def file(number: int, **tags) -> bytes:
    """One DICOM file; another number gives another picture of another instance."""
    return dicom(PIXELS + number, **{"SOPInstanceUID": f"{INSTANCE}.{number}", "InstanceNumber": number, **tags})


@pytest.fixture
def take(project, author):
    def make(data: bytes, **facts) -> Image:
        source = io.BytesIO(data)
        return store_scan(actor=author, project=project, source=source, file_name="a.dcm", facts=ScanFacts(**facts))[0]

    return make


def codes(image: Image) -> list[str]:
    return [remark.code for remark in image.remarks]


def test_a_scan_has_its_study_series_and_instance_as_keyed_codes(take, database_rows):
    first, second = take(file(1, SeriesNumber=4)), take(file(2))
    other = take(file(3, StudyInstanceUID="1.2.3.4.5"))
    assert first.study == second.study != other.study and first.series == second.series
    assert first.instance != second.instance
    assert [first.study[:2], first.series[:2], first.instance[:2]] == ["ST", "SE", "IN"]
    assert (first.series_number, first.instance_number, other.series_number) == (4, 1, None)
    assert not [row for row in database_rows() if INSTANCE in row or "1.2.3.4.5" in row]


def test_two_hospitals_number_their_patients_alike(take):
    here, there = (take(file(number, IssuerOfPatientID=name)) for number, name in ((1, "A"), (2, "B")))
    assert here.patient != there.patient
    assert here.patient == take(file(3, IssuerOfPatientID="a ")).patient
    assert take(file(4, IssuerOfPatientID="A"), patient="PAT-7").patient == here.patient
    assert take(file(5, IssuerOfPatientID="A"), patient="PAT-7^^^a").patient == here.patient


@pytest.mark.parametrize(
    ("told", "stated", "kept", "expected"),
    [
        ("0012345", "12345", "0012345", ["patient_conflict"]),
        ("0012345", "12345.0", "0012345", ["patient_conflict"]),
        ("12345", "0012345", "12345", ["patient_conflict"]),
        ("0012345", "0012345", "0012345", []),
        ("ab-1", " AB-1", "ab-1", []),
        ("0012345", "54321", "54321", ["patient_conflict"]),
        ("", "54321", "54321", []),
    ],
)
def test_a_file_that_names_another_patient_is_named_and_one_is_kept(take, told, stated, kept, expected):
    image = take(file(1, PatientID=told), patient=stated)
    assert codes(image) == expected
    assert len([note for note in image.notes if "another patient" in note or "zeros" in note]) == len(expected)
    assert image.patient == take(file(2, PatientID=kept)).patient


def test_numbers_that_differ_in_zeros_or_in_their_issuer_are_named(take):
    take(file(1, PatientID="12345"))
    for number, tags in ((2, {"PatientID": "0012345"}), (3, {"PatientID": "12345", "IssuerOfPatientID": "A"})):
        assert codes(take(file(number, StudyInstanceUID=f"1.2.3.{number}", **tags))) == ["similar_patient"]
    assert codes(take(file(4, PatientID="12346", StudyInstanceUID="1.2.3.9"))) == []


def test_two_patients_in_one_study_are_named(take):
    take(file(1))
    assert codes(take(file(2, PatientID="PAT-8"))) == ["study_of_two_patients"]
    assert codes(take(file(3, PatientID=""))) == []


def test_bytes_that_come_again_under_another_patient_are_named(take):
    image = take(file(1), patient="p1")
    again = take(file(1), patient="p2")
    assert (again.pk, again.patient, codes(again)) == (image.pk, image.patient, ["patient_conflict"])
    assert codes(take(file(1), patient="p1")) == codes(take(file(1))) == []


def test_a_name_of_a_study_holds_within_its_patient_and_a_uid_everywhere(make_scan):
    first, second = (make_scan(seed=seed, patient=f"p{seed}", study="study1") for seed in (1, 2))
    assert first.study != second.study
    assert first.study == make_scan(seed=3, patient="p1", study="study1", series="s", instance_number=3).study
    third, fourth = (make_scan(seed=seed, study="1.2.840.1.2.3") for seed in (4, 5))
    assert third.study == fourth.study
    assert make_scan(seed=6, study=third.study).study == third.study


def test_a_study_can_be_corrected_and_goes_with_the_scan(make_scan, author, admin, project):
    image, other = make_scan(seed=1, patient="p1"), make_scan(seed=2, patient="p2", study="x")
    changed = update_scan(actor=author, image=image, changes={"study": other.study, "instance_number": 7})
    assert (changed.study, changed.instance_number) == (other.study, 7)
    assert update_scan(actor=author, image=changed, changes={"study": ""}).study is None
    erase_patient(actor=admin, project=project, patient="p2", reason="asked")
    other.refresh_from_db()
    assert (other.study, other.series, other.instance, other.instance_number) == (None, None, None, None)


def test_lists_are_filtered_by_code_only(take, api, author):
    first, other = take(file(1)), take(file(2, StudyInstanceUID="1.2.3.4.5", SeriesInstanceUID="1.2.3.4.6"))
    client = api(author)
    for name in ("study", "series", "instance"):
        answer = client.get("/api/v1/images/", {name: getattr(first, name)}).json()
        assert [row["image_id"] for row in answer["results"]] == [first.code]
        assert answer["results"][0][name] == getattr(first, name)
    assert client.get("/api/v1/images/", {"study": "ST" + "A" * 16}).json()["results"] == []
    refused = client.get("/api/v1/images/", {"study": "1.2.3.4.5"})
    assert refused.status_code == 400 and "ST and 16 characters" in refused.json()["errors"][0]["detail"]
    assert other.study != first.study


def test_an_upload_says_what_contradicts_it(api, author, project):
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = {
        "project": project.pk,
        "file": SimpleUploadedFile("a.dcm", file(1, PatientID="0012345")),
        "patient": "12345",
    }
    answer = api(author).post("/api/v1/images/", body)
    assert answer.status_code == 201
    assert [(row["code"], "zeros" in row["detail"]) for row in answer.json()["warnings"]] == [
        ("patient_conflict", True)
    ]
    assert "12345" not in answer.json()["warnings"][0]["detail"]


def test_the_page_of_a_study_shows_its_scans_in_order(take, client, author):
    late = take(file(3, SeriesNumber=2, SeriesInstanceUID="1.2.3.1"))
    second, first = take(file(2, SeriesNumber=1)), take(file(1, SeriesNumber=1, PatientID="PAT-8"))
    elsewhere = take(file(9, StudyInstanceUID="1.2.3.4.5"))
    client.force_login(author)
    page = client.get(reverse("study", args=[late.pk])).content.decode()
    places = [page.index(f"<strong>{image.code}</strong>") for image in (first, second, late)]
    assert places == sorted(places) and elsewhere.code not in page
    assert "kept under 2 patients" in page and first.study in page
    assert reverse("study", args=[late.pk]) in client.get(reverse("scan", args=[late.pk])).content.decode()


def test_scans_of_a_study_are_listed_by_their_place_page_by_page(take, api, author, client, project):
    places = {
        take(file(number, InstanceNumber=place)).code: place for number, place in ((1, 9), (2, 10), (3, 2), (4, 9))
    }
    last = take(file(5))
    Image.objects.filter(pk=last.pk).update(instance_number=None)
    take(file(6, StudyInstanceUID="1.2.3.4.5"))
    study = last.study
    found, url = [], f"/api/v1/images/?study={study}&ordering=instance_number&page_size=2"
    while url:
        page = api(author).get(url).json()
        found += [row["image_id"] for row in page["results"]]
        url = page["next"]
    assert len(found) == 5 and [places.get(code) for code in found] == [2, 9, 9, 10, None]
    table = api(author).get(f"/api/v1/images/?study={study}&ordering=-instance_number&format=csv")
    lines = b"".join(table.streaming_content).decode().splitlines()[1:]
    assert [code for line in lines for code in found if code in line] == found[::-1]
    client.force_login(author)
    shown = client.get(reverse("scan_list", args=[project.pk]), {"study": study, "ordering": "instance_number"})
    text = shown.content.decode()
    assert sorted(found, key=lambda code: text.index(f"<strong>{code}</strong>")) == found


def test_the_place_of_a_scan_says_nothing_without_its_study(api, author):
    answer = api(author).get("/api/v1/images/?ordering=instance_number")
    assert answer.status_code == 400 and answer.json()["errors"][0]["attr"] == "ordering"
    assert "filter by study or series" in answer.json()["errors"][0]["detail"]


def test_an_export_brings_the_same_examination_back(take, author, project, admin):
    from labeling.exports.text import HEADER, labels_row
    from labeling.imports.understanding import understand

    image = take(file(1, SeriesNumber=2))
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, labels_row(image, path="a.dcm", label="", split="")])
    known = understand([("labels.csv", opened(text.getvalue().encode()))], ["a.dcm", "labels.csv"], Classes.of(project))
    row = known.by_path["a.dcm"]
    from images.services import parse_facts

    again = take(file(2), **{name: getattr(parse_facts(row.values), name) for name in ("study", "series", "instance")})
    assert (again.study, again.series, again.instance) == (image.study, image.series, image.instance)
    assert row.values["series_number"] == "2"


@pytest.mark.parametrize(
    ("name", "value"), [("series_number", "1.5"), ("instance_number", 2**40), ("pixel_spacing_at", "somewhere")]
)
def test_what_is_no_place_is_refused(make_scan, author, name, value):
    with pytest.raises(Invalid) as refused:
        update_scan(actor=author, image=make_scan(seed=1), changes={name: value})
    assert refused.value.attr == name


def test_the_studies_of_earlier_scans_are_found_in_their_files(take, project, admin, make_scan, capsys):
    from django.core.management import call_command

    earlier, plain = take(file(1)), make_scan(seed=1)
    before = (earlier.study, earlier.series, earlier.instance, earlier.instance_number)
    Image.objects.update(study=None, series=None, instance=None, instance_number=None)
    later = take(file(2))
    call_command("find_studies", str(project.pk))
    assert "1 of 1 scans" in capsys.readouterr().out
    earlier.refresh_from_db()
    plain.refresh_from_db()
    assert (earlier.study, earlier.series, earlier.instance, earlier.instance_number) == before
    assert earlier.study == later.study and plain.study is None
    call_command("find_studies", str(project.pk))
    assert "0 of 0 scans" in capsys.readouterr().out


def test_a_number_finds_its_patients_of_all_issuers_and_two_of_them_are_not_mixed(take, project, admin, api):
    here = take(file(1, IssuerOfPatientID="A", StudyInstanceUID="1.2.3.1"))
    client = api(admin)
    found = client.get("/api/v1/images/", {"project": project.pk, "patient": "pat-7"}).json()["results"]
    assert [row["patient"] for row in found] == [here.patient]
    there = take(file(2, IssuerOfPatientID="B", StudyInstanceUID="1.2.3.2"))
    with pytest.raises(Invalid, match="Several patients") as refused:
        erase_patient(actor=admin, project=project, patient="PAT-7", reason="asked")
    assert here.patient in refused.value.detail and there.patient in refused.value.detail
    assert erase_patient(actor=admin, project=project, patient="PAT-7^^^B", reason="asked") == 1
    assert erase_patient(actor=admin, project=project, patient="PAT-7", reason="asked") == 1
