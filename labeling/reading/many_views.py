"""Many scans at once: the grid of scans to label, and what is done with those that were ticked in the list."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from images.models import Project
from images.policies import require
from images.selectors import project_or_404
from labeling.reading import desk, grid, last_batch, many
from labeling.reading.bulk import label_many
from labeling.reading.grid_leases import release_batch
from labeling.reading.many_forms import ChosenForm, GridForm, ReleaseForm
from labeling.reading.many_told import tell, undo
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, form_page, respond

SHOWN = 12


@form_page
def label_grid(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "label_image", project)
    if request.method == "POST":
        _label(request, project)
        return redirect("label_grid", pk)
    if project.reads_wanted > 1:
        return respond(request, "labeling/grid_single.html", {"project": project})
    opened = grid.open_grid(request, project, desk.order_of(request, project))
    template = "labeling/_grid_tiles.html" if "more" in request.GET else "labeling/grid.html"
    return respond(request, template, {"project": project, "opened": opened, **grid.words(project)})


def _label(request: HttpRequest, project: Project) -> None:
    if "undo" in request.POST:
        undo(request, last_batch.GRID, project, many.done_sentence)
        return
    data = request.POST.copy()
    if "mark_ungradable" not in data:
        data.pop("ungradable", None)
    form = GridForm(data, user=caller(request), project=project)
    if form.is_valid():
        done = attempt(request, label_many, **form.arguments())
        if done.ok:
            last_batch.remember(request, last_batch.GRID, project, done.result)
            tell(request, done.result, many.done_sentence)
    form_message(request, form)


@action
def grid_release(request: HttpRequest, pk: int) -> HttpResponse:
    """The grid was left: what it held goes back to the queue."""
    project = project_or_404(request.user, pk)
    form = ReleaseForm(request.POST)
    if form.is_valid():
        attempt(request, release_batch, project=project, **form.cleaned_data)
    return HttpResponse(status=204)


@form_page
def scan_bulk(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks first, with the number of scans; then it is done, and the list says what was refused and why."""
    project = project_or_404(request.user, pk)
    form = ChosenForm(request.POST, user=caller(request), project=project)
    if not form.is_valid():
        if request.method == "POST":
            form_message(request, form)
        return _to_the_list(request, project)
    act = many.ACTS[form.cleaned_data["what"]]
    require(request.user, act.right, project)
    chosen = attempt(request, many.picked, project=project, asked=form)
    if not chosen.ok:
        return _to_the_list(request, project)
    return _asked_or_done(request, project, act, {"chosen": chosen.result, "query": form.cleaned_data["query"]})


def _asked_or_done(request: HttpRequest, project: Project, act: many.Act, context: dict[str, Any]) -> HttpResponse:
    sure = "sure" in request.POST
    form = many.form_of(act, project, request.POST if sure else None)
    if sure and form is not None and form.is_valid():
        arguments = form.arguments()  # type: ignore[attr-defined]
        done = attempt(request, many.act_on, form=form, act=act, images=context["chosen"], arguments=arguments)
        if done.ok:
            tell(request, done.result, many.done_sentence)
            return _to_the_list(request, project)
    context |= {"project": project, "act": act, "what": request.POST["what"], "shown": context["chosen"].images[:SHOWN]}
    return respond(request, "images/scan_bulk.html", {**context, "most_fields": many.MOST_FIELDS}, form)


def _to_the_list(request: HttpRequest, project: Project) -> HttpResponse:
    query = QueryDict(request.POST.get("query", "")[:4000].encode("utf-8", "replace")).urlencode()
    return redirect(f"{reverse('scan_list', args=[project.pk])}?{query}".rstrip("?"))
