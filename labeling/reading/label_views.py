"""The label page: one scan after the other, a key for each class."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from images.models import Image, Project
from images.policies import require
from images.selectors import project_or_404, scans
from labeling.forms import active_classes
from labeling.models import Decision, Label, Lease
from labeling.reading import desk
from labeling.reading.forms import REASONS, DeskLabelForm, SkipForm
from labeling.reading.labels import LabelOutcome, label_scan, mark_ungradable
from labeling.reading.undo import last_done
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.html import Outcome, attempt, form_message, form_page, respond

# Where a reader goes after what they pressed: of the page's address.
Asked = dict[str, Any]


@form_page
def label_next(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    require(request.user, "label_image", project)
    asked: Asked = request.GET.dict()
    if request.method == "POST":
        asked = _take(request, project)
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect(f"{reverse('label_next', args=[pk])}?{urlencode(asked)}".rstrip("?"))
    template = "labeling/_label.html" if request.htmx else "labeling/label.html"  # type: ignore[attr-defined]
    return respond(request, template, _context(request, project, asked))


def _take(request: HttpRequest, project: Project) -> Asked:
    """What was pressed: a class, a reason, skip, undo, or show the skipped ones again."""
    if "unskip" in request.POST:
        desk.show_skipped(request, project)
    elif "undo" in request.POST:
        return taken_back(request, project, Lease.Task.LABEL)
    elif "skip" in request.POST:
        skipped(request, project)
    else:
        return _label(request, project)
    return {}


def taken_back(request: HttpRequest, project: Project, task: str) -> Asked:
    """Undo, said in words; the reader is led to the scan."""
    done = attempt(request, lambda actor: desk.take_back(request, project, task))
    if not done.ok:
        return {}
    messages.success(request, _("Taken back: %(scan)s is as it was before.") % {"scan": done.result.code})
    return {"scan": done.result.pk}


def skipped(request: HttpRequest, project: Project) -> None:
    form = SkipForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        desk.skip(request, project, form.cleaned_data["image"])
        messages.info(request, _("Skipped: %(scan)s.") % {"scan": form.cleaned_data["image"].code})
    form_message(request, form)


def _label(request: HttpRequest, project: Project) -> Asked:
    form = DeskLabelForm(request.POST, user=caller(request), project=project)
    if form.is_valid():
        _save(request, form)
        if form.cleaned_data["corrects"]:
            return {"corrected": form.cleaned_data["corrects"]}
    form_message(request, form)
    return {}


def _save(request: HttpRequest, form: DeskLabelForm) -> None:
    image, given = form.cleaned_data["image"], form.arguments()
    reading = form.cleaned_data["label_class"] or _("ungradable (%(reason)s)") % {"reason": given["reason"]}
    said = _("Saved: %(scan)s is %(reading)s.") % {"scan": image.code, "reading": reading}
    if given["expected_version"] != image.version and desk.said_already(
        request, image, given, form.cleaned_data["known"]
    ):
        messages.success(request, said)
        return
    save = label_scan if form.cleaned_data["label_class"] else mark_ungradable
    _tell(request, attempt(request, save, image=image, **given), image, said, (reading, given["comment"]))


def _tell(request: HttpRequest, done: Outcome[LabelOutcome], image: Image, said: str, given: tuple[str, str]) -> None:
    if done.ok and _comes_again(done.result):
        messages.warning(
            request,
            _("%(scan)s has this label already, and it was rejected: choose another one, or skip the scan.")
            % {"scan": image.code},
        )
    elif done.ok:
        messages.success(request, said)
    else:
        reading, comment = given
        not_saved(request, _("%(scan)s is %(reading)s") % {"scan": image.code, "reading": reading}, comment)


def not_saved(request: HttpRequest, said: str, comment: str) -> None:
    """What was refused, in full: the reader is at another scan by now, and it is written nowhere else."""
    messages.error(request, _("Not saved: %(said)s.") % {"said": said})
    if comment:
        messages.error(request, _("Your comment was: %(comment)s") % {"comment": comment})


def _comes_again(outcome: LabelOutcome) -> bool:
    rejected = outcome.image.approval_status == "rejected" and outcome.image.project.reads_wanted == 1
    return rejected and not outcome.changed


def _context(request: HttpRequest, project: Project, asked: Asked) -> dict[str, Any]:
    """The scan to read: the next one of the queue, or with `back` one the reader labelled before."""
    known = {
        "project": project,
        "classes": active_classes(project),
        "reasons": REASONS,
        "undoable": last_done(caller(request), project, Lease.Task.LABEL),
    }
    back = _asked_label(request, project, asked)
    return known | (_next(request, project, asked) if back is None else _went_back(request, project, back))


def _went_back(request: HttpRequest, project: Project, back: Label) -> dict[str, Any]:
    earlier = desk.previous_label(request, project, before=back.pk)
    image = get_object_or_404(scans(request.user), pk=back.image_id)
    desk.with_newest([image])
    # What this reader said, which of one read of several is not what the scan has.
    image.label_class = back.label_class
    return {"scan": image, "earlier": earlier, "going_back": True, "back": back}


def _next(request: HttpRequest, project: Project, asked: Asked) -> dict[str, Any]:
    order = desk.order_of(request, project)
    first = find_key(str(asked.get("scan", "")))
    opened = desk.open_desk(request, project, Lease.Task.LABEL, order, first)
    desk.with_newest(opened.ready)
    if first is not None and (again := _settled(request, project, first, opened)) is not None:
        return {"scan": again, "earlier": desk.previous_label(request, project), "going_back": True}
    earlier = desk.previous_label(request, project, before=find_key(str(asked.get("corrected", ""))))
    return {
        "desk": opened,
        "scan": opened.scan,
        "upcoming": opened.ready[1:],
        "earlier": earlier,
        "order": order,
    }


def _settled(request: HttpRequest, project: Project, first: int, opened: desk.Desk) -> Image | None:
    """A scan on which the reader took a decision back, and that waits for nobody: what it was before counts again."""
    if any(scan.pk == first for scan in opened.ready):
        return None
    taken_back = Decision.objects.filter(image=first, actor=caller(request), undoes__isnull=False)
    return scans(request.user).filter(project=project, label_status="labeled", decisions__in=taken_back).first()


def _asked_label(request: HttpRequest, project: Project, asked: Asked) -> Label | None:
    key = find_key(str(asked.get("back", "")))
    if key is None:
        return None
    return get_object_or_404(Label, pk=key, reader=caller(request), image__project=project)
