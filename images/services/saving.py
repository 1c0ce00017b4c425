"""Filters that a person wants again."""

from collections.abc import Mapping
from typing import Final

from django.db import transaction

from images import policies
from images.models import Project, SavedFilter
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import User
from mediscan_site.core.names import name_key

LONGEST: Final = 60
MOST: Final = 30
MOST_CHARACTERS: Final = 1000
# What a filter keeps of each list. Not the part of the list, and nothing that people type: it may name a patient, who may be erased
# while the filter stays, and others may be offered it.
KEPT: Final[dict[str, frozenset[str]]] = {
    SavedFilter.Page.SCANS: frozenset({
        "label", "label_status", "approval_status", "split", "modality", "study", "series", "instance", "hold", "tag",
        "uploaded_after", "uploaded_before", "updated_after", "ordering",
    }),
    SavedFilter.Page.HISTORY: frozenset({
        "project", "model", "prediction", "decision", "status", "after", "before", "seen_in",
    }),
    SavedFilter.Page.JOBS: frozenset({"kind", "status"}),
}  # fmt: skip


def keepable(page: str, query: Mapping[str, str]) -> dict[str, str]:
    """What of the query of a list's address is kept."""
    return {name: value for name, value in query.items() if value and name in KEPT[page]}


def save_filter(*, actor: User, page: str, project: Project | None, name: str, query: Mapping[str, str]) -> SavedFilter:
    """Keep a filter under a name; the same name again means the new one. Only its owner sees it, until it is shared: one that has
    become another is no longer."""
    if project is not None:
        policies.require(actor, "view_project", project)
    where = text.choice(page, attr="page", choices=SavedFilter.Page.values)
    if where is None or (where == SavedFilter.Page.SCANS) != (project is not None):
        raise Invalid("Filters are kept of the lists of scans, of the history and of jobs.", attr="page")
    said = text.line(name, attr="name", max_length=LONGEST, required=True)
    kept = keepable(where, query)
    if not kept:
        raise Invalid("There is nothing to keep: what is typed may name a patient and is not kept.", attr="query")
    if sum(len(key) + len(value) for key, value in kept.items()) > MOST_CHARACTERS:
        raise Invalid("This filter is too long to keep.", attr="query", code="max_length")
    slot = name_key(f"{project.pk if project else 0}:{said}")
    mine = SavedFilter.objects.filter(user=actor, page=where, project=project)
    with transaction.atomic():
        if mine.exclude(slot=slot).count() >= MOST:
            raise Conflict(f"You have {MOST} filters here. Delete one first.", code="too_many_filters")
        before = mine.filter(slot=slot).exclude(query=kept).first()
        if before is not None:
            _unshare(before, actor)
        row, _ = SavedFilter.objects.update_or_create(
            user=actor, page=where, slot=slot, defaults={"project": project, "name": said, "query": kept}
        )
    return row


def delete_filter(*, actor: User, saved: SavedFilter) -> None:
    if saved.user_id != actor.pk:
        raise Invalid("This filter is somebody else's.", code="does_not_exist")
    with transaction.atomic():
        _unshare(saved, actor)
        saved.delete()


def share_filter(*, actor: User, saved: SavedFilter, shared: bool) -> SavedFilter:
    """Offer a filter to everybody who sees its project, or no longer: its owner decides, and who manages the project may end it."""
    if saved.project is None:
        raise Invalid("Only filters of a project can be shared.", attr="shared")
    if shared and saved.user_id != actor.pk:
        raise Forbidden("Only whoever keeps this filter may share it.")
    # Whoever has left the project may still take back what they offer there.
    if shared:
        policies.require(actor, "view_project", saved.project)
    elif saved.user_id != actor.pk:
        policies.require(actor, "manage_project", saved.project)
    with transaction.atomic():
        if shared:
            _share(saved, actor)
        else:
            _unshare(saved, actor)
    saved.shared = shared
    return saved


def _share(saved: SavedFilter, actor: User) -> None:
    offered = SavedFilter.objects.filter(page=saved.page, project=saved.project, shared=True)
    if offered.exclude(pk=saved.pk).count() >= MOST:
        raise Conflict(f"{MOST} filters are shared in this project. One has to go first.", code="too_many_filters")
    if SavedFilter.objects.filter(pk=saved.pk, shared=False).update(shared=True):
        _record("filter.share", saved, actor)


def _unshare(saved: SavedFilter, actor: User) -> None:
    if SavedFilter.objects.filter(pk=saved.pk, shared=True).update(shared=False):
        _record("filter.unshare", saved, actor)


def _record(action: str, saved: SavedFilter, actor: User) -> None:
    audit.record(action, actor=actor, obj=saved.project, project=saved.project_id, details={"filter": saved.pk})
