"""What a form may say once; names of files in any encoding; bodies whose length is not said."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from images.models import Image
from tests.conftest import scan_bytes

URL = "/api/v1/images/"
BOUNDARY = "xyz"


def sent(api, user, project, *parts: tuple[bytes, bytes], url=URL, **headers):
    """POST of a form made of (header after `form-data; `, content)."""
    parts = ((b'name="project"', str(project.pk).encode()), *parts)
    body = b"".join(
        b"--xyz\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts
    )
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return api(user).post(url, body + b"--xyz--\r\n", content_type=kind, **headers)


def a_file(name: bytes, seed: int = 1, field: bytes = b"file") -> tuple[bytes, bytes]:
    return b'name="' + field + b'"; filename="' + name + b'"', scan_bytes(seed)


def code(response) -> tuple[int, str, str]:
    error = response.json()["errors"][0]
    return response.status_code, error["code"], error["attr"]


@pytest.mark.parametrize("url", [URL, "/api/upload", "/api/v1/imports/", "/api/v1/grades/"])
def test_a_second_file_is_refused_and_neither_is_stored(url, api, author, project):
    both = sent(api, author, project, a_file(b"one.jpg"), a_file(b"two.jpg", 2), url=url)
    assert code(both) == (400, "several_files", "file")
    assert not Image.objects.exists()


def test_a_file_under_another_name_is_refused(api, author, project):
    both = sent(api, author, project, a_file(b"one.jpg"), a_file(b"two.jpg", 2, b"file2"))
    assert code(both) == (400, "unexpected_file", "file2")
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("name", "first", "second", "expected"),
    [
        (b"label", b"NORMAL", b"OPACITY", (400, "several_values", "label")),
        (b"patient", b"p1", b"p2", (400, "several_values", "patient")),
        (b"project", b"0", b"0", (400, "several_values", "project")),
        (b"metadata", b'{"age": 3}', b'{"age": 4}', (400, "several_values", "metadata")),
        (b"metadata", b'{"age": 3, "age": 4}', b'{"age": 3, "age": 4}', None),
    ],
)
def test_a_field_that_contradicts_itself_is_refused(name, first, second, expected, api, author, project):
    head = b'name="' + name + b'"'
    answer = sent(api, author, project, (head, first), (head, second), a_file(b"one.jpg"))
    assert answer.status_code in (201, 400)
    if expected:
        assert code(answer) == expected


def test_the_same_value_twice_is_one(api, author, project):
    twice = (b'name="label"', b"NORMAL")
    assert sent(api, author, project, twice, twice, a_file(b"one.jpg")).status_code == 201


def test_a_fact_by_itself_and_in_metadata_must_agree(api, author, project):
    age, inner = (b'name="age"', b"40"), (b'name="metadata"', b'{"age": 41}')
    assert code(sent(api, author, project, age, inner, a_file(b"one.jpg"))) == (400, "several_values", "age")


def test_json_that_contradicts_itself_is_refused(api, admin):
    twice = '{"name": "A", "name": "B", "classes": ["x", "y"]}'
    assert code(api(admin).post("/api/v1/projects/", twice, content_type="application/json"))[1] == "parse_error"
    same = '{"name": "A", "name": "A", "classes": ["x", "y"]}'
    assert api(admin).post("/api/v1/projects/", same, content_type="application/json").status_code == 201


@pytest.mark.parametrize("encoding", ["cp949", "cp932", "gb18030", "latin-1"])
@pytest.mark.parametrize("name", ["가슴.jpg", "胸部.jpg", "Röntgen äöü.jpg"])
def test_a_file_name_in_any_encoding_is_taken(encoding, name, api, author, project):
    try:
        raw = name.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("not in this code page")
    answer = sent(api, author, project, a_file(raw))
    assert answer.status_code == 201
    assert answer.json()["file_name"].endswith(".jpg")


def test_names_in_utf8_and_by_rfc_5987_are_kept(api, author, project):
    assert sent(api, author, project, a_file("가슴.jpg".encode())).json()["file_name"] == "가슴.jpg"
    encoded = b"name=\"file\"; filename*=UTF-8''%EA%B0%80.jpg"
    assert sent(api, author, project, (encoded, scan_bytes(2))).json()["file_name"] == "가.jpg"


def test_the_page_takes_such_names_too(client, author, project):
    client.force_login(author)
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="\xb0\xa1\xbd\xbf.jpg"\r\n\r\n' + scan_bytes(1)
    )
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    assert (
        client.post(f"/projects/{project.pk}/upload/", body + b"\r\n--xyz--\r\n", content_type=kind).status_code == 200
    )
    assert Image.objects.get().file_name.endswith(".jpg")


def test_a_body_without_a_length_is_411_where_the_server_does_not_measure_it(api, author, project):
    data = {"project": project.pk, "file": SimpleUploadedFile("a.jpg", scan_bytes(1))}
    answer = api(author).post(URL, data, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert code(answer)[:2] == (411, "length_required")
    put = api(author).put("/api/v1/uploads/1/", b"x", content_type="application/octet-stream", CONTENT_LENGTH="",
                          HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": io.BytesIO(b"x")})  # fmt: skip
    assert code(put)[:2] == (411, "length_required")
