"""The way back from a pseudonym to the patient: sealed, for few, audited, and gone with the last scan."""

import shutil
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from images.models import PatientIdentity
from images.services import delete_scan, grant, reidentify, update_scan
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.http.idempotency import body_digest
from mediscan_site.core.models import AuditEvent
from mediscan_site.core.storage import ring, rotation
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.keys import KeyRing

PATIENT = "Jane Doe 90817263544"
WHY = "call back"
pytestmark = pytest.mark.django_db


def look(actor, project, pseudonym: str) -> str:
    return reidentify(actor=actor, project=project, pseudonym=pseudonym, reason=WHY)


def test_who_has_the_right_finds_the_patient_and_the_log_says_so(store, project, admin, author):
    image = store(1, patient=PATIENT)
    with pytest.raises(Forbidden):
        look(author, project, image.patient)
    grant(actor=admin, project=project, user=author, codename="reidentify")
    assert look(author, project, image.patient) == PATIENT
    event = AuditEvent.objects.filter(action="patient.reidentify").get()
    assert event.actor == author
    assert event.details == {"pseudonym": image.patient, "reason": WHY, "found": True}


def test_the_patient_id_is_in_no_column_in_the_clear(store, project, admin, database_rows):
    image = store(1, patient=PATIENT)
    look(admin, project, image.patient)
    rows = database_rows()
    assert any(image.patient in row for row in rows) and not [
        row for row in rows if "Jane Doe" in row or "90817263544" in row
    ]


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_a_look_without_a_reason_is_refused(store, project, admin, reason):
    image = store(1, patient=PATIENT)
    with pytest.raises(Invalid) as refused:
        reidentify(actor=admin, project=project, pseudonym=image.patient, reason=reason)
    assert refused.value.attr == "reason"


def test_a_pseudonym_that_nobody_knows_is_a_clear_error_and_logged(project, admin):
    with pytest.raises(Invalid) as refused:
        look(admin, project, "PAAAAAAAAAAAAAAAA")
    assert (refused.value.code, refused.value.attr) == ("does_not_exist", "pseudonym")
    assert AuditEvent.objects.get(action="patient.reidentify").details["found"] is False


def test_a_patient_has_one_row_however_many_scans_and_spellings(store, project):
    images = [store(seed, patient=name) for seed, name in enumerate((PATIENT, PATIENT.upper(), f" {PATIENT} "))]
    assert len({image.patient for image in images}) == 1
    assert PatientIdentity.objects.filter(project=project).count() == 1


def test_a_pseudonym_that_comes_back_makes_no_row(store, project):
    image = store(1, patient=PATIENT)
    assert store(2, patient=image.patient).patient == image.patient
    store(3, pseudonym="PABCDEFGHIJKLMNOP")
    assert PatientIdentity.objects.count() == 1


def test_the_way_back_goes_with_the_last_scan(store, admin):
    first, second = store(1, patient=PATIENT), store(2, patient=PATIENT)
    delete_scan(actor=admin, image=first)
    assert PatientIdentity.objects.count() == 1
    delete_scan(actor=admin, image=second)
    assert PatientIdentity.objects.count() == 0


def test_a_corrected_patient_takes_the_old_way_back_along(store, project, author, admin):
    image = store(1, patient=PATIENT)
    old = image.patient
    image = update_scan(actor=author, image=image, changes={"patient": "John 12"})
    assert look(admin, project, image.patient) == "John 12"
    with pytest.raises(Invalid):
        look(admin, project, old)


def test_a_row_copied_over_another_one_does_not_open(store, project, admin):
    first, second = store(1, patient=PATIENT), store(2, patient="John 12")
    stolen = PatientIdentity.objects.get(pseudonym=second.patient).sealed
    PatientIdentity.objects.filter(pseudonym=first.patient).update(sealed=stolen)
    with pytest.raises(DamagedObject):
        look(admin, project, first.patient)


def test_a_rotation_renews_the_crosswalk_and_a_key_in_use_is_not_retired(
    store, project, admin, settings, tmp_path, monkeypatch
):
    settings.KEYS_FILE = Path(shutil.copy(settings.KEYS_FILE, tmp_path / "keys.json"))
    settings.KEY_RING = KeyRing.load(settings.KEYS_FILE)
    monkeypatch.setattr(ring, "_loaded_at", None)
    image = store(1, patient=PATIENT)
    old = PatientIdentity.objects.get().key_id
    settings.KEY_RING = changed = settings.KEY_RING.add_master(settings.KEYS_FILE)
    rotation.rewrap_all(changed)
    with pytest.raises(Conflict, match="1 patient identities"):
        rotation.retire(old, path=settings.KEYS_FILE)
    call_command("rotate_keys", resume=True, retire=old)
    assert PatientIdentity.objects.get().key_id == changed.primary_id != old
    assert look(admin, project, image.patient) == PATIENT


def test_the_api_answers_and_is_not_cached(store, project, admin, author, api):
    image = store(1, patient=PATIENT)
    body = {"pseudonym": image.patient, "reason": WHY}
    answer = api(admin).post(f"/api/v1/projects/{project.pk}/reidentify/", body, format="json")
    assert (answer.status_code, answer.json()) == (200, {"pseudonym": image.patient, "patient": PATIENT})
    assert "no-store" in answer["Cache-Control"]
    assert api(author).post(f"/api/v1/projects/{project.pk}/reidentify/", body, format="json").status_code == 403
    empty = api(admin).post(f"/api/v1/projects/{project.pk}/reidentify/", {"pseudonym": "x", "reason": ""})
    assert empty.json()["errors"][0]["attr"] == "reason"


def test_the_answer_is_never_kept_for_a_repeated_request(store, project, admin, api, database_rows):
    image = store(1, patient=PATIENT)
    body = {"pseudonym": image.patient, "reason": WHY}
    url = f"/api/v1/projects/{project.pk}/reidentify/"
    answer = api(admin).post(url, body, format="json", headers={"Idempotency-Key": "once"})
    assert answer.status_code == 400
    assert not [row for row in database_rows() if PATIENT in row]


def test_a_repeated_request_is_known_by_a_keyed_digest_of_what_it_says(settings):
    """A plain one would give a patient number away to anyone who tries them all."""
    request = Request(APIRequestFactory().post("/", {"patient": "4711"}, format="json"), parsers=[JSONParser()])
    first = body_digest(request)
    settings.KEY_RING = KeyRing(primary="k", masters={}, purposes={"pseudonym": bytes(32)})
    assert body_digest(request) != first
