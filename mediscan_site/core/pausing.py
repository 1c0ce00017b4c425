"""Work that waits for room on a full disk: its row stays queued and says why, and the sweeper wakes a worker for it again."""

from typing import Final

from django.db.models.functions import Now

from mediscan_site.core.again import done_again
from mediscan_site.core.models import WorkItem, WorkStatus
from mediscan_site.core.storage import room
from mediscan_site.core.work import mine

WAITS_FOR_ROOM: Final = (
    "Paused: the server's disk is full. It goes on by itself as soon as an administrator has made room."
)


@done_again
def pause(model: type[WorkItem], pk: int, attempt: int) -> None:
    """Give a row back for want of room. This attempt is not counted: nothing was lost."""
    row = {"status": WorkStatus.QUEUED, "queued_at": Now(), "attempt": attempt - 1, "error": WAITS_FOR_ROOM}
    mine(model, pk, attempt).filter(cancel_requested=False).update(**row)


@done_again
def waits_for_room(model: type[WorkItem], pk: int) -> bool:
    """Asked before `work.claim`: True while a disk is full."""
    if not room.is_tight():
        return False
    queued = model._default_manager.filter(pk=pk, status=WorkStatus.QUEUED)
    queued.exclude(error=WAITS_FOR_ROOM).update(error=WAITS_FOR_ROOM)
    return True
