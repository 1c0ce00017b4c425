"""A rotten file of what serves is found without anybody grading: the site is not ready and says why, until it is mended."""

import pytest
from django.core.files.storage import storages

from mediscan_site.core import notices
from mediscan_site.core.storage import verification
from models_registry.deployments import bundles
from models_registry.deployments.services import deploy
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.versions import serving
from tests.models_registry.deployments.test_deployments import damage

pytestmark = pytest.mark.django_db


def model_part(client) -> tuple[int, str]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["parts"]["model"]


def keys() -> list[str]:
    return [notice.key for notice in notices.standing()]


@pytest.fixture
def whole(deployed):
    with storages["blobs"].open(deployed.bundle.path, "rb") as file:
        return file.read()


def test_the_hourly_check_finds_it_and_the_notice_goes_when_it_is_mended(deployed, whole, client, tmp_path, settings):
    assert model_part(client) == (200, "ok")
    damage(deployed)
    verification.verify_part()
    assert model_part(client) == (503, "damaged")
    assert bundles.NOTICE in keys()
    kept = tmp_path / "objects" / deployed.bundle_id.hex[:2] / str(deployed.bundle_id)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(whole)
    settings.BACKUP_DIR = str(tmp_path)
    assert [check.restored for check in verification.verify_all(from_backup=True) if check.owner] == [True]
    assert model_part(client) == (200, "ok")
    assert keys() == []


def test_a_grade_that_meets_it_turns_the_site_not_ready(deployed, author, make_scan, client):
    storages["blobs"].delete(deployed.bundle.path)
    serving.forget()
    grade = request_grade(actor=author, project=deployed.project, image=make_scan())
    run_grade(grade.pk)
    assert model_part(client) == (503, "damaged")
    assert bundles.NOTICE in keys()


def test_another_version_that_serves_ends_it(deployed, make_version, admin, client):
    damage(deployed)
    verification.verify_part()
    deploy(actor=admin, model=make_version(seed=1))
    assert model_part(client) == (200, "ok")
    assert bundles.NOTICE not in keys()
