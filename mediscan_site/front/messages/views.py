"""The bell's page: what somebody was told."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.digits import whole_number
from mediscan_site.core.http.html import action, read_page, respond
from mediscan_site.core.http.pages import keyset_page
from mediscan_site.core.messages import services
from mediscan_site.front.messages.selectors import line, visible_messages

PAGE = 50


@read_page
def messages(request: HttpRequest) -> HttpResponse:
    found = visible_messages(request.user)
    page = keyset_page(found, ordering="-id", cursor=request.GET.get("cursor"), size=PAGE)
    return respond(request, "front/messages.html", {"page": page, "lines": [line(row) for row in page.rows]})


@action
def messages_read(request: HttpRequest) -> HttpResponse:
    """One of them, or all up to the newest that the page showed."""
    one, until = whole_number(request.POST.get("message", "")), whole_number(request.POST.get("until", ""))
    if one is not None:
        services.read(actor=caller(request), messages=[one])
    elif until is not None:
        services.read_all(actor=caller(request), until=until)
    return redirect("messages")


@action
def message_open(request: HttpRequest, pk: int) -> HttpResponse:
    """To what the message is about; it counts as read."""
    message = get_object_or_404(visible_messages(request.user), pk=pk)
    services.read(actor=caller(request), messages=[pk])
    return redirect(message.url)
