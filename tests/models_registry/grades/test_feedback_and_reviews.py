"""What doctors answer to a grade, and approving a grade as a label."""

import pytest

from images.models import Image
from labeling.models import Label, Reference
from labeling.reading.undo import undo_last
from mediscan_site.core.errors import Conflict, Invalid, NotFound, Stale
from mediscan_site.core.models import AuditEvent
from models_registry.grades.accepting import review_many, review_scan
from models_registry.grades.feedback import give_feedback
from models_registry.grades.services import request_grade
from models_registry.models import Feedback, Grade

pytestmark = pytest.mark.django_db


def other_class(grade: Grade):
    return grade.project.class_rows.exclude(pk=grade.prediction_id).get()


def test_wrong_with_a_class_is_the_doctors_label(answered, colleague):
    grade = answered()
    right = other_class(grade)
    feedback = give_feedback(actor=colleague, grade=grade, correct=False, correct_class=right, comment="A shadow.")
    assert feedback.label is not None
    assert (feedback.label.source, feedback.label.reader, feedback.label.label_class) == ("feedback", colleague, right)
    image = Image.objects.get(pk=grade.image_id)
    assert (image.label_status, image.approval_status, image.label_class) == ("labeled", "pending", right)
    assert not feedback.held_for_admin


def test_right_is_never_a_label(answered, colleague):
    grade = answered()
    feedback = give_feedback(actor=colleague, grade=grade, correct=True)
    assert feedback.label is None
    assert not Label.objects.exists()


def test_wrong_without_a_class_is_recorded_only(answered, colleague):
    feedback = give_feedback(actor=colleague, grade=answered(), correct=False)
    assert (feedback.correct, feedback.correct_class, feedback.label) == (False, None, None)


def test_on_a_test_scan_the_label_waits_for_an_admin(answered, colleague):
    grade = answered(split="test")
    feedback = give_feedback(actor=colleague, grade=grade, correct=False, correct_class=other_class(grade))
    assert feedback.held_for_admin
    assert feedback.correct_class is not None
    assert not Label.objects.exists()


def test_contradictions_are_refused(answered, colleague, outsider, admin):
    from images.services import create_project

    grade = answered()
    foreign = create_project(actor=admin, name="Hands", classes=["A", "B"]).class_rows.first()
    with pytest.raises(Invalid, match="Leave correct_label out"):
        give_feedback(actor=colleague, grade=grade, correct=True, correct_class=other_class(grade))
    with pytest.raises(Invalid, match="class that the model predicted"):
        give_feedback(actor=colleague, grade=grade, correct=False, correct_class=grade.prediction)
    with pytest.raises(Invalid, match="not a class of the project"):
        give_feedback(actor=colleague, grade=grade, correct=False, correct_class=foreign)
    with pytest.raises(NotFound):
        give_feedback(actor=outsider, grade=grade, correct=True)
    assert not Feedback.objects.exists()


def test_a_grade_without_an_answer_takes_no_feedback(deployed, author, make_scan):
    image = make_scan()
    grade = request_grade(actor=author, project=image.project, image=image)
    with pytest.raises(Conflict) as refusal:
        give_feedback(actor=author, grade=grade, correct=True)
    assert refusal.value.code == "grade_not_ready"


def test_the_class_the_scan_already_has_adds_no_label(answered, colleague, author):
    from labeling.reading.labels import label_scan

    grade = answered()
    right = other_class(grade)
    label_scan(actor=author, image=grade.image, label_class=right)
    feedback = give_feedback(actor=colleague, grade=grade, correct=False, correct_class=right)
    assert feedback.label is None
    assert Label.objects.count() == 1


def test_approving_an_unlabelled_graded_scan_takes_the_grade_as_label(answered, colleague):
    grade = answered()
    review = review_scan(actor=colleague, image=grade.image, status="approved")
    label = Reference.objects.get(image=grade.image).label
    assert review.label == label
    assert (label.source, label.reader, label.label_class) == ("grade", None, grade.prediction)
    assert label.confidence_score == pytest.approx(grade.confidence)
    image = Image.objects.get(pk=grade.image_id)
    assert (image.label_status, image.approval_status) == ("labeled", "approved")


