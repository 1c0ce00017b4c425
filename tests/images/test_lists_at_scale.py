"""A page of a long list is read in the order of an index, never sorted."""

import pytest
from django.db import connection

from images import selectors


@pytest.mark.django_db
def test_no_list_of_scans_needs_a_sort(store, project, author, admin):
    if connection.vendor != "sqlite":
        pytest.skip("reads the query plan of SQLite")
    store(1)
    for scans in (
        selectors.scans(author),
        selectors.scans(author).filter(project=project),
        selectors.scans(author).filter(project=project, label_status="unlabeled"),
        selectors.scans(author).filter(project=project, approval_status="pending"),
        selectors.scans(admin),
        selectors.scans(admin).filter(project=project),
    ):
        plan = scans.order_by("-upload_date", "-pk")[:51].explain()
        assert "TEMP B-TREE" not in plan, plan
    plan = selectors.scans(author).filter(project=project).order_by("-updated_at", "-pk")[:51].explain()
    assert "TEMP B-TREE" not in plan, plan
