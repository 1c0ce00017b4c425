"""How many scans a project has of each kind, and what was done in it when: maintained numbers, which cost the same however many
scans there are (`core.totals`)."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import OuterRef, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.utils import timezone

from images.models import (
    ActivityChange,
    ActivityTotal,
    Image,
    ImageTag,
    LabelStatus,
    ScanChange,
    ScanTotal,
    TagChange,
    TagTotal,
)
from mediscan_site.core.totals.counted import Counted, Sql, register
from mediscan_site.core.totals.reading import numbers

QUARTER_S: Final = 900
# What was done longer ago is counted nowhere.
KEPT: Final = timedelta(days=70)

register(
    Counted(
        name="count_scans",
        source=Image,
        totals=ScanTotal,
        changes=ScanChange,
        keys={
            "project": "{row}.project_id",
            "label_status": "{row}.label_status",
            "approval_status": "{row}.approval_status",
            "label_class": "COALESCE({row}.label_class_id, 0)",
            "split": "COALESCE({row}.split, '')",
            "hold": "{row}.hold",
        },
        watched=("project_id", "label_status", "approval_status", "label_class_id", "split", "hold", "erased_at"),
        condition="{row}.erased_at IS NULL",
    )
)
register(
    Counted(
        name="count_tags",
        source=ImageTag,
        totals=TagTotal,
        changes=TagChange,
        keys={"tag": "{row}.tag_id"},
        watched=("tag_id",),
        condition="1 = 1",
    )
)


class ScanNumber(NamedTuple):
    """So many scans have these values. `label_class`: 0 for none; `split`, `hold`: empty for none."""

    label_status: str
    approval_status: str
    label_class: int
    split: str
    hold: str
    number: int


def scan_numbers(projects: Collection[int]) -> dict[int, list[ScanNumber]]:
    """Per project its scans that are not erased, by what pages count them by: one query however many projects."""
    found: dict[int, list[ScanNumber]] = {pk: [] for pk in projects}
    by = ("label_status", "approval_status", "label_class", "split", "hold")
    counted = numbers(ScanTotal, ScanChange, "project", *by, where={"project__in": list(projects)}) if projects else {}
    for (project, *values), number in counted.items():
        if number:
            found[project].append(ScanNumber._make((*values, number)))
    return found


def kept_total(project: int, asked: Mapping[str, str], classes: Collection[int]) -> int:
    """How many scans of a project are what a list asks for, of `label_status`, `approval_status`, `split` and `hold` as the
    filters of scans understand them; with `label`, of these classes (0: what cannot be graded)."""
    said = [(name, value) for name, value in asked.items() if name != "label"]
    wanted = [
        row for row in scan_numbers([project])[project] if all(_is(getattr(row, name), one) for name, one in said)
    ]
    if "label" in asked:
        wanted = [row for row in wanted if row.label_status == LabelStatus.LABELED and row.label_class in classes]
    return sum(row.number for row in wanted)


def _is(value: str, said: str) -> bool:
    return bool(value) if said == "held" else value == ("" if said == "none" else said)


def on_scans() -> Combinable:
    """A column of tags: on how many scans each is."""
    kept = TagTotal.objects.filter(tag=OuterRef("pk")).values("number")
    late = TagChange.objects.filter(tag=OuterRef("pk")).order_by().values("tag").annotate(n=Sum("number")).values("n")
    return Coalesce(Subquery(kept), 0) + Coalesce(Subquery(late), 0)


def activity(kind: dict[str, Any], at: str, condition: Sql, **counted: Any) -> Counted:
    """What a later app has counted: rows of its table, each done at `at`. `kind` has the SQL of which kind it is, and all that
    it may be."""
    return register(
        Counted(
            totals=ActivityTotal,
            changes=ActivityChange,
            keys={"kind": kind["sql"], "project": counted.pop("project"), "quarter": _quarter(at)}
            | {"person": counted.pop("person", "0")},
            condition=condition,
            own={"kind": kind["of"]},
            since=("quarter", oldest),
            **counted,
        )
    )


def _quarter(column: str) -> Sql:
    return {
        "sqlite": f"CAST(strftime('%s', {{row}}.{column}) AS INTEGER) / {QUARTER_S}",
        "mysql": f"TIMESTAMPDIFF(SECOND, '1970-01-01', {{row}}.{column}) DIV {QUARTER_S}",
        "postgresql": f"FLOOR(EXTRACT(EPOCH FROM {{row}}.{column}) / {QUARTER_S})::bigint",
    }


def quarter(at: datetime) -> int:
    """The quarter of an hour of a moment, since 1970."""
    return int(at.timestamp()) // QUARTER_S


def oldest() -> int:
    """The first quarter of an hour that is still counted."""
    return quarter(timezone.now() - KEPT)
