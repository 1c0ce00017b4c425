"""The review page: one label after the other, or a page of them at once."""

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from images.models import Image, Project
from images.policies import require
from images.selectors import project_or_404, scans
from labeling.forms import active_classes
from labeling.models import Lease, Review
from labeling.reading import desk, last_batch, reviews
from labeling.reading.forms import REJECTIONS, DeskReviewForm, ReviewManyForm
from labeling.reading.label_views import not_saved, skipped, taken_back
from labeling.reading.many_told import Sentence, tell, undo
from labeling.reading.queue import queue_of
from labeling.reading.undo import last_done
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.html import attempt, form_message, form_page, respond
from mediscan_site.core.http.pages import bounded_count, keyset_page

PAGE_SIZE = 48
SENTENCES = {
    Review.Status.APPROVED: ngettext_lazy("%(number)s scan approved.", "%(number)s scans approved.", "number"),
    Review.Status.REJECTED: ngettext_lazy("%(number)s scan rejected.", "%(number)s scans rejected.", "number"),
}
UNDONE = ngettext_lazy("Taken back: %(number)s review.", "Taken back: %(number)s reviews.", "number")


@form_page
def review(request: HttpRequest, pk: int) -> HttpResponse:
    project, asked = _project(request, pk), request.GET.dict()
    if request.method == "POST":
        asked = _take(request, project)
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect(f"{reverse('review', args=[pk])}?{urlencode(asked)}".rstrip("?"))
    template = "labeling/_review.html" if request.htmx else "labeling/review.html"  # type: ignore[attr-defined]
    return respond(request, template, _context(request, project, find_key(str(asked.get("scan", "")))))


def _take(request: HttpRequest, project: Project) -> dict[str, Any]:
    """What was pressed: a decision, skip, undo, or show the skipped ones again."""
    if "unskip" in request.POST:
        desk.show_skipped(request, project)
    elif "undo" in request.POST:
        return taken_back(request, project, Lease.Task.REVIEW)
    elif "skip" in request.POST:
        skipped(request, project)
    else:
        _decide(request, project)
    return {}


def _decide(request: HttpRequest, project: Project) -> None:
    form = DeskReviewForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        image, given = form.cleaned_data["image"], form.arguments()
        said = said_of(image, given)
        if desk.reviewed_already(request, image, given):
            messages.success(request, said)
        elif not attempt(request, reviews.review_scan, said=said, image=image, **given).ok:
            not_saved(request, f"{image.code} {given['label_class'] or given['status']}", given["comment"])
    form_message(request, form)


def said_of(image: Image, given: dict[str, Any]) -> str:
    """The whole sentence of each decision."""
    named = {"scan": image.code, "reading": given["label_class"]}
    sentences = {
        Review.Status.APPROVED: _("Saved: %(scan)s approved."),
        Review.Status.REJECTED: _("Saved: %(scan)s rejected."),
        Review.Status.MODIFIED: _("Saved: %(scan)s modified to %(reading)s."),
    }
    return sentences[given["status"]] % named


def _context(request: HttpRequest, project: Project, first: int | None) -> dict[str, Any]:
    opened = desk.open_desk(request, project, Lease.Task.REVIEW, "oldest", first)
    if not project.read_blind:
        desk.with_history(request, opened.ready)
    return {
        "project": project,
        "desk": opened,
        "scan": opened.scan,
        "upcoming": opened.ready[1:],
        "classes": active_classes(project),
        "rejections": REJECTIONS,
        "undoable": last_done(caller(request), project, Lease.Task.REVIEW),
    }


@form_page
def review_many(request: HttpRequest, pk: int) -> HttpResponse:
    project = _project(request, pk)
    if request.method == "POST":
        if "undo" in request.POST:
            undo(request, last_batch.REVIEWS, project, _counted(UNDONE))
        else:
            _decide_many(request, project)
        return redirect(request.get_full_path())
    queue, asked = queue_of(user=caller(request), project=project, task=Lease.Task.REVIEW), _class_asked(request)
    only = Q() if asked is None else Q(label_class=asked)
    walk: Any = queue.walk(scans(request.user), free=only)
    page = keyset_page(walk, ordering="upload_date", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    total = bounded_count(queue.counted.filter(only))
    context = {"project": project, "page": page, "asked": asked, "total": total, "classes": active_classes(project)}
    undoable = last_batch.number(request, last_batch.REVIEWS, project)
    return respond(request, "labeling/review_many.html", {**context, "undoable": undoable})


def _class_asked(request: HttpRequest) -> int | None:
    return find_key(request.GET.get("label", ""))


def _decide_many(request: HttpRequest, project: Project) -> None:
    form = ReviewManyForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        done = attempt(request, reviews.review_many, batch=None, **form.cleaned_data)
        if done.ok:
            last_batch.remember(request, last_batch.REVIEWS, project, done.result)
            tell(request, done.result, _counted(SENTENCES[form.cleaned_data["status"]]))
    form_message(request, form)


def _counted(sentence: Any) -> Sentence:
    return lambda results: str(sentence % {"number": sum(result.ok for result in results)})


def _project(request: HttpRequest, pk: int) -> Project:
    project = project_or_404(request.user, pk)
    require(request.user, "review_label", project)
    return project
