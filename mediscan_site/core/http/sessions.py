"""How long a session lives, and that nothing of its pages stays in the browser.

A ward's computer is left open: a session ends after SESSION_IDLE_S without anybody doing anything, and SESSION_COOKIE_AGE after
it began whatever is done. Pages that ask by themselves how a job stands are nobody doing something."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext, gettext_noop, ngettext

GetResponse = Callable[[HttpRequest], HttpResponseBase]

BEGAN, SEEN = "began", "seen"
# The session is written at most this often, not with every picture of a page.
WRITTEN_EVERY_S = 60
# Answered also while the database, and with it any session, is away.
UNWATCHED: Final = ("/healthz", "/readyz")
UNKEPT = ("csrfmiddlewaretoken", "version")
ENDED = gettext_noop("You were signed out because nothing was done for {idle}. Log in to go on.")


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
        # A database that is away is for the error page (front.errors): the page itself would only ask it again.
        if not (_watched(request) and _is_over(request)):
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
    parts = [
        ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours} if hours else "",
        ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes} if minutes else "",
    ]
    return gettext(ENDED).format(idle=" ".join(filter(None, parts)))


def _watched(request: HttpRequest) -> bool:
    """Whether somebody is signed in. Whether the site lives is answered without asking the database."""
    return request.path not in UNWATCHED and SESSION_KEY in request.session


def _is_over(request: HttpRequest) -> bool:
    """Whether the session has ended; if not, that somebody is there is noted."""
    now, session = int(time.time()), request.session
    # Sessions of an older version begin now.
    began, seen = session.get(BEGAN, now), session.get(SEEN, 0 if BEGAN not in session else now)
    if BEGAN in session and (now - seen > settings.SESSION_IDLE_S or now - began > settings.SESSION_COOKIE_AGE):
        return True
    polling = request.method == "GET" and "HX-Request" in request.headers
    if not polling and now - seen >= min(WRITTEN_EVERY_S, settings.SESSION_IDLE_S / 10):
        _note(session, began, now)
    return False


def _note(session: Any, began: int, now: int) -> None:
    """Written here and not with the answer: a page is shown also while nothing can be written."""
    changed, session[BEGAN], session[SEEN] = session.modified, began, now
    with suppress(DatabaseError, UpdateError):
        session.save()
    session.modified = changed


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
