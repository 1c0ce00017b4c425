"""One line of the log for each task, with `LOG_FORMAT=json`: name, id, the row it is about, how it ended, how long it took."""

import logging
import time
from typing import Any, Final

from celery.signals import task_postrun, task_prerun

from mediscan_site.logs import TASKS

log = logging.getLogger(TASKS)
_began: Final[dict[str, float]] = {}


@task_prerun.connect(weak=False)
def _begins(task_id: str, **_about: Any) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect(weak=False)
def _has_ended(task_id: str, task: Any, args: Any, state: str | None = None, **_about: Any) -> None:
    spent = time.monotonic() - _began.pop(task_id, time.monotonic())
    row = next((value for value in (args or ())[:1] if isinstance(value, int)), None)
    about = {"task": task.name, "task_id": task_id, "row": row, "state": state, "duration_ms": round(spent * 1000)}
    log.log(logging.INFO if state != "FAILURE" else logging.ERROR, "task", extra=about)
