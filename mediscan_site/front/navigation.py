"""The bar of a project: its pages by task. One row for each entry; a page says which entry is its own by the key."""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.models import Project


@dataclass(frozen=True, slots=True)
class Entry:
    """`right`: what a member must hold to get it; None: everybody who sees the project."""

    key: str
    text: Promise
    url: str
    right: str | None = None


GROUPS: Final[tuple[tuple[Promise, tuple[Entry, ...]], ...]] = (
    (_("Project"), (Entry("project", _("Overview"), "project"),)),
    (
        _("Work"),
        (
            Entry("label", _("Label"), "label_next", "label_image"),
            Entry("review", _("Review"), "review", "review_label"),
            Entry("referrals", _("Referred"), "referrals", "label_image"),
            Entry("readers", _("Readers"), "readers", "label_image"),
            Entry("guide", _("Guide"), "guide"),
        ),
    ),
    (
        _("Data"),
        (
            Entry("scans", _("Scans"), "scan_list"),
            Entry("upload", _("Upload"), "upload", "upload_image"),
            Entry("datasets", _("Data sets"), "dataset_list"),
        ),
    ),
    (
        _("Model"),
        (
            Entry("training", _("Training"), "training"),
            Entry("models", _("Models"), "model_list"),
            Entry("grade", _("Grade"), "grade", "grade_image"),
        ),
    ),
    (
        _("Administration of the project"),
        (
            Entry("members", _("Members"), "project_members"),
            Entry("settings", _("Settings"), "project_settings", "manage_project"),
        ),
    ),
)
# Pages of the project itself that have no entry of their own for every reader of them.
NEAREST: Final = {"settings": "project"}


@dataclass(frozen=True, slots=True)
class Link:
    text: Promise
    url: str
    active: bool


def links_of(project: Project, *, held: set[str], active: str) -> list[tuple[Promise, list[Link]]]:
    """The groups, each with the entries that the viewer gets; a group without one is left out."""
    shown = [(title, [row for row in rows if row.right is None or row.right in held]) for title, rows in GROUPS]
    keys = {row.key for _title, rows in shown for row in rows}
    lit = active if active in keys else NEAREST.get(active, active)
    return [(title, [Link(row.text, row.url, row.key == lit) for row in rows]) for title, rows in shown if rows]
