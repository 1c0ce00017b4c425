"""Read queries of the registry, for pages and API."""

from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, Prefetch, QuerySet, Value, When

from images.models import Project
from labeling.models import Snapshot
from mediscan_site.core.models import WorkStatus
from models_registry import policies
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import DeployedModel, Deployment, Evaluation, Feedback, Grade, ModelVersion

CANDIDATE, DEPLOYED, RETIRED = "candidate", "deployed", "retired"


def deployed_model(project: Project) -> ModelVersion | None:
    """The version that serves the project now."""
    return (
        ModelVersion.objects.select_related("project", "snapshot")
        .filter(pk__in=DeployedModel.objects.filter(project=project).values("deployment__model"))
        .first()
    )


def current_deployment(project: Project) -> Deployment | None:
    return (
        Deployment.objects.select_related("model", "previous__model")
        .filter(pk__in=DeployedModel.objects.filter(project=project).values("deployment"))
        .first()
    )


def versions(user: Any) -> QuerySet[ModelVersion]:
    """Every visible version with its derived `stage` and its succeeded evaluations, newest first, in `reports`."""
    serving = DeployedModel.objects.filter(deployment__model=OuterRef("pk"))
    served = Deployment.objects.filter(model=OuterRef("pk"))
    stage = Case(
        When(Exists(serving), then=Value(DEPLOYED)),
        When(Exists(served), then=Value(RETIRED)),
        default=Value(CANDIDATE),
        output_field=CharField(),
    )
    finished = Evaluation.objects.filter(status=WorkStatus.SUCCEEDED).select_related("snapshot").order_by("-pk")
    return (
        policies.visible_models(user)
        .select_related("project", "snapshot", "created_by")
        .annotate(stage=stage)
        .prefetch_related(Prefetch("evaluations", queryset=finished, to_attr="reports"), "project__class_rows")
    )


def stage(model: ModelVersion) -> str:
    """Derived, never stored: serving now, served once, or never served."""
    if DeployedModel.objects.filter(deployment__model=model).exists():
        return DEPLOYED
    return RETIRED if Deployment.objects.filter(model=model).exists() else CANDIDATE


def latest_evaluation(model: ModelVersion, *, snapshot: Snapshot | None = None) -> Evaluation | None:
    """The newest reading of a test split (of this snapshot, if one is named) that succeeded."""
    reports: list[Evaluation] | None = getattr(model, "reports", None)
    if reports is not None and snapshot is None:
        return reports[0] if reports else None
    done = Evaluation.objects.filter(model=model, status=WorkStatus.SUCCEEDED)
    if snapshot is not None:
        done = done.filter(snapshot=snapshot)
    return done.select_related("snapshot").order_by("-pk").first()


def evaluations(user: Any) -> QuerySet[Evaluation]:
    return policies.visible_evaluations(user).select_related("model", "snapshot", "requested_by")


def deployments(user: Any) -> QuerySet[Deployment]:
    return policies.visible_deployments(user).select_related("model", "project", "previous__model", "deployed_by")


def grades(user: Any) -> QuerySet[Grade]:
    """With all that a line of the history shows, in a fixed number of queries."""
    return (
        policies.visible_grades(user)
        .select_related("project", "image", "image__label_class", "model", "prediction", "requested_by")
        .prefetch_related(
            Prefetch("feedback", queryset=Feedback.objects.select_related("author", "correct_class").order_by("pk")),
            "project__class_rows",
        )
    )


def feedback(user: Any) -> QuerySet[Feedback]:
    return policies.visible_feedback(user).select_related("grade", "author", "correct_class", "label")


def refer_reasons(grade: Grade) -> list[ReferReason]:
    """Why the scan was given back to a doctor; none for an answer."""
    return [ReferReason(code) for code in grade.reasons]  # type: ignore[call-arg]  # looks a member up by its code


def why_no_distance(grade: Grade) -> str:
    """Why nobody measured how far the scan lies from what the version learned; empty where somebody did, or before an answer."""
    if grade.status != WorkStatus.SUCCEEDED or grade.distance is not None:
        return ""
    stored = grade.model.calibration.get("knowing")
    return (stored and stored["reason"]) or "the model was made before this was measured"


def named_probabilities(grade: Grade) -> dict[str, float]:
    """{class name: p} in the model's order; classes are stored by id, so a renamed one shows its name of today."""
    names = {row.pk: row.name for row in grade.project.class_rows.all()}
    order = {str(entry["id"]): names.get(entry["id"], entry["name"]) for entry in grade.model.classes}
    return {order[pk]: grade.probabilities[pk] for pk in order if pk in grade.probabilities}
