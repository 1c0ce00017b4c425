"""What changes between reads: a reader's mind, the readers, how many are wanted, the classes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from images.services import remove_member, retire_class
from labeling.models import Label, Read
from labeling.reading import several
from labeling.reading.labels import withdraw_label
from labeling.reading.several import adjudicate
from mediscan_site.core.errors import Conflict, Invalid
from tests.labeling.reading.several.reads import claimed, fresh, said, wanted


def test_a_reader_changes_or_takes_back_their_read_until_all_have_read(make_scan, author, colleague, third, project):
    wanted(project, 3)
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    assert not said(scan, author, "OPACITY").changed
    assert said(scan, author, "NORMAL").changed
    said(scan, colleague, "NORMAL")
    assert withdraw_label(actor=author, image=scan).changed
    assert claimed(author, project) == [scan.pk]
    said(scan, author, "NORMAL")
    said(scan, third, "OPACITY")
    assert sorted(Read.objects.filter(active=True).values_list("seat", flat=True)) == [0, 1, 2]
    with pytest.raises(Conflict) as late:
        withdraw_label(actor=third, image=scan)
    assert late.value.code == "reads_complete"


def test_a_project_that_wants_fewer_readers_settles_what_agrees(make_scan, author, colleague, third, project):
    wanted(project, 3)
    alike, unlike, once = (make_scan(seed=seed) for seed in (1, 2, 3))
    for scan, second in ((alike, "OPACITY"), (unlike, "NORMAL")):
        said(scan, author, "OPACITY")
        said(scan, colleague, second)
    said(once, author, "NORMAL")
    wanted(project, 2)
    assert claimed(third, project) == [once.pk]
    assert claimed(third, project, "adjudicate") == [unlike.pk]
    assert (fresh(alike).approval_status, fresh(unlike).label_status) == ("approved", "unlabeled")
    wanted(project, 1)
    several.settle_all()
    assert (fresh(once).label_status, fresh(once).approval_status) == ("labeled", "pending")
    assert claimed(colleague, project, "review") == [once.pk]


def test_a_project_that_wants_more_readers_gives_a_disagreement_to_another(
    make_scan, author, colleague, third, project
):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    said(scan, colleague, "NORMAL")
    wanted(project, 3)
    assert claimed(third, project, "adjudicate") == []
    assert claimed(third, project) == [scan.pk]
    said(scan, third, "NORMAL")
    assert fresh(scan).label_status == "unlabeled"
    assert Read.objects.filter(active=True).count() == 3


def test_a_class_retired_between_two_reads_is_nobodys_agreement(make_scan, author, colleague, third, admin, project):
    from images.services import add_class

    old = add_class(actor=admin, project=project, name="OLD")
    wanted(project, 3)
    scan = make_scan(seed=1)
    said(scan, author, "OLD")
    said(scan, colleague, "OLD")
    retire_class(actor=admin, project_class=old)
    wanted(project, 2)
    assert several.settle_agreed([scan.pk]) == 0
    assert claimed(third, project, "adjudicate") == [scan.pk]
    with pytest.raises(Invalid):
        adjudicate(actor=third, image=scan, label_class=old, reason="as they said")


def test_the_read_of_a_reader_who_left_counts(make_scan, author, colleague, admin, project):
    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    remove_member(actor=admin, project=project, user=author)
    said(scan, colleague, "OPACITY")
    assert fresh(scan).approval_status == "approved"


def test_undo_takes_a_read_back_also_the_one_that_made_the_label(make_scan, author, colleague, third, admin, project):
    from labeling.reading.undo import undo_last

    scan = make_scan(seed=1)
    said(scan, author, "OPACITY")
    undo_last(actor=author, project=project, task="label")
    assert claimed(author, project) == [scan.pk]
    said(scan, author, "OPACITY")
    said(scan, colleague, "OPACITY")
    undo_last(actor=colleague, project=project, task="label")
    assert (fresh(scan).label_status, Read.objects.filter(active=True).count()) == ("unlabeled", 1)
    said(scan, colleague, "NORMAL")
    undo_last(actor=colleague, project=project, task="label")
    said(scan, colleague, "OPACITY")
    Label.objects.update(annotation_date=timezone.now() - timedelta(minutes=5))
    with pytest.raises(Conflict) as late:
        undo_last(actor=colleague, project=project, task="label")
    assert late.value.code == "changed_since"
    assert fresh(scan).approval_status == "approved"
