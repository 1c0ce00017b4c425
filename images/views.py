"""Pages of projects and their scans."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from images import forms, selectors, services
from images.models import Project, ProjectClass
from images.policies import TEMPLATES, require
from images.roles import USUAL, title, told
from images.selectors import project_or_404
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, form_page, read_page, respond, sent
from mediscan_site.core.policies import require_admin

PAGE_SIZE = 48
STUDY_SIZE = 96
BESIDE_SIZE = 24


@form_page
def project_create(request: HttpRequest) -> HttpResponse:
    require_admin(request.user)
    form = forms.ProjectForm(**sent(request))
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.create_project, form=form, said=_("Project created."), **form.cleaned_data)
        if done.ok:
            return redirect("project_members", done.result.pk)
    return respond(request, "images/project_create.html", {}, form)


@form_page
def project_settings(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "manage_project", project)
    form = forms.ProjectSettingsForm(
        **sent(request), instance=project_or_404(request.user, pk), initial={"version": project.version}
    )
    if request.method == "POST" and form.is_valid() and _save_settings(request, project, form):
        return redirect("project_settings", pk)
    return respond(request, "images/project_settings.html", {"project": project, "class_form": forms.ClassForm()}, form)


def _save_settings(request: HttpRequest, found: Project, form: forms.ProjectSettingsForm) -> bool:
    seen = form.cleaned_data["version"]
    return attempt(
        request,
        services.update_project,
        form=form,
        said=_("Saved."),
        project=found,
        changes=form.changes(),
        expected_version=seen,
    ).ok


@action
def class_add(request: HttpRequest, pk: int) -> HttpResponse:
    form = forms.ClassForm(request.POST)
    if form.is_valid():
        message = _("Class added.")
        attempt(
            request,
            services.add_class,
            said=message,
            project=project_or_404(request.user, pk),
            name=form.cleaned_data["name"],
        )
    form_message(request, form)
    return redirect("project_settings", pk)


@action
def class_rename(request: HttpRequest, pk: int, class_pk: int) -> HttpResponse:
    row = get_object_or_404(ProjectClass, pk=class_pk, project=project_or_404(request.user, pk))
    form = forms.ClassForm(request.POST)
    if form.is_valid():
        attempt(
            request, services.rename_class, said=_("Class renamed."), project_class=row, name=form.cleaned_data["name"]
        )
    form_message(request, form)
    return redirect("project_settings", pk)


@action
def class_retire(request: HttpRequest, pk: int, class_pk: int) -> HttpResponse:
    row = get_object_or_404(ProjectClass, pk=class_pk, project=project_or_404(request.user, pk))
    attempt(
        request,
        services.retire_class,
        said=_("%(name)s is retired; its labels stay.") % {"name": row.name},
        project_class=row,
    )
    return redirect("project_settings", pk)


@form_page
def project_members(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    if request.method == "POST":
        require(request.user, "manage_project", project)
    form = forms.MemberForm(**sent(request), actor=caller(request), project=project)
    if request.method == "POST" and form.is_valid():
        user, rights = form.cleaned_data["user"], TEMPLATES[form.cleaned_data["role"] or USUAL][1]
        said = _("%(user)s is a member.") % {"user": user}
        if attempt(request, services.add_member, form=form, said=said, project=project, user=user, rights=rights).ok:
            return redirect("project_members", pk)
    members = [(row, rights, title(rights)) for row, rights in selectors.members_with_rights(project)]
    context = {"project": project, "members": members, "right_names": forms.RIGHTS, "roles": told()}
    return respond(request, "images/project_members.html", context, form)


@form_page
def reidentify(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows the patient id in this answer only; nothing stores it."""
    project = project_or_404(request.user, pk)
    require(request.user, "reidentify", project)
    form = forms.ReidentifyForm(**sent(request), initial={"pseudonym": request.GET.get("pseudonym", "")})
    context: dict[str, object] = {"project": project}
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.reidentify, form=form, project=project, **form.cleaned_data)
        context["patient"] = done.value
    return respond(request, "images/reidentify.html", context, form)


