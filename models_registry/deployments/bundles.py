"""What serves must be whole: a damaged file of a deployed version makes the site not ready, and administrators are told."""

from django.db.models import QuerySet

from mediscan_site.core import notices
from mediscan_site.core.models import Blob
from mediscan_site.core.storage import damage, verification
from models_registry.models import DeployedModel

NOTICE = "model:damaged"


def damaged() -> QuerySet[DeployedModel]:
    """What is deployed and cannot be loaded. Reads rows, no files: the hourly check and failed grades mark the file."""
    bundles = damage.damaged().values("pk")
    return DeployedModel.objects.filter(deployment__model__bundle__in=bundles)


@verification.every_hour
def deployed_bundles() -> QuerySet[Blob]:
    """The files of all deployed versions."""
    return Blob.objects.filter(pk__in=DeployedModel.objects.values("deployment__model__bundle"))


@damage.watch
def tell() -> None:
    """Renew the notice, or take it away once nothing that is deployed is damaged."""
    rows = damaged().select_related("project", "deployment__model").order_by("project")
    named = ", ".join(f"{row.deployment.model.code} of {row.project.name}" for row in rows)
    if not named:
        notices.take_away(NOTICE)
        return
    notices.put(
        NOTICE,
        f"The stored file of what is deployed is damaged: {named}. It cannot be loaded again, so grades fail. Run "
        "manage.py verify_images --restore-from-backup, or deploy another version.",
    )
