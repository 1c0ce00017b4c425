"""The database itself keeps the trail: triggers refuse whoever wants to change or delete what was written, the site too; one
more has each new event wait for its seal (`core.trail.queue`).

They are made by a migration, and again after every `migrate` where one is missing: SQLite drops a table's triggers when a
migration rebuilds the table, and a dump of MySQL leaves them out. There is no switch: whoever may drop a trigger can go past
it, and then chain, MACs and anchors tell. Tests that tamper or empty tables drop and make them like an attacker would.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from mediscan_site.core import audit, notices
from mediscan_site.core.models import AuditEvent, AuditSeal
from mediscan_site.core.trail import queue

log = logging.getLogger(__name__)

REFUSAL: Final = "The audit trail is only ever added to."
EVENTS, SEALS = AuditEvent._meta.db_table, AuditSeal._meta.db_table
FUNCTION: Final = "mediscan_trail_is_kept"
NOTICE: Final = "audit-unguarded"
# MySQL's and MariaDB's own codes: no TRIGGER privilege; a binary log, and no trust in those who make triggers.
_NO_PRIVILEGE: Final = (1142, 1227)
_BINARY_LOG: Final = 1419


def _sqlite() -> dict[str, str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    # INSERT OR REPLACE deletes the old row without a word to the trigger on DELETE.
    twice = {
        EVENTS: "id = NEW.id OR uid = NEW.uid",
        SEALS: "seq = NEW.seq OR event_id = NEW.event_id OR prev_hash = NEW.prev_hash",
    }
    made = {}
    for table, same in twice.items():
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 -- our own names
        made[f"{table}_update"] = f"BEFORE UPDATE ON {table} {refuse}"
        made[f"{table}_delete"] = f"BEFORE DELETE ON {table} {refuse}"
        made[f"{table}_replace"] = f"BEFORE INSERT ON {table} WHEN {exists} {refuse}"
    return made


def _mysql() -> dict[str, str]:
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{REFUSAL}'"
    return {
        f"{table}_{kind.lower()}": f"BEFORE {kind} ON {table} FOR EACH ROW {refuse}"
        for table in (EVENTS, SEALS)
        for kind in ("UPDATE", "DELETE")
    }


def _postgresql() -> dict[str, str]:
    refuse = f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()"
    return {f"{table}_kept": f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} {refuse}" for table in (EVENTS, SEALS)}


_TRIGGERS: Final[dict[str, Callable[[], dict[str, str]]]] = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgresql,
}
_FUNCTION_BODY: Final = f"BEGIN RAISE EXCEPTION '{REFUSAL}'; END"
# Name and text of the triggers that are in force; the text is what is compared.
_PRESENT: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (%s, %s)",
    "mysql": "SELECT trigger_name, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_object_table IN (%s, %s)",
    "postgresql": "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE t.tgrelid IN (to_regclass(%s), to_regclass(%s)) AND t.tgenabled IN ('O', 'A')",
}


def wanted(database: BaseDatabaseWrapper = connection) -> dict[str, tuple[str, str]]:
    """By name the text of each trigger, and what shows that it is in force. Migrations make the queue later than the trail."""
    made = {name: (text, REFUSAL) for name, text in _TRIGGERS[database.vendor]().items()}
    if queue.TABLE in database.introspection.table_names():
        made[queue.TRIGGER] = (queue.SQL[database.vendor], queue.MARK)
    return made


def missing(database: BaseDatabaseWrapper = connection) -> list[str]:
    """Names of the triggers that are not there, or do something else."""
    with database.cursor() as cursor:
        cursor.execute(_PRESENT[database.vendor], [EVENTS, SEALS])
        present = {str(name): str(text) for name, text in cursor.fetchall()}
    return [name for name, (_, mark) in wanted(database).items() if mark not in present.get(name, "")]


def protect(database: BaseDatabaseWrapper = connection) -> None:
    """Make the triggers that are missing. CommandError, with the remedy, where the database does not let us."""
    absent, texts = missing(database), wanted(database)
    with database.cursor() as cursor:
        if absent and database.vendor == "postgresql":
            for name, body in ((FUNCTION, _FUNCTION_BODY), (queue.FUNCTION, queue.FUNCTION_BODY)):
                cursor.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        for name in absent:
            _drop(cursor, database.vendor, name)
            try:
                cursor.execute(f"CREATE TRIGGER {name} {texts[name][0]}")
            except OperationalError as error:
                raise _explained(error, database) from error


def unprotect(database: BaseDatabaseWrapper = connection) -> None:
    """Take the triggers that refuse away: the reverse of their migration."""
    with database.cursor() as cursor:
        for name in _TRIGGERS[database.vendor]():
            _drop(cursor, database.vendor, name)
        if database.vendor == "postgresql":
            cursor.execute(f"DROP FUNCTION IF EXISTS {FUNCTION}()")


def unqueue(database: BaseDatabaseWrapper = connection) -> None:
    """Take away the one that has events wait: the reverse of its migration."""
    with database.cursor() as cursor:
        _drop(cursor, database.vendor, queue.TRIGGER)
        if database.vendor == "postgresql":
            cursor.execute(f"DROP FUNCTION IF EXISTS {queue.FUNCTION}()")


def _drop(cursor: Any, vendor: str, name: str) -> None:
    table = f" ON {name.rsplit('_', 1)[0]}" if vendor == "postgresql" else ""
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}{table}")


def _explained(error: OperationalError, database: BaseDatabaseWrapper) -> Exception:
    code, name = error.args[0], database.settings_dict["NAME"]
    if code == _BINARY_LOG:
        return CommandError(
            "The database writes a binary log and lets nobody but its administrator make triggers, which the audit trail needs. "
            "Set log_bin_trust_function_creators = 1 in the server's configuration (or SET GLOBAL it), then run migrate again."
        )
    if code in _NO_PRIVILEGE:
        return CommandError(
            "The database account may not make triggers, which keep the audit trail from being changed. Run "
            f"GRANT TRIGGER ON `{name}`.* TO the account as the server's administrator, then run migrate again."
        )
    return error


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
    absent = missing(connections[using])
    protect(connections[using])
    if queue.TRIGGER in absent:
        # What was written without it.
        queue.take_in_all()
    if absent and not kwargs.get("plan"):
        log.error("Triggers of the audit trail were missing and were made again: %s", ", ".join(absent))
        with transaction.atomic(using=using):
            audit.record("trail.guard", actor=None, details={"made_again": absent})
