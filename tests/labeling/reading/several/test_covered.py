"""Nobody sees what the others said while a scan is read."""

import pytest
from django.urls import reverse

from images.selectors import scans
from images.services import delete_scan
from labeling.models import Label, Read
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import label_history, labels
from labeling.reading.several import adjudicate
from tests.labeling.reading.several.reads import claimed, fresh, said


def test_others_opinions_stay_covered_while_a_scan_is_read(make_scan, author, colleague, third, admin, project, api):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="left base")
    mine, theirs = api(author), api(colleague)
    assert [row["label"] for row in mine.get(f"/api/v1/labels/?image={scan.pk}").data["results"]] == ["OPACITY"]
    assert theirs.get(f"/api/v1/labels/?image={scan.pk}").data["results"] == []
    assert api(admin).get(f"/api/v1/labels/?image={scan.pk}").data["results"] != []
    assert theirs.get(f"/api/v1/labels/{Label.objects.get().pk}/").status_code == 404
    lists = {who: asked.get("/api/v1/labels/?format=csv") for who, asked in (("own", mine), ("other", theirs))}
    sheets = {who: b"".join(answer.streaming_content) for who, answer in lists.items()}
    assert (b"OPACITY" in sheets["own"], b"OPACITY" in sheets["other"]) == (True, False)
    moments = theirs.get(f"/api/v1/images/{scan.pk}/timeline/").data["results"]
    assert "label" not in {moment["kind"] for moment in moments}
    assert list(label_history(scan, colleague)) == []
    said(scan, colleague, "NORMAL")
    assert {row["label"] for row in theirs.get(f"/api/v1/labels/?image={scan.pk}").data["results"]} == {
        "OPACITY",
        "NORMAL",
    }
    assert labels(third).count() == 2


def test_a_page_of_the_scan_says_nothing_of_what_another_reader_said(make_scan, author, colleague, client):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="dense at the left base")
    client.force_login(colleague, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("scan", "scan_timeline"):
        page = client.get(reverse(name, args=[scan.pk])).content.decode()
        assert "dense at the left base" not in page
        assert "labelled OPACITY" not in page


def test_a_rejected_label_is_covered_and_the_scan_is_read_anew(
    make_scan, author, colleague, third, admin, project, api
):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "OPACITY")
    review_scan(actor=admin, image=scan, status="rejected", comment="look again")
    shown = scans(third).get(pk=scan.pk)
    assert (shown.label_class, shown.label_status, shown.approval_status, shown.annotator) == (
        None,
        "unlabeled",
        "pending",
        None,
    )
    assert scans(admin).get(pk=scan.pk).approval_status == "rejected"
    asked = api(third)
    assert asked.get("/api/v1/images/?label=OPACITY").data["results"] == []
    assert asked.get("/api/v1/images/?approval_status=rejected").data["results"] == []
    assert len(asked.get("/api/v1/images/?label_status=unlabeled").data["results"]) == 1
    assert asked.get("/api/v1/reviews/").data["results"] == []
    assert claimed(author, project) == [scan.pk]
    assert claimed(third, project) == [scan.pk]
    said(scan, author, "NORMAL")
    said(scan, third, "NORMAL")
    assert (fresh(scan).approval_status, fresh(scan).label_class.name) == ("approved", "NORMAL")
    assert list(Read.objects.order_by("pk").values_list("label__round", flat=True)) == [1, 1, 2, 2]


def test_an_erased_scan_is_in_no_queue_and_its_words_are_gone(make_scan, author, colleague, third, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="Mrs Smith")
    said(scan, colleague, "NORMAL")
    delete_scan(actor=admin, image=scan)
    assert claimed(third, project, "adjudicate") == []
    assert not Label.objects.filter(comment="Mrs Smith").exists()
    with pytest.raises(Exception, match="no longer exists"):
        adjudicate(actor=third, image=scan, ungradable="gone", reason="gone")
