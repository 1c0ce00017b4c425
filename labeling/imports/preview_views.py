"""The page of a ZIP that waits: what was understood, and whether it shall come in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from labeling.imports.forms import DialectForm, StartForm
from labeling.imports.previews import preview_upload
from labeling.imports.selectors import uploads
from labeling.imports.uploads import KEPT, give_up_upload, start_held
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond


@read_page
def upload_preview(request: HttpRequest, pk: int) -> HttpResponse:
    held = get_object_or_404(uploads(request.user), pk=pk)
    if held.batch_id is not None:
        return redirect("import", held.batch_id)
    asked = DialectForm(request.GET)
    options = asked.cleaned_data if asked.is_valid() else {"dialect": held.dialect, "finding": held.finding}
    context = {
        "held": held,
        "project": held.project,
        "found": preview_upload(actor=caller(request), upload=held, **options),
        "expires_at": held.updated_at + KEPT,
        "start": StartForm(initial={**options, "split_frames": held.split_frames}),
    }
    return respond(request, "labeling/preview.html", context)


@action
def upload_start(request: HttpRequest, pk: int) -> HttpResponse:
    held, form = get_object_or_404(uploads(request.user), pk=pk), StartForm(request.POST)
    if not form.is_valid():
        form_message(request, form)
        return redirect("upload_preview", pk)
    done = attempt(request, start_held, upload=held, **form.cleaned_data)
    return redirect("import", done.result.pk) if done.ok else redirect("upload_preview", pk)


@action
def upload_discard(request: HttpRequest, pk: int) -> HttpResponse:
    held = get_object_or_404(uploads(request.user), pk=pk)
    attempt(
        request,
        give_up_upload,
        upload=held,
        said=_("%(file)s was given up. Nothing of it was kept.") % {"file": held.file_name},
    )
    return redirect("upload", held.project_id)
