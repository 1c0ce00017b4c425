"""Pages about privacy: a scan that is held back, the report, looking up a patient, the project's options, the members."""

import io

import numpy as np
import pytest
from django.urls import reverse

from images.models import Membership
from images.services import ScanFacts, grant, revoke, store_scan
from mediscan_site.core.models import AuditEvent
from tests.images.decoding.dicoms import dicom

pytestmark = pytest.mark.django_db
PATIENT = "Jane Doe 4711"
RELEASE = "nothing shows who the patient is"


@pytest.fixture
def held(project, author):
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    data = dicom(pixels, BurnedInAnnotation="YES", PatientID=PATIENT, StudyDate="20200131")
    return store_scan(
        actor=author, project=project, source=io.BytesIO(data), file_name="a.dcm", facts=ScanFacts(sex="F")
    )[0]


def page(browser, user, name: str, *args) -> str:
    answer = browser(user).get(reverse(name, args=args))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_held_scan_says_so_until_it_is_released(held, browser, author, project):
    assert "text is burned into the picture" in page(browser, author, "scan", held.pk)
    assert "held back" in page(browser, author, "scan_list", project.pk)
    assert "1 scan held back" in page(browser, author, "project", project.pk)
    answer = browser(author).post(reverse("scan_release", args=[held.pk]), follow=True)
    shown = answer.content.decode()
    assert "released by author" in shown and RELEASE not in shown
    assert "held back</a>" not in page(browser, author, "project", project.pk)


def test_who_may_not_review_sees_who_can_release(held, browser, author, admin, project):
    revoke(actor=admin, project=project, user=author, codename="review_label")
    shown = page(browser, author, "scan", held.pk)
    assert RELEASE not in shown and "right to review can release it" in shown
    assert browser(author).post(reverse("scan_release", args=[held.pk])).status_code == 403


def test_the_report_is_on_the_page_of_a_dicom_scan_alone(held, browser, author, make_scan):
    shown = page(browser, author, "scan", held.pk)
    assert "DICOM PS3.15" in shown and "(0010,0010)" in shown and "are moved by the same number of days" in shown
    assert "De-identification" not in page(browser, author, "scan", make_scan().pk)


def test_a_patient_is_looked_up_with_a_reason_and_shown_once(held, browser, author, admin, project):
    assert reverse("reidentify", args=[project.pk]) not in page(browser, author, "scan", held.pk)
    assert browser(author).get(reverse("reidentify", args=[project.pk])).status_code == 403
    grant(actor=admin, project=project, user=author, codename="reidentify")
    assert f"?pseudonym={held.patient}" in page(browser, author, "scan", held.pk)
    url = reverse("reidentify", args=[project.pk])
    without = browser(author).post(url, {"pseudonym": held.patient, "reason": " "})
    assert without.status_code == 400 and PATIENT not in without.content.decode()
    unknown = browser(author).post(url, {"pseudonym": "PAAAAAAAAAAAAAAAA", "reason": "call back"})
    assert unknown.status_code == 400 and "knows no patient id" in unknown.content.decode()
    found = browser(author).post(url, {"pseudonym": held.patient, "reason": "call back"})
    assert PATIENT in found.content.decode() and "no-store" in found["Cache-Control"]
    assert PATIENT not in repr(list(AuditEvent.objects.values()))
    assert PATIENT not in page(browser, author, "reidentify", project.pk)


def test_what_dicom_files_keep_is_a_setting(browser, admin, project):
    assert "DICOM: keep the institution in the stored file" in page(browser, admin, "project_settings", project.pk)
    sent = {"name": project.name, "coverage_target": "0.9", "intended_use": "x", "limitations": "x", "four_eyes": "on"}
    browser(admin).post(reverse("project_settings", args=[project.pk]), {**sent, "shift_dates": "on"})
    project.refresh_from_db()
    options = (project.keep_patient_characteristics, project.keep_institution, project.shift_dates)
    assert options == (False, False, True)
    assert "neither sex nor age" in page(browser, admin, "project", project.pk)


def test_a_doctor_who_manages_the_project_can_add_every_active_account(
    browser, author, admin, outsider, inactive, project
):
    url = reverse("project_members", args=[project.pk])
    assert browser(author).post(url, {"user": outsider.pk}).status_code == 403
    grant(actor=admin, project=project, user=author, codename="manage_project")
    shown = page(browser, author, "project_members", project.pk)
    assert f'<option value="{outsider.pk}">' in shown and f'<option value="{inactive.pk}">' not in shown
    assert f'<option value="{author.pk}">' not in shown
    assert browser(author).post(url, {"user": outsider.pk}).status_code == 302
    assert Membership.objects.filter(project=project, user=outsider).exists()
