"""What became of a version's classes since its training: a class is a row, so it may be renamed, retired or joined by others."""

from collections.abc import Mapping
from dataclasses import dataclass

from images.models import Project
from models_registry.models import ModelVersion


@dataclass(frozen=True)
class ClassChanges:
    """`names`: the version's classes in its own order, as the project calls them today; `trained`: as they were called then.
    `unknown`: classes in use that the version cannot answer; `retired`: answers of it that the project has given up."""

    names: tuple[str, ...]
    trained: tuple[str, ...]
    unknown: tuple[str, ...]
    retired: tuple[str, ...]

    @property
    def renamed(self) -> Mapping[str, str]:
        """Name at the training to name of today, of those that differ."""
        pairs = zip(self.trained, self.names, strict=True)
        return {before: now for before, now in pairs if before != now}

    @property
    def sentences(self) -> list[str]:
        """For people; none while nothing has changed."""
        return [*(f"{before} is now called {now}." for before, now in self.renamed.items()), *self.gaps]

    @property
    def gaps(self) -> list[str]:
        """What an answer of the version cannot be, or should not."""
        said = []
        if self.unknown:
            said.append(
                f"This model does not know {_listed(self.unknown)}, which came after its training: it gives such scans "
                "another class. Train a new model with scans of it."
            )
        if self.retired:
            said.append(f"The project has retired {_listed(self.retired)}, which this model still answers.")
        return said


def since_training(model: ModelVersion, project: Project) -> ClassChanges:
    """`project`: the version's own, whose class rows lists have loaded."""
    rows = {row.pk: row for row in project.class_rows.all()}
    entries = [(entry["id"], entry["name"]) for entry in model.classes]
    known = {pk for pk, _ in entries}
    names = {pk: rows[pk].name if pk in rows else name for pk, name in entries}
    return ClassChanges(
        names=tuple(names[pk] for pk, _ in entries),
        trained=tuple(name for _, name in entries),
        unknown=tuple(row.name for pk, row in rows.items() if pk not in known and row.retired_at is None),
        retired=tuple(names[pk] for pk, _ in entries if pk in rows and rows[pk].retired_at is not None),
    )


def _listed(names: tuple[str, ...]) -> str:
    return f"the class {names[0]}" if len(names) == 1 else f"the classes {', '.join(names)}"
