"""Doubtful labels: who sees them, what settles them, and what makes them disappear."""

import pytest
from django.test import Client
from django.urls import reverse

from images.models import Image
from images.services import delete_scan
from labeling.models import KeptLabel, LabelDoubt, LastDoubts, Review
from labeling.reading.bulk import undo_many
from labeling.reading.doubts import keep_label
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import label_doubts
from labeling.reading.undo import undo_last
from mediscan_site.core.errors import Conflict, FourEyes, NotFound, Stale
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def doubt(project):
    """A doubt about a scan's label, for the other class."""

    def make(image, probability: float = 0.9) -> LabelDoubt:
        other = project.class_rows.exclude(pk=image.label_class_id).get()
        shares = {"given_probability": 1 - probability, "suggested_probability": probability}
        return LabelDoubt.objects.create(
            image=image, given=image.label_class, suggested=other, source="training-run-7", **shares
        )

    return make


@pytest.fixture
def doubted(approved_scans, doubt):
    """An approved scan, labelled by author and approved by colleague, whose label is in doubt."""
    (image,) = approved_scans(1)
    doubt(image)
    return image


def other_class(image):
    return image.project.class_rows.exclude(pk=image.label_class_id).get()


def test_a_kept_label_is_approved_once_more_settled_for_good_and_audited(doubted, colleague):
    review = keep_label(actor=colleague, image=doubted)
    assert (review.status, review.reviewer) == ("approved", colleague)
    assert not LabelDoubt.objects.exists()
    kept = KeptLabel.objects.get()
    assert (kept.image, kept.given, kept.suggested) == (doubted, doubted.label_class, other_class(doubted))
    event = AuditEvent.objects.get(action="doubt.keep")
    assert event.details == {"given": kept.given_id, "suggested": kept.suggested_id, "source": "training-run-7"}


def test_approving_the_label_in_a_review_settles_the_doubt_too(doubted, colleague):
    review_scan(actor=colleague, image=doubted, status="approved")
    assert KeptLabel.objects.filter(image=doubted, reviewer=colleague).exists()
    assert not LabelDoubt.objects.exists()


def test_the_author_of_a_label_does_not_settle_a_doubt_about_it(doubted, author):
    with pytest.raises(FourEyes):
        keep_label(actor=author, image=doubted)
    assert LabelDoubt.objects.exists()
    assert not KeptLabel.objects.exists()


def test_for_an_outsider_there_is_nothing_to_keep(doubted, outsider):
    with pytest.raises(NotFound):
        keep_label(actor=outsider, image=doubted)


def test_a_label_without_a_doubt_cannot_be_kept(doubted, colleague):
    keep_label(actor=colleague, image=doubted)
    doubted.refresh_from_db()
    with pytest.raises(Conflict, match="no doubt") as refused:
        keep_label(actor=colleague, image=doubted)
    assert refused.value.code == "no_doubt"
    assert Review.objects.filter(image=doubted).count() == 2


def test_a_scan_that_changed_since_it_was_looked_at_is_not_kept(doubted, colleague):
    with pytest.raises(Stale):
        keep_label(actor=colleague, image=doubted, expected_version=doubted.version - 1)
    assert LabelDoubt.objects.exists()
    assert not KeptLabel.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda image, who: label_scan(actor=who, image=image, label_class=other_class(image)),
        lambda image, who: mark_ungradable(actor=who, image=image, reason="cannot tell"),
        lambda image, who: withdraw_label(actor=who, image=image),
        lambda image, who: review_scan(actor=who, image=image, status="rejected"),
        lambda image, who: review_scan(actor=who, image=image, status="modified", label_class=other_class(image)),
    ],
    ids=["relabelled", "ungradable", "withdrawn", "rejected", "modified"],
)
def test_a_doubt_disappears_when_its_label_changes(doubted, colleague, change):
    change(doubted, colleague)
    assert not LabelDoubt.objects.exists()
    assert not KeptLabel.objects.exists(), "nobody said that the label was right"


@pytest.mark.parametrize(
    ("change", "task"),
    [
        (lambda image, who: label_scan(actor=who, image=image, label_class=other_class(image)), "label"),
        (lambda image, who: mark_ungradable(actor=who, image=image, reason="cannot tell"), "label"),
        (lambda image, who: keep_label(actor=who, image=image), "review"),
        (lambda image, who: review_scan(actor=who, image=image, status="rejected"), "review"),
        (
            lambda image, who: review_scan(actor=who, image=image, status="modified", label_class=other_class(image)),
            "review",
        ),
    ],
    ids=["relabelled", "ungradable", "kept", "rejected", "modified"],
)
def test_a_doubt_stands_as_it_did_when_what_ended_it_is_taken_back(doubted, colleague, project, change, task):
    before = LabelDoubt.objects.values().get()
    change(doubted, colleague)
    undo_last(actor=colleague, project=project, task=task)
    assert LabelDoubt.objects.values().get() == before
    assert not KeptLabel.objects.exists()


def test_a_doubt_stands_again_when_everything_since_is_taken_back(doubted, colleague, project):
    before = LabelDoubt.objects.values().get()
    label_scan(actor=colleague, image=doubted, label_class=other_class(doubted))
    mark_ungradable(actor=colleague, image=doubted, reason="cannot tell")
    undo_last(actor=colleague, project=project, task="label")
    assert not LabelDoubt.objects.exists(), "it is about another label than the scan has"
    assert [done.ok for done in undo_many(actor=colleague, images=[doubted])] == [True]
    assert LabelDoubt.objects.values().get() == before


