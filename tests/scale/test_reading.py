"""Queues, desks and the lists of labels, reviews and doubts: each walks an index of its own table, and none passes over what its
reader may not take."""

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from images.models import Image, LabelStatus, Project
from labeling.models import Label, LabelDoubt, Lease, QueueScore, Read, Reference, Review, SaidBy
from labeling.reading import selectors
from labeling.reading.grid_leases import claim_batch
from labeling.reading.queue import _free, claim_scans, queue_of
from labeling.reading.said_by import noted
from labeling.reading.undo import last_done
from mediscan_site.core.database import insert_all
from mediscan_site.core.http.pages import MOST_COUNTED, ordered
from mediscan_site.core.merging import newest
from tests.scale.plans import SCALE, assert_plan, measured, sorts_few

pytestmark = SCALE


@pytest.fixture
def read(crowd, author, colleague) -> Project:
    """The crowd with its labels, all but a few by `author`; reviews of every second label, doubts of every tenth, scores.
    Elsewhere are as many labels, reviews and scores."""
    scans = Image.objects.filter(project=crowd)
    labelled = list(scans.filter(label_status=LabelStatus.LABELED).order_by("pk"))
    mine, others = labelled[:-40], labelled[-40:]
    for reader, some in ((author, mine), (colleague, others)):
        keys = [scan.pk for scan in some]
        scans.filter(pk__in=keys).update(annotator=reader, said_by=noted(crowd.pk, {reader.pk}, 0))
        insert_all([_label(scan, reader) for scan in some])
    elsewhere = list(Image.objects.exclude(project=crowd))
    insert_all([_label(scan, author) for scan in elsewhere])
    insert_all([_review(label, colleague) for label in Label.objects.order_by("pk")[::2]])
    labels = list(Label.objects.filter(project=crowd).order_by("pk"))
    insert_all([Reference(image_id=label.image_id, label=label) for label in labels])
    other = crowd.class_rows.last()
    doubted = [label for label in labels[::10] if label.label_class_id != other.pk]
    insert_all([_doubt(crowd, label, other, 1 / (1 + number)) for number, label in enumerate(doubted)])
    wanting = scans.filter(label_status=LabelStatus.UNLABELED).order_by("pk")[:100]
    scored = [*wanting, *elsewhere]
    insert_all([QueueScore(image=scan, project_id=scan.project_id, score=1 / scan.pk) for scan in scored])
    measured(Image, Label, Reference, Review, LabelDoubt, QueueScore, SaidBy, Lease, Read)
    return crowd


def _label(scan, reader) -> Label:
    said = {"label_class_id": scan.label_class_id} if scan.label_class_id else {"ungradable_reason": "blurred"}
    return Label(image=scan, project_id=scan.project_id, reader=reader, source="doctor", **said)


def _review(label, reviewer) -> Review:
    about = {"image_id": label.image_id, "label": label, "reviewer": reviewer, "status": "approved"}
    return Review(project_id=label.project_id, scan_version=1, **about)


def _doubt(project, label, suggested, probability: float) -> LabelDoubt:
    about = {
        "given_id": label.label_class_id,
        "suggested": suggested,
        "given_probability": 0.1,
        "source": "training001",
    }
    return LabelDoubt(image_id=label.image_id, project=project, suggested_probability=probability, **about)


def page(rows, ordering="-id", size=51):
    return ordered(rows, ordering).prefetch_related(None).values_list("pk")[:size]


def walks(user, project, task, *conditions):
    """The walks of a queue, one for each set of people."""
    found = queue_of(user=user, project=project, task=task)
    walk = found.walk(free=Q(_free(user, found, ())) & Q(*conditions))
    return [
        walk.base.filter(said_by=key).order_by(*walk.ordering).values_list("pk", "upload_date")[:12]
        for key in walk.sets
    ]


@pytest.mark.parametrize("task", Lease.Task.values)
def test_a_claim_walks_the_index_of_its_desk(task, read, author):
    # Where few wait, PostgreSQL may put them in order itself.
    for walk in walks(author, read, task):
        assert_plan(walk, index="scan_by_desk", sorts=100)


def test_a_queue_of_one_class_walks_the_index_of_that_class(read, author):
    for walk in walks(author, read, "review", Q(label_class=read.class_rows.first())):
        assert_plan(walk, index=("scan_by_desk_class", "scan_by_desk"))


def test_counts_of_a_desk_read_no_more_than_they_say(read, author):
    for task in ("label", "review"):
        counted = queue_of(user=author, project=read, task=task).counted
        assert_plan(counted.values_list("pk")[: MOST_COUNTED + 1], index=("scan_by_desk", "scan_by_desk_class"))


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL reads a table of these few rows whole")
def test_the_scored_scans_are_the_first_of_an_index(read):
    best = QueueScore.objects.filter(project=read).order_by("-score", "-image")[: QueueScore.MOST]
    assert_plan(best.values_list("image", "score"), index="score_by_project", sorts=QueueScore.MOST)


def test_lists_of_labels_and_reviews_are_read_in_the_order_of_an_index(read, author, colleague):
    labels, reviews = selectors.labels(author), selectors.reviews(author)
    assert_plan(page(labels), index=("label_by_project", "PRIMARY", "labeling_label_pkey", "label_by_source"))
    assert_plan(page(labels, "annotation_date"), index="label_by_date")
    assert_plan(page(labels.filter(source="feedback")), index="label_by_source")
    # Forty: MariaDB may find them where two indexes meet, and put those in order.
    assert_plan(page(labels.filter(reader=colleague)), index=("label_by_reader", "label_of_reader"), sorts=51)
    assert_plan(page(reviews, "created_at"), index="review_by_date")
    assert_plan(page(reviews.filter(status="rejected")), index="review_by_status")


def test_the_list_of_doubts_is_read_in_the_order_of_an_index(read, colleague):
    assert_plan(
        page(selectors.label_doubts(read, colleague), "-suggested_probability"),
        index=() if sorts_few() else "doubt_by_probability",
        sorts=250 if sorts_few() else 0,
    )


@pytest.mark.parametrize("order", ["oldest", "uncertain"])
def test_claims_ask_as_many_queries_however_many_scans_wait(order, read, author, colleague):
    with CaptureQueriesContext(connection) as asked:
        assert len(claim_scans(actor=author, project=read, task="label", n=3, order=order)) == 3
    selects = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    assert len(selects) <= 12
    assert len(claim_batch(actor=colleague, project=read, n=60, order=order)) == 60


def test_what_somebody_else_labelled_is_found_behind_thousands_of_ones_own(read, author, colleague):
    """All that waits for a review is `author`'s but for the newest few."""
    (lease,) = claim_scans(actor=author, project=read, task="review")
    assert lease.image.annotator == colleague
    assert last_done(author, read, "label") is not None


def test_the_last_reading_is_found_behind_thousands_of_labels_that_were_brought_in(read, author):
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            last = last_done(author, read, "label")
        assert last is not None
        assert last.key == newest_reading
        return len(seen)

    newest_reading = Label.objects.filter(project=read, reader=author).order_by("-pk").values_list("pk", flat=True)[0]
    before = asked()
    scans = list(Image.objects.filter(project=read))
    insert_all(
        [Label(image=scan, project=read, reader=author, source="import", ungradable_reason="x") for scan in scans]
    )
    measured(Label)
    assert asked() == before
    mine = newest(Label.objects.all(), reader=author.pk, project=read.pk, source="doctor")
    assert_plan(mine.values_list("pk", flat=True)[:100], index="label_read_by")
