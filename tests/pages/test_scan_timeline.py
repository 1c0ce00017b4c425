"""What happened to one scan: a page tells the newest of each kind, the API all."""

import pytest

from labeling.models import Label
from mediscan_site.front import timeline

pytestmark = pytest.mark.django_db


def test_a_page_tells_the_newest_of_each_kind_and_says_that_there_are_more(make_scan, admin, project, monkeypatch):
    scan = make_scan(label="NORMAL")
    for row in project.class_rows.all():
        Label.objects.create(image=scan, label_class=row, reader=admin, source="doctor")
    assert "more" not in {moment.kind for moment in timeline.of_scan(scan, admin, on_page=True)}
    monkeypatch.setattr(timeline, "MOST_ON_PAGE", 2)
    told = timeline.of_scan(scan, admin, on_page=True)
    newest = [str(row.pk) for row in Label.objects.order_by("-pk")[:2]][::-1]
    assert [moment.object for moment in told if moment.kind == "label"] == newest
    assert [moment.kind for moment in told].count("more") == 1
    every = timeline.of_scan(scan, admin)
    assert [moment.kind for moment in every].count("label") == 3 and "more" not in {moment.kind for moment in every}
