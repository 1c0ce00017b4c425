"""As many readers as a scan needs hold it and read it, never more."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Lease, Read
from tests.labeling.reading.several.reads import claimed, fresh, said, wanted


def test_as_many_readers_hold_a_scan_as_it_needs_and_none_twice(make_scan, author, colleague, third, project):
    first, second = make_scan(seed=1), make_scan(seed=2)
    assert claimed(author, project) == [first.pk]
    assert claimed(author, project) == [second.pk]
    assert claimed(colleague, project) == [first.pk]
    assert claimed(third, project) == [second.pk]
    assert claimed(third, project) == []
    said(first, author, "NORMAL")
    assert claimed(third, project) == []
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert claimed(third, project) == [first.pk]
    assert claimed(author, project) == [second.pk]
    assert claimed(colleague, project, n=3) == [second.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [2, 3])
def test_a_race_for_the_last_reads_gives_exactly_as_many_as_wanted(
    number, make_scan, author, colleague, third, admin, project
):
    wanted(project, number)
    scan = make_scan(seed=1)
    readers = (author, colleague, third, admin)
    start, refused = threading.Barrier(len(readers)), []

    def read(actor) -> None:
        try:
            start.wait()
            said(scan, actor, "OPACITY", expected_version=scan.version)
        except Exception as error:
            refused.append(getattr(error, "code", repr(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=read, args=(actor,)) for actor in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Read.objects.filter(image=scan, kind="independent").count() == number
    assert fresh(scan).approval_status == "approved"
    assert set(refused) <= {"stale_version", "reads_complete"}
    assert len(refused) == 4 - number


@pytest.mark.django_db(transaction=True)
def test_readers_who_claim_at_the_same_time_never_exceed_the_seats(make_scan, author, colleague, third, admin, project):
    held = [make_scan(seed=seed) for seed in range(3)]
    start = threading.Barrier(5)

    def claim(actor) -> None:
        try:
            start.wait()
            while claimed(actor, project):
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(actor,)) for actor in (author, author, colleague, third, admin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = list(Lease.objects.values_list("image", "holder"))
    assert len(set(pairs)) == len(pairs) == 2 * len(held)
