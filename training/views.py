"""Pages of training runs."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.models import Project
from images.selectors import project_or_404, project_stats
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.models import ACTIVE
from training import cautions, forms, selectors, services

PAGE_SIZE = 30


@form_page
def training(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = forms.RunForm(**sent(request), user=caller(request), project=project)
    plan = None
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            plan = attempt(request, services.plan_run, form=form, project=project, **form.arguments()).value
        else:
            done = attempt(request, services.start_run, form=form, project=project, **form.arguments())
            if done.ok:
                return redirect("run", done.result.pk)
    said = cautions.of(project, plan.config) if plan else []
    context = {**_overview(request, project), "plan": plan, "cautions": said}
    return respond(request, "training/training.html", context, form)


def _overview(request: HttpRequest, project: Project) -> dict[str, Any]:
    rows = selectors.runs(request.user).filter(project=project)
    page = keyset_page(rows, ordering="-id", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    stats, active = project_stats(project), selectors.active_run(project)
    return {"project": project, "page": page, "stats": stats, "active": active}


@read_page
def run(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(selectors.runs(request.user), pk=pk)
    working = run.status in ACTIVE
    context = {
        "run": run,
        "project": run.project,
        "epochs": list(run.epochs.all()),
        "options": selectors.told(run),
        "cautions": cautions.of(run.project, run.config),
        "working": working,
        "report": selectors.evaluation(run),
    }
    template = "training/_run.html" if request.htmx else "training/run.html"  # type: ignore[attr-defined]
    return respond(request, template, context)


@action
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(selectors.runs(request.user), pk=pk)
    attempt(request, services.cancel_run, said=_("%(run)s is being cancelled.") % {"run": run.code}, run=run)
    return redirect("run", pk)
