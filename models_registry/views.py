"""Pages of models, deployments and grades."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django_htmx.http import retarget

from images.models import Project
from images.policies import require, visible_projects
from images.searching import by_pseudonym
from images.selectors import project_or_404
from images.services import parse_facts
from mediscan_site.core.http.bytes import blob_response
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.models import ACTIVE, User, WorkStatus
from models_registry import forms, selectors
from models_registry.browsing import cutoffs, headline
from models_registry.deployments import services as deploying
from models_registry.deployments.gate import Verdict
from models_registry.evaluations.services import request_evaluation
from models_registry.filters import HistoryFilter
from models_registry.grades import covering
from models_registry.grades.evidence import remarks
from models_registry.grades.feedback import give_feedback
from models_registry.grades.services import grade_upload, request_grade
from models_registry.models import Grade, ModelVersion
from models_registry.versions import cards, confidence, graphs
from models_registry.versions.class_changes import since_training

PAGE_SIZE = 50
DEPLOYMENTS_SHOWN = 20
# Filters of the history that tell what an answer is: with them a covered one is not listed.
TELLING = {"prediction", "decision"}
# The line on which a coin would lie, of a ROC curve; and on which a confidence is a probability.
GUESS = ((0, 0), (1, 1))


@read_page
def model_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    rows = selectors.versions(request.user, conduct=False).filter(project=project)
    page = keyset_page(rows, ordering="-id", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    deployments = selectors.deployments(request.user).filter(project=project).order_by("-id")[:DEPLOYMENTS_SHOWN]
    current = selectors.current_deployment(project)
    context = {"project": project, "page": page, "deployments": deployments, "current": current}
    return respond(request, "models_registry/model_list.html", context)


@read_page
def model(request: HttpRequest, pk: int) -> HttpResponse:
    version = get_object_or_404(selectors.versions(request.user, conduct=False), pk=pk)
    template = "models_registry/_evaluations.html" if request.htmx else "models_registry/model.html"  # type: ignore[attr-defined]
    return respond(request, template, _model_context(request, version))


def _model_context(request: HttpRequest, found: ModelVersion) -> dict[str, Any]:
    # Of a version that was found to be visible.
    evaluations = list(found.evaluations.select_related("snapshot", "requested_by").order_by("-id")[:PAGE_SIZE])
    return {
        "model": found,
        "project": found.project,
        "evaluations": evaluations,
        "working": any(row.status in ACTIVE for row in evaluations),
        **({} if request.htmx else _model_worth(request, found)),  # type: ignore[attr-defined]
    }


def _model_worth(request: HttpRequest, found: ModelVersion) -> dict[str, Any]:
    """Whether it is good, and the figures behind it."""
    report = selectors.latest_evaluation(found)
    verdict = deploying.judge(found, selectors.current_deployment(found.project), lately=True)
    asked = request.GET.get("positive"), request.GET.get("cutoff")
    return {
        "report": report,
        "card": cards.shown(found),
        "verdict": verdict,
        "headline": headline.of(found, report, verdict),
        "cutoffs": cutoffs.of(found, report, *asked) if report else None,
        "guess": GUESS,
        "class_ids": [entry["id"] for entry in found.classes],
        **_model_facts(found),
        **_model_forms(request, found, verdict),
    }


def _model_facts(found: ModelVersion) -> dict[str, Any]:
    """What the version knows of itself, in words."""
    return {
        "class_changes": since_training(found, found.project).sentences,
        **confidence.told(found),
        "runtime": graphs.sentence(found),
        "has_graph": graphs.has_one(found),
    }


def _model_forms(request: HttpRequest, found: ModelVersion, verdict: Verdict) -> dict[str, Any]:
    return {
        "deploy_form": forms.DeployForm(refused=not verdict.passed),
        "evaluate_form": forms.EvaluateForm(user=caller(request), model=found),
    }


@read_page
def graph(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The ONNX file."""
    version = _model(request, pk)
    opened = attempt(request, graphs.open_graph, model=version)
    if not opened.ok:
        return redirect("model", pk)
    stream, blob = opened.result
    return blob_response(request, stream, blob, file_name=f"{version.code}.onnx", as_attachment=True)


@action
def deploy(request: HttpRequest, pk: int) -> HttpResponse:
    version = _model(request, pk)
    require(request.user, "deploy_model", version.project)
    verdict = deploying.judge(version, selectors.current_deployment(version.project))
    form = forms.DeployForm(request.POST, refused=not verdict.passed)
    if form.is_valid():
        reason = form.cleaned_data["override_reason"]
        attempt(
            request,
            deploying.deploy,
            said=gettext("%(model)s is deployed.") % {"model": version.code},
            model=version,
            override_reason=reason,
        )
    form_message(request, form)
    return redirect("model", pk)


@action
def evaluate(request: HttpRequest, pk: int) -> HttpResponse:
    version = _model(request, pk)
    form = forms.EvaluateForm(request.POST, user=caller(request), model=version)
    if form.is_valid():
        snapshot = form.cleaned_data["snapshot"]
        attempt(request, request_evaluation, said=gettext("Evaluation queued."), model=version, snapshot=snapshot)
    form_message(request, form)
    return redirect("model", pk)


