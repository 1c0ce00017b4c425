"""What several readers said becomes a label, or goes to somebody who has not read the scan."""

import pytest

from images.models import Project
from labeling.models import Label, Lease, Read
from labeling.reading.labels import mark_ungradable
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import queue_counts, to_adjudicate
from labeling.reading.several import adjudicate
from mediscan_site.core.errors import Conflict, FourEyes, Invalid
from tests.labeling.reading.several.reads import claimed, fresh, said


def test_one_read_leaves_the_scan_as_it_is_and_two_alike_are_its_approved_label(make_scan, author, colleague):
    scan = make_scan(seed=1)
    first = said(scan, author, "OPACITY", expected_version=scan.version)
    assert first.changed
    assert (fresh(scan).label_status, fresh(scan).version) == ("unlabeled", scan.version)
    outcome = said(scan, colleague, "OPACITY", expected_version=scan.version)
    now = fresh(scan)
    assert (now.label_status, now.approval_status, now.label_class.name) == ("labeled", "approved", "OPACITY")
    assert now.reference.label == outcome.label
    assert set(Label.objects.filter(image=scan).values_list("source", "round")) == {("doctor", 1)}
    assert set(Read.objects.values_list("active", "against")) == {(None, outcome.label.pk)}


def test_readers_who_find_a_scan_ungradable_agree_whatever_their_reasons(make_scan, author, colleague):
    scan = make_scan(seed=1)
    mark_ungradable(actor=author, image=scan, reason="blurred")
    mark_ungradable(actor=colleague, image=scan, reason="wrong view")
    assert (fresh(scan).approval_status, fresh(scan).label_class) == ("approved", None)


def test_disagreement_waits_for_somebody_who_has_not_read_it(make_scan, author, colleague, third, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY", comment="left base")
    mark_ungradable(actor=colleague, image=scan, reason="blurred")
    assert fresh(scan).label_status == "unlabeled"
    assert claimed(third, project) == []
    counts = queue_counts(user=third, projects=[project])[project.pk]
    assert counts == {"label": 0, "review": 0, "to_adjudicate": 1}
    assert (to_adjudicate(third, Project.objects.all()), to_adjudicate(author, Project.objects.all())) == (1, 0)
    assert claimed(author, project, "adjudicate") == []
    assert claimed(third, project, "adjudicate") == [scan.pk]
    opacity = project.class_rows.get(name="OPACITY")
    with pytest.raises(FourEyes):
        adjudicate(actor=author, image=scan, label_class=opacity, reason="mine")
    with pytest.raises(Invalid) as refused:
        adjudicate(actor=third, image=scan, label_class=opacity, reason="  ")
    assert refused.value.attr == "reason"
    with pytest.raises(Conflict) as complete:
        said(scan, third, "OPACITY")
    assert complete.value.code == "reads_complete"
    label = adjudicate(actor=third, image=scan, label_class=opacity, reason="the base is dense")
    now = fresh(scan)
    assert (now.approval_status, now.label_class, now.annotator) == ("approved", opacity, third)
    assert (label.source, label.comment, label.round) == ("adjudication", "the base is dense", 1)
    assert not Lease.objects.exists()
    with pytest.raises(Conflict) as over:
        adjudicate(actor=admin, image=scan, label_class=opacity, reason="again")
    assert over.value.code == "nothing_to_adjudicate"


def test_without_four_eyes_a_reader_may_settle_it(make_scan, author, colleague, project):
    Project.objects.filter(pk=project.pk).update(four_eyes=False)
    project.refresh_from_db()
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "NORMAL")
    assert claimed(author, project, "adjudicate") == [scan.pk]
    adjudicate(actor=author, image=scan, ungradable="cannot tell", reason="both are right")
    assert fresh(scan).approval_status == "approved"


def test_a_label_that_came_another_way_is_reviewed_as_ever(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    said(scan, author, "NORMAL")
    said(scan, colleague, "OPACITY", source=Label.Source.IMPORT)
    assert (fresh(scan).label_status, fresh(scan).approval_status) == ("labeled", "pending")
    assert claimed(author, project, "review") == [scan.pk]
    assert claimed(author, project) == []
    review_scan(actor=author, image=scan, status="approved")
    assert fresh(scan).approval_status == "approved"


def test_one_person_is_one_reader_also_through_a_service_token(make_scan, author, colleague, third, project, api):
    from mediscan_site.core.http.context import UsedToken, use_token

    scan = make_scan(seed=1)
    use_token(UsedToken(id=1, name="bridge", made_by=author.pk))
    said(scan, colleague, "OPACITY")
    use_token(None)
    assert claimed(author, project) == []
    with pytest.raises(Conflict) as refused:
        said(scan, author, "OPACITY")
    assert refused.value.code == "already_read"


def test_post_labels_is_the_reader_s_own_read(make_scan, author, colleague, api):
    scan = make_scan(seed=1)
    first = api(author).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    again = api(author).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.data["source"] == "doctor"
    second = api(colleague).post("/api/v1/labels/", {"image": scan.pk, "ungradable": "blurred"}, format="json")
    assert second.status_code == 201
    late = api(colleague).post("/api/v1/labels/", {"image": scan.pk, "label": "OPACITY"}, format="json")
    assert (late.status_code, late.data["errors"][0]["code"]) == (409, "reads_complete")
