"""One reader who says the same several times at once has said it once."""

import threading

import pytest
from django.db import connection

from labeling.models import LabelDoubt, Review
from labeling.reading.reviews import review_scan
from mediscan_site.core.models import AuditEvent
from tests.conftest import CLASSES, PATIENCE_S


@pytest.mark.django_db(transaction=True)
def test_parallel_approvals_of_one_reader_are_one_review(api, colleague, make_scan):
    scan = make_scan(label=CLASSES[0])
    meet, statuses = threading.Barrier(4), []

    def approve() -> None:
        try:
            client = api(colleague)
            meet.wait(PATIENCE_S)
            body = {"image": scan.pk, "status": "approved"}
            statuses.append(client.post("/api/v1/reviews/", body, format="json").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=approve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert statuses == [201] * 4
    assert Review.objects.filter(image=scan).count() == 1
    assert AuditEvent.objects.filter(action="review.create").count() == 1


def test_what_happened_in_between_is_reviewed_again(author, colleague, make_scan):
    scan = make_scan(label=CLASSES[0])
    for status in ("approved", "rejected", "rejected", "approved"):
        review_scan(actor=colleague, image=scan, status=status)
    assert [review.status for review in Review.objects.order_by("pk")] == ["approved", "rejected", "approved"]


def test_a_doubt_is_a_reason_to_be_asked_again(colleague, make_scan, project):
    scan = make_scan(label=CLASSES[0])
    review_scan(actor=colleague, image=scan, status="approved")
    given, suggested = (project.class_rows.get(name=name) for name in CLASSES)
    LabelDoubt.objects.create(
        image=scan, given=given, suggested=suggested, given_probability=0.1, suggested_probability=0.9, source="x"
    )
    review_scan(actor=colleague, image=scan, status="approved")
    assert Review.objects.filter(image=scan).count() == 2
    assert not LabelDoubt.objects.exists()
