"""The classes of a project. Rows are renamed or retired, never deleted: labels point to them."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images import policies
from images.models import Project, ProjectClass
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User

MIN_CLASSES = 2
MAX_CLASSES = 1000
MAX_NAME = 120


def parse_name(value: Any) -> str:
    """One class name. It becomes a folder name in an export, so it may not look like a path."""
    name = text.line(value, attr="classes", max_length=MAX_NAME, required=True)
    if name in (".", "..") or "/" in name or "\\" in name:
        raise Invalid(f"The class name '{name}' may not contain / or \\, and may not be . or ..", attr="classes")
    return name


def parse_names(values: Any) -> list[str]:
    """The names of a project's classes in order: at least two, all different (also when case is ignored)."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise Invalid('classes must be a list of names, such as ["NORMAL", "PNEUMONIA"].', attr="classes")
    names = [parse_name(value) for value in values]
    if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        raise Invalid(f"A project has {MIN_CLASSES} to {MAX_CLASSES} classes; {len(names)} were given.", attr="classes")
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise Invalid(f"The class '{name}' is named twice.", attr="classes", code="unique")
        seen.add(name.casefold())
    return names


def create_rows(project: Project, names: Sequence[str]) -> None:
    """The first rows of a new project. Call inside its transaction."""
    ProjectClass.objects.bulk_create(
        ProjectClass(project=project, name=name, position=position) for position, name in enumerate(names)
    )


def arrange(project: Project, names: Sequence[str]) -> None:
    """Make `names` the active classes in this order: new ones are added, missing ones retired. Inside a transaction."""
    rows = {row.name.casefold(): row for row in ProjectClass.objects.filter(project=project)}
    arranged = [_known(rows, name) or ProjectClass(project=project) for name in names]
    for row, name in zip(arranged, names, strict=True):
        row.name, row.retired_at = name, None
    for row in rows.values():
        row.retired_at = row.retired_at or timezone.now()
    # Positions are unique, so everybody steps aside before taking the new places.
    ProjectClass.objects.filter(project=project).update(position=F("position") + 2 * MAX_CLASSES)
    ordered = [*arranged, *sorted(rows.values(), key=lambda row: row.position)]
    for position, row in enumerate(ordered):
        row.position = position
        row.save()


def _known(rows: dict[str, ProjectClass], name: str) -> ProjectClass | None:
    key = name.casefold()
    return rows.pop(key) if key in rows else None


@transaction.atomic
def rename_class(*, actor: User, project_class: ProjectClass, name: str) -> ProjectClass:
    """A new name for the same class; every label keeps pointing to it."""
    project = project_class.project
    policies.require(actor, "manage_project", project)
    _lock(project)
    project_class.name = rename_row(project_class, name)
    _record(actor, project, f"class {project_class.pk} renamed")
    return project_class


def rename_row(row: ProjectClass, name: Any) -> str:
    """Write one checked new name and return it. Inside a transaction."""
    clean = parse_name(name)
    _refuse_taken(row.project, clean, besides=row)
    ProjectClass.objects.filter(pk=row.pk).update(name=clean)
    return clean


@transaction.atomic
def add_class(*, actor: User, project: Project, name: str) -> ProjectClass:
    """A new class after the others; a retired class of this name comes back with its labels."""
    policies.require(actor, "manage_project", project)
    clean = parse_name(name)
    _lock(project)
    rows = list(ProjectClass.objects.filter(project=project))
    row = next((row for row in rows if row.name.casefold() == clean.casefold()), None)
    if row is not None and row.retired_at is None:
        raise Conflict(f"The project already has a class '{row.name}'.", code="unique", attr="name")
    if row is None and len(rows) >= MAX_CLASSES:
        raise Invalid(f"A project has at most {MAX_CLASSES} classes.", attr="name")
    row = row or ProjectClass(project=project, position=max((row.position for row in rows), default=-1) + 1)
    row.name, row.retired_at = clean, None
    row.save()
    _record(actor, project, f"class {row.pk} added")
    return row


@transaction.atomic
def retire_class(*, actor: User, project_class: ProjectClass) -> ProjectClass:
    """No longer offered for labelling; labels that name it stay. At least two classes must remain."""
    project = project_class.project
    policies.require(actor, "manage_project", project)
    _lock(project)
    active = ProjectClass.objects.filter(project=project, retired_at__isnull=True)
    if active.exclude(pk=project_class.pk).count() < MIN_CLASSES:
        raise Conflict(f"A project needs at least {MIN_CLASSES} classes: add another one first.", attr="classes")
    project_class.retired_at = project_class.retired_at or timezone.now()
    project_class.save(update_fields=["retired_at"])
    _record(actor, project, f"class {project_class.pk} retired")
    return project_class


def _refuse_taken(project: Project, name: str, *, besides: ProjectClass) -> None:
    others = ProjectClass.objects.filter(project=project).exclude(pk=besides.pk).values_list("name", flat=True)
    if name.casefold() in {other.casefold() for other in others}:
        raise Conflict(f"The project already has (or had) a class '{name}'.", code="unique", attr="name")


def _lock(project: Project) -> None:
    """The next version of the project. The written row also makes every other change of its classes wait for this one."""
    Project.objects.filter(pk=project.pk).update(version=F("version") + 1)
    project.version += 1


def _record(actor: User, project: Project, what: str) -> None:
    audit.record("project.update", actor=actor, obj=project, project=project.pk, details={"change": what})
