"""The queue: nobody is handed what somebody else holds, nor what they labelled themselves."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Lease, QueueScore
from labeling.reading.labels import label_scan
from labeling.reading.queue import LEASE, claim_scans, release_scans
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import held_leases, queue_counts
from mediscan_site.core.errors import Forbidden, Invalid, NotFound


def claimed(actor, project, task: str = "label", **kwargs) -> list[int]:
    return [lease.image_id for lease in claim_scans(actor=actor, project=project, task=task, **kwargs)]


def test_scans_come_oldest_first_and_to_one_reader_only(make_scan, author, colleague, project):
    first, second, third = (make_scan(seed=seed) for seed in (1, 2, 3))
    assert claimed(author, project, n=2) == [first.pk, second.pk]
    assert claimed(colleague, project, n=3) == [third.pk]
    assert claimed(author, project) == []


def test_a_lease_lasts_ten_minutes_and_is_then_taken_over(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    (lease,) = claim_scans(actor=author, project=project, task="label")
    assert timedelta(minutes=9) < lease.expires_at - timezone.now() <= LEASE == timedelta(minutes=10)
    Lease.objects.update(expires_at=timezone.now())
    assert claimed(colleague, project) == [scan.pk]
    assert Lease.objects.get().holder == colleague


def test_released_scans_come_again(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    claim_scans(actor=author, project=project, task="label")
    assert release_scans(actor=colleague, project=project) == 0
    assert release_scans(actor=author, project=project, task="review") == 0
    assert release_scans(actor=author, project=project, images=[scan]) == 1
    assert claimed(colleague, project) == [scan.pk]


def test_labelling_ends_the_lease_and_moves_the_scan_to_the_other_queue(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    claim_scans(actor=author, project=project, task="label")
    label_scan(actor=author, image=scan, label_class=project.class_rows.first())
    assert not Lease.objects.exists()
    assert queue_counts(user=colleague, projects=[project])[project.pk] == {"label": 0, "review": 1}
    assert claimed(colleague, project, "review") == [scan.pk]
    review_scan(actor=colleague, image=scan, status="approved")
    assert queue_counts(user=colleague, projects=[project])[project.pk] == {"label": 0, "review": 0}


def test_ones_own_labels_never_come_for_review_not_even_without_four_eyes(make_scan, author, admin, project):
    project.four_eyes = False
    project.save()
    scan = make_scan(seed=1, label="NORMAL")
    assert claimed(author, project, "review") == []
    assert claimed(admin, project, "review") == [scan.pk]


def test_a_rejected_scan_comes_back_for_labelling_and_not_for_review(make_scan, author, colleague, admin, project):
    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="rejected")
    assert claimed(admin, project, "review") == []
    assert claimed(author, project, "label") == [scan.pk]


def test_a_modified_label_needs_another_review(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="modified", label_class=project.class_rows.get(name="OPACITY"))
    assert claimed(colleague, project, "review") == []
    assert claimed(author, project, "review") == [scan.pk]


def test_uncertain_scans_come_first_when_asked_and_unscored_ones_last(make_scan, author, project):
    unscored, sure, unsure = (make_scan(seed=seed) for seed in (1, 2, 3))
    QueueScore.objects.create(image=sure, score=0.1)
    QueueScore.objects.create(image=unsure, score=0.9)
    assert claimed(author, project, n=3, order="uncertain") == [unsure.pk, sure.pk, unscored.pk]


def test_a_page_that_is_loaded_again_finds_the_leases_held(make_scan, author, project):
    make_scan(seed=1)
    (lease,) = claim_scans(actor=author, project=project, task="label")
    assert list(held_leases(user=author, project=project, task="label")) == [lease]
    assert not held_leases(user=author, project=project, task="review").exists()


@pytest.mark.parametrize(
    ("arguments", "attr"),
    [
        ({"task": "dance"}, "task"),
        ({"task": ""}, "task"),
        ({"n": 0}, "n"),
        ({"n": 4}, "n"),
        ({"n": True}, "n"),
        ({"order": "best"}, "order"),
    ],
)
def test_bad_arguments_name_the_field(arguments, attr, author, project):
    with pytest.raises(Invalid) as refused:
        claim_scans(**{"actor": author, "project": project, "task": "label", **arguments})
    assert refused.value.attr == attr


def test_rights_are_asked_for_each_queue(author, outsider, admin, project):
    from images.services import revoke

    with pytest.raises(NotFound):
        claim_scans(actor=outsider, project=project, task="label")
    revoke(actor=admin, project=project, user=author, codename="label_image")
    with pytest.raises(Forbidden):
        claim_scans(actor=author, project=project, task="label")


@pytest.mark.django_db(transaction=True)
def test_readers_who_claim_at_the_same_time_never_share_a_scan(make_scan, author, colleague, admin, project):
    """Half of the leases are expired ones, which all want to take over."""
    scans = [make_scan(seed=seed) for seed in range(8)]
    past = timezone.now() - timedelta(seconds=1)
    Lease.objects.bulk_create(Lease(image=scan, task="label", holder=admin, expires_at=past) for scan in scans[:4])
    found: list[int] = []
    start = threading.Barrier(4)

    def claim(actor) -> None:
        try:
            start.wait()
            while taken := claimed(actor, project):
                found.extend(taken)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(actor,)) for actor in (author, colleague, admin, author)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(scan.pk for scan in scans)
