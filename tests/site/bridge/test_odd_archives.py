"""DICOMweb servers as they are: each does something that the standard allows, or that one of them is known to do."""

import base64
import gzip
import json

import pytest

from tests.site.bridge import played
from tests.site.bridge.files import ROOT_UID, dicom
from tests.site.bridge.played import DICOM_JSON, NOT_FOUND, multipart, said

FILES = {f"{ROOT_UID}.3.{number}": dicom(number) for number in range(5)}
FIRST, *OTHERS = FILES
QUERY = "ModalitiesInStudy=CR&StudyDate=20261101-20261130"


@pytest.fixture
def stocked(pacs):
    pacs.files = dict(FILES)
    return pacs


def came(site) -> bool:
    return sorted(site.scans.values()) == sorted(FILES.values())


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"cap": 1},
        {"cap": 2},
        {"cap": 2, "overlap": 1},
        {"cap": 3, "overlap": 2},
        {"knows_offset": False},
        {"overlap": 100},
    ],
    ids=str,
)
def test_every_page_is_asked_for_and_none_for_ever(bridge, site, stocked, how):
    for name, value in how.items():
        setattr(stocked, name, value)
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 5, sent 5, known 0, refused 0, failed 0")
    assert came(site)
    assert len(stocked.asked) < 40


def test_an_archive_without_offset_is_asked_for_larger_pages(bridge, site, pacs):
    pacs.files = {f"1.9.{number}": f"file {number}".encode() for number in range(130)}
    pacs.knows_offset = False
    assert bridge("dicomweb", "").counts.startswith("found 130, sent 130")


def test_the_archive_is_searched_by_study_and_what_is_here_is_not_fetched_again(bridge, site, stocked):
    bridge("dicomweb", f"{QUERY}&Modality=CR")
    studies, instances = (
        next(one for one in stocked.asked if one.path.endswith(end)) for end in ("studies", "instances")
    )
    assert studies.query["ModalitiesInStudy"] == ["CR"]
    assert "Modality" not in studies.query
    assert instances.query["Modality"] == ["CR"]
    assert not any(ROOT_UID in name for name in site.scans)
    stocked.asked.clear()
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 5, sent 0, known 5, refused 0, failed 0")
    assert stocked.fetched() == []


def parts(data: bytes) -> dict[str, object]:
    """The ways in which the same file is answered."""
    alone = {"Content-Type": "application/dicom"}
    framed = b"\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b"
    html = b"--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b"
    related = 'multipart/related; type="application/dicom"; boundary=b'
    zipped = gzip.compress(data)
    return {
        "single part": (200, alone, data),
        "without a type": (200, {}, data),
        "quoted boundary": multipart(data, kind='multipart/related; boundary="A=3;x"', mark=b"A=3;x"),
        "odd case": multipart(data, kind='Multipart/Related;TYPE="application/dicom" ;BOUNDARY=b', mark=b"b"),
        "preamble": (200, {"Content-Type": related}, b"This is a preamble.\r\n--b" + framed + b"--\r\nepilogue"),
        "empty parts": (200, {"Content-Type": related}, html + b"\r\n\r\n\r\n--b" + framed + b"--"),
        "no last line": (200, {"Content-Type": related}, b"--b" + framed[:-5]),
        "lines end in LF": (200, {"Content-Type": related}, b"--b\nContent-Type: a/b\n\n" + data + b"\n--b--\n"),
        "base64": (
            200,
            {"Content-Type": related},
            b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data) + b"\r\n--b--",
        ),
        "no headers in the part": (200, {"Content-Type": related}, b"--b\r\n\r\n" + data + b"\r\n--b--"),
        "blanks": (200, {"Content-Type": related}, b"--b  " + framed + b"-- \r\n"),
        "gzip": (200, {**alone, "Content-Encoding": "gzip"}, zipped),
        "gzip in a part": (
            200,
            {"Content-Type": related},
            b"--b\r\nContent-Encoding: gzip\r\n\r\n" + zipped + b"\r\n--b--",
        ),
        "several files": (
            200,
            {"Content-Type": related},
            b"--b\r\n\r\n" + FILES[OTHERS[0]] + b"\r\n--b" + framed + b"--",
        ),
    }


