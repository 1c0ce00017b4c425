"""Pages that span several apps: signing in, the dashboard, one scan with all that was said about it, jobs, the audit log."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from images import selectors as image_selectors
from images import services as images
from images.fact_forms import ScanEditForm, scan_values
from images.frames import strip_of
from images.models import Image, Project
from images.policies import can
from images.selectors import project_or_404
from images.services.duplicates import near_duplicates
from labeling.forms import VersionForm
from labeling.reading.forms import LabelForm, ReviewForm
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.selectors import label_history, reads_blind
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.http.site import own_page, site_url
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.resets import ask_for_reset
from mediscan_site.core.selectors import ending_tokens
from mediscan_site.core.services import set_preferences
from mediscan_site.front import forms, selectors, timeline
from mediscan_site.front.overview import dashboard as overview
from mediscan_site.front.overview import project as overview_project
from models_registry.grades import accepting as registry
from models_registry.models import Grade
from models_registry.selectors import grades

AUDIT_PAGE = 100
GRADES_SHOWN = 10
LOOKALIKES_SHOWN = 12


class SignIn(auth.LoginView):
    template_name = "auth/login.html"
    authentication_form = forms.SignInForm
    redirect_authenticated_user = True


class PasswordChange(auth.PasswordChangeView):
    template_name = "auth/password_change.html"
    form_class = forms.ChangePasswordForm
    success_url = reverse_lazy("dashboard")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, _("Your password is changed."))
        return super().form_valid(form)


class PasswordResetConfirm(auth.PasswordResetConfirmView):
    template_name = "auth/reset_confirm.html"
    form_class = forms.NewPasswordForm


@action
def preferences_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the machine says; back to the page it was asked on."""
    attempt(request, set_preferences, values={"theme": request.POST.get("theme", "")})
    return HttpResponse(status=204) if request.htmx else redirect(own_page(request, "next"))  # type: ignore[attr-defined]


def password_reset(request: HttpRequest) -> HttpResponse:
    """The same answer, as quickly, whether there is such an account or not."""
    form = forms.EmailForm(**sent(request))
    if request.method == "POST" and settings.SENDS_MAIL and form.is_valid():
        ask_for_reset(email=form.cleaned_data["email"], base_url=site_url(request))
        return redirect("password_reset_done")
    return respond(request, "auth/reset.html", {"sends_mail": settings.SENDS_MAIL}, form)


@read_page
def dashboard(request: HttpRequest) -> HttpResponse:
    user = caller(request)
    board = overview.dashboard(user)
    context = {
        "board": board,
        "viewer_sees_audit": board.sees_audit,
        "notices": selectors.notices(user),
        "backup_notice": selectors.backup_notice(user),
        "ending_tokens": ending_tokens(user),
    }
    return respond(request, "front/dashboard.html", context)


@read_page
def project_list(request: HttpRequest) -> HttpResponse:
    page = overview.project_page(caller(request), request.GET.get("cursor"))
    return respond(request, "images/project_list.html", {"page": page})


@read_page
def project(request: HttpRequest, pk: int) -> HttpResponse:
    found = project_or_404(request.user, pk)
    told = overview_project.overview(caller(request), found)
    return respond(request, "images/project.html", {"project": found, "told": told, "stats": told.stats})


@read_page
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    context = _blind_context(image) if reads_blind(request.user, image) else _scan_context(request, image)
    return respond(request, "front/scan.html", context)


def _blind_context(found: Image) -> dict[str, Any]:
    """What a reader may see of a scan that lies on their desk."""
    return {"scan": found, "project": found.project, "blind": True}


def _scan_context(request: HttpRequest, found: Image) -> dict[str, Any]:
    project = found.project
    known = list(grades(request.user).filter(image=found).order_by("-id")[:GRADES_SHOWN])
    return {
        "scan": found,
        "project": project,
        "labels": label_history(found, request.user),
        "grades": known,
        "heat": _over(request, known),
        "acceptable": _acceptable(known),
        "moments": timeline.of_scan(found, request.user, on_page=True),
        "lookalikes": near_duplicates(found, request.user)[:LOOKALIKES_SHOWN],
        **_scan_forms(project, {"version": found.version}),
        "may_edit": can(request.user, "upload_image", project),
        "strip": strip_of(found, _first(request)) if found.frames_shown > 1 else None,
    }


