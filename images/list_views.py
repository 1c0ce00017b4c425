"""The list of scans, its tags, and the filters that people keep."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from images import forms, list_forms, selectors, services
from images.filters import ORDERING_KEYS, ScanFilter
from images.models import Project, SavedFilter, Tag
from images.policies import require
from images.searching import by_pseudonym
from images.selectors import project_or_404
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import action, attempt, form_message, read_page, respond
from mediscan_site.core.http.pages import chosen_ordering, keyset_page, place_of, standing_in

ORDERINGS = ("upload_date", "updated_at", "instance_number")
PAGE_SIZE = 48
# Parts of the address that choose no scans.
NOT_FILTERS = ("cursor", "choose", "view", "ordering")
VIEWS = ("grid", "list")


@read_page
@by_pseudonym
def scan_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    asked = {key: str(value) for key, value in request.GET.items() if value and key not in NOT_FILTERS}
    query = {**asked, "project": str(pk), "ordering": request.GET.get("ordering", "")}
    found = ScanFilter(query, queryset=selectors.scans_of(project, request.user), request=request, project=project)
    ordering = chosen_ordering(query["ordering"], allowed=ORDERINGS, default="-upload_date")
    key = standing_in(ordering, ORDERING_KEYS)
    page = keyset_page(found.qs, ordering=key, cursor=request.GET.get("cursor"), size=PAGE_SIZE)
    before, total = place_of(found.qs, key, page, total=found.total)
    csv_url = f"{reverse('image-list')}?{urlencode({name: said for name, said in query.items() if said})}&format=csv"
    context = {"project": project, "page": page, "asked": asked, "csv_url": csv_url, "before": before}
    context["filters"] = forms.ScanFilterForm(request.GET, project=project)
    context |= {"total": total, "last": before + len(page.rows), "as_list": _view(request) == "list"}
    return respond(request, "images/scan_list.html", {**context, "query": urlencode(asked)})


def _view(request: HttpRequest) -> str:
    """Pictures or a table: as asked for now, else as before."""
    asked, before = request.GET.get("view"), str(request.session.get("scans_view", VIEWS[0]))
    if asked not in VIEWS or asked == before:
        return before
    request.session["scans_view"] = asked
    return str(asked)


@read_page
def tag_list(request: HttpRequest, pk: int) -> HttpResponse:
    project = project_or_404(request.user, pk)
    return respond(request, "images/tag_list.html", {"project": project, "tags": selectors.tags(project)})


@action
def tag_rename(request: HttpRequest, pk: int, tag_pk: int) -> HttpResponse:
    tag = get_object_or_404(Tag.objects.select_related("project"), pk=tag_pk, project=project_or_404(request.user, pk))
    form = list_forms.TagNameForm(request.POST)
    if form.is_valid():
        attempt(request, services.rename_tag, said=gettext("Renamed."), tag=tag, **form.cleaned_data)
    form_message(request, form)
    return redirect("tag_list", pk)


@action
def tag_delete(request: HttpRequest, pk: int, tag_pk: int) -> HttpResponse:
    tag = get_object_or_404(Tag.objects.select_related("project"), pk=tag_pk, project=project_or_404(request.user, pk))
    require(request.user, "manage_project", tag.project)
    attempt(request, services.delete_tag, said=gettext("The tag is deleted; its scans stay."), tag=tag)
    return redirect("tag_list", pk)


@read_page
def scan_look(request: HttpRequest, pk: int) -> HttpResponse:
    """The viewer alone, for the quick look of a list. What it then fetches is on the trail as opened."""
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    return respond(request, "images/_look.html", {"scan": scan, "project": scan.project})


@action
def scan_tags(request: HttpRequest, pk: int) -> HttpResponse:
    """Tags of one scan, from its page."""
    scan = get_object_or_404(selectors.scans(request.user), pk=pk)
    require(request.user, "label_image", scan.project)
    form = list_forms.TagsForm(request.POST)
    if form.is_valid():
        attempt(request, services.tag_scans, images=[scan], **form.cleaned_data)
    form_message(request, form)
    return redirect("scan", pk)


@action
def filter_save(request: HttpRequest) -> HttpResponse:
    form = list_forms.SaveFilterForm(request.POST, user=caller(request))
    if form.is_valid():
        said = gettext("Kept. Names, numbers and patients that were typed are not.")
        done = attempt(request, services.save_filter, said=said, **form.cleaned_data)
        if done.ok:
            return redirect(_address(done.result))
    form_message(request, form)
    return redirect(_back(form))


@action
def filter_delete(request: HttpRequest, pk: int) -> HttpResponse:
    saved = get_object_or_404(SavedFilter.objects.filter(user=caller(request)), pk=pk)
    address = _place(saved.page, saved.project)
    services.delete_filter(actor=caller(request), saved=saved)
    return redirect(address)


@action
def filter_share(request: HttpRequest, pk: int) -> HttpResponse:
    saved = get_object_or_404(selectors.reachable_filters(request.user), pk=pk)
    shared = request.POST.get("shared") == "yes"
    said = gettext("Everybody of the project is offered this filter.") if shared else gettext("It is shared no longer.")
    attempt(request, services.share_filter, said=said, saved=saved, shared=shared)
    return redirect(_place(saved.page, saved.project))


def _address(saved: SavedFilter) -> str:
    return f"{_place(saved.page, saved.project)}?{urlencode(saved.query)}"


def _place(page: str, project: Project | None) -> str:
    return reverse("scan_list", args=[project.pk]) if project else reverse(page if page != "scans" else "dashboard")


def _back(form: list_forms.SaveFilterForm) -> str:
    data = form.cleaned_data
    return f"{_place(data.get('page') or 'jobs', data.get('project'))}?{urlencode(data.get('query') or {})}"
