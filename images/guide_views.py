"""The page of a project's labelling guide; readers have the same beside the picture."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images import forms, selectors, services
from images.models import GuideExample, Project
from images.policies import require, visible_projects
from images.selectors import project_or_404
from mediscan_site.core.http.html import action, attempt, form_message, form_page, respond


@form_page
def guide(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = forms.GuideForm(initial={"text": project.guide, "version": project.version})
    if request.method == "POST":
        require(request.user, "manage_project", project)
        form = forms.GuideForm(request.POST)
        if form.is_valid() and _written(request, project, form):
            return redirect("guide", pk)
    template = "images/_guide.html" if request.htmx else "images/guide.html"  # type: ignore[attr-defined]
    context = {"project": project, "chapters": selectors.guide_chapters(request.user, project)}
    return respond(request, template, context, form)


def _written(request: HttpRequest, project: Project, form: forms.GuideForm) -> bool:
    said, seen = _("The guide is saved."), form.cleaned_data["version"]
    words = form.cleaned_data["text"]
    return attempt(
        request, services.write_guide, form=form, said=said, project=project, words=words, expected_version=seen
    ).ok


@action
def guide_example(request: HttpRequest, pk: int) -> HttpResponse:
    """From a scan's page: it is an example of a class from now on."""
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    form = forms.ExampleForm(request.POST, project=scan.project)
    if form.is_valid():
        given: dict[str, Any] = {"project": scan.project, "image": scan, **form.cleaned_data}
        attempt(request, services.add_example, said=_("The guide shows this scan."), **given)
    form_message(request, form)
    return redirect("scan", pk)


@action
def guide_example_remove(request: HttpRequest, pk: int) -> HttpResponse:
    shown = GuideExample.objects.filter(project__in=visible_projects(request.user))
    example = get_object_or_404(shown.select_related("project", "image"), pk=pk)
    attempt(request, services.remove_example, said=_("Removed from the guide."), example=example)
    return redirect("guide", example.project_id)
