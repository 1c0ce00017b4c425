"""Pages of acceptance tests."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.models import Project
from images.policies import can
from images.selectors import project_or_404
from mediscan_site.core.http.html import action, attempt, form_message, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page
from models_registry import selectors as registry
from models_registry.acceptance import drawing, forms, selectors, services
from models_registry.models import AcceptanceTest
from models_registry.versions import places

PAGE_SIZE = 50


@form_page
def test_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    versions = registry.versions(request.user).filter(project=project).order_by("-pk")
    form = forms.BeginForm(**sent(request), project=project, versions=versions)
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.begin_test, form=form, said=_("The test has begun."), **form.answers())
        if done.ok:
            return redirect("acceptance", done.result.pk)
    context = {"project": project, "page": _page(request, project), "has_versions": versions.exists()}
    return respond(request, "models_registry/acceptance_list.html", context, form)


def _page(request: HttpRequest, project: Project) -> Any:
    rows = selectors.tests(request.user).filter(project=project)
    page = keyset_page(rows, ordering="-id", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    known = selectors.place_names(project)
    for test in page.rows:
        _named(test, known)
    return page


def _named(test: Any, known: dict[str, str]) -> None:
    test.place = ", ".join(places.listed([code for code in (test.site, test.device) if code], known))
    test.state = selectors.state(test)


@read_page
def acceptance(request: HttpRequest, pk: int) -> HttpResponse:
    test = _test(request, pk)
    _named(test, selectors.place_names(test.project))
    may_decide = can(request.user, "deploy_model", test.project)
    context = {
        "test": test,
        "project": test.project,
        "figures": selectors.figures(test),
        "left_out": drawing.left_out(test),
        "form": forms.DecideForm() if may_decide and test.active else None,
    }
    return respond(request, "models_registry/acceptance.html", context)


@action
def draw(request: HttpRequest, pk: int) -> HttpResponse:
    attempt(request, services.go_on, said=_("Drawn: what doctors have read since."), test=_test(request, pk))
    return redirect("acceptance", pk)


@action
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    test, form = _test(request, pk), forms.DecideForm(request.POST)
    if form.is_valid():
        attempt(request, services.decide, said=_("The decision is recorded."), test=test, **form.cleaned_data)
    form_message(request, form)
    return redirect("acceptance", pk)


def _test(request: HttpRequest, pk: int) -> AcceptanceTest:
    return get_object_or_404(selectors.tests(request.user), pk=pk)
