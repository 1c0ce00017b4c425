"""CSV answers: the whole list, and nothing a spreadsheet would run."""

import csv
import io

import pytest

from mediscan_site.core.http.csv import safe_cell
from mediscan_site.core.models import User
from tests.conftest import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.http.urls")]


def read(response):
    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode(), newline="")))


def test_csv_holds_the_whole_filtered_list_not_one_page(api):
    User.objects.bulk_create(User(username=f"row{n:04d}") for n in range(730))
    make_user("boss", role="admin")
    rows = read(api(make_user("reader")).get("/api/rows/?format=csv&role=doctor"))
    assert rows[0] == ["id", "username", "first_name", "size"]
    assert len(rows) == 1 + 731
    assert len({row[0] for row in rows[1:]}) == 731


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_looks_like_a_formula_gets_a_leading_quote(api, name):
    reader = make_user("reader")
    User.objects.filter(pk=reader.pk).update(first_name=name)
    rows = read(api(reader).get("/api/csv-rows/?format=csv"))
    assert rows[0] == ["username", "first_name", "size.height"]
    assert rows[1] == ["reader", f"'{name}", "-2"]


def test_numbers_stay_numbers_and_nothing_stays_empty():
    assert [safe_cell(v) for v in (None, -1.5, 0, "plain", {"a": "=1"})] == ["", -1.5, 0, "plain", '{"a": "=1"}']


def test_an_unknown_ordering_is_refused_in_csv_too(api):
    assert api(make_user("reader")).get("/api/rows/?format=csv&ordering=password").status_code == 400


def test_other_formats_are_answered_with_json(api):
    response = api(make_user("reader")).get("/api/rows/?format=json")
    assert response["Content-Type"].startswith("application/json")
