"""The ground floor's tasks. The periodic ones take no row: they look for work themselves; a duplicate or lost one is harmless."""

from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_init

# Importing `unreadable` and `workers` registers their housekeeping, and that workers say that they run.
from mediscan_site.core import audit, invitations, narrating, resets, start, sweeping, tidy, unreadable, work, workers  # noqa: F401
from mediscan_site.core.alone import one_at_a_time
from mediscan_site.core.backup import drills, making, services
from mediscan_site.core.models import Backup, Drill, Invitation, ResetRequest
from mediscan_site.core.storage import orphans, room, verification
from mediscan_site.core.totals import keeping
from mediscan_site.core.trail import anchors, guards, queue


@worker_init.connect
@beat_init.connect
def at_start(**kwargs: Any) -> None:
    start.at_start()


@shared_task(name="core.seal_audit", ignore_result=True)
@one_at_a_time("core.seal_audit", when=queue.anything)
def seal_audit() -> None:
    audit.seal_pending()


@shared_task(name="core.watch_audit", ignore_result=True)
@one_at_a_time("core.watch_audit")
def watch_audit() -> None:
    audit.seal_and_look()
    guards.watch()
    anchors.watch()


@shared_task(name="core.fold_totals", ignore_result=True)
@one_at_a_time("core.fold_totals", when=keeping.anything)
def fold_totals() -> None:
    keeping.fold()


@shared_task(name="core.check_totals", ignore_result=True)
@one_at_a_time("core.check_totals")
def check_totals() -> None:
    keeping.check()


@shared_task(name="core.sweep_work", ignore_result=True)
@one_at_a_time("core.sweep_work", when=work.anything_open)
def sweep_work() -> None:
    sweeping.sweep()


@shared_task(name="core.tidy", ignore_result=True)
@one_at_a_time("core.tidy")
def tidy_up() -> None:
    tidy.run()


@shared_task(name="core.sweep_orphans", ignore_result=True)
@one_at_a_time("core.sweep_orphans", when=orphans.due)
def sweep_orphans() -> None:
    orphans.sweep_slice()


@shared_task(name="core.watch_room", ignore_result=True)
def watch_room() -> None:
    room.watch()


@shared_task(name="core.verify_objects", ignore_result=True)
@one_at_a_time("core.verify_objects")
def verify_objects() -> None:
    verification.verify_part()


@work.durable_task(name="core.run_backup", queue="io", soft_limit_s=work.LONGEST_TASK_S)
def run_backup(pk: int) -> None:
    making.run(pk)


@shared_task(name="core.request_backup", ignore_result=True)
@one_at_a_time("core.request_backup", when=services.are_made)
def request_backup() -> None:
    row = services.request_due()
    if row is not None:
        work.send(run_backup, row.pk)


@work.durable_task(name="core.send_reset", queue="io", soft_limit_s=300)
def send_reset(pk: int) -> None:
    resets.run(pk)


@work.durable_task(name="core.send_invitation", queue="io", soft_limit_s=300)
def send_invitation(pk: int) -> None:
    invitations.run(pk)


@work.durable_task(name="core.run_drill", queue="io", soft_limit_s=work.LONGEST_TASK_S)
def run_drill(pk: int) -> None:
    drills.run(pk)


@shared_task(name="core.request_drill", ignore_result=True)
@one_at_a_time("core.request_drill", when=services.are_made)
def request_drill() -> None:
    row = drills.request_due()
    if row is not None:
        work.send(run_drill, row.pk)


@shared_task(name="core.keep_journal", ignore_result=True)
@one_at_a_time("core.keep_journal", when=services.are_made)
def keep_journal() -> None:
    services.keep_journal()


work.register_sweep(Backup, run_backup)
work.register_sweep(Drill, run_drill)
work.register_sweep(Invitation, send_invitation)
work.register_sweep(ResetRequest, send_reset, closing={"email": ""})
