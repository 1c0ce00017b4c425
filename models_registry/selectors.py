"""Read queries of the registry, for pages and API."""

from typing import Any, Final

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Exists,
    ExpressionWrapper,
    Max,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from images.covering import cover_image
from images.models import Project
from labeling.models import Label, Snapshot
from mediscan_site.core.models import WorkStatus
from models_registry import policies
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import (
    AcceptanceTest,
    Alarm,
    BlindRead,
    DeployedModel,
    Deployment,
    Evaluation,
    Feedback,
    FirstRead,
    Grade,
    ModelVersion,
    ReferralRead,
)

# Of a grade's version, what answers do not need and takes long to read.
LONG_COLUMNS = ("model__card", "model__reference")
# What a card says of where a version is used.
CONDUCT = ("acceptance_tests__decisions__decided_by", "alarms__told__user", "alarms__decisions__decided_by")
CANDIDATE, DEPLOYED, RETIRED = "candidate", "deployed", "retired"


def deployed_model(project: Project) -> ModelVersion | None:
    """The version that serves the project now."""
    return (
        ModelVersion.objects.select_related("project", "snapshot")
        .filter(pk__in=DeployedModel.objects.filter(project=project).values("deployment__model"))
        .first()
    )


def serving_key(project: Project) -> int | None:
    """The key of the version that serves the project now: for whoever needs no more, as the whole row is long."""
    rows = DeployedModel.objects.filter(project=project).order_by("pk")
    return rows.values_list("deployment__model", flat=True).first()


def current_deployment(project: Project) -> Deployment | None:
    return (
        Deployment.objects.select_related("model__snapshot", "previous__model")
        .filter(pk__in=DeployedModel.objects.filter(project=project).values("deployment"))
        .first()
    )


def versions(user: Any, *, conduct: bool = True) -> QuerySet[ModelVersion]:
    """Every visible version with its derived `stage` and, in `reports`, the newest of its succeeded evaluations. `conduct`: with
    what a whole card says of where it is used."""
    serving = DeployedModel.objects.filter(deployment__model=OuterRef("pk"))
    served = Deployment.objects.filter(model=OuterRef("pk"))
    stage = Case(
        When(Exists(serving), then=Value(DEPLOYED)),
        When(Exists(served), then=Value(RETIRED)),
        default=Value(CANDIDATE),
        output_field=CharField(),
    )
    done = Evaluation.objects.filter(status=WorkStatus.SUCCEEDED)
    last = done.order_by().values("model").annotate(last=Max("pk"))
    newest = done.filter(pk__in=last.values("last")).select_related("snapshot")
    return (
        policies.visible_models(user)
        .select_related("project", "snapshot", "created_by", "graph__blob")
        .annotate(stage=stage)
        .prefetch_related(
            Prefetch("evaluations", queryset=newest, to_attr="reports"),
            "project__class_rows",
            *(CONDUCT if conduct else ()),
        )
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


# What `Grade` has under these names, and the column of the earlier grade that it is.
EARLIER: Final = {"graded_before": "pk", "graded_before_at": "finished_at"}


def with_earlier(grades: QuerySet[Grade]) -> QuerySet[Grade]:
    """With `graded_before` and `graded_before_at`: the newest answered grade of the same scan by the same version before it."""
    same = {"image": OuterRef("image"), "model": OuterRef("model"), "pk__lt": OuterRef("pk")}
    before = Grade.objects.filter(**same, status=WorkStatus.SUCCEEDED, blind=False).order_by("-pk")
    found = {name: Subquery(before.values(column)[:1]) for name, column in EARLIER.items()}
    return grades.annotate(**found)


# What `Grade` has under this name.
COVERED: Final = "covered"
IS_COVERED: Final = Q(**{COVERED: True})
# Labels that a doctor gives without an answer before them.
_OWN = (Label.Source.DOCTOR, Label.Source.ADJUDICATION)


def with_covered(grades: QuerySet[Grade], user: Any) -> QuerySet[Grade]:
    """With `covered`, as the user's pages show them."""
    reader = user.pk or 0
    read = (
        Q(Exists(FirstRead.objects.filter(grade=OuterRef("pk"), reader=reader)))
        | Q(Exists(ReferralRead.objects.filter(referral__grade=OuterRef("pk"), reader=reader)))
        | Q(Exists(BlindRead.objects.filter(grade=OuterRef("pk"), reader=reader, read_at__isnull=False)))
        | Q(Exists(Label.objects.filter(image=OuterRef("image"), reader=reader, source__in=_OWN)))
    )
    # Not joined: the grades of a page are found without their project.
    covers = Q(Exists(Project.objects.filter(pk=OuterRef("project"), reveal_after_read=True)))
    covered = covers & Q(status=WorkStatus.SUCCEEDED) & ~read
    found = {COVERED: ExpressionWrapper(covered, output_field=BooleanField())}
    return grades.annotate(**found)


def grades(user: Any) -> QuerySet[Grade]:
    """With all that a line of the history shows, in a fixed number of queries."""
    said = policies.visible_feedback(user).select_related("author", "correct_class").order_by("pk")
    rows = cover_image(with_covered(with_earlier(policies.visible_grades(user)), user), user)
    return (
        rows.select_related("project", "image", "image__label_class", "model", "prediction", "requested_by")
        .defer(*LONG_COLUMNS)
        .prefetch_related(Prefetch("feedback", queryset=said), "project__class_rows")
    )


# What an answer says of other rows; all else of them would be read for nothing, each time that somebody waits for one.
_TOLD = (
    "project__intended_use",
    "model__classes",
    "model__calibration",
    "prediction__name",
    "requested_by__username",
)


def answers(user: Any) -> QuerySet[Grade]:
    """With all that an answer says (`GradeSerializer`), in two queries."""
    own = [field.name for field in Grade._meta.concrete_fields]
    return (
        with_earlier(policies.visible_grades(user))
        .select_related("project", "model", "prediction", "requested_by")
        .only(*own, *_TOLD)
        .prefetch_related("project__class_rows")
    )


def feedback(user: Any) -> QuerySet[Feedback]:
    return policies.visible_feedback(user).select_related("grade", "author", "correct_class", "label")


def refer_reasons(grade: Grade) -> list[ReferReason]:
    """Why the scan was given back to a doctor; none for an answer."""
    return [ReferReason(code) for code in grade.reasons]  # type: ignore[call-arg]  # looks a member up by its code


def confidence_holds(grade: Grade) -> bool:
    """Whether its confidence means anything: it was calibrated on scans like those that the version learned from, so it says
    nothing about a scan that was referred for being another kind of scan, or of a place that is not known."""
    return grade.confidence is not None and set(grade.reasons) <= {ReferReason.BELOW_THRESHOLD.value}


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


def anything_to_mirror() -> bool:
    """Whether MLflow lacks a version in its present state."""
    return ModelVersion.objects.filter(mirrored_at__isnull=True).exists()


def anything_to_watch() -> bool:
    """Whether a version serves, an acceptance test draws, or somebody is to be told of an alarm."""
    tests, alarms = AcceptanceTest.objects.filter(active=True), Alarm.objects.filter(active=True)
    return DeployedModel.objects.exists() or tests.exists() or alarms.exists()