@pytest.mark.parametrize("how", parts(b""))
def test_a_file_is_found_in_every_form_of_answer(bridge, site, stocked, how):
    stocked.files = {FIRST: FILES[FIRST]}
    stocked.odd = {FIRST: [parts(FILES[FIRST])[how]]}
    assert bridge("dicomweb", QUERY).counts == "found 1, sent 1, known 0, refused 0, failed 0"
    assert list(site.scans.values()) == [FILES[FIRST]]


def cut(data: bytes) -> played.Reply:
    return 200, {"Content-Type": "application/dicom", "Content-Length": str(len(data))}, data[:300]


PASSING = {
    "503": (503, {}, b"busy"),
    "429": (429, {"Retry-After": "0"}, b""),
    "cut off": cut(FILES[FIRST]),
    "reset": None,
    "broken gzip": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b no gzip"),
}


@pytest.mark.parametrize("how", PASSING)
def test_what_works_again_is_asked_again(bridge, site, stocked, how):
    stocked.odd = {FIRST: [PASSING[how]] * 3}
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 5, sent 5, known 0, refused 0, failed 0")
    assert came(site)


LASTING = {
    "404": NOT_FOUND,
    "403": (403, {}, b""),
    "503": (503, {}, b"busy"),
    "500": (500, {}, b"a fault in the plugin"),
    "reset": None,
    "no file": (200, {"Content-Type": "text/html"}, b"<html>Log in</html>"),
    "nothing": (200, {"Content-Type": "application/dicom"}, b""),
    "cut off": cut(FILES[FIRST]),
}


@pytest.mark.parametrize("how", LASTING)
def test_one_bad_instance_stops_nobody_and_is_tried_again_at_the_next_run(bridge, site, stocked, how):
    stocked.odd = {FIRST: lambda asked: LASTING[how]}
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (1, "found 5, sent 4, known 0, refused 0, failed 1")
    assert f"instances/{FIRST} did not come in" in ran.log
    stocked.odd.clear()
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 5, sent 1, known 4, refused 0, failed 0")


def test_a_silent_instance_is_given_up(bridge, site, stocked, monkeypatch):
    import threading

    over = threading.Event()
    stocked.odd = {FIRST: lambda asked: (over.wait(20), NOT_FOUND)[1]}
    ran = bridge("dicomweb", QUERY, TIMEOUT_S="0.2")
    over.set()
    assert (ran.status, ran.counts) == (1, "found 5, sent 4, known 0, refused 0, failed 1")


@pytest.mark.parametrize("reply", [NOT_FOUND, (204, {}, b""), said([], DICOM_JSON), (200, DICOM_JSON, b"")], ids=str)
def test_no_match_is_no_error(bridge, site, pacs, reply):
    pacs.odd = {"/studies": lambda asked: reply}
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (0, "found 0, sent 0, known 0, refused 0, failed 0")


def test_a_search_that_is_refused_ends_with_its_reason(bridge, site, pacs):
    pacs.odd = {"/studies": lambda asked: (400, {}, b"Unknown attribute Modalities")}
    ran = bridge("dicomweb", "Modalities=CR")
    assert ran.status == 1
    assert "Unknown attribute Modalities" in ran.log


def rows(pacs, change) -> object:
    def reply(asked):
        made = [change(pacs.row(name)) for name in pacs.files]
        return 200, DICOM_JSON, json.dumps(pacs.page(asked, made)).encode()

    return reply


def lower(row):
    return {tag.lower(): value for tag, value in row.items()}


def without_series(row):
    del row["0020000E"]
    address = f"https://inside.example/rs/studies/1.2.3/series/1.2.3.4/instances/{row['00080018']['Value'][0]}"
    return {**row, "00081190": {"vr": "UR", "Value": [address]}}


def padded(row):
    return {**row, "00080018": {"vr": "UI", "Value": [f"{row['00080018']['Value'][0]}\0"]}}


@pytest.mark.parametrize("change", [lower, without_series, padded])
def test_rows_are_read_however_they_are_written(bridge, site, stocked, change):
    stocked.odd = {"1.2.3/instances": rows(stocked, change)}
    assert bridge("dicomweb", QUERY).counts == "found 5, sent 5, known 0, refused 0, failed 0"


