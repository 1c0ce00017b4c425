"""Pages of exports: asking for one, watching it, fetching it."""

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.models import Project
from images.selectors import project_or_404
from labeling.exports import selectors, services
from labeling.exports.forms import ExportForm
from labeling.models import Export
from labeling.policies import visible_snapshots
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond

SHOWN = 20


@read_page
def export_list(request: HttpRequest, pk: int) -> HttpResponse:
    """The exports of a project, and a form for a new one. The filters of a list of scans come along in the address."""
    project = project_or_404(request.user, pk)
    rows = selectors.exports(request.user).filter(project=project).order_by("-id")[:SHOWN]
    asked = _filters(request.GET)
    form = ExportForm(datasets=visible_snapshots(request.user).filter(project=project).order_by("-id"))
    context = {"project": project, "rows": rows, "asked": asked, "export_form": form}
    return respond(request, "labeling/export_list.html", context)


@action
def export_start(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = ExportForm(request.POST, datasets=visible_snapshots(request.user).filter(project=project))
    if form.is_valid():
        made = _start(request, project, form)
        if made is not None:
            return redirect("export", made.pk)
    form_message(request, form)
    return redirect("export_list", pk)


def _start(request: HttpRequest, project: Project, form: ExportForm) -> Export | None:
    """The new export, or None with the reason as a message."""
    chosen = form.cleaned_data["dataset"]
    done = attempt(
        request,
        services.start_export,
        project=project,
        snapshot=chosen,
        filters={} if chosen else _filters(request.POST),
        files=form.cleaned_data["scans_as"],
    )
    return done.value if done.ok else None


def _filters(given: QueryDict) -> dict[str, str]:
    return {name: str(given[name]) for name in selectors.FILTERS if given.get(name)}


@read_page
def export(request: HttpRequest, pk: int) -> HttpResponse:
    export_row = get_object_or_404(selectors.exports(request.user), pk=pk)
    may_discard = caller(request).is_admin or export_row.created_by_id == caller(request).pk
    context = {
        "export": export_row,
        "project": export_row.project,
        "has_file": services.has_file(export_row),
        "may_discard": may_discard,
    }
    template = "labeling/_export.html" if request.htmx else "labeling/export.html"  # type: ignore[attr-defined]
    return respond(request, template, context)


@action
def export_discard(request: HttpRequest, pk: int) -> HttpResponse:
    export_row = get_object_or_404(selectors.exports(request.user), pk=pk)
    attempt(
        request, services.discard_export, said=_("Cancelled; what had been made of it is destroyed."), export=export_row
    )
    return redirect("export", pk)
