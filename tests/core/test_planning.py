"""SQLite's planner is told of the large tables, and of no small one."""

import pytest
from django.db import connection

from mediscan_site.core import planning, tidy
from mediscan_site.core.models import Bookmark

pytestmark = pytest.mark.django_db


def known() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl, stat FROM sqlite_stat1")
        return dict(cursor.fetchall())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="servers count by themselves")
def test_large_tables_are_counted_and_small_ones_are_not(monkeypatch):
    monkeypatch.setattr(planning, "LARGE", 1000)
    Bookmark.objects.bulk_create(Bookmark(name=f"mark{number}", seq=number) for number in range(900))
    planning.count()
    assert known() == {}
    Bookmark.objects.bulk_create(Bookmark(name=f"more{number}", seq=number) for number in range(5000))
    planning.count()
    table = Bookmark._meta.db_table
    assert set(known()) == {table}
    # Told from some of its pages.
    assert 3000 < int(known()[table].split()[0]) < 12_000
    Bookmark.objects.filter(name__startswith="more").delete()
    planning.count()
    assert known() == {}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="of the other databases")
def test_servers_are_asked_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        planning.count()


def test_housekeeping_does_it():
    assert "mediscan_site.core.planning.count" in tidy._jobs
