"""Taking one's own last decision back: what was before is there again, and both facts stay."""

import pytest
from django.db.models import F

from images.models import Image
from labeling.models import Decision, KeptLabel, Label, LabelDoubt, Reference, Review
from labeling.reading.doubts import keep_label
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.reviews import review_scan
from labeling.reading.undo import last_done, undo_last
from mediscan_site.core.errors import Conflict, Forbidden
from mediscan_site.core.models import AuditEvent


def standing(scan):
    """What the scan is now: its columns, its pointer, and who is named."""
    fresh = Image.objects.get(pk=scan.pk)
    pointer = Reference.objects.filter(image=scan).values_list("label", flat=True).first()
    return fresh.label_status, fresh.approval_status, fresh.label_class_id, fresh.annotator_id, pointer


def undone(actor, project, task="label"):
    return undo_last(actor=actor, project=project, task=task)


@pytest.mark.parametrize("before", ["unlabelled", "pending", "rejected", "approved", "modified"])
def test_a_label_taken_back_leaves_the_scan_as_it_was(make_scan, author, colleague, project, before):
    normal, opacity = project.class_rows.all()
    scan = make_scan(seed=1)
    if before != "unlabelled":
        label_scan(actor=colleague, image=scan, label_class=normal)
    if before == "modified":
        review_scan(actor=author, image=scan, status="modified", label_class=normal)
    elif before in ("rejected", "approved"):
        review_scan(actor=author, image=scan, status=before)
    was = standing(scan)
    label = label_scan(actor=author, image=scan, label_class=opacity).label
    assert standing(scan) != was
    assert undone(author, project) == scan
    assert standing(scan) == was
    assert Label.objects.filter(pk=label.pk).exists() and Label.objects.get(pk=label.pk).decision.undone
    assert AuditEvent.objects.get(action="label.undo").details["label"] == label.pk


@pytest.mark.parametrize("decision", ["approved", "rejected", "modified"])
def test_a_review_taken_back_leaves_the_label_waiting(make_scan, author, colleague, project, decision):
    scan = make_scan(seed=1, label="NORMAL")
    was, opacity = standing(scan), project.class_rows.get(name="OPACITY")
    asked = {"label_class": opacity} if decision == "modified" else {}
    review_scan(actor=colleague, image=scan, status=decision, **asked)
    undone(colleague, project, "review")
    assert standing(scan) == was
    assert Review.objects.get().decision.undone
    # The same decision again is a new one, not a repetition of the one that was taken back.
    review_scan(actor=colleague, image=scan, status=decision, **asked)
    assert Review.objects.count() == 2


def test_several_are_taken_back_one_after_the_other(make_scan, author, project):
    first, second = make_scan(seed=1), make_scan(seed=2)
    normal, opacity = project.class_rows.all()
    label_scan(actor=author, image=first, label_class=normal)
    mark_ungradable(actor=author, image=second, reason="blurred")
    label_scan(actor=author, image=second, label_class=opacity)
    assert [undone(author, project) for _ in range(3)] == [second, second, first]
    assert {scan.label_status for scan in Image.objects.all()} == {"unlabeled"}
    with pytest.raises(Conflict) as refused:
        undone(author, project)
    assert refused.value.code == "nothing_to_undo"


def test_what_somebody_has_acted_on_since_is_not_taken_back(make_scan, author, colleague, project):
    scan = make_scan(seed=1)
    label_scan(actor=author, image=scan, label_class=project.class_rows.first())
    review_scan(actor=colleague, image=scan, status="approved")
    was = standing(scan)
    with pytest.raises(Conflict) as refused:
        undone(author, project)
    assert refused.value.code == "changed_since" and scan.code in refused.value.detail
    assert standing(scan) == was and Decision.objects.filter(undoes__isnull=False).count() == 0


def test_what_came_in_with_an_import_is_no_decision_and_rights_are_asked_for(make_scan, author, admin, project):
    from images.services import revoke

    make_scan(seed=1, label="NORMAL")
    with pytest.raises(Conflict):
        undone(author, project)
    revoke(actor=admin, project=project, user=author, codename="label_image")
    with pytest.raises(Forbidden):
        undone(author, project)


