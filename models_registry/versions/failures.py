"""What a person reads when a version could not answer or be measured."""

import logging

from django.db import OperationalError

from mediscan_site.core import work
from mediscan_site.core.models import WorkItem, WorkStatus
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.versions import serving

log = logging.getLogger(__name__)


def fail(row: WorkItem, attempt: int, error: Exception) -> None:
    """End this attempt with what a person should read about the error. With the database away the row falls silent instead,
    and is given out again."""
    log.warning("%s %s failed", row._meta.label, row.pk, exc_info=error)
    if isinstance(error, OperationalError):
        return
    work.finish(type(row), row.pk, attempt, status=WorkStatus.FAILED, error=describe(error))


def describe(error: Exception) -> str:
    """The message for people, with the remedy where there is one."""
    if isinstance(error, serving.BundleDamaged):
        return f"{error} Deploy another version, or restore the file from a backup."
    if isinstance(error, DamagedObject):
        return "A stored scan is damaged and was not read. Run verify_images and restore it from a backup."
    return work.describe_failure(error)
