"""Scans that are given again and gold scans: they look like any other, and change no label."""

import pytest
from django.utils import timezone

from images.models import Image, Project
from images.selectors import scans
from labeling.models import GoldScan, Label, Lease, Read
from labeling.reading import again
from labeling.reading.gold import mark_gold
from labeling.reading.labels import label_scan
from labeling.reading.queue import claim_scans, queue_of, release_scans
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict, Forbidden


@pytest.fixture
def due(monkeypatch):
    """What is due comes at once, after one other scan."""
    monkeypatch.setattr(again, "chance", lambda: True)
    monkeypatch.setattr(again, "OTHERS_BETWEEN", 1)
    monkeypatch.setattr(again, "GOLD_SHARE", 1.0)


def said(scan, reader, name: str, **kwargs):
    return label_scan(actor=reader, image=scan, label_class=scan.project.class_rows.get(name=name), **kwargs)


def claimed(actor, project, **kwargs) -> list[int]:
    return [lease.image_id for lease in claim_scans(actor=actor, project=project, task="label", **kwargs)]


def state(scan) -> tuple:
    return Image.objects.values_list("label_class__name", "label_status", "approval_status", "version").get(pk=scan.pk)


@pytest.mark.usefixtures("due")
@pytest.mark.parametrize("readers", [1, 2])
def test_a_scan_is_given_again_unannounced_and_changes_nothing(readers, make_scan, author, colleague, project, api):
    Project.objects.filter(pk=project.pk).update(repeats_share=0.2, reads_wanted=readers)
    project.refresh_from_db()
    read = [make_scan(seed=seed) for seed in range(5)]
    for scan in read:
        said(scan, author, "OPACITY")
        if readers == 2:
            said(scan, colleague, "OPACITY")
    later = make_scan(seed=7)
    answer = api(author).post("/api/v1/queue/claim/", {"project": project.pk, "task": "label", "n": 2}, format="json")
    rows = answer.data["results"]
    assert [row["id"] for row in rows][1:] == [later.pk]
    assert {(row["label"], row["label_status"], row["approval_status"], row["annotator"]) for row in rows} == {
        (None, "unlabeled", "pending", None)
    }
    given = Image.objects.get(pk=rows[0]["id"])
    assert given in read[:4]
    assert queue_of(user=author, project=project, task="label").number == 2
    before = state(given)
    posted = api(author).post("/api/v1/labels/", {"image": given.pk, "label": "NORMAL"}, format="json")
    assert posted.status_code == 201
    assert state(given) == before
    again_read = Read.objects.get(kind="repeat")
    assert (again_read.against.label_class.name, again_read.label.label_class.name) == ("OPACITY", "NORMAL")
    assert not Lease.objects.filter(image=given).exists()
    said(given, author, "OPACITY")
    assert state(given) == before
    assert sorted(Read.objects.exclude(kind="independent").values_list("kind", flat=True)) == ["repeat", "replaced"]
    assert claimed(author, project) == []


@pytest.mark.usefixtures("due")
def test_what_was_given_again_stays_covered_for_a_day_also_when_the_project_gives_nothing_again(
    make_scan, author, project
):
    Project.objects.filter(pk=project.pk).update(repeats_share=0.2)
    project.refresh_from_db()
    for seed in range(5):
        said(make_scan(seed=seed), author, "OPACITY")
    make_scan(seed=7)
    claimed(author, project, n=2)
    given = Read.objects.get(kind="repeat").image_id
    Project.objects.update(repeats_share=0.0)
    assert scans(author).get(pk=given).label_class is None
    Read.objects.update(created_at=timezone.now() - again.HELD)
    assert scans(author).get(pk=given).label_class.name == "OPACITY"


