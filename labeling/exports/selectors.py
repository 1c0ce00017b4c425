"""Read queries about exports."""

from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from images.picking import FILTERS, chosen_scans
from labeling.models import Export
from labeling.policies import visible_exports
from mediscan_site.core.models import User

__all__ = ["FILTERS", "IDENTIFYING", "chosen_scans", "exports"]
# What people type here may name a patient: kept only while the export is being made.
IDENTIFYING: Final = ("search", "external_id", "patient", "tag")


def exports(user: User | AnonymousUser) -> QuerySet[Export]:
    return visible_exports(user).select_related("project", "snapshot", "created_by", "blob")
