"""Referred scans are somebody's task: taken by one reader, read without the model's opinion, and gone when decided."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone

from images.models import Image
from images.services import delete_scan, revoke
from labeling.models import Label, Reference
from labeling.reading.labels import label_scan
from labeling.reading.queue import LEASE
from labeling.reading.reviews import review_scan
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from mediscan_site.core.models import AuditEvent
from models_registry.deployments.services import deploy
from models_registry.grades.referrals import open_for
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Grade, Referral, ReferralRead
from models_registry.worklists import selectors
from models_registry.worklists.services import claim_referrals, read_referral, release_referrals

pytestmark = pytest.mark.django_db


@pytest.fixture
def unsure(make_version, admin):
    """The deployed version refers every scan."""
    model = make_version(threshold=1.1)
    deploy(actor=admin, model=model)
    return model


@pytest.fixture
def referred(unsure, author, project, make_scan):
    """`referred(seed=3)`: the task that a graded and referred scan became."""

    def make(**scan) -> Referral:
        return grade_again(author, make_scan(**scan))

    return make


def grade_again(actor, image: Image) -> Referral:
    grade = request_grade(actor=actor, project=image.project, image=image)
    run_grade(grade.pk)
    return Referral.objects.select_related("project", "image", "grade").get(image=image, active=True)


def claimed(actor, project, **kwargs) -> list[Referral]:
    return claim_referrals(actor=actor, project=project, **kwargs)


def test_a_referred_scan_waits_and_an_answered_one_does_not(referred, make_version, admin, author, make_scan, project):
    task = referred(seed=1)
    deploy(actor=admin, model=make_version(seed=1))
    grade = request_grade(actor=author, project=project, image=make_scan(seed=2))
    run_grade(grade.pk)
    assert Grade.objects.get(pk=grade.pk).decision == "answer"
    assert [task] == list(selectors.waiting(project))
    assert selectors.counts([project]) == {project.pk: 1}


def test_a_scan_that_is_referred_twice_is_one_task_at_its_old_place_with_the_newest_reason(referred, author, project):
    first, second = referred(seed=1), referred(seed=2)
    again = grade_again(author, first.image)
    assert again.pk == first.pk
    assert again.opened_at == first.opened_at
    assert again.grade_id > first.grade_id
    assert list(selectors.free(project)) == [first, second]


def test_tasks_come_oldest_first_to_one_reader_only_and_a_reload_shows_the_same(
    referred, author, colleague, admin, project
):
    first, second, third = (referred(seed=seed) for seed in (1, 2, 3))
    assert claimed(author, project) == [first]
    assert claimed(colleague, project, n=2) == [second, third]
    assert claimed(author, project) == [first]
    assert claimed(admin, project) == []
    assert AuditEvent.objects.filter(action="referral.claim", actor=author).count() == 1, "a reload takes nothing anew"


def test_a_lease_lasts_ten_minutes_and_then_the_task_is_somebody_elses(referred, author, colleague, project):
    task = referred(seed=1)
    (taken,) = claimed(author, project)
    assert timedelta(minutes=9) < taken.expires_at - timezone.now() <= LEASE
    assert claimed(colleague, project) == []
    Referral.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert claimed(colleague, project) == [task]
    assert claimed(author, project) == []
    with pytest.raises(Conflict) as refusal:
        read_referral(actor=author, referral=task, ungradable="cannot tell")
    assert refusal.value.code == "referral_taken"


def test_what_is_given_back_is_free_at_its_old_place(referred, author, colleague, project):
    first, _ = referred(seed=1), referred(seed=2)
    claimed(author, project)
    assert release_referrals(actor=colleague, project=project) == 0, "nobody gives back what others hold"
    assert release_referrals(actor=author, project=project) == 1
    assert claimed(colleague, project) == [first]


def test_the_read_is_the_doctors_label_and_ends_the_task(referred, author, project):
    task = referred(seed=1)
    claimed(author, project)
    right = project.class_rows.get(name="OPACITY")
    read = read_referral(actor=author, referral=task, label_class=right, comment="Left lower lobe.")
    label = Reference.objects.get(image=task.image).label
    assert (label.reader, label.source, label.label_class, label.comment) == (
        author,
        "doctor",
        right,
        "Left lower lobe.",
    )
    assert (read.label, read.held_for_admin) == (label, False)
    task.refresh_from_db()
    assert (task.active, task.outcome, task.holder) == (None, "read", None)
    assert not selectors.waiting(project)
    event = AuditEvent.objects.get(action="referral.read")
    assert (event.actor, event.project) == (author, project.pk)


def test_nobody_can_tell_is_a_read_as_well(referred, author, project):
    task = referred(seed=1)
    read = read_referral(actor=author, referral=task, ungradable="wrong body part")
    assert read.label.ungradable_reason == "wrong body part"
    assert not selectors.waiting(project)


def test_a_read_of_the_label_that_the_scan_has_adds_none(referred, author, colleague, project):
    task = referred(seed=1, label="NORMAL")
    same = project.class_rows.get(name="NORMAL")
    assert read_referral(actor=colleague, referral=task, label_class=same).label is None
    assert Label.objects.count() == 1


def test_on_a_test_scan_the_read_is_held_and_becomes_no_label(referred, author, project):
    task = referred(seed=1, split="test")
    read = read_referral(actor=author, referral=task, label_class=project.class_rows.first())
    assert (read.held_for_admin, read.label) == (True, None)
    assert not Label.objects.exists()
    assert not selectors.waiting(project)


@pytest.mark.parametrize("how", ["label", "approve"])
def test_a_decision_elsewhere_ends_the_task(referred, author, colleague, project, how):
    task = referred(seed=1, label="NORMAL" if how == "approve" else None)
    if how == "label":
        label_scan(actor=author, image=task.image, label_class=project.class_rows.first())
    else:
        review_scan(actor=colleague, image=task.image, status="approved")
    task.refresh_from_db()
    assert (task.active, task.outcome) == (None, "decided")
    with pytest.raises(Conflict) as refusal:
        read_referral(actor=author, referral=task, ungradable="cannot tell")
    assert refusal.value.code == "referral_over"


def test_a_rejected_label_leaves_the_task_waiting(referred, colleague, project):
    task = referred(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=task.image, status="rejected")
    assert list(selectors.waiting(project)) == [task]


def test_a_scan_that_was_read_and_is_referred_again_is_a_new_task(referred, author, project):
    task = referred(seed=1)
    read_referral(actor=author, referral=task, ungradable="cannot tell")
    again = grade_again(author, task.image)
    assert again.pk != task.pk
    assert Referral.objects.count() == 2


def test_an_erased_scan_leaves_the_worklist(referred, author, admin, project, django_capture_on_commit_callbacks):
    erased = referred(seed=2)
    read = ReferralRead.objects.create(
        referral=Referral.objects.create(project=project, image=erased.image, grade=erased.grade, active=None),
        reader=author,
        ungradable_reason="named on the film",
        comment="Mrs Smith",
    )
    with django_capture_on_commit_callbacks(execute=True):
        delete_scan(actor=admin, image=erased.image)
    assert claimed(author, project) == []
    assert selectors.counts([project]) == {project.pk: 0}
    erased.refresh_from_db()
    read.refresh_from_db()
    assert (erased.active, erased.outcome) == (None, "erased")
    assert (read.comment, read.ungradable_reason) == ("(erased)", "(erased)")


@pytest.mark.parametrize("gone", [{"hold": "burned_in_annotation"}, {"erased_at": timezone.now()}])
def test_a_scan_that_nobody_may_read_becomes_nobodys_task(unsure, author, project, make_scan, gone):
    """Erased, or held back, while its grade was made."""
    first, second = make_scan(seed=1), make_scan(seed=2)
    grades = {scan.pk: request_grade(actor=author, project=project, image=scan).pk for scan in (first, second)}
    Image.objects.filter(pk=first.pk).update(**gone)
    with transaction.atomic():
        open_for(project.pk, grades)
    assert [task.image_id for task in selectors.waiting(project)] == [second.pk]
    assert selectors.counts([project]) == {project.pk: 1}


def test_tasks_of_scans_that_were_gone_already_are_closed_by_the_upgrade(referred, project):
    erased, held, kept = referred(seed=1), referred(seed=2), referred(seed=3)
    Image.objects.filter(pk=erased.image_id).update(erased_at=timezone.now())
    Image.objects.filter(pk=held.image_id).update(hold="burned_in_annotation")
    migration = import_module("models_registry.migrations.0014_tasks_of_erased_scans")
    migration.close(apps, SimpleNamespace(connection=connection))
    assert list(selectors.waiting(project)) == [kept]
    held.refresh_from_db()
    assert (held.active, held.outcome, held.closed_at is None) == (None, "erased", False)


def test_whoever_may_not_label_may_not_read_and_outsiders_find_nothing(referred, admin, author, outsider, project):
    task = referred(seed=1)
    for act in (
        lambda who: claimed(who, project),
        lambda who: read_referral(actor=who, referral=task, ungradable="cannot tell"),
    ):
        with pytest.raises(NotFound):
            act(outsider)
    revoke(actor=admin, project=project, user=author, codename="label_image")
    with pytest.raises(Forbidden):
        claimed(author, project)


def test_a_read_names_one_thing_and_a_stale_one_is_refused_whole(referred, author, admin, project):
    task, right = referred(seed=1), project.class_rows.first()
    with pytest.raises(Invalid):
        read_referral(actor=author, referral=task)
    with pytest.raises(Invalid):
        read_referral(actor=author, referral=task, label_class=right, ungradable="cannot tell")
    with pytest.raises(Invalid):
        claimed(author, project, n=99)
    with pytest.raises(Stale):
        read_referral(actor=author, referral=task, label_class=right, expected_version=task.image.version + 5)
    assert list(selectors.waiting(project)) == [task]
    assert not ReferralRead.objects.exists()


def test_two_readers_who_reach_for_one_scan_get_it_once(referred, author, colleague, project, monkeypatch):
    """The other one takes it between our look and our write."""
    task = referred(seed=1)
    from models_registry.worklists import services

    take = services._take

    def slow(actor, of, pk, *, anew):
        if actor == author:
            monkeypatch.setattr(services, "_take", take)
            assert claimed(colleague, project) == [task]
        return take(actor, of, pk, anew=anew)

    monkeypatch.setattr(services, "_take", slow)
    assert claimed(author, project) == []


def test_what_was_referred_before_there_was_a_worklist_waits_in_it(referred, author, project):
    from importlib import import_module

    from django.apps import apps

    unread, read = referred(seed=1), referred(seed=2)
    label_scan(actor=author, image=read.image, label_class=project.class_rows.first())
    grade_again(author, unread.image)
    Referral.objects.all().delete()
    import_module("models_registry.migrations.0008_worklists").open_referrals(apps, None)
    (waiting,) = Referral.objects.all()
    newest = Grade.objects.filter(image=unread.image).latest("pk")
    assert (waiting.image, waiting.grade, waiting.active) == (unread.image, newest, True)


def test_a_referral_that_a_label_ended_waits_again_when_the_label_is_taken_back(referred, author, project):
    from labeling.reading.undo import undo_last

    task = referred(seed=1)
    label_scan(actor=author, image=task.image, label_class=project.class_rows.first())
    task.refresh_from_db()
    assert (task.active, task.outcome) == (None, "decided")
    undo_last(actor=author, project=project, task="label")
    task.refresh_from_db()
    assert (task.active, task.outcome, task.closed_at) == (True, None, None)
