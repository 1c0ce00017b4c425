"""Pages of watching: what a version's grades look like at each place, its alarms, and the desk of blind reads."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.policies import can, require
from images.selectors import project_or_404
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond
from mediscan_site.core.http.pages import bounded_count
from mediscan_site.core.models import ACTIVE
from models_registry import selectors as registry
from models_registry.models import Alarm, BlindRead, ModelVersion, Watch
from models_registry.versions import places
from models_registry.versions.conditions import EVERYWHERE
from models_registry.watch import alarms, forms, reads, selectors, services, streams

SHOWN = 20


@read_page
def watching(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(registry.versions(request.user), pk=pk)
    known = places.names(model.project_id)
    look = selectors.latest_watch(model)
    context = {
        "model": model,
        "project": model.project,
        "look": look,
        "sites": _sites(look, known),
        "alarms": _alarms(request, model, known),
        "why_not": streams.why_not(model),
        "scores": streams.SCORES,
        "working": Watch.objects.filter(model=model, status__in=ACTIVE).exists(),
    }
    return respond(request, "models_registry/watching.html", context)


def _sites(look: Watch | None, known: dict[str, str]) -> list[dict[str, Any]]:
    found = look.result["sites"] if look else []
    return [{**site, "place": places.named(site["site"], known)} for site in found]


def _alarms(request: HttpRequest, model: ModelVersion, known: dict[str, str]) -> list[dict[str, Any]]:
    rows = list(selectors.alarms(request.user).filter(model=model).order_by("-pk")[:SHOWN])
    newest: dict[str, int] = {}
    for row in rows:
        newest.setdefault(row.site, row.pk)
    may_decide = can(request.user, "deploy_model", model.project)
    return [
        {
            "alarm": row,
            "place": alarms.site_name(row.site, known),
            "of_answers": row.site == EVERYWHERE,
            "capital": alarms.capital(row),
            "form": forms.AlarmForm(auto_id=f"alarm{row.pk}_%s") if may_decide and newest[row.site] == row.pk else None,
        }
        for row in rows
    ]


@action
def look(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(registry.versions(request.user), pk=pk)
    attempt(request, services.request_watch, said=_("Asked for: reload this page in a moment."), model=model)
    return redirect("watching", pk)


@action
def decide_alarm(request: HttpRequest, pk: int) -> HttpResponse:
    alarm: Alarm = get_object_or_404(selectors.alarms(request.user), pk=pk)
    form = forms.AlarmForm(request.POST)
    if form.is_valid():
        attempt(request, alarms.decide, said=_("The decision is recorded."), alarm=alarm, **form.cleaned_data)
    form_message(request, form)
    return redirect("watching", alarm.model_id)


@read_page
def blind_reads(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "label_image", project)
    held = reads.held(caller(request), project)
    last = BlindRead.objects.filter(project=project, reader=caller(request)).select_related("grade__prediction")
    context = {
        "project": project,
        "held": held,
        "scan": held.grade.image if held else None,
        "left": bounded_count(reads.waiting(caller(request), project)),
        "last": last.select_related("read_class", "grade__image").order_by("-read_at").first(),
        "form": forms.ReadForm(project=project) if held else None,
    }
    return respond(request, "models_registry/blind_reads.html", context)


@action
def claim_read(request: HttpRequest, pk: int) -> HttpResponse:
    reads.claim(actor=caller(request), project=project_or_404(request.user, pk))
    return redirect("blind_reads", pk)


@action
def release_read(request: HttpRequest, pk: int) -> HttpResponse:
    attempt(request, reads.release, said=_("Given back."), project=project_or_404(request.user, pk))
    return redirect("blind_reads", pk)


@action
def read(request: HttpRequest, pk: int) -> HttpResponse:
    row: BlindRead = get_object_or_404(selectors.blind_reads(request.user), pk=pk)
    form = forms.ReadForm(request.POST, project=row.project)
    if form.is_valid():
        attempt(request, reads.read, said=_("Thank you, recorded."), blind_read=row, **form.cleaned_data)
    form_message(request, form)
    return redirect("blind_reads", row.project_id)
