"""What the scripts of pages ask for: the words of a refusal of the API in the language of the page."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from mediscan_site.core.http.html import action
from mediscan_site.core.sentences import LONGEST, in_language


@action
def said(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"said": in_language(request.POST.get("text", "")[:LONGEST])})
