"""Scans of several frames in data sets."""

import json

import pytest

from images.models import Image
from images.services import choose_frames, update_project
from labeling.datasets import comparison
from labeling.datasets.freezing import freeze_snapshot
from labeling.models import Snapshot, SnapshotLeftOut, SnapshotMember
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from tests.images.cines import cine, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved_cine(project, author, colleague, approved_scans):
    """A cine of six frames, approved, beside twelve scans of one frame."""
    approved_scans(12)
    image = store(project, author, cine(), patient="c")
    label_scan(actor=author, image=image, label_class=project.class_rows.get(name="OPACITY"))
    review_scan(actor=colleague, image=image, status="approved")
    return Image.objects.select_related("project").get(pk=image.pk)


def frozen_frames(snapshot):
    rows = SnapshotMember.objects.filter(snapshot=snapshot, image__frames__gt=1)
    return {row.image_id: row.frames for row in rows}


def test_a_scan_of_which_nobody_chose_frames_is_left_out_with_what_helps(approved_cine, admin, project):
    snapshot = freeze_snapshot(actor=admin, project=project)
    (row,) = SnapshotLeftOut.objects.filter(snapshot=snapshot)
    assert (row.image, row.reason) == (approved_cine, "unsupported_multiframe")
    assert "Choose frames on its page" in row.detail


def test_the_chosen_frames_are_frozen_with_the_data_set(approved_cine, author, admin, project):
    choose_frames(actor=author, image=approved_cine, frames=[2, 5])
    snapshot = freeze_snapshot(actor=admin, project=project)
    assert frozen_frames(snapshot) == {approved_cine.pk: [2, 5]}
    choose_frames(actor=author, image=approved_cine, frames=[3])
    assert frozen_frames(snapshot) == {approved_cine.pk: [2, 5]}
    members = {row["image"]: row["frames"] for row in json.loads("".join(comparison.manifest(snapshot)))["members"]}
    assert members[approved_cine.code] == [2, 5]
    assert all(frames == [] for code, frames in members.items() if code != approved_cine.code)


def test_other_frames_are_another_data_set_and_the_difference_says_so(approved_cine, author, admin, project):
    choose_frames(actor=author, image=approved_cine, frames=[2, 5])
    first = freeze_snapshot(actor=admin, project=project)
    choose_frames(actor=author, image=approved_cine, frames=[3])
    second = freeze_snapshot(actor=admin, project=project)
    assert second != first
    in_test = SnapshotMember.objects.get(snapshot=second, image=approved_cine).split == "test"
    assert (second.test_hash == first.test_hash) != in_test
    found = comparison.diff(second, against=first)
    assert found.reframed == [comparison.Change(approved_cine.code, "2, 5", "3")]
    assert (found.added, found.removed, found.relabelled, found.moved) == ([], [], [], [])
    choose_frames(actor=author, image=approved_cine, frames=[2, 5])
    assert freeze_snapshot(actor=admin, project=project) == first


def test_the_rule_of_the_project_counts_and_data_sets_of_single_frames_keep_their_hash(
    approved_cine, author, admin, project
):
    without = freeze_snapshot(actor=admin, project=project)
    update_project(actor=admin, project=project, changes={"frames_seen": 3})
    project.refresh_from_db()
    snapshot = freeze_snapshot(actor=admin, project=project)
    assert frozen_frames(snapshot) == {approved_cine.pk: [2, 4, 6]}
    update_project(actor=admin, project=project, changes={"frames_seen": 1})
    project.refresh_from_db()
    assert freeze_snapshot(actor=admin, project=project) == without
    assert Snapshot.objects.count() == 2
