"""Read first, then reveal: the answer is covered on pages until the doctor has given their own; both are kept."""

import pytest
from django.conf import settings
from django.urls import reverse

from images.models import Image
from images.services import update_project
from labeling.reading.labels import label_scan
from mediscan_site.core.errors import Conflict, NotFound
from models_registry import selectors
from models_registry.batches import selectors as batches
from models_registry.browsing import kept
from models_registry.grades import covering
from models_registry.grades.feedback import give_feedback
from models_registry.models import Feedback, FirstRead, Grade, GradeBatch, GradeBatchItem
from models_registry.versions.answers import Answer, keep

pytestmark = pytest.mark.django_db


@pytest.fixture
def covered(answered, project, admin) -> Grade:
    update_project(actor=admin, project=project, changes={"reveal_after_read": True})
    grade = answered(seed=4)
    grade.project.refresh_from_db()
    return grade


@pytest.fixture
def page(client):
    def get(user, name: str, *args) -> str:
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[1])
        return " ".join(client.get(reverse(name, args=args)).content.decode().split())

    return get


def classes_of(grade):
    """The class that the model predicted, and another."""
    return grade.prediction, next(row for row in grade.project.class_rows.all() if row != grade.prediction)


def test_nothing_on_a_page_tells_the_answer_before_the_doctor_has_read(covered, author, page):
    for told in (
        page(author, "grade_detail", covered.pk),
        page(author, "history"),
        page(author, "scan", covered.image_id),
    ):
        assert "heatmap" not in told
        assert f"{covered.confidence:.1%}" not in told
    assert "What do you see?" in page(author, "grade_detail", covered.pk)
    assert "covered until you have read the scan" in page(author, "history")


def test_a_read_uncovers_the_answer_for_its_reader_alone(covered, author, colleague, client, page):
    client.force_login(author, backend=settings.AUTHENTICATION_BACKENDS[1])
    client.post(reverse("read_first", args=[covered.pk]), {"label_class": "none"})
    assert "Before you saw the answer" in page(author, "grade_detail", covered.pk)
    assert "heatmap" in page(author, "grade_detail", covered.pk)
    assert "What do you see?" in page(colleague, "grade_detail", covered.pk)


def test_both_are_kept_and_the_last_word_is_feedback_once(covered, author):
    said, other = classes_of(covered)
    covering.read_first(actor=author, grade=covered, label_class=other)
    with pytest.raises(Conflict):
        covering.read_first(actor=author, grade=covered, label_class=said)
    row = covering.settle(actor=author, grade=covered, label_class=other)
    assert (row.read_class, row.final_class) == (other, other)
    feedback = Feedback.objects.get(grade=covered)
    assert (feedback.correct, feedback.correct_class, feedback.label.source) == (False, other, "feedback")
    with pytest.raises(Conflict) as refusal:
        covering.settle(actor=author, grade=covered, label_class=said)
    assert refusal.value.code == "settled"
    assert Feedback.objects.count() == 1


def test_who_has_not_read_has_nothing_to_settle_and_an_outsider_neither(covered, author, outsider):
    with pytest.raises(Conflict) as refusal:
        covering.settle(actor=author, grade=covered, label_class=covered.prediction)
    assert refusal.value.code == "not_read_first"
    with pytest.raises(NotFound):
        covering.read_first(actor=outsider, grade=covered, label_class=None)


def test_a_label_of_ones_own_uncovers_and_one_that_came_with_an_answer_does_not(covered, author, colleague):
    said, other = classes_of(covered)
    label_scan(actor=author, image=covered.image, label_class=said)
    assert not selectors.grades(author).get(pk=covered.pk).covered
    covering.give_feedback(actor=colleague, grade=covered, correct=False, correct_class=other)
    assert selectors.grades(colleague).get(pk=covered.pk).covered


def test_without_the_option_nothing_is_covered(answered, author):
    grade = answered(seed=5)
    assert not selectors.grades(author).get(pk=grade.pk).covered
    with pytest.raises(Conflict) as refusal:
        covering.read_first(actor=author, grade=grade, label_class=None)
    assert refusal.value.code == "not_covered"


