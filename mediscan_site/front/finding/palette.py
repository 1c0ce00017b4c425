"""What the palette of the keyboard offers: pages, projects, what there is to do in them, and what the search finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images.models import Project, ProjectUserObjectPermission
from images.policies import visible_projects
from mediscan_site.core.models import User
from mediscan_site.core.policies import is_admin
from mediscan_site.front.finding.selectors import find
from mediscan_site.front.navigation import GROUPS
from mediscan_site.front.selectors import sees_audit

# Of projects so many, the newest first, and of each group of what is offered.
PROJECTS: Final = 30
SHOWN: Final = 8
# How many of _ACTIONS are for every day.
MOST_DONE: Final = 3


@dataclass(frozen=True, slots=True)
class Item:
    """`url` is gone to; an item with a `theme` changes the light instead."""

    text: str
    detail: str
    icon: str
    url: str = ""
    theme: str = ""

    def fits(self, words: list[str]) -> bool:
        return all(word in f"{self.text} {self.detail}".casefold() for word in words)


_PAGES: Final[tuple[tuple[Promise, str, str], ...]] = (
    (gettext_lazy("Dashboard"), "dashboard", "dashboard"),
    (gettext_lazy("Projects"), "project_list", "folder"),
    (gettext_lazy("History"), "history", "history"),
    (gettext_lazy("Jobs"), "jobs", "jobs"),
    (gettext_lazy("Messages"), "messages", "bell"),
    (gettext_lazy("My account"), "account", "user"),
    (gettext_lazy("Change your password"), "password_change", "key"),
)
_FOR_ADMINS: Final[tuple[tuple[Promise, str, str], ...]] = (
    (gettext_lazy("Users"), "user_list", "users"),
    (gettext_lazy("Invite somebody"), "user_new", "plus"),
    (gettext_lazy("New project"), "project_create", "plus"),
)
_THEMES: Final = (
    (gettext_lazy("Dark theme"), "moon", "dark"),
    (gettext_lazy("Light theme"), "sun", "light"),
    (gettext_lazy("Theme as the machine says"), "system", "system"),
)
_ACTIONS: Final[dict[str, tuple[Promise, str]]] = {
    "label": (gettext_lazy("Label next in %(project)s"), "label"),
    "review": (gettext_lazy("Review in %(project)s"), "review"),
    "upload": (gettext_lazy("Upload to %(project)s"), "upload"),
    "grade": (gettext_lazy("Grade in %(project)s"), "grade"),
    "referrals": (gettext_lazy("Read referred scans in %(project)s"), "referred"),
    "scans": (gettext_lazy("Scans of %(project)s"), "scan"),
    "models": (gettext_lazy("Models of %(project)s"), "model"),
    "training": (gettext_lazy("Training in %(project)s"), "train"),
}


def offered(user: User, typed: str) -> list[dict[str, Any]]:
    """Groups of what fits, as the script of the palette shows them; nothing typed: where people go most."""
    words = typed.casefold().split()
    projects = list(visible_projects(user).order_by("-created_at", "-pk")[:PROJECTS])
    found = [Item(hit.title, hit.detail, hit.icon, hit.url) for hit in find(user, typed)] if words else []
    known = {item.url for item in found}
    groups = (
        (_("Found"), found),
        (_("Do"), [*_actions(user, projects), *_themes()]),
        (_("Go to"), [*_pages(user), *(_project(row) for row in projects if _address(row) not in known)]),
    )
    shown = [(title, [item for item in items if item.fits(words) or items is found][:SHOWN]) for title, items in groups]
    return [{"title": title, "items": [_plain(item) for item in items]} for title, items in shown if items]


def _plain(item: Item) -> dict[str, str]:
    return {"text": item.text, "detail": item.detail, "icon": item.icon, "url": item.url, "theme": item.theme}


def _pages(user: User) -> Iterator[Item]:
    rows = [*_PAGES, *(_FOR_ADMINS if is_admin(user) else ())]
    if sees_audit(user):
        rows.append((gettext_lazy("Audit"), "audit", "audit"))
    for text, page, icon in rows:
        yield Item(str(text), "", icon, reverse(page))


def _themes() -> Iterator[Item]:
    for text, icon, theme in _THEMES:
        yield Item(str(text), "", icon, theme=theme)


def _address(project: Project) -> str:
    return reverse("project", args=[project.pk])


def _project(project: Project) -> Item:
    return Item(project.name, _("Project"), "folder", _address(project))


def _actions(user: User, projects: list[Project]) -> Iterator[Item]:
    """What is done most in the newest projects comes first, then the rest of all."""
    rights = None if is_admin(user) else _rights(user, projects)
    entries = {entry.key: entry for _title, rows in GROUPS for entry in rows}
    first, rest = list(_ACTIONS)[:MOST_DONE], list(_ACTIONS)[MOST_DONE:]
    for keys in (first, rest):
        for project in projects:
            for key in keys:
                entry, (text, icon) = entries[key], _ACTIONS[key]
                if entry.right is None or rights is None or (project.pk, entry.right) in rights:
                    yield Item(str(text) % {"project": project.name}, "", icon, reverse(entry.url, args=[project.pk]))


def _rights(user: User, projects: Iterable[Project]) -> set[tuple[int, str]]:
    """(project, right) of all of them: one query."""
    held = ProjectUserObjectPermission.objects.filter(user=user, content_object__in=[row.pk for row in projects])
    return set(held.values_list("content_object", "permission__codename"))
