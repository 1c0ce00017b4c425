"""Which scans somebody means: ticked ones, or all that pass the filters of a list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from django import forms
from django.db.models import QuerySet

from images.filters import ScanFilter
from images.models import Image, Project
from images.policies import visible_scans
from images.services.many import MOST_AT_ONCE
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.digits import whole_number
from mediscan_site.core.models import User

FILTERS: Final = tuple(name for name in ScanFilter.base_filters if name != "project")


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


@dataclass(frozen=True)
class Picked:
    """Scans in the order in which they were named. `versions`: by scan, the one that was seen, where the form said it."""

    images: list[Image] = field(default_factory=list)
    versions: dict[int, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As a hidden field carries them to the next page."""
        return ",".join(f"{image.pk}:{self.versions.get(image.pk, image.version)}" for image in self.images)


class PickedField(forms.Field):
    """Ticks of scans, each `key` or `key:version`; one value may hold several, with commas. Those of another project, or which
    the person may not see, are not there."""

    widget = forms.MultipleHiddenInput
    scans: QuerySet[Image] = Image.objects.none()

    def clean(self, value: Any) -> Picked:
        named = [part for text in value or () for part in str(text).split(",") if part]
        if len(named) > MOST_AT_ONCE:
            raise forms.ValidationError(f"Choose at most {MOST_AT_ONCE} scans.")
        pairs = [part.partition(":") for part in named]
        keys = {key: whole_number(seen) for text, _, seen in pairs if (key := whole_number(text)) is not None}
        found = self.scans.select_related("project").in_bulk(list(keys))
        images = [found[key] for key in keys if key in found]
        if self.required and not images:
            raise forms.ValidationError(self.error_messages["required"])
        return Picked(images, {image.pk: seen for image in images if (seen := keys[image.pk]) is not None})


def picked_field(user: User, project: Project, **options: Any) -> PickedField:
    made = PickedField(**options)
    made.scans = visible_scans(user).filter(project=project)
    return made
