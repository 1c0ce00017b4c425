"""The page of the search, and what the palette's script asks for."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect

from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.html import read_page, respond
from mediscan_site.front.finding.palette import offered
from mediscan_site.front.finding.selectors import LONGEST, find


@read_page
def search(request: HttpRequest) -> HttpResponse:
    """A code goes straight to what has it."""
    typed = request.GET.get("q", "").strip()[:LONGEST]
    hits = find(caller(request), typed)
    exact = [hit for hit in hits if hit.exact]
    if len(exact) == 1:
        return redirect(exact[0].url)
    return respond(request, "front/search.html", {"typed": typed, "hits": hits})


@read_page
def palette(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"groups": offered(caller(request), request.GET.get("q", "").strip()[:LONGEST])})