@pytest.mark.usefixtures("due")
def test_a_gold_scan_comes_once_to_each_who_has_not_read_it(make_scan, author, colleague, admin, project):
    gold = make_scan(seed=1, label="OPACITY", actor=admin)
    review_scan(actor=colleague, image=gold, status="approved")
    mark_gold(actor=admin, image=gold)
    mark_gold(actor=admin, image=gold)
    others = [make_scan(seed=seed) for seed in (2, 3, 4)]
    shown = scans(author).get(pk=gold.pk)
    assert (shown.label_class, shown.label_status) == (None, "unlabeled")
    assert scans(colleague).get(pk=gold.pk).label_class is not None
    said(others[0], author, "NORMAL")
    assert claimed(author, project, n=2) == [gold.pk, others[1].pk]
    said(others[0], colleague, "NORMAL")
    assert claimed(colleague, project, n=2) == [others[2].pk]
    before = state(gold)
    said(gold, author, "NORMAL", expected_version=gold.version + 1)
    assert state(gold) == before
    read = Read.objects.get()
    assert (read.kind, read.against.label_class.name, read.label.label_class.name) == ("gold", "OPACITY", "NORMAL")
    assert scans(author).get(pk=gold.pk).label_class is None
    Read.objects.update(created_at=timezone.now() - again.HELD)
    assert scans(author).get(pk=gold.pk).label_class.name == "OPACITY"


@pytest.mark.usefixtures("due")
def test_what_was_handed_out_comes_back_until_it_is_read_and_never_alone(make_scan, author, admin, colleague, project):
    gold = make_scan(seed=1, label="OPACITY", actor=admin)
    review_scan(actor=colleague, image=gold, status="approved")
    mark_gold(actor=admin, image=gold)
    first, second = make_scan(seed=2), make_scan(seed=3)
    said(first, author, "NORMAL")
    assert claimed(author, project) == [gold.pk]
    release_scans(actor=author, project=project)
    assert claimed(author, project) == [gold.pk]
    said(gold, author, "OPACITY")
    assert claimed(author, project) == [second.pk]
    said(second, author, "OPACITY")
    assert claimed(author, project) == []


def test_a_scan_labelled_from_the_grid_that_is_gold_is_a_read_of_it(make_scan, author, colleague, admin):
    gold = make_scan(seed=1, label="OPACITY", actor=admin)
    review_scan(actor=colleague, image=gold, status="approved")
    mark_gold(actor=admin, image=gold)
    before = state(gold)
    assert said(gold, author, "NORMAL").changed
    assert state(gold) == before


def test_only_who_manages_the_project_marks_gold_and_only_known_labels(make_scan, author, colleague, admin):
    scan = make_scan(seed=1, label="OPACITY")
    with pytest.raises(Conflict) as refused:
        mark_gold(actor=admin, image=scan)
    assert refused.value.code == "not_approved"
    review_scan(actor=colleague, image=scan, status="approved")
    with pytest.raises(Forbidden):
        mark_gold(actor=author, image=scan)
    mark_gold(actor=admin, image=scan)
    mark_gold(actor=admin, image=scan, gold=False)
    assert not GoldScan.objects.exists()


def test_a_project_without_repeats_and_gold_hands_out_nothing_more(make_scan, author, project, monkeypatch):
    monkeypatch.setattr(again, "chance", lambda: True)
    monkeypatch.setattr(again, "OTHERS_BETWEEN", 0)
    for seed in range(3):
        said(make_scan(seed=seed), author, "NORMAL")
    last = make_scan(seed=9)
    assert claimed(author, project, n=3) == [last.pk]
    assert not Read.objects.exists()


def test_the_time_of_a_read_is_that_since_it_was_handed_out_or_the_last_one_saved(make_scan, author, project):
    from datetime import timedelta

    first, second, third = (make_scan(seed=seed) for seed in (1, 2, 3))
    claim_scans(actor=author, project=project, task="label", n=2)
    Lease.objects.update(expires_at=timezone.now() + timedelta(minutes=8))
    said(first, author, "NORMAL")
    Label.objects.update(annotation_date=timezone.now() - timedelta(seconds=30))
    said(second, author, "NORMAL")
    said(third, author, "NORMAL")
    seconds = list(Label.objects.order_by("pk").values_list("seconds", flat=True))
    assert 119 <= seconds[0] <= 125
    assert 29 <= seconds[1] <= 35
    assert seconds[2] is None
