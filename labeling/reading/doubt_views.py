"""The page of doubtful labels."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from images.models import Project
from images.policies import require
from images.selectors import project_or_404, scans
from labeling.forms import active_classes
from labeling.reading.doubts import keep_label
from labeling.reading.forms import DeskReviewForm, KeepForm
from labeling.reading.review_views import said_of
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import label_doubts
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.html import attempt, form_message, form_page, respond
from mediscan_site.core.http.pages import Page, keyset_page

PAGE_SIZE = 30


@form_page
def doubts(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "review_label", project)
    if request.method == "POST":
        _decide(request, project)
        return redirect("doubts", pk)
    page = keyset_page(
        label_doubts(project, request.user),
        ordering="-suggested_probability",
        cursor=request.GET.get("cursor"),
        size=PAGE_SIZE,
    )
    return respond(request, "labeling/doubts.html", {"project": project, "page": page, **_read(request, project, page)})


def _read(request: HttpRequest, project: Project, page: Page) -> dict[str, Any]:
    """The doubt whose scan is looked at, and the one after it: of the page the one that is asked for, else the first."""
    keys = [doubt.image_id for doubt in page.rows]
    asked = find_key(request.GET.get("scan", ""))
    place = keys.index(asked) if asked in keys else 0
    here = page.rows[place : place + 2]
    shown = scans(request.user).filter(pk=keys[place]).first() if keys else None
    context = {"doubt": here[0] if here else None, "scan": shown, "classes": active_classes(project)}
    return {**context, "next_doubt": here[1] if len(here) > 1 else None}


def _decide(request: HttpRequest, project: Project) -> None:
    """The label is kept, or another class is right."""
    changes = "modified" in request.POST
    form = (DeskReviewForm if changes else KeepForm)(request.POST, user=caller(request), project=project)
    if form.is_valid():
        image, given = form.cleaned_data["image"], form.arguments()
        said = said_of(image, given) if changes else _("%(scan)s keeps its label.") % {"scan": image.code}
        decide = review_scan if changes else keep_label
        attempt(request, decide, said=said, **{"image": image, **given})
    form_message(request, form)
