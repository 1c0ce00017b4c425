"""Kept numbers are found by their project, however many projects and kinds there are; so is what waits."""

import random
from itertools import product

import pytest

from images.counts import scan_numbers
from images.models import ActivityChange, ActivityTotal, ApprovalStatus, ScanChange, ScanTotal, Tag, TagChange, TagTotal
from images.selectors import tags
from mediscan_site.core.database import insert_all
from mediscan_site.core.totals.reading import parts
from mediscan_site.front.overview import counting
from models_registry.worklists import selectors as worklists
from tests.scale.plans import SCALE, assert_plan, measured

pytestmark = SCALE
PROJECTS = 300


@pytest.fixture
def many(crowd) -> int:
    """Numbers of hundreds of projects, some folded and some not; the key of one of them."""
    dice, first = random.Random(1), 10_000
    kinds = list(product(range(first, first + PROJECTS), ApprovalStatus.values, ("", "train", "val", "test")))
    rows = [
        {
            "project": pk,
            "label_status": "labeled",
            "approval_status": status,
            "label_class": 1,
            "split": split,
            "hold": "",
        }
        for pk, status, split in kinds
    ]
    insert_all([ScanTotal(**row, number=dice.randrange(1000)) for row in rows])
    insert_all([ScanChange(**row, number=1) for row in rows])
    deeds = [
        {"kind": "label", "project": first + number % PROJECTS, "quarter": number, "person": 1}
        for number in range(6000)
    ]
    insert_all([ActivityTotal(**row, number=1) for row in deeds])
    insert_all([ActivityChange(**row, number=1) for row in deeds])
    insert_all([TagTotal(tag=first + number, number=1) for number in range(3000)])
    insert_all([TagChange(tag=first + number, number=1) for number in range(3000)])
    measured(ScanTotal, ScanChange, ActivityTotal, ActivityChange, TagTotal, TagChange, Tag)
    return first


def test_numbers_of_a_project_are_found_by_its_key(many):
    indexes = [("scan_total_once", "sqlite_autoindex_images_scantotal_1"), ("scan_change_by_project",)]
    for part, index in zip(parts(ScanTotal, ScanChange, "split", where={"project__in": [many]}), indexes, strict=True):
        assert_plan(part, index=index, aside=True, sorts=100)
    assert sum(row.number for row in scan_numbers([many])[many]) > 0


def test_trends_are_found_by_project_kind_and_time(many):
    where = {"project__in": [many, many + 1], "kind__in": ["label"], "quarter__gte": 5000}
    indexes = [("activity_total_once", "sqlite_autoindex_images_activitytotal_1"), ("activity_change_by_project",)]
    for part, index in zip(parts(ActivityTotal, ActivityChange, "kind", where=where), indexes, strict=True):
        assert_plan(part, index=index, aside=True, sorts=100)


def test_tags_are_not_counted_scan_by_scan(many, project):
    assert_plan(tags(project), sorts=100, aside=True)


@pytest.mark.parametrize("name", list(counting.WAITING))
def test_what_waits_is_found_by_project(many, project, author, name):
    rows = counting.WAITING[name](author, project).order_by().values("pk")
    assert_plan(rows[: counting.MOST_WORK + 1], aside=True)


def test_referrals_that_wait_are_found_by_their_index(many, project):
    assert_plan(worklists.waiting(project).order_by().values("pk")[:100])
