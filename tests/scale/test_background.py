"""What runs every second, minute or hour reads what is new, on the engine in use."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.models import Image
from images.selectors import to_compare
from images.services import known
from labeling.models import Import
from mediscan_site.core import audit
from mediscan_site.core.backup import journal
from mediscan_site.core.models import AuditEvent, AuditSeal, Blob, Unsealed, WorkStatus
from mediscan_site.core.trail import queue
from mediscan_site.front.messages import jobs
from tests.scale.plans import SCALE, assert_plan, measured

pytestmark = SCALE
EVENTS = 3_000


@pytest.fixture
def trail(admin) -> list[int]:
    with transaction.atomic():
        audit.record_many("scan.open", actor=admin, about=[(None, {"number": number}) for number in range(EVENTS)])
    audit.seal_pending()
    measured(AuditEvent, AuditSeal, Unsealed)
    return list(AuditEvent.objects.order_by("id").values_list("id", flat=True))


def test_the_sealer_reads_what_waits(trail, admin):
    with transaction.atomic():
        audit.record_many("scan.open", actor=admin, about=[(None, {}) for _ in range(3)])
    keys = list(queue.waiting().values_list("event", flat=True))
    assert len(keys) == 3
    assert_plan(queue.waiting()[:1000], sorts=1000)
    assert_plan(AuditEvent.objects.filter(pk__in=keys))
    assert_plan(AuditSeal.objects.filter(event__in=keys))
    with CaptureQueriesContext(connection) as asked:
        audit.seal_pending()
    assert len(asked) < 15


def test_the_look_of_the_hour_reads_a_part(trail):
    assert_plan(queue._lost().filter(id__gt=trail[-100], id__lte=trail[-1]))


def test_the_journal_reads_events_that_it_has_not_read(trail):
    told = AuditEvent.objects.filter(id__gt=trail[-50], at__gt=journal.EPOCH, action__in=journal._ACTIONS)
    # Where there are fewer such events than new ones, an engine may begin with these and put them in order.
    assert_plan(told.order_by("id"), sorts=50)


def test_ended_jobs_are_found_by_state_and_heartbeat(project, author):
    old = timezone.now() - timedelta(days=2)
    rows = []
    for number in range(EVENTS):
        at = old - timedelta(minutes=number)
        ended = {"status": WorkStatus.values[number % 5], "heartbeat_at": at, "finished_at": at}
        rows.append(Import(project=project, created_by=author, file_name="a.zip", **ended))
    Import.objects.bulk_create(rows)
    measured(Import)
    imports = next(job for job in jobs.JOBS if job.name == "import")
    lately = jobs._ended(imports).select_related(None)
    assert_plan(lately.order_by("-heartbeat_at")[: jobs.AT_MOST], index="import_by_status", sorts=500)


def test_erased_objects_are_found_by_when_they_were(project):
    Blob.objects.bulk_create(
        Blob(path=f"p/{number}", content_type="image/png", size=1, stored_size=1, key_id="k", wrapped_key=b"k")
        for number in range(EVENTS)
    )
    measured(Blob)
    gone = Blob.objects.filter(erased_at__gt=timezone.now() - timedelta(minutes=5), wrapped_key__isnull=True)
    assert_plan(gone, index="blob_by_erasure")


def test_what_waits_to_be_compared_and_what_was_lately_is_found_by_its_index(crowd):
    assert_plan(to_compare()[:1], index="scan_by_comparison")
    assert_plan(known.lately(crowd.pk, timezone.now()), index="scan_by_comparison", sorts=100)


def test_a_new_scan_among_many_is_compared_with_what_is_in_memory(crowd):
    scans = list(Image.objects.filter(project=crowd))
    assert len(known.known(crowd.pk).keys) == len(scans)
    Image.objects.filter(pk=scans[0].pk).update(compared_at=Now())
    with CaptureQueriesContext(connection) as asked:
        again = known.known(crowd.pk)
    assert len(asked) == 2 and len(again.keys) == len(scans) + 1
    assert len(known.known(crowd.pk).keys) == len(scans) + 1
