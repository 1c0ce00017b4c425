"""The database itself keeps the trail: triggers refuse whoever wants to change or delete what was written, the site too; one
more has each new event wait for its seal (`core.trail.queue`).

They are made by a migration, and again after every `migrate` where one is missing (`core.triggers` says why). There is no
switch: whoever may drop a trigger can go past it, and then chain, MACs and anchors tell. Tests that tamper or empty tables drop
and make them like an attacker would.
"""

import logging
from typing import Any, Final

from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from mediscan_site.core import audit, notices, triggers
from mediscan_site.core.models import AuditEvent, AuditSeal
from mediscan_site.core.trail import queue
from mediscan_site.core.triggers import Trigger, Triggers

log = logging.getLogger(__name__)

REFUSAL: Final = "The audit trail is only ever added to."
EVENTS, SEALS = AuditEvent._meta.db_table, AuditSeal._meta.db_table
FUNCTION: Final = "mediscan_trail_is_kept"
NOTICE: Final = "audit-unguarded"


def _sqlite() -> list[Trigger]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    # INSERT OR REPLACE deletes the old row without a word to the trigger on DELETE.
    twice = {
        EVENTS: "id = NEW.id OR uid = NEW.uid",
        SEALS: "seq = NEW.seq OR event_id = NEW.event_id OR prev_hash = NEW.prev_hash",
    }
    made = []
    for table, same in twice.items():
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 -- our own names
        made += [
            Trigger(f"{table}_update", table, f"BEFORE UPDATE ON {table} {refuse}"),
            Trigger(f"{table}_delete", table, f"BEFORE DELETE ON {table} {refuse}"),
            Trigger(f"{table}_replace", table, f"BEFORE INSERT ON {table} WHEN {exists} {refuse}"),
        ]
    return made


def _mysql() -> list[Trigger]:
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{REFUSAL}'"
    return [
        Trigger(f"{table}_{kind.lower()}", table, f"BEFORE {kind} ON {table} FOR EACH ROW {refuse}")
        for table in (EVENTS, SEALS)
        for kind in ("UPDATE", "DELETE")
    ]


def _postgresql() -> list[Trigger]:
    refuse = f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
    return [
        Trigger(f"{table}_kept", table, f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} {refuse}")
        for table in (EVENTS, SEALS)
    ]


TRIGGERS: Final = triggers.register(
    Triggers(
        mark=REFUSAL,
        purpose="keep the audit trail from being changed",
        by_vendor={"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql},
        functions={FUNCTION: f"BEGIN RAISE EXCEPTION '{REFUSAL}'; END"},
    )
)


def _parts(database: BaseDatabaseWrapper) -> list[Triggers]:
    """Migrations make the queue later than the trail."""
    return [TRIGGERS, queue.TRIGGERS] if queue.TABLE in database.introspection.table_names() else [TRIGGERS]


def missing(database: BaseDatabaseWrapper = connection) -> list[str]:
    """Names of the triggers that are not there, or do something else."""
    return [name for part in _parts(database) for name in part.missing(database)]


def protect(database: BaseDatabaseWrapper = connection) -> list[str]:
    """Make the triggers that are missing; returns their names. CommandError, with the remedy, where the database refuses."""
    return [name for part in _parts(database) for name in part.make(database)]


def unprotect(database: BaseDatabaseWrapper = connection) -> None:
    """Take the triggers that refuse away: the reverse of their migration."""
    TRIGGERS.drop(database)


def unqueue(database: BaseDatabaseWrapper = connection) -> None:
    """Take away the one that has events wait: the reverse of its migration."""
    queue.TRIGGERS.drop(database)


def watch() -> list[str]:
    """What is missing now, and the notice for administrators that follows it."""
    absent = missing()
    if absent:
        notices.put(
            NOTICE,
            f"The database does not keep the audit trail from being changed: {', '.join(absent)} missing. Find out who took "
            "it away, run manage.py verify_audit, then manage.py migrate, which puts it back.",
        )
    else:
        notices.take_away(NOTICE)
    return absent


def after_migrate(sender: Any, using: str, apps: Any, **kwargs: Any) -> None:
    """Receiver of `post_migrate`. Below the migration that makes the triggers there is nothing to keep. Where nothing was to be
    migrated, nobody but a restore had a reason to take one away: the trail says so."""
    fields = {field.name for field in apps.get_model("core", "AuditEvent")._meta.get_fields()}
    if "uid" not in fields:
        return
    absent = protect(connections[using])
    if queue.TRIGGER in absent:
        # What was written without it.
        queue.take_in_all()
    if absent and not kwargs.get("plan"):
        log.error("Triggers of the audit trail were missing and were made again: %s", ", ".join(absent))
        with transaction.atomic(using=using):
            audit.record("trail.guard", actor=None, details={"made_again": absent})
