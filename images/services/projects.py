"""Projects: made by administrators, changed by who may manage them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from images import policies
from images.models import RESEARCH_USE, Project, ProjectClass
from images.services import classes as project_classes
from images.services import prevalence
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid, Stale
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin

MIN_COVERAGE = 0.05
# Below a half a prediction set would leave the true class out more often than not; above 0.99 it takes 100 scans of a class.
MIN_CONFORMAL, MAX_CONFORMAL = 0.5, 0.99


def _share(value: Any, *, attr: str, low: float, high: float) -> float:
    share = prevalence.number(value)
    if not low <= share <= high:
        raise Invalid(f"{attr} must be a number from {low:g} to {high:g}.", attr=attr)
    return share


def _statement(value: Any, *, attr: str) -> str:
    """Intended use and limitations are never empty: silence would not say that this is for research only."""
    return text.paragraphs(value, attr=attr) or RESEARCH_USE


# What is not a column of its own value, and is written once the classes stand.
_LATER = {"classes", "class_rows", "expected_prevalence"}
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "name": partial(text.line, attr="name", max_length=120, required=True),
    "modality": partial(text.line, attr="modality", max_length=40),
    "four_eyes": partial(text.flag, attr="four_eyes"),
    "laterality_matters": partial(text.flag, attr="laterality_matters"),
    "intended_use": partial(_statement, attr="intended_use"),
    "limitations": partial(_statement, attr="limitations"),
    "coverage_target": partial(_share, attr="coverage_target", low=MIN_COVERAGE, high=1.0),
    "conformal_target": partial(_share, attr="conformal_target", low=MIN_CONFORMAL, high=MAX_CONFORMAL),
    "keep_patient_characteristics": partial(text.flag, attr="keep_patient_characteristics"),
    "keep_institution": partial(text.flag, attr="keep_institution"),
    "shift_dates": partial(text.flag, attr="shift_dates"),
}


def create_project(
    *,
    actor: User,
    name: str,
    classes: list[str],
    modality: str = "",
    four_eyes: bool = True,
    laterality_matters: bool = True,
    intended_use: str | None = None,
    limitations: str | None = None,
    coverage_target: float = 0.9,
    conformal_target: float = 0.9,
    keep_patient_characteristics: bool = True,
    keep_institution: bool = False,
    shift_dates: bool = True,
) -> Project:
    """A project with its classes in order. Conflict when the name is taken."""
    require_admin(actor)
    given = {
        "name": name,
        "modality": modality,
        "four_eyes": four_eyes,
        "laterality_matters": laterality_matters,
        "intended_use": intended_use,
        "limitations": limitations,
        "coverage_target": coverage_target,
        "conformal_target": conformal_target,
        "keep_patient_characteristics": keep_patient_characteristics,
        "keep_institution": keep_institution,
        "shift_dates": shift_dates,
    }
    values = {field: _PARSERS[field](value) for field, value in given.items()}
    names = project_classes.parse_names(classes)
    try:
        with transaction.atomic():
            project = Project.objects.create(created_by=actor, **values)
            project_classes.create_rows(project, names)
            audit.record("project.create", actor=actor, obj=project, project=project.pk)
    except IntegrityError as error:
        raise _name_taken(values["name"]) from error
    return project


def update_project(
    *, actor: User, project: Project, changes: dict[str, Any], expected_version: int | None = None
) -> Project:
    """Change settings and classes. `classes` (names in order) adds, orders and retires; `class_rows` ([{id, name}]) renames;
    `expected_prevalence` ({class id: share}) names every class that is then active.

    Stale when the project is no longer at `expected_version`; Conflict when a name is taken."""
    policies.require(actor, "manage_project", project)
    values = {field: _PARSERS[field](changes[field]) for field in _PARSERS if field in changes}
    if not values and not changes.keys() & _LATER:
        return project
    if "four_eyes" in values and values["four_eyes"] != project.four_eyes:
        require_admin(actor)
    try:
        with transaction.atomic():
            _write(project, values, expected_version)
            _rename(project, changes.get("class_rows") or [])
            if "classes" in changes:
                project_classes.arrange(project, project_classes.parse_names(changes["classes"]))
            if "expected_prevalence" in changes:
                prevalence.write(project, changes["expected_prevalence"])
            fields = sorted({*values, *changes.keys() & _LATER})
            audit.record("project.update", actor=actor, obj=project, project=project.pk, details={"fields": fields})
    except IntegrityError as error:
        raise _name_taken(values.get("name", project.name)) from error
    return Project.objects.get(pk=project.pk)


def _write(project: Project, values: dict[str, Any], expected_version: int | None) -> None:
    rows = Project.objects.filter(pk=project.pk)
    if expected_version is not None:
        rows = rows.filter(version=expected_version)
    if not rows.update(version=F("version") + 1, **values):
        raise Stale("The project was changed meanwhile. Load it again and repeat your change.")


def _rename(project: Project, renames: Any) -> None:
    own = {row.pk: row for row in ProjectClass.objects.filter(project=project).select_related("project")}
    for entry in renames if isinstance(renames, list) else [renames]:
        row = own.get(entry.get("id", 0)) if isinstance(entry, dict) else None
        if row is None:
            raise Invalid(
                "class_rows must name classes of this project by id.", attr="class_rows", code="does_not_exist"
            )
        if "name" in entry and entry["name"] != row.name:
            row.name = project_classes.rename_row(row, entry["name"])


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There already is a project named '{name}'. Choose another name.", code="unique", attr="name")
