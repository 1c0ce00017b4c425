"""Projects: made by administrators, changed by who may manage them."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from images import policies, project_options, project_values
from images.models import Project, ProjectClass
from images.services import classes as project_classes
from images.services import prevalence
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid, Stale
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin

MAX_NAME = 120
# What is not a column of its own value, and is written once the classes stand.
_LATER = {"classes", "class_rows", "expected_prevalence"}


def create_project(*, actor: User, name: str, classes: list[str], **options: Any) -> Project:
    """A project with its classes in order. `options`: those of `project_options.PLAIN`; what is left out has the model's
    default. Conflict when the name is taken."""
    require_admin(actor)
    if unknown := options.keys() - project_options.PLAIN.keys():
        raise TypeError(f"A project has no option {', '.join(sorted(unknown))}.")
    values = _parsed({"name": name, **options})
    project_options.require_ages_in_order(values.get("intended_age_min"), values.get("intended_age_max"))
    names = project_classes.parse_names(classes)
    try:
        with transaction.atomic():
            project = Project.objects.create(created_by=actor, **values)
            project_classes.create_rows(project, names)
            audit.record("project.create", actor=actor, obj=project, project=project.pk)
    except IntegrityError as error:
        raise _name_taken(values["name"]) from error
    return project


def _parsed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The checked columns among the given values. Invalid names the first that is wrong."""
    name = (
        {"name": text.line(given["name"], attr="name", max_length=MAX_NAME, required=True)} if "name" in given else {}
    )
    return name | {
        field: project_values.parse(field, given[field]) for field in project_options.PLAIN if field in given
    }


def update_project(
    *, actor: User, project: Project, changes: dict[str, Any], expected_version: int | None = None
) -> Project:
    """Change settings and classes. `classes` (names in order) adds, orders and retires; `class_rows` ([{id, name}]) renames;
    `expected_prevalence` ({class id: share}) names every class that is then active.

    Stale when the project is no longer at `expected_version`; Conflict when a name is taken."""
    policies.require(actor, "manage_project", project)
    values = _parsed(changes)
    if not values and not changes.keys() & _LATER:
        return project
    low, high = (values.get(name, getattr(project, name)) for name in ("intended_age_min", "intended_age_max"))
    project_options.require_ages_in_order(low, high)
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
