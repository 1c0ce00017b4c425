"""Following the changes of an Orthanc: what is kept between two runs, and what becomes of an instance that does not come."""

import json

import pytest

from tests.site.bridge.files import ROOT_UID, dicom
from tests.site.bridge.played import NOT_FOUND, said

FILES = {f"orthanc-{number}": dicom(number) for number in range(5)}
ALL = "found 5, sent 5, known 0, refused 0, failed 0"
NOTHING = "found 0, sent 0, known 0, refused 0, failed 0"


@pytest.fixture
def stocked(orthanc):
    orthanc.files = dict(FILES)
    return orthanc


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def once(bridge, **env: str):
    return bridge("orthanc", "--once", **env)


def test_new_instances_come_once(bridge, site, stocked):
    assert (ran := once(bridge)).counts == ALL, ran.log
    assert ran.status == 0
    stocked.asked.clear()
    stocked.files["orthanc-9"] = dicom(9)
    assert once(bridge).counts == "found 1, sent 1, known 0, refused 0, failed 0"
    assert stocked.fetched() == ["orthanc-9"]
    assert once(bridge).counts == NOTHING


def test_without_its_state_all_is_sent_again_and_known(bridge, site, stocked, state):
    once(bridge)
    state.unlink()
    assert once(bridge).counts == "found 5, sent 0, known 5, refused 0, failed 0"


@pytest.mark.parametrize("change", ["MEDISCAN_PROJECT", "SOURCE_URL"])
def test_the_place_is_that_of_one_archive_and_one_project(bridge, site, stocked, change, monkeypatch):
    import os

    once(bridge)
    other = {"MEDISCAN_PROJECT": "2", "SOURCE_URL": os.environ["SOURCE_URL"].replace("127.0.0.1", "localhost")}
    assert once(bridge, **{change: other[change]}).counts.startswith("found 5")
    assert once(bridge).counts == NOTHING


def test_two_projects_have_two_keys(bridge, site, stocked):
    once(bridge)
    once(bridge, MEDISCAN_PROJECT="2")
    keys = [asked.headers["Idempotency-Key"] for asked in site.uploads()]
    assert len(set(keys)) == len(keys) == 10
    assert max(map(len, keys)) <= 120


def test_a_number_alone_is_a_place(bridge, site, stocked, state):
    state.write_text("8\n")
    assert once(bridge).counts == "found 1, sent 1, known 0, refused 0, failed 0"


@pytest.mark.parametrize("kept", ["196", "whole"])
def test_an_archive_that_ends_before_our_place_was_built_anew(bridge, site, stocked, state, kept):
    once(bridge)
    site.scans.clear()
    stocked.files, stocked.last = {f"other-{number}": dicom(50 + number) for number in range(3)}, 0
    if kept != "whole":
        state.write_text(kept)
    ran = once(bridge)
    assert (ran.status, ran.counts) == (0, "found 3, sent 3, known 0, refused 0, failed 0")
    assert "built anew" in ran.log
    assert once(bridge).counts == NOTHING


def test_an_archive_that_was_built_anew_and_has_passed_our_place(bridge, site, stocked):
    once(bridge)
    stocked.files, stocked.at = {f"other-{number}": dicom(50 + number) for number in range(9)}, "20270101T000000"
    ran = once(bridge)
    assert ran.counts == "found 9, sent 9, known 0, refused 0, failed 0"
    assert "built anew" in ran.log


def test_deleting_what_was_sent_is_not_building_anew(bridge, site, stocked):
    once(bridge)
    stocked.files, stocked.skipped, stocked.at = {"late": dicom(70)}, 10, "20270101T000000"
    ran = once(bridge)
    assert ran.counts == "found 1, sent 1, known 0, refused 0, failed 0"
    assert "built anew" not in ran.log


def test_a_damaged_state_says_what_to_do(bridge, site, stocked, state):
    state.write_text("{oh")
    with pytest.raises(SystemExit, match="Remove it"):
        once(bridge)


