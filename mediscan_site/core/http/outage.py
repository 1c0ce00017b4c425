"""While the database is away, requests are answered at once instead of each waiting for it in turn: else a silent database
takes every thread, one time-out after the other, and nothing of the site answers.

Whoever finds it away raises the suspicion (`noticed`). A thread of this process then asks the database itself until it
answers; only what this thread found counts, so one slow statement closes nothing."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from django.db import Error, connection
from django.http import HttpRequest, HttpResponseBase

from mediscan_site.core import counting
from mediscan_site.core.errors import Unavailable, database_away
from mediscan_site.core.http import refusals

log = logging.getLogger(__name__)
PAUSE_S: Final = 1.0
# What answers without the database, and what asks for it itself.
ASKED_ANYWAY: Final = ("/healthz", "/readyz", "/metrics", "/static/")
AWAY: Final = "The database is away. Nothing was changed: try again in a few seconds."


class Watch:
    """What this process knows about the database."""

    def __init__(self) -> None:
        self.away = False
        self._asking = threading.Lock()

    def noticed(self, error: BaseException) -> None:
        """Count it, and look into it if this error may mean that the database is away."""
        counting.database_error(error)
        if database_away(error) and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask_until_it_answers, name="database-watch", daemon=True).start()

    def _ask_until_it_answers(self) -> None:
        try:
            while not _answers():
                if not self.away:
                    log.error("The database is away: requests are refused until it answers")
                self.away = True
                _pause.wait(PAUSE_S)
            if self.away:
                log.warning("The database answers again")
        finally:
            self.away = False
            self._asking.release()


# Nobody sets it: waiting for it is a sleep that tests can cut short.
_pause = threading.Event()
watch = Watch()


def _answers() -> bool:
    """One question on a connection of its own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        log.info("The database does not answer: %s", error)
        return False
    finally:
        connection.close()
    return True


class OutageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if watch.away and not request.path.startswith(ASKED_ANYWAY):
            return refusals.of(request, Unavailable(AWAY))
        return self.get_response(request)
