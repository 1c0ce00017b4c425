"""Lists below an object: pages by default, the whole list as CSV when asked."""

import csv

import pytest

pytestmark = pytest.mark.django_db


def csv_rows(response):
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(b"".join(response.streaming_content).decode().splitlines()))


def test_the_members_of_a_project_come_as_csv(api, admin, project, author, colleague):
    address = f"/api/v1/projects/{project.pk}/members/?page_size=1"
    assert len(api(admin).get(address).json()["results"]) == 1
    rows = csv_rows(api(admin).get(f"{address}&format=csv"))
    assert {row["username"] for row in rows} >= {"author", "colleague"}
    assert '"label_image"' in rows[0]["permissions"]
    assert api(admin).get(f"{address}&format=csv&ordering=name").status_code == 400


def test_the_scans_of_a_data_set_come_as_csv(api, admin, make_snapshot):
    snapshot = make_snapshot(4)
    rows = csv_rows(api(admin).get(f"/api/v1/datasets/{snapshot.code}/members/?format=csv"))
    assert len(rows) == 12
    assert {row["split"] for row in rows} == {"train", "val", "test"}


def test_the_tokens_of_an_account_come_as_csv(api, admin):
    client, address = api(admin), f"/api/v1/users/{admin.pk}/tokens/"
    client.post(address, {"name": "=archive", "scopes": ["read", "export"]}, format="json")
    assert [row["name"] for row in csv_rows(client.get(f"{address}?format=csv"))] == ["'=archive"]


def test_the_timeline_of_a_scan_comes_as_csv(api, author, make_scan):
    rows = csv_rows(api(author).get(f"/api/v1/images/{make_scan().pk}/timeline/?format=csv"))
    assert [row["kind"] for row in rows][:1] == ["upload"]


def test_a_project_that_is_not_there_gives_an_empty_list_of_deployments(api, author, project, outsider):
    for reader, value in ((author, "999"), (author, "junk"), (outsider, project.pk)):
        response = api(reader).get(f"/api/v1/deployments/?project={value}")
        assert (response.status_code, response.json()["results"]) == (200, [])
