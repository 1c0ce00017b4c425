"""Which version serves a project."""

from django.db import IntegrityError, transaction

from images.models import Project
from images.policies import require
from mediscan_site.core import audit, work
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User
from models_registry.deployments import bundles, gate
from models_registry.models import DeployedModel, Deployment, ModelVersion
from models_registry.selectors import current_deployment, latest_evaluation
from models_registry.versions import serving
from models_registry.versions.lineage import bases_of, why_flattered
from models_registry.versions.services import MIRROR
from models_registry.versions.serving import WARM


def deploy(*, actor: User, model: ModelVersion, override_reason: str = "") -> Deployment:
    """Let this version serve its project: it must load and pass the gate (409 `gate_refused`, unless a reason to override it
    is given, which is recorded). Until the pointer moves, the old version answers. Redeploying what serves changes nothing."""
    require(actor, "deploy_model", model.project)
    current = current_deployment(model.project)
    _warm(model)
    if current and current.model_id == model.pk:
        return current
    verdict = judge(model, current)
    reason = override_reason.strip()
    if not verdict.passed and not reason:
        raise Conflict(
            f"{model.code} is refused. {' '.join(verdict.reasons)} Give override_reason to deploy it anyway.",
            code="gate_refused",
        )
    deployment = Deployment(
        project=model.project,
        model=model,
        kind=Deployment.Kind.DEPLOY,
        previous=current,
        gate=verdict.as_json(),
        override_reason="" if verdict.passed else reason,
        deployed_by=actor,
    )
    return _switch(deployment, current, "model.deploy")


def rollback(*, actor: User, project: Project) -> Deployment:
    """Restore the version that served before. Repeated, it goes one step further back, until 409 `nothing_to_roll_back`."""
    require(actor, "deploy_model", project)
    current = current_deployment(project)
    if current is None or current.previous is None:
        raise Conflict("No earlier version served this project. Deploy a version instead.", code="nothing_to_roll_back")
    target = current.previous
    _warm(target.model)
    deployment = Deployment(
        project=project,
        model=target.model,
        kind=Deployment.Kind.ROLLBACK,
        # What served before the restored one: so repeated rollbacks walk back instead of alternating between two.
        previous=target.previous,
        gate={"rolled_back": current.model.code},
        deployed_by=actor,
    )
    return _switch(deployment, current, "model.rollback")


def judge(model: ModelVersion, current: Deployment | None, *, lately: bool = False) -> gate.Verdict:
    """The gate's verdict over the newest reports of this version and of the one it would replace. `lately`: for a page, to which
    what was known of patients and copies some minutes ago will do; a deployment asks anew."""
    report = latest_evaluation(model)
    served = latest_evaluation(current.model, snapshot=report.snapshot) if current and report else None
    # A report was fair when it was made; what is known about patients and copies may have changed since.
    judged = {one.pk: one for one in (model, current.model if current else None) if one and report}
    bases = bases_of(model.project_id) if judged else {}
    unfair = {pk: why_flattered(one, report.snapshot, bases, lately=lately) for pk, one in judged.items() if report}
    return gate.judge(
        metrics=report.metrics if report else None,
        n_classes=len(model.classes),
        served_metrics=served.metrics if served else None,
        replaces=current.model.code if current else "",
        flattered=unfair.get(model.pk, ""),
        replaced_flattered=unfair.get(current.model_id, "") if current else "",
    )


def _warm(model: ModelVersion) -> None:
    try:
        serving.warm(model)
    except serving.BundleDamaged as error:
        raise Conflict(
            f"{error} It cannot be deployed; whatever serves now keeps serving.", code="bundle_damaged"
        ) from error


def _switch(deployment: Deployment, current: Deployment | None, action: str) -> Deployment:
    """Write the decision and move the pointer, if it is still where it was when the decision was made."""
    with transaction.atomic():
        deployment.save(force_insert=True)
        if not _move_pointer(deployment, current):
            raise Conflict("Another deployment was made at the same moment. Look at it, then try again.")
        # The alias in MLflow follows; until then this version counts as not mirrored.
        ModelVersion.objects.filter(pk=deployment.model_id).update(mirrored_at=None)
        details = {"model": deployment.model_id, "override": bool(deployment.override_reason)}
        audit.record(
            action, actor=deployment.deployed_by, obj=deployment, project=deployment.project_id, details=details
        )
        work.send_named(MIRROR, deployment.model_id)
        work.send_named(WARM, deployment.model_id)
        bundles.tell()
    return deployment


def _move_pointer(deployment: Deployment, current: Deployment | None) -> bool:
    if current is not None:
        stands = DeployedModel.objects.filter(project_id=deployment.project_id, deployment=current)
        return bool(stands.update(deployment=deployment))
    try:
        with transaction.atomic():
            DeployedModel.objects.create(project_id=deployment.project_id, deployment=deployment)
    except IntegrityError:
        return False
    return True