def test_overriding_and_following_are_counted_among_those_that_differed(
    covered, author, colleague, answered, monkeypatch
):
    from models_registry.statistics import shares

    monkeypatch.setattr(shares, "MIN_CASES", 1)
    said, other = classes_of(covered)
    for reader, first, last in ((author, other, other), (colleague, other, said)):
        covering.read_first(actor=reader, grade=covered, label_class=first)
        covering.settle(actor=reader, grade=covered, label_class=last)
    found = covering.figures(covered.model)
    assert (found["reads"], found["settled"]) == (2, 2)
    assert (found["agreed"]["value"], found["overridden"]["value"], found["followed"]["value"]) == (0.0, 0.5, 0.5)


def test_the_api_reads_and_settles_too_and_stays_open(covered, author, api):
    client, (said, _) = api(author), classes_of(covered)
    assert client.get(f"/api/v1/grades/{covered.pk}/").json()["prediction"] == said.name
    made = client.post(f"/api/v1/grades/{covered.pk}/first-read/", {"label": said.name}, format="json")
    assert (made.status_code, made.json()["label"], made.json()["final_label"]) == (201, said.name, None)
    done = client.post(f"/api/v1/grades/{covered.pk}/settle/", {}, format="json")
    assert (done.status_code, done.json()["errors"][0]["attr"]) == (400, "label")
    done = client.post(f"/api/v1/grades/{covered.pk}/settle/", {"label": said.name}, format="json")
    assert done.json()["final_label"] == said.name
    assert FirstRead.objects.get().settled_at is not None


def test_no_other_page_tells_it_either(covered, author, admin, page, client):
    """The timeline, the history by class and its feedback, the CSV, and accepting it unseen as the label."""
    grade, (said, other) = covered, classes_of(covered)
    give_feedback(actor=admin, grade=grade, correct=False, correct_class=other)
    Image.objects.filter(pk=grade.image_id).update(label_class=None, label_status="unlabeled")
    for told in (page(author, "scan_timeline", grade.image_id), page(author, "scan", grade.image_id)):
        assert f"{said.name}, answered" not in told
        assert f"{said.name}, referred" not in told
        assert "grade is wrong" not in told
        assert "covered until you have read the scan" in told
        assert "Accept the newest grade" not in told
    history = page(author, "history")
    assert "Download as CSV" not in history
    assert 'badge bad">wrong' not in history
    found = client.get(reverse("history"), {"prediction": said.name}).content.decode()
    assert grade.image.code not in found
    covering.read_first(actor=author, grade=grade, label_class=other)
    assert "grade is wrong" in page(author, "scan_timeline", grade.image_id)
    found = client.get(reverse("history"), {"prediction": said.name}).content.decode()
    assert grade.image.code in found


def test_a_batch_does_not_sort_covered_answers_by_what_they_are(covered, author, deployed):
    batch = GradeBatch.objects.create(project=covered.project, model=deployed, requested_by=author, total=1)
    place = {"batch": batch, "image": covered.image, "grade": covered}
    GradeBatchItem.objects.create(**place, outcome=GradeBatchItem.Outcome.ANSWERED)
    assert not batches.results(batch, "answered", shown_to=author).exists()
    assert batches.results(batch, shown_to=author).count() == 1
    covering.read_first(actor=author, grade=covered, label_class=None)
    assert batches.results(batch, "answered", shown_to=author).count() == 1


def test_the_error_gallery_leaves_out_what_is_covered(covered, author, deployed, snapshot):
    evaluation = deployed.evaluations.get()
    truth = covered.image.label_class_id or covered.prediction_id
    keep(evaluation, [Answer(covered.image_id, truth, (0.25, 0.75))])
    assert not kept.shown(author, evaluation).exists()
    covering.read_first(actor=author, grade=covered, label_class=None)
    assert kept.shown(author, evaluation).count() == 1