def _scan_forms(project: Project, version: dict[str, int]) -> dict[str, Any]:
    return {
        "label_form": LabelForm(project=project, initial=version),
        "review_form": ReviewForm(project=project, initial=version),
    }


def _over(request: HttpRequest, known: Sequence[Grade]) -> Grade | None:
    """The grade whose heat map may be laid over the picture: the one that is asked for, else the newest with an answer."""
    answered = [grade for grade in known if grade.status == WorkStatus.SUCCEEDED and not grade.covered]
    asked = request.GET.get("heat", "")
    return next((grade for grade in answered if str(grade.pk) == asked), next(iter(answered), None))


def _acceptable(known: Sequence[Grade]) -> bool:
    """Whether the newest answer may be taken as the label by whoever sees this page: nobody takes what they have not seen."""
    newest = next((grade for grade in known if grade.status == WorkStatus.SUCCEEDED), None)
    return newest is not None and not newest.covered


def _first(request: HttpRequest) -> int | None:
    """The frame from which a row of them is asked for."""
    asked = request.GET.get("first", "")
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 10 else None


@read_page
def scan_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    moments = [] if reads_blind(request.user, image) else timeline.of_scan(image, request.user, on_page=True)
    context = {"scan": image, "project": image.project, "moments": moments}
    return respond(request, "front/scan_timeline.html", context)


@form_page
def scan_edit(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    form = ScanEditForm(**sent(request), initial=scan_values(image))
    if request.method == "POST" and form.is_valid():
        seen = {"changes": form.changes(image), "expected_version": form.cleaned_data["version"]}
        done = attempt(request, images.update_scan, form=form, said=_("Saved."), image=image, **seen)
        if done.ok:
            return redirect("scan", pk)
    return respond(request, "front/scan_edit.html", {"scan": image, "project": image.project}, form)


@action
def scan_label(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    form = LabelForm(request.POST, project=image.project)
    if form.is_valid():
        save = label_scan if form.cleaned_data["label_class"] else mark_ungradable
        attempt(request, save, said=_("Label saved."), image=image, **form.arguments())
    form_message(request, form)
    return redirect("scan", pk)


@action
def scan_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    image, form = _scan(request, pk), VersionForm(request.POST)
    if form.is_valid():
        message, seen = _("Label withdrawn; its history stays."), form.cleaned_data["version"]
        attempt(request, withdraw_label, said=message, image=image, expected_version=seen)
    form_message(request, form)
    return redirect("scan", pk)


@action
def scan_review(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    form = ReviewForm(request.POST, project=image.project)
    if form.is_valid():
        attempt(request, registry.review_scan, said=_("Review saved."), image=image, **form.arguments())
    form_message(request, form)
    return redirect("scan", pk)


@action
def scan_delete(request: HttpRequest, pk: int) -> HttpResponse:
    image = _scan(request, pk)
    done = attempt(
        request,
        images.delete_scan,
        said=_("%(scan)s is erased: its keys and bytes are destroyed.") % {"scan": image.code},
        image=image,
    )
    return redirect("scan_list", image.project_id) if done.ok else redirect("scan", pk)


@read_page
def jobs(request: HttpRequest) -> HttpResponse:
    kind, status = request.GET.get("kind", ""), request.GET.get("status", "")
    page = selectors.jobs(request.user, kind=kind, status=status, cursor=request.GET.get("cursor"))
    template = "front/_jobs.html" if request.htmx else "front/jobs.html"  # type: ignore[attr-defined]
    return respond(request, template, {"page": page, "filters": forms.JobFilterForm(request.GET)})


@read_page
def audit(request: HttpRequest) -> HttpResponse:
    form = forms.AuditFilterForm(request.GET, people=lambda: selectors.audited_people(request.user))
    events = selectors.audit_events(request.user).filter(**form.lookups())
    page = keyset_page(events, ordering="-at", cursor=request.GET.get("cursor"), size=AUDIT_PAGE)
    return respond(request, "front/audit.html", {"page": page, "filters": form})


def _scan(request: HttpRequest, pk: int) -> Image:
    return get_object_or_404(image_selectors.scans(request.user), pk=pk)
