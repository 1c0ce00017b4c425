"""The label page: one scan after the other, a key for each class."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from images.models import Project
from images.policies import require, visible_projects
from images.selectors import scans
from labeling.forms import active_classes
from labeling.models import Label, Lease
from labeling.reading import desk
from labeling.reading.forms import REASONS, DeskLabelForm, SkipForm
from labeling.reading.labels import label_scan, mark_ungradable
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.html import attempt, form_message, form_page, respond


@form_page
def label_next(request: HttpRequest, pk: int) -> HttpResponse:
    project = get_object_or_404(visible_projects(request.user), pk=pk)
    require(request.user, "label_image", project)
    if request.method == "POST":
        _take(request, project)
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect("label_next", pk)
    template = "labeling/_label.html" if request.htmx else "labeling/label.html"  # type: ignore[attr-defined]
    return respond(request, template, _context(request, project))


def _take(request: HttpRequest, project: Project) -> None:
    """What was pressed: a class, ungradable, skip, or show the skipped ones again."""
    if "unskip" in request.POST:
        desk.show_skipped(request, project)
    elif "skip" in request.POST:
        _skip(request, project)
    else:
        _label(request, project)


def _skip(request: HttpRequest, project: Project) -> None:
    form = SkipForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        desk.skip(request, project, form.cleaned_data["image"])
    form_message(request, form)


def _label(request: HttpRequest, project: Project) -> None:
    data = request.POST.copy()
    if "mark_ungradable" not in data:
        # A reason is always selected in its list; it counts only when its own button was pressed.
        data.pop("ungradable", None)
    form = DeskLabelForm(data, user=caller(request), project=project)
    if form.is_valid():
        image = form.cleaned_data["image"]
        reading = form.cleaned_data["label_class"] or f"ungradable ({form.cleaned_data['ungradable']})"
        save = label_scan if form.cleaned_data["label_class"] else mark_ungradable
        attempt(request, save, said=f"Saved: {image.code} is {reading}.", image=image, **form.arguments())
    form_message(request, form)


def _context(request: HttpRequest, project: Project) -> dict[str, Any]:
    """The scan to read: the next one of the queue, or with `?back=` one the reader labelled before."""
    known = {"project": project, "classes": active_classes(project), "reasons": REASONS}
    back = _asked_label(request, project)
    if back is not None:
        earlier = desk.previous_label(request, project, before=back.pk)
        image = get_object_or_404(scans(request.user), pk=back.image_id)
        return {**known, "scan": image, "earlier": earlier, "going_back": True}
    order = desk.order_of(request, project)
    opened = desk.open_desk(request, project, Lease.Task.LABEL, order)
    earlier = desk.previous_label(request, project)
    return {**known, "desk": opened, "scan": opened.scan, "after": opened.after, "earlier": earlier, "order": order}


def _asked_label(request: HttpRequest, project: Project) -> Label | None:
    asked = find_key(request.GET.get("back", "")) if request.method == "GET" else None
    if asked is None:
        return None
    return get_object_or_404(Label, pk=asked, reader=caller(request), image__project=project)
