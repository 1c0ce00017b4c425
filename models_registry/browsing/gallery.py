"""The scans behind a figure: a cell of a confusion matrix, a cell at a cut-off, a range of confidence. Worst first."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from models_registry.browsing import kept
from models_registry.models import Evaluation, ModelVersion, ScanAnswer

PAGE_SIZE: Final = 24
# Cells at a cut-off: whether the doctors say that the scan has the class, and whether it lies at or above the cut-off.
CELLS: Final = {"tp": (True, True), "fn": (True, False), "fp": (False, True), "tn": (False, False)}


@dataclass(frozen=True)
class Asked:
    """`truth`, `said`, `positive`: classes as {"id", "name"}, None for any; `cell`: of CELLS, with `positive` and `cutoff`;
    `low` and `high`: a range of confidence. Mistakes alone, unless one of these says what else."""

    truth: dict[str, Any] | None = None
    said: dict[str, Any] | None = None
    positive: dict[str, Any] | None = None
    cutoff: float = 0.5
    cell: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether the scans asked for are those on which the version is right: there the least certain come first."""
        return self.truth is not None and self.truth == self.said

    @property
    def ordering(self) -> str:
        return "confidence" if self.agrees else "-confidence"


def scans(user: Any, model: ModelVersion, evaluation: Evaluation, asked: Asked) -> QuerySet[ScanAnswer]:
    rows = kept.shown(user, evaluation)
    if asked.cell:
        return _in_cell(rows, model, asked)
    if asked.low is not None and asked.high is not None:
        top = {"confidence__lte": 1} if asked.high >= 1 else {"confidence__lt": asked.high}
        rows = rows.filter(confidence__gte=asked.low, **top)
    if asked.truth:
        rows = rows.filter(truth=asked.truth["id"])
    if asked.said:
        rows = rows.filter(said=asked.said["id"])
    return rows if asked.low is not None or (asked.truth and asked.said) else rows.filter(right__in=[False])


def _in_cell(rows: QuerySet[ScanAnswer], model: ModelVersion, asked: Asked) -> QuerySet[ScanAnswer]:
    has_it, above = CELLS[asked.cell]
    chosen = asked.positive or model.classes[-1]
    place = [entry["id"] for entry in model.classes].index(chosen["id"])
    rows = rows.filter(truth=chosen["id"]) if has_it else rows.exclude(truth=chosen["id"])
    return rows.filter(**{f"shares__{place}__{'gte' if above else 'lt'}": asked.cutoff})


def title(asked: Asked) -> str:
    """What is shown, as a sentence."""
    if asked.cell and asked.positive:
        said = {
            "tp": _("Scans with %(name)s that it finds at a cut-off of %(cutoff)s"),
            "fn": _("Scans with %(name)s that it misses at a cut-off of %(cutoff)s"),
            "fp": _("Scans without %(name)s that raise a false alarm at a cut-off of %(cutoff)s"),
            "tn": _("Scans without %(name)s that it leaves alone at a cut-off of %(cutoff)s"),
        }
        return said[asked.cell] % {"name": asked.positive["name"], "cutoff": f"{asked.cutoff:.2f}"}
    if asked.low is not None and asked.high is not None:
        ends = {"low": f"{asked.low * 100:.0f}", "high": f"{asked.high * 100:.0f}"}
        return _("Scans on which its confidence is %(low)s to %(high)s %%") % ends
    return _of_classes(asked)


def _of_classes(asked: Asked) -> str:
    names = {"truth": (asked.truth or {}).get("name"), "said": (asked.said or {}).get("name")}
    if asked.agrees:
        return _("Scans on which doctors and the model both say %(truth)s") % names
    if asked.truth and asked.said:
        return _("Doctors say %(truth)s, the model says %(said)s") % names
    if asked.truth:
        return _("Its mistakes on scans that are %(truth)s") % names
    if asked.said:
        return _("Scans that it wrongly calls %(said)s") % names
    return _("Its mistakes")
