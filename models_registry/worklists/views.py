"""Pages of referred scans: the desk where they are read one after the other, and what the model thought of one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from images.policies import require
from images.selectors import project_or_404
from labeling.forms import active_classes
from labeling.reading.forms import REASONS
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond
from mediscan_site.core.http.pages import bounded_count
from models_registry.grades.evidence import remarks
from models_registry.models import Referral
from models_registry.selectors import grades, named_probabilities, refer_reasons
from models_registry.worklists import desk, selectors
from models_registry.worklists.forms import OwnReadForm
from models_registry.worklists.policies import RIGHT
from models_registry.worklists.services import read_referral

READ_SHOWN = 10


@read_page
def referrals(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, RIGHT, project)
    context = {
        "project": project,
        "desk": desk.open_desk(request, project),
        "classes": active_classes(project),
        "reasons": REASONS,
        "recent": selectors.recent(request.user, project, READ_SHOWN),
    }
    return respond(request, "models_registry/referrals.html", context)


@action
def referrals_unskip(request: HttpRequest, pk: int) -> HttpResponse:
    desk.show_skipped(request, project_or_404(request.user, pk))
    return redirect("referrals", pk)


@action
def referral_skip(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(selectors.referrals(request.user), pk=pk)
    desk.skip(request, found)
    return redirect("referrals", found.project_id)


@action
def referral_read(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(selectors.referrals(request.user), pk=pk)
    require(request.user, RIGHT, found.project)
    form = OwnReadForm(request.POST, project=found.project)
    if form.is_valid() and attempt(request, read_referral, referral=found, **form.arguments()).ok:
        return redirect("referral", pk)
    form_message(request, form)
    return redirect("referrals", found.project_id)


@read_page
def referral(request: HttpRequest, pk: int) -> HttpResponse:
    """What was read, why the model gave the scan back, and what it thought. While it waits: where it can be read."""
    found: Referral = get_object_or_404(selectors.referrals(request.user), pk=pk)
    context = {"referral": found, "project": found.project, "left": bounded_count(selectors.waiting(found.project))}
    told = {} if found.active else _told(request, found)
    return respond(request, "models_registry/referral.html", {**context, **told})


def _told(request: HttpRequest, found: Referral) -> dict[str, Any]:
    """What is shown once the scan no longer waits."""
    grade = get_object_or_404(grades(request.user), pk=found.grade_id)
    return {
        "grade": grade,
        "scan": selectors.scan_of(request.user, found),
        "reasons": refer_reasons(grade),
        "remarks": remarks(grade),
        "shares": named_probabilities(grade),
    }
