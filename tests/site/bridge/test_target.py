"""What MediScan may answer, and what the bridge makes of it."""

import re
import subprocess
import sys

import pytest
from django.conf import settings

from tests.site.bridge.files import dicom
from tests.site.bridge.played import error, said

FILES = {f"orthanc-{number}": dicom(number) for number in range(4)}
ALL = "found 4, sent 4, known 0, refused 0, failed 0"


@pytest.fixture(autouse=True)
def stocked(orthanc):
    orthanc.files = dict(FILES)
    return orthanc


def once(bridge, **env: str):
    return bridge("orthanc", "--once", **env)


PASSING = {
    "429": error(429, "throttled", **{"Retry-After": "0"}),
    "a date": error(503, "busy", **{"Retry-After": "Sun, 01 Nov 2026 10:00:00 GMT"}),
    "507": error(507, "storage_full", **{"Retry-After": "0"}),
    "502": (502, {}, b"<html>Bad gateway</html>"),
    "500": error(500, "error"),
    "digest": error(400, "digest_mismatch"),
    "incomplete": error(400, "incomplete"),
    "in progress": error(409, "idempotency_in_progress"),
    "reset": None,
}


@pytest.mark.parametrize("how", PASSING)
def test_what_passes_is_waited_for(bridge, site, how):
    site.first = [PASSING[how]] * 3
    ran = once(bridge)
    assert (ran.status, ran.counts) == (0, ALL)
    assert sorted(site.scans.values()) == sorted(FILES.values())


def test_a_repeated_request_has_the_same_key(bridge, site):
    site.first = [None, error(503, "busy")]
    once(bridge, THREADS="1")
    keys = [asked.headers["Idempotency-Key"] for asked in site.uploads()]
    assert len(keys) == 6
    assert len(set(keys)) == 4


def test_a_full_disk_is_waited_for_without_a_word_about_the_file(bridge, site):
    site.first = [error(507, "storage_full")] * 9
    assert once(bridge, THREADS="1").counts == ALL


@pytest.mark.parametrize(
    "code", ["not_authenticated", "token_not_valid", "permission_denied", "token_scope", "does_not_exist"]
)
def test_an_account_that_may_not_upload_ends_the_run_and_nothing_is_passed_over(bridge, site, code):
    status = 401 if "token_not" in code or "auth" in code else 400 if code == "does_not_exist" else 403
    site.first = [said({"image_id": "img1", "duplicate": False}, status=201), *[error(status, code)] * 9]
    ran = once(bridge, THREADS="1")
    assert ran.status == 1
    assert "does not let this account" in ran.log
    site.first = []
    assert once(bridge).counts.startswith("found 4")


def test_refusals_are_counted_by_their_reason(bridge, site):
    site.refused = {FILES["orthanc-1"]: "corrupt", FILES["orthanc-2"]: "corrupt"}
    ran = once(bridge)
    assert (ran.status, ran.counts) == (1, "found 4, sent 2, known 0, refused 2 (corrupt 2), failed 0")


def test_a_report_without_a_picture_is_not_missing(bridge, site):
    site.refused = {FILES["orthanc-1"]: "no_picture"}
    ran = once(bridge)
    assert (ran.status, ran.counts) == (0, "found 4, sent 3, known 0, refused 1 (no_picture 1), failed 0")


def test_a_site_that_stays_away_ends_the_run_when_patience_ends(bridge, site):
    site.first = [(502, {}, b"")] * 100_000
    ran = once(bridge, PATIENCE_S="0.1", THREADS="1")
    assert ran.status == 1
    assert "failed" in ran.counts


def test_an_answer_of_somebody_else_is_no_success(bridge, site):
    site.first = [(200, {}, b"<html>Welcome to the proxy</html>")]
    ran = once(bridge, THREADS="1")
    assert (ran.status, ran.counts) == (1, "found 4, sent 3, known 0, refused 0, failed 1")


def test_a_site_that_has_moved_is_named(bridge, site):
    site.first = [(301, {"Location": "https://mediscan.example/"}, b"")] * 9
    ran = once(bridge, THREADS="1")
    assert ran.status == 1
    assert "has moved to https://mediscan.example/" in ran.log


@pytest.mark.parametrize(("name", "value"), [("MEDISCAN_TOKEN", "ms_…"), ("MEDISCAN_PROJECT", "Chest")])
def test_a_setting_that_cannot_be_right_is_named(bridge, site, name, value):
    with pytest.raises(SystemExit, match=name):
        once(bridge, **{name: value})


@pytest.mark.parametrize("missing", ["MEDISCAN_URL", "SOURCE_URL", "STATE_FILE"])
def test_a_missing_setting_is_named(bridge, site, monkeypatch, missing):
    monkeypatch.delenv(missing)
    with pytest.raises(SystemExit, match=missing):
        once(bridge)


def test_the_script_and_the_document_name_every_setting(script):
    sources = (settings.BASE_DIR / "docs" / "examples" / "mediscan_bridge").glob("*.py")
    names = {name for path in sources for name in re.findall(r'setting\("(\w+)"', path.read_text())}
    assert {"MEDISCAN_URL", "STATE_FILE", "BATCH"} <= names
    document = (settings.BASE_DIR / "docs" / "orthanc.md").read_text()
    assert [name for name in sorted(names) if name not in script.__doc__ or name not in document] == []


def test_it_runs_wherever_it_is_copied_with_nothing_but_python(tmp_path):
    import shutil

    examples = settings.BASE_DIR / "docs" / "examples"
    shutil.copy(examples / "bridge.py", tmp_path)
    shutil.copytree(examples / "mediscan_bridge", tmp_path / "mediscan_bridge")
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "bridge.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "MEDISCAN_TOKEN" in done.stdout
