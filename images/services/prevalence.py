"""How frequent a project expects its classes to be among the scans it grades."""

import math
from collections.abc import Mapping
from typing import Any, Final

from images.models import Project, ProjectClass
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid

ATTR: Final = "expected_prevalence"
TOLERANCE: Final = 1e-6


def write(project: Project, value: Any) -> None:
    """Save the statement, or withdraw it when it is empty. Call inside the transaction that changes the project."""
    Project.objects.filter(pk=project.pk).update(expected_prevalence=parse(project, value))


def parse(project: Project, value: Any) -> dict[str, float]:
    """Shares by class id as text: of every active class of the project and no other, each above 0, together 1."""
    if not value and (value is None or isinstance(value, Mapping)):
        return {}
    if not isinstance(value, Mapping):
        raise Invalid('expected_prevalence must give shares by class id, such as {"1": 0.9, "2": 0.1}.', attr=ATTR)
    active = ProjectClass.objects.filter(project=project, retired_at__isnull=True)
    names = {str(pk): name for pk, name in active.values_list("pk", "name")}
    given = {str(key): text.number(share) for key, share in value.items()}
    _require_classes(given, names)
    for key, share in given.items():
        if not 0 < share <= 1:
            raise Invalid(f"The expected share of {names[key]} must be above 0 and at most 1.", attr=ATTR)
    total = math.fsum(given.values())
    if abs(total - 1) > TOLERANCE:
        raise Invalid(f"The expected shares sum to {total:.7g}. Change them so that together they are 1.", attr=ATTR)
    return {key: given[key] for key in names}


def _require_classes(given: Mapping[str, float], names: Mapping[str, str]) -> None:
    unknown = sorted(given.keys() - names.keys())
    if unknown:
        raise Invalid(
            f"'{unknown[0][:40]}' is not the id of an active class of this project.", attr=ATTR, code="does_not_exist"
        )
    missing = [name for key, name in names.items() if key not in given]
    if missing:
        raise Invalid(f"The expected share of {missing[0]} is missing: give one for every class, or none.", attr=ATTR)