def test_two_bridges_do_not_share_a_state(bridge, site, stocked, state):
    import fcntl

    with state.with_name("state.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="Another bridge"):
            once(bridge)


@pytest.mark.parametrize("reply", [NOT_FOUND, (500, {}, b"damaged"), None], ids=str)
def test_what_failed_is_tried_again_at_the_next_run(bridge, site, stocked, state, reply):
    stocked.odd = {"orthanc-2/file": lambda asked: reply}
    ran = once(bridge)
    assert (ran.status, ran.counts) == (1, "found 5, sent 4, known 0, refused 0, failed 1")
    assert list(next(iter(json.loads(state.read_text()).values()))["again"]) == ["orthanc-2"]
    assert once(bridge).counts == "found 1, sent 0, known 0, refused 0, failed 1"
    stocked.odd.clear()
    ran = once(bridge)
    assert (ran.status, ran.counts) == (0, "found 1, sent 1, known 0, refused 0, failed 0")
    assert once(bridge).counts == NOTHING


def test_what_was_deleted_meanwhile_is_not_missing(bridge, site, stocked):
    def deleted(asked):
        del stocked.files["orthanc-4"]
        return NOT_FOUND

    stocked.odd = {"orthanc-4/file": deleted}
    ran = once(bridge, BATCH="1", THREADS="1")
    assert (ran.status, ran.counts) == (0, "found 5, sent 4, known 0, refused 0, failed 0, deleted 1")


def test_only_the_wanted_modalities_are_fetched(bridge, site, stocked):
    stocked.about = {name: {"ParentSeries": "US" if name.endswith("1") else "CR"} for name in FILES}
    assert once(bridge, MODALITIES="CR,DX").counts == "found 5, sent 4, known 0, refused 0, failed 0, left out 1"
    assert "orthanc-1" not in stocked.fetched()


def test_the_external_id_is_that_of_the_instance_and_says_no_number_of_it(bridge, site, stocked):
    once(bridge)
    assert all(name.startswith("uid-") and ROOT_UID not in name for name in site.scans)
    plain = set(site.scans)
    site.scans.clear()
    once(bridge, MEDISCAN_PROJECT="2", ID_KEY="a secret of the hospital")
    assert len(site.scans) == 5
    assert not plain & set(site.scans)


def test_a_corrected_instance_comes_in_beside_the_older_one_and_is_named(bridge, site, stocked):
    once(bridge)
    older = next(name for name, data in site.scans.items() if data == FILES["orthanc-3"])
    stocked.files = {"orthanc-3": dicom(3, PatientID="corrected")}
    stocked.skipped = 20
    ran = once(bridge)
    assert (ran.status, ran.counts) == (0, "found 1, sent 1, known 0, refused 0, failed 0, corrected 1")
    assert [name for name in site.scans if name.startswith(f"{older}-")]
    assert f"img{list(site.scans).index(older):06}, which is the same instance" in ran.log
    assert "instances/orthanc-3" in ran.log
    stocked.skipped = 40
    assert once(bridge).counts == "found 1, sent 0, known 1, refused 0, failed 0"


def test_a_copy_that_orthanc_made_of_another_instance_is_named(bridge, site, stocked):
    stocked.about = {"orthanc-4": {"ModifiedFrom": "orthanc-0", "MainDicomTags": {"SOPInstanceUID": "1.7"}}}
    stocked.about["orthanc-0"] = {"MainDicomTags": {"SOPInstanceUID": f"{ROOT_UID}.3.0"}}
    ran = once(bridge)
    assert ran.counts == f"{ALL}, corrected 1"
    first = next(name for name, data in site.scans.items() if data == FILES["orthanc-0"])
    assert f"Orthanc's instance orthanc-0 ({first})" in ran.log


def test_it_follows_until_it_is_told_to_end(bridge, site, stocked, monkeypatch):
    from mediscan_bridge import orthanc, running

    monkeypatch.setattr(orthanc, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(orthanc, "AGAIN_EVERY_S", 0)
    bad = [(500, {}, b"damaged")] * 5
    looks = []

    def changes(asked):
        looks.append(asked)
        if len(looks) == 12:
            stocked.files["orthanc-9"] = dicom(9)
        if len(looks) == 24:
            running.stopping.set()
        return said(stocked.changes(int(asked.query["since"][0]), 100))

    stocked.odd = {"/changes": changes}
    stocked.odd |= {"orthanc-2/file": lambda asked: bad.pop() if bad else (200, {}, FILES["orthanc-2"])}
    ran = bridge("orthanc")
    assert (ran.status, ran.counts) == (1, "found 7, sent 6, known 0, refused 0, failed 1")
    assert len(site.scans) == 6


@pytest.mark.parametrize("reply", [NOT_FOUND, said([]), said({"results": []})], ids=str)
def test_what_is_no_orthanc_is_named(bridge, site, orthanc, reply):
    orthanc.odd = {"/changes": lambda asked: reply}
    ran = once(bridge)
    assert ran.status == 1
    assert "does not answer as Orthanc does" in ran.log


def test_changes_that_ignore_since_are_not_asked_for_ever(bridge, site, stocked):
    stocked.odd = {"/changes": lambda asked: said(stocked.changes(0, 3))}
    assert once(bridge).counts == "found 2, sent 2, known 0, refused 0, failed 0"
