"""Pages of grade batches: starting one, watching it, its results."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.selectors import project_or_404
from labeling.exports.selectors import FILTERS
from labeling.policies import visible_imports
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond
from mediscan_site.core.http.pages import keyset_page
from models_registry import selectors as registry
from models_registry.batches import policies, selectors, services
from models_registry.batches.forms import BatchForm
from models_registry.models import GradeBatch

SHOWN = 20
PAGE_SIZE = 50


@read_page
def grade_batches(request: HttpRequest, pk: int) -> HttpResponse:
    """The batches of a project, and a form for a new one. The filters of a list of scans come along in the address."""
    project = project_or_404(request.user, pk)
    rows = selectors.batches(request.user).filter(project=project)
    page = keyset_page(rows, ordering="-created_at", cursor=request.GET.get("cursor"), size=SHOWN)
    context = {
        "project": project,
        "page": page,
        "asked": _filters(request.GET),
        "deployed": registry.current_deployment(project),
        "imports": visible_imports(request.user).filter(project=project).order_by("-pk")[:SHOWN],
        "on_arrival": selectors.on_arrival(caller(request), project),
    }
    return respond(request, "models_registry/batch_list.html", context)


@action
def grade_batch_start(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = BatchForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        asked = form.arguments(_filters(request.POST))
        done = attempt(request, services.start_batch, project=project, **asked)
        if done.ok:
            return redirect("grade_batch", done.result.pk)
    form_message(request, form)
    return redirect("grade_batches", pk)


def _filters(given: QueryDict) -> dict[str, str]:
    return {name: str(given[name]) for name in FILTERS if given.get(name)}


@read_page
def grade_batch(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(selectors.batches(request.user), pk=pk)
    template = "models_registry/_batch.html" if request.htmx else "models_registry/batch.html"  # type: ignore[attr-defined]
    return respond(request, template, _context(request, batch))


def _context(request: HttpRequest, batch: GradeBatch) -> dict[str, Any]:
    rows = selectors.results(batch, request.GET.get("outcome"), shown_to=request.user)
    page = keyset_page(rows, ordering="id", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    selectors.with_grades(page.rows, batch, shown_to=request.user)
    return {
        "batch": batch,
        "project": batch.project,
        "page": page,
        "reasons": selectors.reasons(batch),
        "may_cancel": policies.may_cancel(caller(request), batch),
    }


@action
def grade_batch_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(selectors.batches(request.user), pk=pk)
    attempt(request, services.cancel_batch, said=_("Cancelled; what was graded stays."), batch=batch)
    return redirect("grade_batch", pk)
