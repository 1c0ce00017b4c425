"""The pages of several readers: the desk of disagreements, agreement, readers in numbers, gold scans."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from images.models import SCAN_PREFIX, Image, Project
from images.policies import can, require, visible_scans
from images.selectors import project_or_404
from labeling.agreement import measuring, readers, selectors
from labeling.agreement.forms import AdjudicateForm, GoldEndForm, GoldForm
from labeling.agreement.kappa import WEIGHTS
from labeling.forms import active_classes
from labeling.models import Lease
from labeling.reading import desk
from labeling.reading.forms import REASONS, SkipForm
from labeling.reading.gold import mark_gold
from labeling.reading.several import adjudicate
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.html import attempt, form_message, form_page, read_page, respond
from mediscan_site.core.http.pages import keyset_page

PAGE_SIZE = 30
MOST_AT_ONCE = 200


@form_page
def adjudication(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "review_label", project)
    if request.method == "POST":
        _take(request, project)
        return redirect("adjudication", pk)
    return respond(request, "labeling/adjudicate.html", _context(request, project))


def _take(request: HttpRequest, project: Project) -> None:
    """What was pressed: a class, a reason, skip, or show the skipped ones again."""
    if "unskip" in request.POST:
        desk.show_skipped(request, project)
        return
    skipping = "skip" in request.POST
    form = (SkipForm if skipping else AdjudicateForm)(request.POST, user=caller(request), project=project)
    if form.is_valid() and skipping:
        desk.skip(request, project, form.cleaned_data["image"])
    elif isinstance(form, AdjudicateForm) and form.is_valid():
        said = _("Settled: %(scan)s.") % {"scan": form.cleaned_data["image"].code}
        attempt(request, adjudicate, said=said, **form.arguments())
    form_message(request, form)


def _context(request: HttpRequest, project: Project) -> dict[str, Any]:
    opened = desk.open_desk(request, project, Lease.Task.ADJUDICATE, "oldest")
    return {
        "project": project,
        "desk": opened,
        "scan": opened.scan,
        "said": selectors.opinions([opened.scan])[0] if opened.scan else None,
        "names": "names" in request.GET,
        "classes": active_classes(project),
        "reasons": REASONS,
    }


@read_page
def agreement(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    asked = request.GET.get("weights", "")
    weights = asked if asked in WEIGHTS else WEIGHTS[0]
    context = {
        "project": project,
        "found": measuring.measure(request.user, project, weights),
        "most": measuring.MOST,
        "manages": can(request.user, "manage_project", project),
    }
    return respond(request, "labeling/agreement.html", context)


@read_page
def reader_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    context = {
        "project": project,
        "readers": readers.of_project(request.user, project),
        "most": measuring.MOST,
        "manages": can(request.user, "manage_project", project),
    }
    return respond(request, "labeling/readers.html", context)


@form_page
def gold(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "manage_project", project)
    if request.method == "POST":
        (_end if "end" in request.POST else _mark)(request, project)
        return redirect("gold", pk)
    page = keyset_page(
        selectors.gold_scans(project), ordering="-marked_at", cursor=request.GET.get("cursor"), size=PAGE_SIZE
    )
    return respond(request, "labeling/gold.html", {"project": project, "page": page, "form": GoldForm()})


def _mark(request: HttpRequest, project: Project) -> None:
    """Each scan that is named; those that are none, or cannot be measured by, are said one by one."""
    form = GoldForm(request.POST)
    if form.is_valid():
        known, missing = _named(request, project, form.cleaned_data["scans"])
        if missing:
            messages.error(request, _("There is no scan %(names)s here.") % {"names": ", ".join(missing[:10])})
        done = sum(attempt(request, mark_gold, image=image).error is None for image in known)
        if done:
            words = ngettext("%(n)s scan is gold.", "%(n)s scans are gold.", done)
            messages.success(request, words % {"n": done})
    form_message(request, form)


def _named(request: HttpRequest, project: Project, text: str) -> tuple[list[Image], list[str]]:
    """The scans that a text names, and the names that are none."""
    names = text.replace(",", " ").split()[:MOST_AT_ONCE]
    keys = {name: find_key(name, SCAN_PREFIX) for name in names}
    known = visible_scans(request.user).filter(project=project).select_related("project")
    found = known.in_bulk([key for key in keys.values() if key is not None])
    return list(found.values()), [name for name, key in keys.items() if key not in found]


def _end(request: HttpRequest, project: Project) -> None:
    form = GoldEndForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        said = _("%(scan)s measures readers no longer.") % {"scan": form.cleaned_data["image"].code}
        attempt(request, mark_gold, said=said, image=form.cleaned_data["image"], gold=False)
    form_message(request, form)
