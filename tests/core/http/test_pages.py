"""Keyset pages: every row once, however many share the ordering value."""

from datetime import UTC, datetime

import pytest

from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.models import User
from tests.conftest import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.http.urls")]
SAME_MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def client(api):
    return api(make_user("reader"))


def make_rows(count, *, distinct=1):
    User.objects.bulk_create(
        User(username=f"row{n:05d}", first_name=f"name{n % distinct}", date_joined=SAME_MOMENT) for n in range(count)
    )


def walk(client, url, *, key="next"):
    """Ids page by page, following `key`, and the url of the last page."""
    seen, last = [], url
    while url:
        body = client.get(url).json()
        assert set(body) == {"next", "previous", "results"}
        seen.append([row["id"] for row in body["results"]])
        last, url = url, body[key]
        assert len(seen) < 100, "the pages go round in circles"
    return seen, last


def test_three_thousand_equal_rows_page_without_a_repeat_or_a_gap(client):
    make_rows(3000)
    everything = list(User.objects.order_by("-date_joined", "-id").values_list("id", flat=True))
    pages, last = walk(client, "/api/rows/?page_size=200")
    assert [pk for page in pages for pk in page] == everything
    back, _ = walk(client, last, key="previous")
    assert [pk for page in reversed(back) for pk in page] == everything


def test_ascending_order_with_repeated_text_values_pages_without_a_repeat_or_a_gap(client):
    make_rows(250, distinct=3)
    pages, last = walk(client, "/api/rows/?ordering=first_name&page_size=17")
    flat = [pk for page in pages for pk in page]
    assert flat == list(User.objects.order_by("first_name", "id").values_list("id", flat=True))
    back, _ = walk(client, last, key="previous")
    assert [pk for page in reversed(back) for pk in page] == flat


def test_ordering_by_id_works_in_both_directions(client):
    make_rows(30)
    up, _ = walk(client, "/api/rows/?ordering=id&page_size=7")
    down, _ = walk(client, "/api/rows/?ordering=-id&page_size=7")
    flat = [pk for page in up for pk in page]
    assert flat == sorted(flat)
    assert [pk for page in down for pk in page] == flat[::-1]


def test_a_row_added_in_front_while_paging_shifts_nothing(client):
    make_rows(20)
    first = client.get("/api/rows/?page_size=10").json()
    User.objects.create(username="newest")
    second = client.get(first["next"]).json()
    assert not {r["id"] for r in first["results"]} & {r["id"] for r in second["results"]}
    assert "newest" not in [r["username"] for r in second["results"]]


def test_the_first_page_has_no_previous_and_the_last_no_next(client):
    make_rows(4)
    body = client.get("/api/rows/").json()
    assert (body["next"], body["previous"]) == (None, None)


def test_links_keep_the_filters(client):
    make_rows(5)
    body = client.get("/api/rows/?role=doctor&page_size=2").json()
    assert "role=doctor" in body["next"] and "page_size=2" in body["next"]


def test_a_page_is_fifty_rows_and_never_more_than_two_hundred(client):
    make_rows(300)
    assert len(client.get("/api/rows/").json()["results"]) == 50
    assert len(client.get("/api/rows/?page_size=1000000000").json()["results"]) == 200


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("ordering=password", "ordering"),
        ("ordering=--id", "ordering"),
        ("ordering=user__password", "ordering"),
        ("page_size=0", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=%00", "page_size"),
        ("cursor=rubbish", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=WzAsIi1pZCIsMSwxXQ:forged", "cursor"),
    ],
)
def test_a_bad_parameter_is_400_and_names_itself(client, query, attr):
    response = client.get(f"/api/rows/?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == attr


def test_a_cursor_of_another_ordering_is_refused(client):
    make_rows(10)
    cursor = client.get("/api/rows/?page_size=3").json()["next"].split("cursor=")[1].split("&")[0]
    assert client.get(f"/api/rows/?ordering=id&cursor={cursor}").status_code == 400


def test_html_pages_use_the_same_keyset():
    make_rows(5)
    first = keyset_page(User.objects.all(), ordering="id", cursor=None, size=3)
    second = keyset_page(User.objects.all(), ordering="id", cursor=first.next, size=3)
    assert (len(first.rows), first.previous, len(second.rows), second.next) == (3, None, 2, None)
    assert keyset_page(User.objects.all(), ordering="id", cursor=second.previous, size=3).rows == first.rows


@pytest.mark.parametrize("path", ["usr", "usr1x", "0x1", "-1", "9" * 30, "img000001"])
def test_a_path_that_is_no_code_is_404(client, path):
    assert client.get(f"/api/rows/{path}/").status_code == 404


def test_a_row_is_found_by_key_and_by_code(client):
    pk = User.objects.get(username="reader").pk
    for path in (str(pk), f"usr{pk:06d}"):
        assert client.get(f"/api/rows/{path}/").json()["id"] == pk
