"""Pages with a list that can be searched for a patient."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from images.facts import PSEUDONYM
from images.filters import asked_projects
from images.services.naming import find_patients
from mediscan_site.core.http.callers import caller

Page = Callable[..., HttpResponse]


def by_pseudonym(view: Page) -> Page:
    """A search by patient number goes on as one by pseudonym: so the number stays neither in the browser's history nor in the
    links of the page, and the search is one audit event however many pages are turned."""

    @wraps(view)
    def page(request: HttpRequest, **arguments: int) -> HttpResponse:
        named, project = request.GET.get("patient", "").strip(), arguments.get("pk", request.GET.get("project"))
        projects = asked_projects(request.user, project)
        # Over several projects no single pseudonym stands for the patient.
        if not named or PSEUDONYM.fullmatch(named) or not project or not projects.exists():
            return view(request, **arguments)
        query = request.GET.copy()
        query["patient"] = find_patients(caller(request), named, projects)[-1]
        return redirect(f"{request.path}?{query.urlencode()}")

    return page
