"""A trained bundle becomes a version of the registry."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from images.models import Project, ProjectClass
from labeling.models import Snapshot
from mediscan_site.core import audit, work
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import Blob, User, WorkStatus
from mediscan_site.core.storage import blobs
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import cards, serving
from models_registry.versions.answers import Answer, keep
from models_registry.versions.fairness import next_test_read

BUNDLE_TYPE = "application/octet-stream"
ATTEMPTS = 5
# The task that brings a version into MLflow. By name: the task's module is above this one.
MIRROR = "models_registry.mirror"


def register_version(
    *,
    actor: User,
    project: Project,
    snapshot: Snapshot,
    architecture: str,
    bundle: bytes,
    source: str,
    classes: Sequence[int],
    calibration: Mapping[str, Any],
    card: Mapping[str, Any],
    metrics: Mapping[str, Any],
    reference: Mapping[str, Any] | None = None,
    mlflow_run_id: str = "",
    answers: Sequence[Answer] = (),
) -> ModelVersion:
    """The version made by one training (`source`); called again for the same source, it gives the same version.

    The run that calls this was authorised when it was requested. `classes`: the ids of its classes in the bundle's order.
    `calibration` adds to what the bundle's manifest says. `card`: facts of the training that the card shows (`params`: a
    dict, `epochs`: dicts with `epoch` and numbers, …). `metrics`, the one reading of the test split, become the version's
    first evaluation. `answers`: what it said of each scan in that reading. `reference`: what it says of its
    validation scans (`versions.reference`). The bundle is signed here, over exactly the bytes that are stored.
    """
    known = ModelVersion.objects.filter(source=source).first()
    if known:
        return known
    rows = _class_rows(project, classes)
    sealed = _sealed(bundle, rows)
    blob = blobs.write(bundle, namespace=blobs.namespace(project.pk), content_type=BUNDLE_TYPE)
    model = ModelVersion(
        project=project,
        name=f"{project.name[:100]} {architecture}",
        architecture=architecture,
        snapshot=snapshot,
        bundle=blob,
        bundle_sha256=sealed.digest,
        bundle_signature=sealed.signature,
        source=source,
        classes=rows,
        calibration={**_said(sealed.manifest), **calibration},
        reference=dict(reference or {}),
        training_date=timezone.now(),
        created_by=actor,
        mlflow_run_id=mlflow_run_id,
    )
    facts = {**card, "preprocess": sealed.manifest["preprocess"]}
    return _save(model, blob, facts=facts, metrics=metrics, answers=answers)


def _said(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of confidence and of its limits, for the version's row."""
    named = {name: manifest.get(name) for name in ("prior", "conformal", "knowing")}
    return {**manifest["calibration"], "referral": manifest["referral"], "prevalence": manifest["prevalence"], **named}


def _class_rows(project: Project, ids: Sequence[int]) -> list[dict[str, Any]]:
    names = dict(ProjectClass.objects.filter(project=project, pk__in=ids).values_list("pk", "name"))
    if len(names) != len(ids) or len(ids) < 2:
        raise Invalid("The classes must be two or more different classes of the project.", attr="classes")
    return [{"id": pk, "name": names[pk]} for pk in ids]


def _sealed(bundle: bytes, rows: Sequence[Mapping[str, Any]]) -> serving.Sealed:
    try:
        sealed = serving.seal(bundle)
    except serving.BundleDamaged as error:
        raise Invalid(str(error), attr="bundle") from error
    if [entry["id"] for entry in sealed.manifest["classes"]] != [entry["id"] for entry in rows]:
        raise Invalid("The bundle's classes are not these, or are in another order.", attr="bundle")
    return sealed


def _save(model: ModelVersion, blob: Blob, **told: Any) -> ModelVersion:
    """Numbers are given out one after the other; two trainings that end together try again."""
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _insert(model, blob, **told)
        except IntegrityError:
            known = ModelVersion.objects.filter(source=model.source).first()
            if known:
                blobs.discard(blob)
                return known
    blobs.discard(blob)
    raise Conflict("Many versions are being registered at once. Try again.")


def _insert(
    model: ModelVersion,
    blob: Blob,
    *,
    facts: Mapping[str, Any],
    metrics: Mapping[str, Any],
    answers: Sequence[Answer],
) -> ModelVersion:
    blob.save(force_insert=True)
    highest = ModelVersion.objects.filter(project=model.project).aggregate(highest=Max("number"))["highest"]
    model.number = (highest or 0) + 1
    model.pk = None
    model.card = cards.build(model, facts)
    model.save(force_insert=True)
    evaluation = Evaluation.objects.create(
        model=model,
        snapshot=model.snapshot,
        origin=Evaluation.Origin.TRAINING,
        requested_by=model.created_by,
        status=WorkStatus.SUCCEEDED,
        progress=1.0,
        finished_at=timezone.now(),
        metrics=dict(metrics),
        test_reads=next_test_read(model.snapshot),
    )
    keep(evaluation, answers)
    details = {"number": model.number, "dataset": model.snapshot_id, "bundle_sha256": model.bundle_sha256}
    audit.record("model.register", actor=model.created_by, obj=model, project=model.project_id, details=details)
    if settings.MLFLOW_TRACKING_URI:
        work.send_named(MIRROR, model.pk)
    return model