@form_page
def merge_patients(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "manage_project", project)
    form = forms.MergePatientsForm(**sent(request))
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.merge_patients, form=form, project=project, **form.cleaned_data)
        if done.ok:
            said = ngettext("Merged: %(n)d scan moved.", "Merged: %(n)d scans moved.", done.result) % {"n": done.result}
            messages.success(request, said)
            return redirect("merge_patients", pk)
    return respond(request, "images/merge_patients.html", {"project": project}, form)


@form_page
def erase_patient(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require_admin(request.user)
    form = forms.ErasePatientForm(**sent(request), initial={"patient": request.GET.get("pseudonym", "")})
    if request.method == "POST" and form.is_valid():
        done = attempt(request, services.erase_patient, form=form, project=project, **form.cleaned_data)
        if done.ok:
            said = ngettext(
                "%(n)d scan of this patient is erased for good.",
                "%(n)d scans of this patient are erased for good.",
                done.result,
            )
            messages.success(request, said % {"n": done.result})
            return redirect("scan_list", pk)
    return respond(request, "images/erase_patient.html", {"project": project}, form)


@action
def scan_release(request: HttpRequest, pk: int) -> HttpResponse:
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    attempt(request, services.release_scan, said=_("%(scan)s is released.") % {"scan": scan.code}, image=scan)
    return redirect("scan", pk)


@action
def scan_frames(request: HttpRequest, pk: int) -> HttpResponse:
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    require(request.user, "label_image", scan.project)
    form = forms.FramesForm(request.POST)
    if form.is_valid():
        frames, seen = form.cleaned_data["frames"], form.cleaned_data["version"]
        said = _("These frames count from now on.") if frames else _("The project's rule counts again.")
        attempt(request, services.choose_frames, said=said, image=scan, frames=frames, expected_version=seen)
    form_message(request, form)
    return redirect("scan", pk)


@action
def member_remove(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = forms.MemberChoiceForm(request.POST, project=project)
    if form.is_valid():
        user = form.cleaned_data["user"]
        attempt(
            request,
            services.remove_member,
            said=_("%(user)s is no longer a member.") % {"user": user},
            project=project,
            user=user,
        )
    form_message(request, form)
    return redirect("project_members", pk)


@action
def member_role(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = forms.RoleForm(request.POST, project=project)
    if form.is_valid():
        user, role = form.cleaned_data["user"], form.cleaned_data["role"]
        attempt(request, services.set_role, said=_("Rights changed."), project=project, user=user, role=role)
    form_message(request, form)
    return redirect("project_members", pk)


@action
def member_right(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = forms.RightForm(request.POST, project=project)
    if form.is_valid():
        change = services.grant if form.cleaned_data["give"] else services.revoke
        user, codename = form.cleaned_data["user"], form.cleaned_data["codename"]
        attempt(request, change, said=_("Rights changed."), project=project, user=user, codename=codename)
    form_message(request, form)
    return redirect("project_members", pk)


@read_page
def study(request: HttpRequest, pk: int) -> HttpResponse:
    """The scans of one examination together, series by series."""
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    page = Paginator(selectors.study_scans(request.user, scan), STUDY_SIZE).get_page(request.GET.get("page"))
    patients = selectors.study_patients(scan)
    context = {"scan": scan, "project": scan.project, "page": page, "patients": patients}
    return respond(request, "images/study.html", context)


@read_page
def scan_beside(request: HttpRequest, pk: int) -> HttpResponse:
    """What to compare a scan with: the other views of its exam, and the patient's other exams, newest first."""
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    template = "images/_beside.html" if request.htmx else "images/beside.html"  # type: ignore[attr-defined]
    context = {"scan": scan, "project": scan.project, "rows": selectors.scans_beside(request.user, scan)[:BESIDE_SIZE]}
    return respond(request, template, context)
