"""What the pages of many offer to take back: what was done last, as far as that is possible."""

from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from images.models import Image
from images.services import delete_scan
from labeling.reading import last_batch
from labeling.reading.labels import label_scan

OFFERED = "Undo the last"


@pytest.fixture
def page(colleague, project):
    client = Client()
    client.force_login(colleague, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("review_many", args=[project.pk])

    def ask(scans=None, **values) -> str:
        if scans is not None:
            values = {"images": [scan.pk for scan in scans], "status": "approved"}
        answer = client.post(url, values, follow=True) if values else client.get(url)
        return " ".join(answer.content.decode().split())

    return ask


def test_a_batch_in_which_all_were_refused_leaves_no_older_one_to_undo(page, colleague, make_scan):
    theirs, own = make_scan(seed=1, label="NORMAL"), make_scan(seed=2, label="NORMAL", actor=colleague)
    assert f"{OFFERED} review" in page([theirs])
    refused = page([own])
    assert "somebody else has to approve it" in refused and OFFERED not in refused
    assert "There is nothing to undo." in page(undo="1")
    assert Image.objects.get(pk=theirs.pk).approval_status == "approved"


def test_only_what_can_still_be_taken_back_is_offered(page, admin, author, project, make_scan):
    erased, changed, left = scans = [make_scan(seed=seed, label="NORMAL") for seed in range(3)]
    assert f"{OFFERED} 3 reviews" in page(scans)
    delete_scan(actor=admin, image=Image.objects.get(pk=erased.pk))
    assert f"{OFFERED} 2 reviews" in page()
    label_scan(actor=author, image=changed, label_class=project.class_rows.get(name="OPACITY"))
    assert f"{OFFERED} review" in page()
    delete_scan(actor=admin, image=Image.objects.get(pk=left.pk))
    assert OFFERED not in page()


def test_that_costs_one_query_and_none_without_a_batch(colleague, project, make_scan, django_assert_num_queries):
    request, scan = SimpleNamespace(session={}, user=colleague), make_scan(seed=1)
    with django_assert_num_queries(0):
        assert last_batch.number(request, last_batch.GRID, project) == 0
    request.session[f"{last_batch.GRID}:{project.pk}"] = {str(scan.pk): scan.version, "999": 1}
    with django_assert_num_queries(1):
        assert last_batch.number(request, last_batch.GRID, project) == 1
