"""Pages that look into versions: the scans behind their figures, two beside one another, and the card to print."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import ngettext

from images.models import Project
from images.selectors import project_or_404
from mediscan_site.core.http.bytes import blob_response
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import whole_number
from mediscan_site.core.http.html import action, attempt, read_page, respond
from mediscan_site.core.http.pages import bounded_count, keyset_page
from models_registry import policies, selectors
from models_registry.browsing import comparing, differing, gallery, headline, heat, kept
from models_registry.browsing.forms import CompareForm, GalleryForm
from models_registry.deployments import services as deploying
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import cards, confidence, graphs
from models_registry.versions.class_changes import since_training


@read_page
def errors(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(policies.visible_models(request.user).select_related("project", "snapshot"), pk=pk)
    form = GalleryForm(request.GET, model=model, readings=kept.readings(model))
    form.is_valid()
    reading, asked = form.reading(), form.asked()
    context = {"model": model, "project": model.project, "filters": form, "reading": reading}
    if reading is not None:
        context |= _gallery(request, model, reading, asked)
    template = "models_registry/_gallery.html" if request.htmx else "models_registry/errors.html"  # type: ignore[attr-defined]
    return respond(request, template, context)


def _gallery(request: HttpRequest, model: ModelVersion, reading: Evaluation, asked: gallery.Asked) -> dict[str, Any]:
    rows = gallery.scans(request.user, model, reading, asked)
    page = keyset_page(rows, ordering=asked.ordering, cursor=request.GET.get("cursor"), size=gallery.PAGE_SIZE)
    heated = "heat" in request.GET
    missing = [row for row in page.rows if row.heatmap_id is None and row.image.frames_shown == 1]
    return {
        "page": page,
        "title": gallery.title(asked),
        "asked": asked,
        "count": bounded_count(rows),
        "heated": heated,
        "drawing": heated and bool(missing),
        "address": request.get_full_path(),
    }


@action
def heat_maps(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the heat maps of one page of the gallery, and go back to it."""
    model = get_object_or_404(policies.visible_models(request.user), pk=pk)
    keys = [key for key in map(whole_number, request.POST.getlist("answer")) if key is not None]
    attempt(request, heat.request_heatmaps, model=model, answers=keys)
    query = request.POST.get("query", "")
    return redirect(f"{reverse('model_errors', args=[pk])}?{query}{'&' if query else ''}heat=1")


@read_page
def heat_map(request: HttpRequest, pk: int) -> HttpResponseBase:
    answer = get_object_or_404(kept.visible(request.user).select_related("image__project", "heatmap"), pk=pk)
    stream, blob = heat.open_heatmap(actor=caller(request), answer=answer)
    return blob_response(request, stream, blob, file_name=f"{answer.image.code}_heatmap.png")


@read_page
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """`version` twice, as the list of versions sends it, or `first` and `second`."""
    project = project_or_404(request.user, pk)
    ticked = request.GET.getlist("version")
    if ticked and len(ticked) != 2:
        said = ngettext(
            "Tick two versions: %(count)s was ticked.", "Tick two versions: %(count)s were ticked.", len(ticked)
        )
        messages.error(request, said % {"count": len(ticked)})
        return redirect("model_list", pk)
    sent = dict(zip(("first", "second"), ticked, strict=True)) if ticked else request.GET.dict()
    form = CompareForm(sent or None, versions=_versions(request, project))
    context: dict[str, Any] = {"project": project, "filters": form}
    if form.is_valid():
        context |= _compared(request, form.cleaned_data)
    return respond(request, "models_registry/compare.html", context)


def _versions(request: HttpRequest, project: Project) -> QuerySet[ModelVersion]:
    """Without the columns that are long: the card and what drift is measured by."""
    versions = policies.visible_models(request.user).filter(project=project).defer("card", "reference")
    return versions.select_related("project", "snapshot").order_by("-pk")


def _compared(request: HttpRequest, sent: Mapping[str, Any]) -> dict[str, Any]:
    found, right = comparing.of(sent["first"], sent["second"]), sent["right"]
    names = [entry["name"] for entry in found.first.classes]
    versions = (found.first, found.second)
    return {
        "comparison": found,
        "matrices": [
            (version, {"classes": names, "confusion_matrix": counts})
            for version, counts in zip(versions, found.matrices, strict=False)
        ],
        "shown": differing.shown(request.user, found, right),
        "total": found.count(right),
        "choices": differing.choices(found),
        "right": right,
    }


@read_page
def card(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is known of a version, on paper."""
    model = get_object_or_404(selectors.versions(request.user), pk=pk)
    report = selectors.latest_evaluation(model)
    verdict = deploying.judge(model, selectors.current_deployment(model.project), lately=True)
    context = {
        "model": model,
        "project": model.project,
        "report": report,
        "card": cards.card(model, report),
        "class_changes": since_training(model, model.project).sentences,
        "headline": headline.of(model, report, verdict),
        "verdict": verdict,
        "runtime": graphs.sentence(model),
        **confidence.told(model),
    }
    return respond(request, "models_registry/card.html", context)
