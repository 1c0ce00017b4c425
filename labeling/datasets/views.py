"""Frozen data sets."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from images.models import Split
from images.selectors import project_or_404
from labeling.datasets import freezing, selectors
from labeling.datasets.comparison import diff
from labeling.datasets.forms import AgainstForm, SnapshotForm
from labeling.models import SnapshotLeftOut
from labeling.policies import visible_snapshots
from mediscan_site.core.http.html import attempt, form_page, read_page, respond, sent
from mediscan_site.core.http.pages import bounded_count, keyset_page

PAGE_SIZE = 50
OTHERS_SHOWN = 50
ROWS_SHOWN = 200


@form_page
def dataset_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    form = SnapshotForm(**sent(request), initial={"seed": 0})
    if request.method == "POST" and form.is_valid():
        seed = form.cleaned_data["seed"]
        done = attempt(request, freezing.freeze_snapshot, form=form, said=_("Frozen."), project=project, seed=seed)
        if done.ok:
            return redirect("dataset", done.result.pk)
    rows = visible_snapshots(request.user).filter(project=project)
    page = keyset_page(rows, ordering="-id", cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    return respond(request, "labeling/dataset_list.html", {"project": project, "page": page}, form)


@read_page
def dataset(request: HttpRequest, pk: int) -> HttpResponse:
    snapshot = get_object_or_404(selectors.snapshots(request.user), pk=pk)
    left_out = SnapshotLeftOut.objects.filter(snapshot=snapshot).select_related("image")
    others = visible_snapshots(request.user).filter(project=snapshot.project_id).exclude(pk=snapshot.pk)
    context = {
        "snapshot": snapshot,
        "project": snapshot.project,
        "others": others.order_by("-pk")[:OTHERS_SHOWN],
        "disagreements": selectors.disagreements(snapshot)[:ROWS_SHOWN],
        "doubtful_studies": selectors.doubtful_studies(snapshot)[:ROWS_SHOWN],
        "counts": selectors.class_counts(snapshot),
        "splits": Split.values,
        "page": keyset_page(left_out, ordering="id", cursor=request.GET.get("cursor"), size=PAGE_SIZE),
        "left_out_total": bounded_count(left_out),
    }
    return respond(request, "labeling/dataset.html", context)


@read_page
def dataset_diff(request: HttpRequest, pk: int) -> HttpResponse:
    """What changed since another data set of the project: the one named, else the previous one."""
    snapshot = get_object_or_404(selectors.snapshots(request.user), pk=pk)
    others = selectors.snapshots(request.user).filter(project=snapshot.project_id).exclude(pk=pk).order_by("-pk")
    form = AgainstForm(request.GET if "against" in request.GET else None, others=others)
    other = form.cleaned_data["against"] if form.is_valid() else others.filter(pk__lt=pk).first()
    context = {
        "snapshot": snapshot,
        "project": snapshot.project,
        "diff": diff(snapshot, against=other) if other and not form.errors else None,
        "shown": ROWS_SHOWN,
    }
    return respond(request, "labeling/dataset_diff.html", context, form)
