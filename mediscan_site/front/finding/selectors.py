"""What a search finds, of what the reader may see. Scans are found by equality on indexed columns alone, so that a search costs
the same among a million of them: by code, pseudonym, external id. Projects and accounts are few and found by part of the name.

Patient numbers are not searched for here: each such question is an audited event of its project (`images.services.naming`), and
what is typed here stays in the browser's history."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from images.facts import PSEUDONYM
from images.models import Image, Project
from images.policies import visible_projects, visible_scans
from images.services.naming import find_patients
from labeling.policies import visible_exports, visible_imports, visible_snapshots
from mediscan_site.core.http.digits import whole_number
from mediscan_site.core.models import User
from mediscan_site.core.policies import is_admin
from mediscan_site.front.people.selectors import ROLES, people
from models_registry.batches.policies import visible_batches
from models_registry.policies import visible_grades, visible_models
from training.policies import visible_runs

LONGEST: Final = 100
SHOWN: Final = 10
CODE: Final = re.compile(r"([a-z]+) ?0*([1-9][0-9]*|0)")


@dataclass(frozen=True, slots=True)
class Hit:
    """`exact`: it is what was typed, and nothing else is."""

    title: str
    detail: str
    url: str
    icon: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows with a code of their own: who may see which, the page of one, and what stands beside it."""

    rows: Callable[[Any], QuerySet[Any]]
    page: str
    icon: str
    title: Callable[[Any], str]
    project: Callable[[Any], str]


def _own_code(row: Any) -> str:
    return str(row.code)


def _project(row: Any) -> str:
    return str(row.project.name)


def _scans(user: Any) -> QuerySet[Image]:
    return visible_scans(user).select_related("project")


_SCANS: Final = Coded(_scans, "scan", "scan", _own_code, _project)
_CODED: Final[dict[str, Coded]] = {
    "img": _SCANS,
    "image": _SCANS,
    "scan": _SCANS,
    "model": Coded(lambda user: visible_models(user).select_related("project"), "model", "model", _own_code, _project),
    "dataset": Coded(
        lambda user: visible_snapshots(user).select_related("project"), "dataset", "dataset", _own_code, _project
    ),
    "training": Coded(lambda user: visible_runs(user).select_related("project"), "run", "train", _own_code, _project),
    "import": Coded(
        lambda user: visible_imports(user).select_related("project"),
        "import",
        "upload",
        lambda row: _("Import %(number)d") % {"number": row.pk},
        _project,
    ),
    "export": Coded(
        lambda user: visible_exports(user).select_related("project"),
        "export",
        "download",
        lambda row: _("Export %(number)d") % {"number": row.pk},
        _project,
    ),
    "batch": Coded(
        lambda user: visible_batches(user).select_related("project"),
        "grade_batch",
        "grade",
        lambda row: _("Grade batch %(number)d") % {"number": row.pk},
        _project,
    ),
    "grade": Coded(
        lambda user: visible_grades(user).select_related("project"),
        "grade_detail",
        "grade",
        lambda row: _("Grade %(number)d") % {"number": row.pk},
        _project,
    ),
}


def find(user: User, typed: str) -> list[Hit]:
    """What is meant by `typed`, the surest first."""
    text = typed.strip()[:LONGEST]
    if not text or not text.isprintable():
        return []
    found = list(_by_code(user, text))
    projects = visible_projects(user)
    for part in (_patients, _external, _projects):
        found += part(user, text, projects)
    return found + _people(user, text)


def _by_code(user: User, text: str) -> Iterator[Hit]:
    match = CODE.fullmatch(text.lower())
    coded = _CODED.get(match[1]) if match else None
    key = whole_number(match[2]) if match else None
    if coded is None or key is None:
        return
    for row in coded.rows(user).filter(pk=key):
        yield Hit(coded.title(row), coded.project(row), reverse(coded.page, args=[row.pk]), coded.icon, exact=True)


def _patients(user: User, text: str, projects: QuerySet[Project]) -> list[Hit]:
    """By pseudonym, also one that was merged into another: in which projects the patient has scans, and how many."""
    wanted = text.upper()
    if not PSEUDONYM.fullmatch(wanted):
        return []
    meant, places = find_patients(user, wanted, projects), list(projects.values_list("pk", flat=True))
    scans = Image.objects.filter(project__in=places, patient__in=meant, erased_at__isnull=True).order_by()
    rows = scans.values_list("project", "project__name", "patient").annotate(number=Count("pk"))[:SHOWN]
    return [_patient(*row) for row in rows]


def _patient(project: int, name: str, patient: str, number: int) -> Hit:
    scans = ngettext("%(number)d scan in %(project)s", "%(number)d scans in %(project)s", number)
    url = f"{reverse('scan_list', args=[project])}?{urlencode({'patient': patient})}"
    title = _("Patient %(pseudonym)s") % {"pseudonym": patient}
    return Hit(title, scans % {"number": number, "project": name}, url, "user")


def _external(user: User, text: str, projects: QuerySet[Project]) -> list[Hit]:
    places = list(projects.values_list("pk", flat=True))
    scans = Image.objects.filter(project__in=places, external_id=text, erased_at__isnull=True).select_related("project")
    said = _("External id %(id)s in %(project)s")
    return [
        Hit(row.code, said % {"id": text, "project": row.project.name}, reverse("scan", args=[row.pk]), "scan")
        for row in scans.order_by("pk")[:SHOWN]
    ]


def _projects(user: User, text: str, projects: QuerySet[Project]) -> list[Hit]:
    # MySQL and MariaDB keep case in `icontains` under the collation of names; SQLite lowers only ASCII letters.
    fits = Q(name__icontains=text) | Q(lowered__contains=text.lower())
    named = projects.alias(lowered=Lower("name")).filter(fits).order_by("name")[:SHOWN]
    return [Hit(row.name, _("Project"), reverse("project", args=[row.pk]), "folder") for row in named]


def _people(user: User, text: str) -> list[Hit]:
    if not is_admin(user):
        return []
    rows = people(user, search=text).order_by("username_key")[:SHOWN]
    return [Hit(row.username, str(ROLES[row.role]), reverse("user", args=[row.pk]), "users") for row in rows]
