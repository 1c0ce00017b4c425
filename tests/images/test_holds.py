"""Scans that may show who the patient is: seen by members, used for nothing until somebody has looked."""

import io

import numpy as np
import pytest

from images.services import ScanFacts, release_scan, require_free, revoke, store_scan
from labeling.reading.queue import claim_scans
from mediscan_site.core.errors import Conflict, Forbidden, NotFound
from mediscan_site.core.models import AuditEvent
from models_registry.grades.services import request_grade
from tests.images.decoding.dicoms import dicom

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(project, author):
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    source = io.BytesIO(dicom(pixels, BurnedInAnnotation="YES"))
    return store_scan(actor=author, project=project, source=source, file_name="a.dcm", facts=ScanFacts())[0]


def test_a_file_that_says_text_is_burned_in_is_held(held, api, author):
    body = api(author).get(f"/api/v1/images/{held.code}/").json()
    assert (body["hold"], body["released_by"], body["released_at"]) == ("burned_in_annotation", None, None)
    assert api(author).get(f"/api/v1/images/{held.code}/thumbnail/").status_code == 200


def test_a_held_scan_is_in_no_queue_and_is_not_graded(held, project, author, admin):
    assert claim_scans(actor=author, project=project, task="label") == []
    with pytest.raises(Conflict) as refused:
        request_grade(actor=author, project=project, image=held)
    assert refused.value.code == "held" and "release" in refused.value.detail
    release_scan(actor=author, image=held)
    assert [lease.image_id for lease in claim_scans(actor=author, project=project, task="label")] == [held.pk]


def test_release_is_noted_once_with_name_and_time(held, author, colleague):
    seen = held.version
    free = release_scan(actor=author, image=held)
    require_free(free)
    assert (free.hold, free.released_by, free.version) == ("", author, seen + 1)
    again = release_scan(actor=colleague, image=held)
    assert (again.released_by, again.version) == (author, seen + 1)
    event = AuditEvent.objects.get(action="scan.release")
    assert (event.actor, event.details) == (author, {"hold": "burned_in_annotation"})


def test_only_who_may_review_releases(held, project, author, admin, outsider):
    revoke(actor=admin, project=project, user=author, codename="review_label")
    with pytest.raises(Forbidden):
        release_scan(actor=author, image=held)
    with pytest.raises(NotFound):
        release_scan(actor=outsider, image=held)
    held.refresh_from_db()
    assert held.hold


def test_the_api_releases_and_filters(held, api, author, make_scan):
    free = make_scan(seed=3)

    def listed(hold: str) -> list[str]:
        return [row["image_id"] for row in api(author).get("/api/v1/images/", {"hold": hold}).json()["results"]]

    assert (listed("held"), listed("none")) == ([held.code], [free.code])
    assert (listed("burned_in_annotation"), listed("text_like_border")) == ([held.code], [])
    stats = api(author).get(f"/api/v1/projects/{held.project_id}/stats/").json()
    assert stats["held"] == 1
    answer = api(author).post(f"/api/v1/images/{held.code}/release/")
    assert (answer.status_code, answer.json()["hold"], answer.json()["released_by"]) == (200, "", "author")
    assert listed("held") == []