def test_a_kept_label_taken_back_may_be_doubted_again(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    normal, opacity = project.class_rows.all()
    LabelDoubt.objects.create(
        image=scan, given=normal, suggested=opacity, given_probability=0.1, suggested_probability=0.9, source="run"
    )
    keep_label(actor=colleague, image=scan)
    assert KeptLabel.objects.exists()
    undone(colleague, project, "review")
    assert not KeptLabel.objects.exists()


def test_one_of_several_reads_taken_back_wants_its_reader_again(make_scan, author, colleague, project):
    from labeling.reading.queue import claim_scans

    project.reads_wanted = 2
    project.save()
    scan, (normal, opacity) = make_scan(seed=1), project.class_rows.all()
    label_scan(actor=author, image=scan, label_class=normal)
    assert claim_scans(actor=author, project=project, task="label") == []
    undone(author, project)
    assert [lease.image_id for lease in claim_scans(actor=author, project=project, task="label")] == [scan.pk]
    label_scan(actor=author, image=scan, label_class=opacity)
    label_scan(actor=colleague, image=scan, label_class=opacity)
    # They agree: it is everybody's label now. Only whose read made it may take that back, right away.
    with pytest.raises(Conflict) as refused:
        undone(author, project)
    assert refused.value.code == "changed_since"
    assert standing(scan)[:3] == ("labeled", "approved", opacity.pk)


def test_a_scan_that_was_given_again_waits_once_more_when_its_read_is_taken_back(make_scan, author, project):
    from labeling.models import Read
    from labeling.reading.queue import claim_scans

    scan, (normal, opacity) = make_scan(seed=1), project.class_rows.all()
    first = label_scan(actor=author, image=scan, label_class=normal).label
    Read.objects.create(image=scan, reader=author, kind="repeat", against=first, waiting=True)
    assert len(claim_scans(actor=author, project=project, task="label")) == 1
    again = label_scan(actor=author, image=scan, label_class=opacity).label
    assert again.read.kind == "repeat" and standing(scan)[2] == normal.pk
    undone(author, project)
    (waiting,) = Read.objects.filter(waiting=True)
    assert (waiting.kind, waiting.against) == ("repeat", first)
    assert list(Label.objects.order_by("pk").values_list("taken_back", flat=True)) == [False, True]
    undone(author, project)
    assert standing(scan)[0] == "unlabeled"


def test_what_was_taken_back_is_told_so_and_counts_for_no_statistics(make_scan, author, colleague, project):
    from labeling.agreement.readers import of_project
    from labeling.reading.selectors import label_history
    from mediscan_site.front.timeline import of_scan

    scan, (normal, opacity) = make_scan(seed=1), project.class_rows.all()
    label_scan(actor=author, image=scan, label_class=opacity)
    undone(author, project)
    label_scan(actor=author, image=scan, label_class=normal)
    review_scan(actor=colleague, image=scan, status="rejected")
    undone(colleague, project, "review")
    (reader,) = of_project(author, project)
    assert (reader.labels, reader.reviewed, reader.rejected) == (1, 0, 0)
    assert [label.taken_back for label in label_history(scan, author)] == [True, False]
    told = [moment.text for moment in of_scan(Image.objects.get(pk=scan.pk), author)][1:]
    assert told == [
        "labelled OPACITY; taken back since", "labelled NORMAL",
        "label rejected; taken back since", "took back: label rejected",
    ]  # fmt: skip


def test_many_are_taken_back_as_one_is_reads_of_several_too(make_scan, author, project):
    from labeling.models import Read
    from labeling.reading.bulk import label_many, undo_many

    project.reads_wanted = 2
    project.save()
    scans = [make_scan(seed=seed) for seed in range(2)]
    label_many(actor=author, images=scans, label_class=project.class_rows.first())
    assert [done.ok for done in undo_many(actor=author, images=scans)] == [True, True]
    assert not Read.objects.filter(active=True).exists()
    assert [done.code for done in undo_many(actor=author, images=scans)] == ["nothing_to_undo"] * 2
    assert all(Label.objects.values_list("taken_back", flat=True))
    with pytest.raises(Exception, match="task must be one of"):
        undone(author, project, "adjudicate")


@pytest.fixture
def migrated(monkeypatch):
    """What the migration marks among labels that do not say so yet, in slices of two."""
    from importlib import import_module

    from django.apps import apps

    def run() -> list[bool]:
        migration = import_module("labeling.migrations.0019_taken_back")
        monkeypatch.setattr(migration, "AT_ONCE", 2)
        Label.objects.update(taken_back=False)
        migration.mark(apps, None)
        return list(Label.objects.order_by("pk").values_list("taken_back", flat=True))

    return run


def test_labels_that_were_taken_back_before_they_said_so_themselves_are_marked_by_the_migration(
    make_scan, author, colleague, project, migrated
):
    normal, opacity = project.class_rows.all()
    gone, stands = make_scan(seed=1), make_scan(seed=2)
    for _ in range(3):
        label_scan(actor=author, image=gone, label_class=normal)
        undone(author, project)
    label_scan(actor=author, image=stands, label_class=opacity)
    project.reads_wanted = 2
    project.save()
    label_scan(actor=colleague, image=gone, label_class=opacity)
    undone(colleague, project)
    label_scan(actor=author, image=gone, label_class=normal)
    label_scan(actor=author, image=gone, label_class=opacity)
    expected = [True, True, True, False, True, False, False]
    assert list(Label.objects.order_by("pk").values_list("taken_back", flat=True)) == expected
    assert migrated() == expected


def test_labels_withdrawn_by_their_own_reader_are_marked_those_that_others_withdrew_are_not(
    make_scan, author, colleague, project, migrated
):
    from labeling.agreement.readers import of_project

    scan, normal = make_scan(seed=1), project.class_rows.first()
    for actor in (author, colleague, author):
        label_scan(actor=author, image=scan, label_class=normal)
        withdraw_label(actor=actor, image=scan)
        withdraw_label(actor=actor, image=scan)
    assert list(Label.objects.order_by("pk").values_list("taken_back", flat=True)) == [True, False, True]
    (reader,) = of_project(author, project)
    assert (reader.labels, migrated()) == (1, [True, False, True])


def test_a_read_that_only_measures_is_marked_when_it_was_taken_back_and_not_when_its_reader_changed_their_mind(
    make_scan, author, project, migrated
):
    from datetime import timedelta

    from labeling.models import Read

    scan, (normal, opacity) = make_scan(seed=1), project.class_rows.all()
    first = label_scan(actor=author, image=scan, label_class=normal).label
    Read.objects.create(image=scan, reader=author, kind="repeat", against=first, waiting=True)
    for given in (normal, opacity):
        label_scan(actor=author, image=scan, label_class=given)
    undone(author, project)
    # As taking back left it before: what waits was given at that moment.
    Read.objects.filter(waiting=True).update(created_at=F("created_at") + timedelta(minutes=5))
    label_scan(actor=author, image=scan, label_class=normal)
    expected = [False, False, True, False]
    assert list(Label.objects.order_by("pk").values_list("taken_back", flat=True)) == expected
    assert migrated() == expected
    undone(author, project)
    Read.objects.filter(waiting=True).delete()
    assert migrated() == [False, False, True, True]


@pytest.mark.parametrize("brought_in", [90, 6_000])
def test_the_way_back_finds_ones_last_label_behind_thousands_that_one_brought_in(
    make_scan, author, project, brought_in, django_assert_max_num_queries
):
    """Labels that no longer count are passed over in ever more at a time."""
    from types import SimpleNamespace

    from labeling.reading.desk import previous_label

    scan, other, normal = make_scan(seed=1), make_scan(seed=2), project.class_rows.first()
    label = label_scan(actor=author, image=scan, label_class=normal).label
    own = {"image": other, "project": project, "label_class": normal, "reader": author, "source": "import"}
    Label.objects.bulk_create([Label(**own) for _ in range(brought_in)], batch_size=1000)
    for asked in (previous_label, lambda request, project: last_done(request.user, project, "label")):
        with django_assert_max_num_queries(15):
            found = asked(SimpleNamespace(user=author), project)
        assert found.image == scan and label.pk in (getattr(found, "key", 0), getattr(found, "pk", 0))
