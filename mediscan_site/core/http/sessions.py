"""How long a session lives, and that nothing of its pages stays in the browser.

A ward's computer is left open: a session ends after SESSION_IDLE_S without anybody doing anything, and SESSION_COOKIE_AGE after
it began whatever is done. Pages that ask by themselves how a job stands are nobody doing something."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import render

GetResponse = Callable[[HttpRequest], HttpResponseBase]

BEGAN, SEEN = "began", "seen"
# The session is written at most this often, not with every picture of a page.
WRITTEN_EVERY_S = 60
UNKEPT = ("csrfmiddlewaretoken", "version")
ENDED = "You were signed out because nothing was done for {idle}. Log in to go on."


class NoStoreMiddleware:
    """No page, picture or answer is kept by a browser or proxy: the next person at the machine may not see it. Static files,
    which WhiteNoise serves before this, are."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers["Cache-Control"] = "private, no-store"
        return response


class SessionEndMiddleware:
    """Signs out whoever has been away for too long. What was being sent is not done, and shown again to be copied."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if SESSION_KEY not in request.session:
            return self.get_response(request)
        if not _is_over(request):
            _note(request)
            return self.get_response(request)
        logout(request)
        if _is_page(request):
            if request.method == "POST":
                return _not_done(request)
            messages.info(request, ended())
        return self.get_response(request)


@receiver(user_logged_in, dispatch_uid="session.begin")
def _begin(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    request.session[BEGAN] = request.session[SEEN] = int(time.time())


def ended() -> str:
    hours, minutes = divmod(settings.SESSION_IDLE_S // 60, 60)
    parts = [f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in ((hours, "hour"), (minutes, "minute"))]
    return ENDED.format(idle=" ".join(part for part in parts if not part.startswith("0 ")))


def _is_over(request: HttpRequest) -> bool:
    now = time.time()
    # Sessions of an older version begin now.
    began, seen = request.session.setdefault(BEGAN, int(now)), request.session.setdefault(SEEN, int(now))
    return bool(now - seen > settings.SESSION_IDLE_S or now - began > settings.SESSION_COOKIE_AGE)


def _note(request: HttpRequest) -> None:
    polling = request.method == "GET" and "HX-Request" in request.headers
    if not polling and time.time() - request.session[SEEN] >= min(WRITTEN_EVERY_S, settings.SESSION_IDLE_S / 10):
        request.session[SEEN] = int(time.time())


def _is_page(request: HttpRequest) -> bool:
    """What a person looks at; not the API, and not a part of a page, which app.js speaks for."""
    return not request.path.startswith("/api/") and "HX-Request" not in request.headers


def _not_done(request: HttpRequest) -> HttpResponseBase:
    context = {"sentence": ended(), "typed": _typed(request.POST), "login_url": settings.LOGIN_URL}
    return render(request, "auth/signed_out.html", context, status=401)


def _typed(sent: QueryDict) -> list[tuple[str, str]]:
    """What a person has written, as a name for people and the text."""
    given = [(name, value) for name, values in sent.lists() for value in values if isinstance(value, str)]
    written = [
        (name, value) for name, value in given if name not in UNKEPT and "password" not in name and value.strip()
    ]
    return [(name.replace("_", " ").capitalize(), value) for name, value in written]
