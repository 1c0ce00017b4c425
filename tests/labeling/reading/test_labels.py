"""Labels and reviews beyond the table: history, versions, bad input, many at once."""

import threading

import pytest
from django.db import connection

from images.models import Image
from images.services import create_project, retire_class, update_project
from labeling import policies
from labeling.models import Label, Review
from labeling.reading.labels import label_scan, mark_ungradable, parse_class, withdraw_label
from labeling.reading.reviews import review_many, review_scan
from mediscan_site.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from mediscan_site.core.models import AuditEvent


def class_(project, name: str):
    return project.class_rows.get(name=name)


def test_labels_are_appended_and_the_scan_points_to_the_last(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    outcome = label_scan(actor=colleague, image=scan, label_class=class_(project, "OPACITY"), comment=" seen twice ")
    rows = list(Label.objects.filter(image=scan).order_by("id"))
    assert [(row.label_class.name, row.reader, row.round) for row in rows] == [
        ("NORMAL", author, 1),
        ("OPACITY", colleague, 1),
    ]
    assert rows[1].comment == "seen twice"
    fresh = Image.objects.get(pk=scan.pk)
    assert fresh.reference.label == rows[1] == outcome.label
    assert (fresh.label_class.name, fresh.annotator) == ("OPACITY", colleague)


def test_a_decision_begins_a_new_round(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="rejected")
    label_scan(actor=author, image=scan, label_class=class_(project, "OPACITY"))
    withdraw_label(actor=author, image=scan)
    label_scan(actor=author, image=scan, label_class=class_(project, "NORMAL"))
    assert list(Label.objects.filter(image=scan).order_by("id").values_list("round", flat=True)) == [1, 2, 3]


def test_every_change_is_audited_and_a_repetition_is_not(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    label_scan(actor=author, image=scan, label_class=class_(project, "NORMAL"))
    review_scan(actor=colleague, image=scan, status="modified", label_class=class_(project, "OPACITY"))
    withdraw_label(actor=author, image=scan)
    withdraw_label(actor=author, image=scan)
    events = AuditEvent.objects.filter(object_type="image", object_id=str(scan.pk)).order_by("id")
    assert list(events.values_list("action", "actor__username")) == [
        ("scan.upload", "author"),
        ("label.create", "author"),
        ("label.create", "colleague"),
        ("review.create", "colleague"),
        ("label.withdraw", "author"),
    ]


def test_a_version_that_has_passed_is_stale_and_changes_nothing(make_scan, author, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    seen = scan.version
    review_scan(actor=colleague, image=scan, status="approved", expected_version=seen)
    for attempt in (
        lambda: label_scan(actor=author, image=scan, label_class=class_(project, "OPACITY"), expected_version=seen),
        lambda: mark_ungradable(actor=author, image=scan, reason="blurred", expected_version=seen),
        lambda: withdraw_label(actor=author, image=scan, expected_version=seen),
        lambda: review_scan(actor=colleague, image=scan, status="rejected", expected_version=seen),
    ):
        with pytest.raises(Stale):
            attempt()
    fresh = Image.objects.get(pk=scan.pk)
    assert (fresh.version, fresh.approval_status) == (seen + 1, "approved")


def test_an_old_copy_of_the_scan_without_a_version_still_works(make_scan, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    old = Image.objects.get(pk=scan.pk)
    review_scan(actor=colleague, image=scan, status="approved")
    review_scan(actor=colleague, image=old, status="rejected")
    assert Image.objects.get(pk=scan.pk).approval_status == "rejected"


def test_a_lost_race_is_tried_again(make_scan, author, colleague, project, monkeypatch):
    """Another writer comes between our read and our write, once."""
    from labeling.reading import labels

    scan = make_scan(seed=1)
    real, calls = labels.append, []

    def disturbed(*args, **kwargs) -> Label:
        calls.append(1)
        if len(calls) == 1:
            Image.objects.filter(pk=scan.pk).update(version=scan.version + 7)
        return real(*args, **kwargs)

    monkeypatch.setattr(labels, "append", disturbed)
    outcome = label_scan(actor=author, image=scan, label_class=class_(project, "NORMAL"))
    assert len(calls) == 2
    assert outcome.changed
    assert Label.objects.filter(image=scan).count() == 1


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "a\nb"])
def test_a_reason_that_says_nothing_is_refused(reason, make_scan, author):
    scan = make_scan(seed=1)
    with pytest.raises(Invalid) as refused:
        mark_ungradable(actor=author, image=scan, reason=reason)
    assert refused.value.attr == "ungradable"
    assert not Label.objects.filter(image=scan).exists()


def test_a_retired_class_and_one_of_another_project_are_refused(make_scan, author, admin, project):
    scan = make_scan(seed=1)
    other = create_project(actor=admin, name="Other", classes=["NORMAL", "OPACITY"])
    with pytest.raises(Invalid) as refused:
        label_scan(actor=author, image=scan, label_class=class_(other, "NORMAL"))
    assert (refused.value.attr, refused.value.code) == ("label", "does_not_exist")
    update_project(actor=admin, project=project, changes={"classes": ["NORMAL", "OPACITY", "OLD"]})
    retire_class(actor=admin, project_class=class_(project, "OLD"))
    with pytest.raises(Invalid) as refused:
        label_scan(actor=author, image=scan, label_class=class_(project, "OLD"))
    assert (refused.value.attr, refused.value.code) == ("label", "retired_class")


def test_an_unknown_class_is_answered_with_the_ones_there_are(project):
    with pytest.raises(Invalid, match="NORMAL, OPACITY") as refused:
        parse_class(project, "normal")
    assert refused.value.attr == "label"


def test_outsiders_see_nothing_and_readers_without_the_right_are_refused(
    make_scan, author, colleague, outsider, admin, project
):
    from images.services import revoke

    scan = make_scan(seed=1, label="NORMAL")
    with pytest.raises(NotFound):
        label_scan(actor=outsider, image=scan, label_class=class_(project, "NORMAL"))
    assert not policies.visible_labels(outsider).exists()
    assert policies.visible_labels(colleague).count() == 1
    revoke(actor=admin, project=project, user=colleague, codename="review_label")
    with pytest.raises(Forbidden):
        review_scan(actor=colleague, image=scan, status="approved")


@pytest.mark.parametrize(
    ("status", "label", "attr"),
    [("modified", None, "label"), ("approved", "OPACITY", "label"), ("maybe", None, "status"), ("", None, "status")],
)
def test_a_review_that_makes_no_sense_is_refused(status, label, attr, make_scan, colleague, project):
    scan = make_scan(seed=1, label="NORMAL")
    with pytest.raises(Invalid) as refused:
        review_scan(actor=colleague, image=scan, status=status, label_class=class_(project, label) if label else None)
    assert refused.value.attr == attr
    assert not Review.objects.exists()


def test_many_reviews_give_a_result_each_and_one_refusal_stops_none(make_scan, author, colleague, project):
    mine, others, bare = (
        make_scan(seed=1, label="NORMAL", actor=colleague),
        make_scan(seed=2, label="NORMAL"),
        make_scan(seed=3),
    )
    results = review_many(actor=colleague, images=[mine, others, bare], batch=None, status="approved")
    assert [(result.image.pk, result.ok, result.code) for result in results] == [
        (mine.pk, False, "four_eyes"),
        (others.pk, True, ""),
        (bare.pk, False, "nothing_to_review"),
    ]
    assert results[1].image.approval_status == "approved"


def test_an_unexpected_number_of_scans_reviews_nothing(make_scan, colleague):
    scan = make_scan(seed=1, label="NORMAL")
    with pytest.raises(Conflict) as refused:
        review_many(actor=colleague, images=[scan], batch=None, status="approved", expected_count=2)
    assert refused.value.code == "count_mismatch"
    assert not Review.objects.exists()


def test_many_reviews_need_scans(make_scan, colleague):
    for images in ([], None):
        with pytest.raises(Invalid):
            review_many(actor=colleague, images=images, batch=None, status="approved")


def test_erasing_a_scan_takes_comments_along_and_leaves_the_decisions(make_scan, colleague, admin):
    from images.services import delete_scan

    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="approved", comment="Mrs Smith, see her file")
    delete_scan(actor=admin, image=Image.objects.get(pk=scan.pk))
    review = Review.objects.get(image=scan)
    assert (review.status, review.comment) == ("approved", "(erased)")
    with pytest.raises(NotFound):
        withdraw_label(actor=admin, image=scan)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_saw_the_same_version_one_writes_and_the_others_are_stale(
    make_scan, author, colleague, admin, project
):
    scan = make_scan(seed=1, label="NORMAL")
    classes = list(project.class_rows.all())
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def write(actor, number: int) -> None:
        try:
            start.wait()
            if number % 2:
                label_scan(actor=actor, image=scan, label_class=classes[1], expected_version=scan.version)
            else:
                review_scan(actor=actor, image=scan, status="rejected", expected_version=scan.version)
            outcomes.append("written")
        except Stale:
            outcomes.append("stale")
        finally:
            connection.close()

    actors = (author, colleague, admin, colleague)
    threads = [threading.Thread(target=write, args=(actor, number)) for number, actor in enumerate(actors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["stale", "stale", "stale", "written"]
    assert Image.objects.get(pk=scan.pk).version == scan.version + 1
    assert Label.objects.count() + Review.objects.count() == 2


@pytest.mark.parametrize(
    ("classes", "said", "meant"),
    [
        (["NORMAL", "OPACITY"], "1", "OPACITY"),
        (["NORMAL", "OPACITY"], 1.0, "OPACITY"),
        (["1", "2", "3"], "1", "1"),
        (["1", "2", "3"], "0", "ambiguous_class"),
        (["OPACITY", "NORMAL"], "0", "ambiguous_class"),
        (["NORMAL", "OPACITY"], "2", "unknown_class"),
    ],
)
def test_a_number_means_one_class_or_is_refused(classes, said, meant, admin, project):
    update_project(actor=admin, project=project, changes={"classes": classes})
    if meant.endswith("_class"):
        with pytest.raises(Invalid) as refused:
            parse_class(project, said)
        assert (refused.value.code, refused.value.attr) == (meant, "label")
    else:
        assert parse_class(project, said).name == meant
