"""A queue whose scans many people have spoken of is still one list in one order."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from images.models import Image
from images.selectors import scans
from labeling.reading import walk
from labeling.reading.queue import queue_of
from labeling.reading.said_by import noted
from mediscan_site.core.database import insert_all
from mediscan_site.core.http.pages import every_row, keyset_page
from tests.scale.conftest import _scan

NUMBER, READERS, START = 60, 23, datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def waiting(project, author) -> list[int]:
    """Keys of labelled scans that wait for a review, in order: by many readers, several of one moment, as imports bring them."""
    chance = random.Random(7)
    rows = [_scan(project, author, list(project.class_rows.all()), 12 + 16 * number) for number in range(NUMBER)]
    for row in rows:
        row.hold, row.upload_date = "", START + timedelta(hours=chance.randrange(6))
        reader = chance.randrange(READERS)
        row.said_by = noted(project.pk, {1000 + reader} if reader else set(), 0)
    insert_all(rows)
    return list(Image.objects.order_by("upload_date", "pk").values_list("pk", flat=True))


@pytest.mark.parametrize("ordering", ["upload_date", "-upload_date"])
@pytest.mark.parametrize(("at_once", "compared"), [(50, 5000), (3, 4), (2, 1)])
@pytest.mark.django_db
def test_pages_of_a_queue_show_each_scan_once_in_order(
    ordering, at_once, compared, waiting, project, colleague, monkeypatch
):
    monkeypatch.setattr(walk, "AT_ONCE", at_once)
    monkeypatch.setattr(walk, "COMPARED", compared)
    found = queue_of(user=colleague, project=project, task="review").walk(scans(colleague))
    expected = waiting if ordering == "upload_date" else waiting[::-1]
    pages, cursor = [], None
    while not pages or cursor:
        page = keyset_page(found, ordering=ordering, cursor=cursor, size=7)
        pages, cursor = [*pages, *page.rows], page.next
    assert [row.pk for row in pages] == expected
    assert [row.pk for row in every_row(found, ordering)] == expected
    assert found.first(0) == [] and found.first(9) == waiting[:9]


@pytest.mark.django_db
def test_more_sets_of_people_than_a_database_takes_in_one_statement(project, author, colleague):
    rows = [_scan(project, author, list(project.class_rows.all()), 12 + 16 * number) for number in range(600)]
    for number, row in enumerate(rows):
        row.hold, row.said_by = "", noted(project.pk, {1000 + number}, 0)
    insert_all(rows)
    found = queue_of(user=colleague, project=project, task="review").walk(scans(colleague))
    assert len(list(every_row(found, "upload_date"))) == 600
