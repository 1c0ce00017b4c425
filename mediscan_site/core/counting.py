"""What each process counts as it works, for Prometheus. Web processes share the counts (`front.metrics.shared`), and what
workers do is read from the rows (`front.metrics.jobs`): their own counts go nowhere. Labels have few values, none of them typed
by anybody."""

from typing import Final

from django.contrib.auth.signals import user_login_failed
from django.db import DatabaseError
from django.dispatch import receiver
from prometheus_client import Counter, Gauge

from mediscan_site.core.errors import database_away, ended_by_database, waited_for_lock

SIGN_IN_FAILURES: Final = Counter("mediscan_sign_in_failures_total", "Log-ins that were refused")
DATABASE_ERRORS: Final = Counter(
    "mediscan_database_errors_total", "Errors of the database that ended a request, or had it done again", ["kind"]
)
THROTTLED: Final = Counter(
    "mediscan_throttled_total",
    "Requests answered with 429 before they were looked at, by what they asked for",
    ["kind"],
)
TURNED_AWAY: Final = Counter(
    "mediscan_turned_away_total", "Requests that the gate answered itself with an error, by status", ["status"]
)
# Of the processes that live: a dead one keeps no request.
LANES: Final = Gauge(
    "mediscan_lane_requests", "Requests that have a thread or stand before one", ["lane"], multiprocess_mode="livesum"
)


def database_error(error: BaseException) -> None:
    if isinstance(error, DatabaseError):
        DATABASE_ERRORS.labels(_kind(error)).inc()


def _kind(error: DatabaseError) -> str:
    if ended_by_database(error):
        return "deadlock"
    if waited_for_lock(error):
        return "lock"
    return "away" if database_away(error) else "other"


@receiver(user_login_failed, dispatch_uid="counting.login_failed")
def _count_failed_login(**_about: object) -> None:
    SIGN_IN_FAILURES.inc()
