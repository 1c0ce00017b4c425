"""A page of a long list: which rows are on it is read from one table in the order of an index, then these rows are loaded."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images import selectors
from images.models import Image
from mediscan_site.core.http import pages
from mediscan_site.core.http.pages import keyset_page, ordered
from tests.scale.plans import SCALE, assert_plan

pytestmark = SCALE


def keys(rows, ordering="-upload_date", size=51):
    return ordered(rows, ordering).prefetch_related(None).values_list(ordering.lstrip("-"), "pk")[:size]


def test_a_page_of_scans_is_read_in_the_order_of_an_index(crowd, author, admin):
    own, every = selectors.scans(author), selectors.scans(admin)
    assert_plan(keys(own), index="scan_by_date")
    assert_plan(keys(own.filter(project=crowd)), index="scan_by_date")
    assert_plan(keys(own, "-updated_at"), index="scan_by_update")
    assert_plan(keys(every), index="scan_of_all_by_date", walks=True)


def test_a_page_is_two_queries_of_which_the_first_reads_one_table(crowd, author):
    with CaptureQueriesContext(connection) as asked:
        page = keyset_page(
            selectors.scans_of(crowd, author).prefetch_related(None), ordering="-upload_date", cursor=None, size=50
        )
    first, second = (query["sql"] for query in asked)
    assert "JOIN" not in first and "LIMIT 51" in first and "core_user" in second
    assert [row.pk for row in page.rows] == sorted((row.pk for row in page.rows), reverse=True) and len(page.rows) == 50


def test_a_row_that_leaves_the_list_between_the_two_queries_is_left_out(make_scan, author, monkeypatch):
    scans = [make_scan(seed=seed) for seed in range(3)]
    places = pages._places

    def then_gone(*asked):
        found = places(*asked)
        Image.objects.filter(pk=scans[1].pk).update(label_status="labeled")
        return found

    monkeypatch.setattr(pages, "_places", then_gone)
    unlabelled = selectors.scans(author).filter(label_status="unlabeled")
    page = keyset_page(unlabelled, ordering="id", cursor=None, size=2)
    assert [row.pk for row in page.rows] == [scans[0].pk] and page.next
    rest = keyset_page(unlabelled, ordering="id", cursor=page.next, size=2)
    assert [row.pk for row in rest.rows] == [scans[2].pk]


def test_the_harness_sees_a_table_that_is_read_whole_and_a_sort(crowd):
    for rows in (
        Image.objects.filter(bits=5).values_list("width"),
        Image.objects.filter(project=crowd).order_by("width").values_list("width", "pk"),
    ):
        with pytest.raises(AssertionError, match=r"whole|sorts"):
            assert_plan(rows)
