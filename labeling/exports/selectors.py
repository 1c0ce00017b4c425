"""Read queries about exports."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from images.filters import ScanFilter
from images.models import Image, Project
from images.policies import visible_scans
from labeling.models import Export
from labeling.policies import visible_exports
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import User

FILTERS: Final = tuple(name for name in ScanFilter.base_filters if name != "project")
# What people type here may name a patient: kept only while the export is being made.
IDENTIFYING: Final = ("search", "external_id", "patient")


def exports(user: User | AnonymousUser) -> QuerySet[Export]:
    return visible_exports(user).select_related("project", "snapshot", "created_by", "blob")


def chosen_scans(actor: User, project: Project, filters: Mapping[str, str]) -> QuerySet[Image]:
    """The scans of the project that pass the filters, as their list shows them to the actor. Invalid names a bad filter."""
    if unknown := sorted(set(filters) - set(FILTERS)):
        raise Invalid(f"There is no filter '{unknown[0]}'. The filters are: {', '.join(FILTERS)}.", attr="filters")
    asked = {**filters, "project": str(project.pk)}
    scan_filter = ScanFilter(asked, queryset=visible_scans(actor), request=SimpleNamespace(user=actor))
    if not scan_filter.is_valid():
        name, errors = next(iter(scan_filter.errors.items()))
        raise Invalid(" ".join(map(str, errors)), attr=name)
    scans: QuerySet[Image] = scan_filter.qs
    return scans