def test_a_byte_order_mark_is_no_part_of_json(bridge, site, stocked):
    stocked.odd = {
        "/studies": lambda asked: (
            200,
            DICOM_JSON,
            b"\xef\xbb\xbf" + json.dumps([{"0020000D": {"Value": ["1.2.3"]}}]).encode(),
        )
    }
    assert bridge("dicomweb", QUERY).counts.startswith("found 5, sent 5")


def test_an_instance_without_its_uid_is_counted(bridge, site, stocked):
    def nameless(row):
        return row if row["00080018"]["Value"] != [FIRST] else {**row, "00080018": {"vr": "UI"}}

    stocked.odd = {"1.2.3/instances": rows(stocked, nameless)}
    ran = bridge("dicomweb", QUERY)
    assert (ran.status, ran.counts) == (1, "found 5, sent 4, known 0, refused 0, failed 1")
    assert "SOPInstanceUID" in ran.log


def test_an_instance_in_two_series_comes_once(bridge, site, stocked):
    def reply(asked):
        twice = [{**stocked.row(name), "0020000E": {"Value": [series]}} for name in FILES for series in ("1.8", "1.9")]
        return said(stocked.page(asked, twice), DICOM_JSON)

    stocked.odd = {"1.2.3/instances": reply}
    assert bridge("dicomweb", QUERY).counts == "found 5, sent 5, known 0, refused 0, failed 0"


def test_an_archive_that_lists_instances_by_series_only(bridge, site, stocked):
    listed = [stocked.row(name) for name in FILES]
    stocked.odd = {
        "1.2.3/instances": lambda asked: NOT_FOUND,
        "1.2.3/series": lambda asked: said(stocked.page(asked, [{"0020000E": {"Value": ["1.2.3.4"]}}]), DICOM_JSON),
        "1.2.3.4/instances": lambda asked: said(stocked.page(asked, listed), DICOM_JSON),
    }
    assert bridge("dicomweb", QUERY).counts == "found 5, sent 5, known 0, refused 0, failed 0"


def test_an_archive_that_knows_fewer_ways_to_ask_for_a_file(bridge, site, stocked):
    def picky(asked):
        accept = asked.headers["Accept"]
        return (406, {}, b"") if "transfer-syntax" in accept else multipart(FILES[asked.path.rpartition("/")[2]])

    stocked.odd = dict.fromkeys(FILES, picky)
    assert bridge("dicomweb", QUERY).counts == "found 5, sent 5, known 0, refused 0, failed 0"


def test_a_redirect_is_followed_and_takes_no_password_elsewhere(bridge, site, stocked):
    seen = []

    def elsewhere(asked):
        seen.append(asked.headers["Authorization"])
        return 200, {"Content-Type": "application/dicom"}, FILES[asked.path.rpartition("/")[2]]

    with played.serving(elsewhere) as there:
        stocked.odd = {FIRST: lambda asked: (307, {"Location": f"{there}/files/{FIRST}"}, b"")}
        stocked.odd |= {OTHERS[0]: lambda asked: (302, {"Location": f"/again/{OTHERS[0]}x"}, b"")}
        stocked.odd |= {f"{OTHERS[0]}x": lambda asked: multipart(FILES[OTHERS[0]])}
        ran = bridge("dicomweb", QUERY, SOURCE_USER="me", SOURCE_PASSWORD="secret")
    assert ran.counts == "found 5, sent 5, known 0, refused 0, failed 0"
    assert seen == [None]


def test_a_password_that_no_longer_holds_ends_the_run(bridge, site, stocked):
    stocked.odd = {OTHERS[-1]: lambda asked: (401, {}, b"expired")}
    ran = bridge("dicomweb", QUERY, BATCH="1")
    assert ran.status == 1
    assert "does not let this account in" in ran.log


def test_only_the_wanted_modalities_are_fetched(bridge, site, stocked):
    stocked.odd = {"1.2.3/instances": rows(stocked, lambda row: {**row, "00080060": {"Value": ["SR"]}})}
    ran = bridge("dicomweb", QUERY, MODALITIES="CR, DX")
    assert (ran.status, ran.counts) == (0, "found 5, sent 0, known 0, refused 0, failed 0, left out 5")
    assert stocked.fetched() == []