def test_an_approval_that_took_a_grade_is_undone_with_its_label(answered, make_scan, author, colleague, api):
    from labeling.reading.labels import label_scan

    graded, labelled = answered(seed=1).image, make_scan(seed=2, label="NORMAL")
    for _ in range(2):
        done = review_many(actor=colleague, images=[graded, labelled], batch=None, status="approved")
        body = {"images": [row.image.pk for row in done], "versions": [row.version for row in done]}
        answer = api(colleague).post("/api/v1/reviews/bulk/undo/", body, format="json").json()
        assert [(row["ok"], row["code"]) for row in answer["results"]] == [(True, "")] * 2
        states = Image.objects.order_by("pk").values_list("label_status", "approval_status", "label_class__name")
        assert set(states) == {("unlabeled", "pending", None), ("labeled", "pending", "NORMAL")}
    assert not Reference.objects.filter(image=graded).exists()
    taken = Label.objects.filter(image=graded)
    assert set(taken.values_list("source", "taken_back")) == {("grade", True)}
    undone = AuditEvent.objects.filter(action="review.undo", object_id=str(graded.pk))
    assert {event.details["label"] for event in undone} == set(taken.values_list("pk", flat=True))
    # Whoever labels it afterwards can take that back, too.
    label_scan(actor=author, image=graded, label_class=graded.project.class_rows.first())
    undo_last(actor=author, project=graded.project, task="label")
    assert Image.objects.get(pk=graded.pk).label_status == "unlabeled"
    review_scan(actor=colleague, image=graded, status="approved")
    undo_last(actor=colleague, project=graded.project, task="review")
    assert Image.objects.get(pk=graded.pk).label_status == "unlabeled"


def test_a_label_that_somebody_gives_meanwhile_is_approved_and_not_overwritten_by_a_grade(
    answered, author, colleague, monkeypatch
):
    from labeling.reading.labels import label_scan
    from models_registry.grades import accepting

    grade, look_up = answered(), accepting._acceptable_grade

    def slow(image):
        found = look_up(image)
        label_scan(actor=author, image=image, label_class=other_class(grade))
        return found

    monkeypatch.setattr(accepting, "_acceptable_grade", slow)
    with pytest.raises(Stale):
        review_scan(actor=colleague, image=grade.image, status="approved", expected_version=grade.image.version)
    Image.objects.filter(pk=grade.image_id).update(label_status="labeled")
    review = review_scan(actor=colleague, image=grade.image, status="approved")
    assert (review.label.source, review.label.label_class) == ("doctor", other_class(grade))
    assert not Label.objects.filter(source="grade").exists()


def test_approving_a_labelled_scan_leaves_the_label_as_it_is(answered, colleague, author):
    from labeling.reading.labels import label_scan

    grade = answered()
    outcome = label_scan(actor=author, image=grade.image, label_class=other_class(grade))
    review_scan(actor=colleague, image=grade.image, status="approved")
    assert Reference.objects.get(image=grade.image).label == outcome.label


def test_rejecting_an_unlabelled_graded_scan_has_nothing_to_review(answered, colleague):
    with pytest.raises(Conflict) as refusal:
        review_scan(actor=colleague, image=answered().image, status="rejected")
    assert refusal.value.code == "nothing_to_review"


def test_many_approvals_accept_grades_and_name_what_has_none(answered, make_scan, colleague):
    graded, bare = answered(seed=1).image, make_scan(seed=2)
    results = review_many(actor=colleague, images=[graded, bare], batch=None, status="approved")
    assert [(row.image.pk, row.ok, row.code) for row in results] == [
        (graded.pk, True, ""),
        (bare.pk, False, "nothing_to_review"),
    ]