@action
def rollback(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    done = attempt(
        request, deploying.rollback, said=gettext("Rolled back: the previous version serves again."), project=project
    )
    return redirect("model", done.result.model_id) if done.ok else redirect("model_list", pk)


@form_page
def grade(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "grade_image", project)
    start = {"image": request.GET.get("image", "")}
    form = forms.GradeForm(**sent(request), initial=start, user=caller(request), project=project)
    if request.method == "POST" and form.is_valid():
        done = _ask(request, project, form)
        if done.ok:
            return redirect("grade_detail", done.result.pk)
    context = {"project": project, "deployed": selectors.current_deployment(project)}
    return respond(request, "models_registry/grade.html", context, form)


def _ask(request: HttpRequest, project: Project, form: forms.GradeForm) -> Any:
    answers = form.cleaned_data
    if answers["image"]:
        return attempt(request, request_grade, form=form, project=project, image=answers["image"])
    return attempt(
        request, _grade_upload, form=form, project=project, source=answers["file"], patient=answers["patient"]
    )


def _grade_upload(*, actor: User, project: Project, source: Any, patient: str) -> Grade:
    facts = parse_facts({"patient": patient})
    return grade_upload(actor=actor, project=project, source=source, file_name=source.name, facts=facts)


@read_page
def grade_detail(request: HttpRequest, pk: int) -> HttpResponse:
    grade = get_object_or_404(selectors.grades(request.user), pk=pk)
    context = {
        "grade": grade,
        "project": grade.project,
        "scan": grade.image,
        "working": grade.status in ACTIVE,
        **_answer(grade),
        **_opinions(request, grade),
    }
    if not request.htmx:  # type: ignore[attr-defined]
        return respond(request, "models_registry/grade_detail.html", context)
    if context["working"]:
        return respond(request, "models_registry/_grade_panel.html", context)
    # Once it is answered the picture has its heat map.
    return retarget(respond(request, "models_registry/_grade.html", context), "#grade")


def _answer(grade: Grade) -> dict[str, Any]:
    return {
        "shares": selectors.named_probabilities(grade),
        "reasons": selectors.refer_reasons(grade),
        "unmeasured": selectors.why_no_distance(grade),
        "remarks": remarks(grade),
        "shown": grade.status == WorkStatus.SUCCEEDED and not grade.covered,
    }


def _opinions(request: HttpRequest, grade: Grade) -> dict[str, Any]:
    """What the reader of the page said or may say."""
    return {
        "form": forms.FeedbackForm(grade=grade),
        "given": any(row.author_id == caller(request).pk for row in grade.feedback.all()),
        "own": covering.of_reader(grade, request.user),
        "classes": [row for row in grade.project.class_rows.all() if row.retired_at is None],
    }


@action
def feedback(request: HttpRequest, pk: int) -> HttpResponse:
    """Not on a covered answer: what the form refuses would tell it."""
    grade = get_object_or_404(selectors.grades(request.user).exclude(selectors.IS_COVERED), pk=pk)
    form = forms.FeedbackForm(request.POST, grade=grade)
    if form.is_valid():
        attempt(request, give_feedback, said=gettext("Thank you, recorded."), grade=grade, **form.cleaned_data)
    form_message(request, form)
    return redirect("grade_detail", pk)


@action
def read_first(request: HttpRequest, pk: int) -> HttpResponse:
    """What the doctor sees, before the answer is uncovered."""
    grade = get_object_or_404(selectors.grades(request.user), pk=pk)
    form = forms.OwnReadForm(request.POST, grade=grade, may_be_none=True)
    if form.is_valid():
        attempt(request, covering.read_first, grade=grade, **form.cleaned_data)
    form_message(request, form)
    return redirect("grade_detail", pk)


@action
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    """What they say once they have seen it."""
    grade = get_object_or_404(selectors.grades(request.user), pk=pk)
    form = forms.OwnReadForm(request.POST, grade=grade)
    if form.is_valid():
        attempt(request, covering.settle, said=gettext("Thank you, recorded."), grade=grade, **form.cleaned_data)
    form_message(request, form)
    return redirect("grade_detail", pk)


@read_page
@by_pseudonym
def history(request: HttpRequest) -> HttpResponse:
    asked = {key: str(value) for key, value in request.GET.items() if value and key != "cursor"}
    rows = HistoryFilter(asked, queryset=selectors.grades(request.user), request=request).qs
    if asked.keys() & TELLING:
        rows = rows.filter(covered=False)
    page = keyset_page(rows, ordering="-created_at", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    form = forms.HistoryFilterForm(request.GET, user=caller(request))
    context = {"page": page, "filters": form, "asked": asked, "csv_url": _csv(request, asked)}
    return respond(request, "models_registry/history.html", context)


def _csv(request: HttpRequest, asked: Mapping[str, str]) -> str:
    """Where all of it can be downloaded; empty for whom answers are covered: the API gives them all."""
    hidden = not caller(request).is_admin and visible_projects(request.user).filter(reveal_after_read=True).exists()
    return "" if hidden else f"{reverse('history-list')}?{urlencode({**asked, 'format': 'csv'})}"


def _model(request: HttpRequest, pk: int) -> ModelVersion:
    return get_object_or_404(selectors.versions(request.user), pk=pk)
