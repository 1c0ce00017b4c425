"""Uploading, and the report of an import."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from images.decoding.formats import is_zip
from images.models import Project
from images.policies import require
from images.selectors import project_or_404
from images.services import parse_facts
from labeling.imports import previews, services
from labeling.imports.forms import UploadForm
from labeling.imports.selectors import imports, reasons, remarkable, uploads
from labeling.models import Import, ImportFile
from labeling.policies import visible_imports
from mediscan_site.core.errors import DomainError
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import form_page, read_page, respond, sent
from mediscan_site.core.http.pages import keyset_page

REPORT_PAGE = 100
WAITING = "waiting"
HELD = _("It may show who the patient is: open it, look, and release it.")
# Up to so many lines are quickly read without a table that sums them up.
ONE_BY_ONE = 10


@dataclass(frozen=True)
class Received:
    """What became of one file of the form."""

    name: str
    outcome: str
    detail: str = ""
    url: str = ""
    link: str = ""


@form_page
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "upload_image", project)
    form = UploadForm(**sent(request), project=project)
    received: list[Received] = []
    if request.method == "POST" and form.is_valid():
        received = [_receive(request, project, file, form.cleaned_data) for file in form.cleaned_data["file"]]
        if len(received) == 1 and received[0].outcome == WAITING:
            return redirect(received[0].url)
    recent = visible_imports(request.user).filter(project=project).order_by("-pk")[:5]
    unfinished = (
        uploads(request.user).filter(project=project, created_by=caller(request), batch=None).order_by("-pk")[:5]
    )
    context = {"project": project, "received": received, "imports": recent, "unfinished": unfinished}
    return respond(request, "labeling/upload.html", context, form)


def _receive(request: HttpRequest, project: Project, file: Any, said: dict[str, Any]) -> Received:
    """One file; a refusal is shown next to it and does not stop the others."""
    try:
        if is_zip(file):
            return _receive_zip(request, project, file, said)
        return _receive_scan(request, project, file, said)
    except DomainError as error:
        return Received(file.name, "rejected", error.detail)


def _receive_zip(request: HttpRequest, project: Project, file: Any, said: dict[str, Any]) -> Received:
    common = {"actor": caller(request), "project": project, "source": file, "file_name": file.name}
    if said["preview"]:
        held = previews.hold_zip(**common, split_frames=said["split_frames"])
        return Received(file.name, WAITING, "", reverse("upload_preview", args=[held.pk]), "See what is in it")
    batch = services.start_import(**common, split_frames=said["split_frames"])
    return Received(file.name, "queued", "", reverse("import", args=[batch.pk]), "Report of the import")


def _receive_scan(request: HttpRequest, project: Project, file: Any, said: dict[str, Any]) -> Received:
    image, created = services.upload_scan(
        actor=caller(request),
        project=project,
        source=file,
        file_name=file.name,
        facts=parse_facts({name: said[name] for name in ("patient", "modality") if said[name]}),
        label_class=said["label"],
        split=said["split"] or None,
    )
    outcome, remarks = "created" if created else "duplicate", " ".join(remark.detail for remark in image.remarks)
    if image.hold:
        outcome, remarks = "held", str(HELD)
    return Received(file.name, outcome, remarks, reverse("scan", args=[image.pk]), image.code)


@read_page
def import_report(request: HttpRequest, pk: int) -> HttpResponse:
    batch: Any = get_object_or_404(imports(request.user), pk=pk)
    found = reasons(batch)
    grouped = found if batch.passed_over or sum(row["number"] for row in found) > ONE_BY_ONE else []
    context = {"batch": batch, "project": batch.project, "page": _files(request, batch), "reasons": grouped}
    template = "labeling/_import.html" if request.htmx else "labeling/import.html"  # type: ignore[attr-defined]
    return respond(request, template, context)


def _files(request: HttpRequest, batch: Import) -> Any:
    """The problems, in order of appearance; `?all` also lists what went well and what was passed over."""
    files = ImportFile.objects.filter(batch=batch) if "all" in request.GET else remarkable(batch)
    return keyset_page(files.select_related("image"), ordering="id", cursor=request.GET.get("cursor"), size=REPORT_PAGE)
