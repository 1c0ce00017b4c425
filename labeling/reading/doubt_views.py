"""The page of doubtful labels."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from images.models import Project
from images.policies import require, visible_projects
from labeling.reading.doubts import keep_label
from labeling.reading.forms import KeepForm
from labeling.reading.selectors import label_doubts
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import attempt, form_message, form_page, respond
from mediscan_site.core.http.pages import keyset_page

PAGE_SIZE = 30


@form_page
def doubts(request: HttpRequest, pk: int) -> HttpResponse:
    project = get_object_or_404(visible_projects(request.user), pk=pk)
    require(request.user, "review_label", project)
    if request.method == "POST":
        _keep(request, project)
        return redirect(request.get_full_path())
    page = keyset_page(
        label_doubts(project, request.user),
        ordering="-suggested_probability",
        cursor=request.GET.get("cursor"),
        size=PAGE_SIZE,
    )
    return respond(request, "labeling/doubts.html", {"project": project, "page": page})


def _keep(request: HttpRequest, project: Project) -> None:
    form = KeepForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        message = f"{form.cleaned_data['image'].code} keeps its label."
        attempt(request, keep_label, said=message, **form.arguments())
    form_message(request, form)