def test_a_doubt_of_a_training_before_the_last_one_does_not_come_back(approved_scans, doubt, colleague, project):
    first, second = approved_scans(2)
    doubt(first)
    label_scan(actor=colleague, image=first, label_class=other_class(first))
    later = doubt(second)
    LastDoubts.objects.create(project=project, at=later.created_at)
    undo_last(actor=colleague, project=project, task="label")
    assert [row.image for row in LabelDoubt.objects.all()] == [second]


def test_the_same_label_again_says_nothing_new(doubted, colleague):
    label_scan(actor=colleague, image=doubted, label_class=doubted.label_class)
    assert LabelDoubt.objects.exists()


def test_an_erased_scan_takes_its_doubt_along(doubted, admin):
    delete_scan(actor=admin, image=doubted)
    assert not LabelDoubt.objects.exists()


def test_a_doubt_that_came_too_late_and_one_of_a_held_scan_are_not_shown(approved_scans, doubt, project, author):
    late, held, shown = approved_scans(3)
    for image in (late, held, shown):
        doubt(image)
    Image.objects.filter(pk=late.pk).update(label_class=other_class(late))
    Image.objects.filter(pk=held.pk).update(hold="pixels")
    assert [row.image for row in label_doubts(project, author)] == [shown]


def test_the_api_lists_the_worst_first_in_pages_and_as_csv(approved_scans, doubt, project, colleague, api):
    scans = approved_scans(5)
    for image, probability in zip(scans, (0.6, 0.9, 0.9, 0.7, 0.8), strict=True):
        doubt(image, probability)
    url, seen = f"/api/v1/projects/{project.pk}/label-doubts/?page_size=2", []
    for _ in range(3):
        page = api(colleague).get(url).json()
        seen += [(row["image"], row["suggested_probability"]) for row in page["results"]]
        url = page["next"]
    assert {code for code, _ in seen} == {image.code for image in scans}
    assert [probability for _, probability in seen] == [0.9, 0.9, 0.8, 0.7, 0.6]
    csv = b"".join(api(colleague).get(f"/api/v1/projects/{project.pk}/label-doubts/?format=csv")).decode()
    assert csv.splitlines()[0] == "image,given,suggested,given_probability,suggested_probability,source,created_at"
    assert len(csv.splitlines()) == 6


def test_the_api_keeps_a_label(doubted, project, colleague, author, api):
    url = f"/api/v1/projects/{project.pk}/label-doubts/"
    (row,) = api(colleague).get(url).json()["results"]
    assert (row["given"], row["suggested"], row["source"]) == ("NORMAL", "OPACITY", "training-run-7")
    assert api(author).post(url, {"image": doubted.code}).json()["errors"][0]["code"] == "four_eyes"
    stale = api(colleague).post(url, {"image": doubted.code}, HTTP_IF_MATCH='"0"')
    assert stale.status_code == 412
    answer = api(colleague).post(url, {"image": doubted.code, "comment": "typical"})
    assert (answer.status_code, answer.json()["status"], answer.json()["comment"]) == (201, "approved", "typical")
    assert api(colleague).get(url).json()["results"] == []
    again = api(colleague).post(url, {"image": doubted.code})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "no_doubt")


def test_the_api_refuses_a_scan_of_another_project(doubted, project, admin, make_scan, api):
    from images.services import create_project

    elsewhere = make_scan(seed=9, into=create_project(actor=admin, name="Hands", classes=["a", "b"]), actor=admin)
    answer = api(admin).post(f"/api/v1/projects/{project.pk}/label-doubts/", {"image": elsewhere.code})
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "image")


@pytest.fixture
def browser():
    def signed_in(user) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


def test_the_page_shows_both_classes_with_their_probabilities_and_keeps_a_label(doubted, project, colleague, browser):
    url = reverse("doubts", args=[project.pk])
    page = browser(colleague).get(url).content.decode()
    for words in (doubted.code, "NORMAL", "OPACITY", "90.0 %", "10.0 %", reverse("scan", args=[doubted.pk])):
        assert words in page
    answer = browser(colleague).post(url, {"image": doubted.pk, "version": doubted.version}, follow=True)
    said = answer.content.decode()
    assert f"{doubted.code} keeps its label." in said
    assert "No label is in doubt" in said


def test_the_page_says_why_a_label_cannot_be_kept(doubted, project, author, colleague, browser):
    url = reverse("doubts", args=[project.pk])
    own = browser(author).post(url, {"image": doubted.pk, "version": doubted.version}, follow=True)
    assert doubted.code in own.content.decode()
    assert (
        "changed meanwhile"
        in browser(colleague).post(url, {"image": doubted.pk, "version": 0}, follow=True).content.decode()
    )
    assert browser(colleague).post(url, {"image": "nonsense"}, follow=True).status_code == 200
    assert LabelDoubt.objects.exists()


def test_the_page_goes_on_to_the_next_doubts(approved_scans, doubt, project, colleague, browser, monkeypatch):
    from labeling.reading import doubt_views

    monkeypatch.setattr(doubt_views, "PAGE_SIZE", 2)
    for image in approved_scans(3):
        doubt(image)
    client, url = browser(colleague), reverse("doubts", args=[project.pk])
    first = client.get(url).context["page"]
    second = client.get(f"{url}?cursor={first.next}").context["page"]
    assert [len(first.rows), len(second.rows)] == [2, 1]
    assert second.rows[0].pk not in {row.pk for row in first.rows}
