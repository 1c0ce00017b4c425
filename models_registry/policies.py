"""What exists in the registry for a user: whatever belongs to a project they see. What they may do is in `images.policies`."""

from typing import Any

from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from images.policies import in_visible_projects, of_kept_scan
from labeling.models import Snapshot
from labeling.policies import covered_scan
from mediscan_site.core.database import there_is
from mediscan_site.core.policies import is_admin
from models_registry.models import (
    AcceptanceTest,
    Alarm,
    BlindRead,
    Deployment,
    Evaluation,
    Feedback,
    Grade,
    ModelVersion,
    ScanAnswer,
    Watch,
)


def visible_models(user: Any) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(in_visible_projects(user))


def visible_evaluations(user: Any) -> QuerySet[Evaluation]:
    if is_admin(user):
        return Evaluation.objects.all()
    # By the versions, of which there are few: joined with them, the database may begin there and sort what it finds.
    return Evaluation.objects.filter(model__in=list(visible_models(user).values_list("pk", flat=True)))


def visible_deployments(user: Any) -> QuerySet[Deployment]:
    return Deployment.objects.filter(in_visible_projects(user))


def visible_grades(user: Any) -> QuerySet[Grade]:
    """Not those of erased scans: what a model said about a person goes with the picture. Nor those of an acceptance test that is
    not decided, nor of a scan that this user is reading blind."""
    return shown_grades(user).filter(in_visible_projects(user))


def shown_grades(user: Any) -> QuerySet[Grade]:
    """The same of projects that the user was found to see."""
    blind = _read_blind(user).filter(grade__image=OuterRef("image"))
    return Grade.objects.filter(~there_is(blind), of_kept_scan(), blind=False)


def visible_feedback(user: Any) -> QuerySet[Feedback]:
    """Not what another said of a scan that this user is still to read by themselves."""
    rows = Feedback.objects.filter(in_visible_projects(user), of_kept_scan("grade__image"))
    return rows.filter(Q(author=user.pk) | ~covered_scan(user, "grade__image"))


def visible_snapshots(user: Any) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(in_visible_projects(user))


def visible_acceptance_tests(user: Any) -> QuerySet[AcceptanceTest]:
    return AcceptanceTest.objects.filter(in_visible_projects(user))


def visible_watches(user: Any) -> QuerySet[Watch]:
    return Watch.objects.filter(in_visible_projects(user))


def visible_alarms(user: Any) -> QuerySet[Alarm]:
    return Alarm.objects.filter(in_visible_projects(user))


def visible_blind_reads(user: Any) -> QuerySet[BlindRead]:
    return BlindRead.objects.filter(in_visible_projects(user), of_kept_scan("grade__image"))


def visible_answers(user: Any) -> QuerySet[ScanAnswer]:
    """What evaluations heard of single scans: not of a scan that this user is reading blind, or whose label is covered."""
    return ScanAnswer.objects.filter(
        ~there_is(_read_blind(user).filter(grade__image=OuterRef("image"))),
        ~covered_scan(user),
        in_visible_projects(user, "evaluation__model__project"),
        of_kept_scan(),
    )


def _read_blind(user: Any) -> QuerySet[BlindRead]:
    return BlindRead.objects.filter(holder=user.pk or 0, held_until__gt=timezone.now(), read_at__isnull=True)
