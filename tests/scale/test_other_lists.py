"""Lists of grades, referrals, feedback, events and files: each filter walks an index of its own, also one that leaves nothing."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from images.models import Image, Project
from labeling.imports.selectors import reasons
from labeling.models import Import, ImportFile
from mediscan_site.core.database import insert_all
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.front import selectors as front
from mediscan_site.front.people.selectors import people
from mediscan_site.front.trail_api import AuditFilter
from models_registry import selectors as registry
from models_registry.filters import FeedbackFilter, HistoryFilter
from models_registry.models import BlindRead, Feedback, Grade, ModelVersion, Referral
from models_registry.worklists import selectors as worklists
from models_registry.worklists.filters import ReferralFilter
from tests.conftest import CLASSES
from tests.scale.plans import SCALE, assert_plan, measured, sorts_few
from tests.scale.test_pages import keys

pytestmark = SCALE
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 200


def day(number: int, of: int) -> datetime:
    return FIRST + timedelta(days=DAYS * number / of)


@pytest.fixture
def model(project, admin):
    from labeling.models import Snapshot

    snapshot = Snapshot.objects.create(
        project=project, content_hash="0" * 64, grouping="none", classes=[], class_counts={}, created_by=admin
    )
    blob = Blob.objects.create(
        path="none", content_type="x", size=0, sha256="0" * 64, stored_size=0, stored_sha256="0" * 64, key_id="k"
    )
    return ModelVersion.objects.create(
        project=project,
        number=1,
        name="chest",
        architecture="resnet18",
        snapshot=snapshot,
        bundle=blob,
        bundle_sha256="0" * 64,
        bundle_signature="x",
        source="test",
        classes=[{"id": row.pk, "name": row.name} for row in project.class_rows.all()],
        created_by=admin,
    )


@pytest.fixture
def graded(crowd, author, model):
    """A grade of each scan, half as many elsewhere, and a referral of every fourth of the project; a fifth of them waits."""
    scans = list(Image.objects.filter(project=crowd).order_by("pk").values_list("pk", flat=True))
    first, second = crowd.class_rows.all()[:2]
    grades = [
        Grade(
            project=crowd,
            image_id=pk,
            model=model,
            requested_by=author,
            status="failed" if n % 400 == 7 else "succeeded",
            created_at=day(n, len(scans)),
            finished_at=day(n, len(scans)),
            prediction=second if n % 20 == 3 else first,
            decision="refer" if n % 4 == 1 else "answer",
            seen_in="test" if n % 300 == 5 else None,
            batched=n % 3 > 0,
        )
        for n, pk in enumerate(scans)
    ]
    insert_all(grades)
    elsewhere = list(Image.objects.exclude(project=crowd))
    about = {"model": model, "requested_by": author, "status": "succeeded", "decision": "answer"}
    insert_all(
        [
            Grade(image=scan, project_id=scan.project_id, created_at=day(n, len(elsewhere)), prediction=first, **about)
            for n, scan in enumerate(elsewhere)
        ]
    )
    known = list(Grade.objects.filter(project=crowd).order_by("pk").values_list("pk", "image"))
    other = Project.objects.exclude(pk=crowd.pk).first()
    insert_all(
        [
            Referral(
                project=crowd,
                image_id=image,
                grade_id=pk,
                active=True if n % 5 == 0 else None,
                opened_at=day(n, 1000),
                closed_at=None if n % 5 == 0 else day(n, 1000),
                outcome=None if n % 5 == 0 else "decided",
            )
            for n, (pk, image) in enumerate(known[1::4])
        ]
    )
    insert_all(
        [
            # Some stands for that of another project: a planner has to know of two.
            Feedback(
                grade_id=pk,
                project=other if n % 100 == 7 else crowd,
                author=author,
                correct=n % 300 > 0,
                held_for_admin=n % 400 == 1,
            )
            for n, (pk, _) in enumerate(known[::2])
        ]
    )
    measured(Grade, Referral, Feedback, ModelVersion, BlindRead)
    return crowd


def asked(filters, user, rows, **values):
    return filters(
        {name: str(value) for name, value in values.items()}, queryset=rows, request=SimpleNamespace(user=user)
    ).qs


@pytest.mark.parametrize(
    ("values", "index"),
    [
        # Two thirds of all grades are of the project: MariaDB reads them all in their order, and passes over the others.
        ({}, ("grade_by_date", "grade_of_all_by_date")),
        ({"status": "failed"}, ("grade_by_project_status", "grade_of_all_by_status")),
        ({"status": "cancelled"}, ("grade_by_project_status", "grade_of_all_by_status", "grade_by_status")),
        ({"seen_in": "test"}, ("grade_by_side", "grade_of_all_by_side")),
        ({"seen_in": "val"}, ("grade_by_side", "grade_of_all_by_side")),
        ({"prediction": CLASSES[1]}, "grade_by_prediction"),
        ({"decision": "refer"}, ("grade_by_decision", "grade_by_date", "grade_of_all_by_decision")),
        ({"before": "2026-01-03T00:00:00Z"}, ("grade_by_date", "grade_of_all_by_date")),
    ],
)
def test_every_filter_of_the_history_has_an_index(graded, author, values, index):
    rows = asked(HistoryFilter, author, registry.grades(author), project=graded.pk, **values)
    # The class is one of the project's own: few rows, in the order of the index.
    assert_plan(keys(rows, "-created_at"), index=index, sorts=51, walks=not values)


def test_an_administrators_history_is_read_from_its_end(graded, admin):
    rows = registry.grades(admin)
    assert_plan(keys(rows, "-created_at"), index="grade_of_all_by_date", walks=True)
    assert_plan(
        keys(asked(HistoryFilter, admin, rows, seen_in="val"), "-created_at"), index="grade_of_all_by_side", sorts=51
    )
    assert_plan(
        keys(rows.filter(batched__in=[False]), "-id"),
        index=("grade_by_itself", "models_registry_grade_pkey", "PRIMARY"),
        walks=True,
    )


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL reads a table of these few rows whole")
def test_referrals_and_feedback_are_read_in_the_order_of_an_index(graded, admin):
    rows = worklists.referrals(admin)
    most = 1000 if sorts_few() else 51
    assert_plan(keys(asked(ReferralFilter, admin, rows, project=graded.pk), "opened_at"), sorts=most, walks=True)
    waiting = asked(ReferralFilter, admin, rows, project=graded.pk, state="waiting")
    known = ("referral_by_age", "referral_by_state", "referral_by_project")
    assert_plan(keys(waiting, "opened_at"), index=known, walks=True)
    held = asked(FeedbackFilter, admin, registry.feedback(admin), held_for_admin="true")
    assert_plan(keys(held, "-id"), index="feedback_by_hold", sorts=51)
    rare = asked(
        FeedbackFilter, admin, registry.feedback(admin), project=Project.objects.exclude(pk=graded.pk).first().pk
    )
    assert_plan(keys(rare, "-id"), index="feedback_by_project", sorts=51)


@pytest.fixture
def trail(project, author, colleague):
    """3,000 events of three people, most of them openings of scans."""
    insert_all(
        [
            AuditEvent(
                at=day(n, 3000),
                actor=(author, colleague)[n % 2],
                actor_name="guest" if n % 700 == 1 else ("author", "colleague")[n % 2],
                action="model.deploy" if n % 600 == 3 else ("scan.open", "label.create")[n % 2],
                object_type="run" if n % 500 == 9 else "image",
                object_id=str(n // 2),
                project=project.pk if n % 10 else 999,
                ip="10.0.0.9" if n % 900 == 5 else "10.0.0.1",
                request_id=f"request{n // 3}",
            )
            for n in range(3000)
        ]
    )
    measured(AuditEvent)
    return project


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ({"actor": "guest"}, "audit_by_name"),
        ({"actor": "nobody"}, "audit_by_name"),
        ({"action": "model.deploy"}, "audit_by_action"),
        ({"action": "nothing"}, "audit_by_action"),
        ({"object_type": "run"}, ("audit_by_kind", "audit_by_object")),
        ({"object_type": "image", "object_id": "77"}, "audit_by_object"),
        ({"ip": "10.0.0.9"}, "audit_by_address"),
        ({"request_id": "request77"}, "audit_by_request"),
        ({"project": 999}, ("audit_by_project", "audit_by_date")),
        ({"before": "2026-01-03T00:00:00Z"}, "audit_by_date"),
        ({"action": "scan.open", "before": "2026-01-03T00:00:00Z"}, ("audit_by_action", "audit_by_date")),
    ],
)
def test_every_filter_of_the_trail_has_an_index(trail, admin, values, index):
    rows = asked(AuditFilter, admin, front.audit_events(admin), **values)
    assert_plan(keys(rows, "-at"), index=index, sorts=51, walks="project" in values)


def test_when_somebody_was_last_active_is_one_look_into_an_index(trail, admin, outsider):
    measured(AuditEvent)
    assert_plan(people(admin), index="audit_by_actor", walks=True)
    active = {row.username: row.last_active for row in people(admin)}
    assert (
        active["outsider"] is None
        and active["author"] == AuditEvent.objects.get(request_id="request999", object_id="1499", action="scan.open").at
    )


def test_the_report_of_an_import_is_read_by_outcome_and_reason(project, author):
    batch, other = (
        Import.objects.create(project=project, created_by=author, file_name=name) for name in ("a.zip", "b.zip")
    )
    files = [
        ImportFile(
            batch=batch if n % 4 else other,
            path=f"{n}.png",
            path_digest=f"{n:064x}",
            outcome="rejected" if n % 500 == 1 else "created",
            code="damaged" if n % 500 == 1 else "",
        )
        for n in range(3000)
    ]
    insert_all(files)
    measured(ImportFile)
    problems = ImportFile.objects.filter(batch=batch, outcome="rejected")
    assert_plan(keys(problems, "id"), index="import_file_by_outcome", sorts=51)
    assert [(row["code"], row["number"]) for row in reasons(batch)] == [("damaged", 6)]
