import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediscan_site.core import audit
from mediscan_site.core.models import AuditEvent, AuditSeal, Notice
from mediscan_site.core.trail import beginning, guards, macs
from tests.conftest import unguarded

# Tampering takes the triggers away, which on MySQL commits.
committed = pytest.mark.django_db(transaction=True)


def write(actor, count: int = 5) -> None:
    with transaction.atomic():
        for number in range(count):
            audit.record("scan.open", actor=actor, obj=actor, details={"number": number})
    audit.seal_pending()


def insert(**columns) -> int:
    """A row as SQL writes it, past the site."""
    blank = {"actor_name": "", "object_type": "", "object_id": "", "ip": "", "request_id": "", "details": "{}"}
    row = {**blank, "at": "2026-01-01 00:00:00", "action": "scan.open", "mac": "", **columns}
    names = ", ".join(connection.ops.quote_name(name) for name in row)
    marks = ", ".join(["%s"] * len(row))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO core_auditevent ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608
    return AuditEvent.objects.latest("id").pk


def copied(event: AuditEvent, **changed) -> AuditEvent:
    values = {field.attname: getattr(event, field.attname) for field in AuditEvent._meta.fields if field.name != "id"}
    return AuditEvent.objects.create(**{**values, **changed})


def test_an_untouched_chain_verifies(admin):
    write(admin)
    assert audit.verify() is None
    assert AuditSeal.objects.count() == AuditEvent.objects.count()


@committed
@pytest.mark.parametrize("field, value", [("action", "scan.delete"), ("actor_name", "somebody"), ("details", {"x": 1})])
def test_an_edited_event_is_named(admin, field, value):
    write(admin)
    victim = AuditSeal.objects.get(seq=3)
    with unguarded():
        AuditEvent.objects.filter(pk=victim.event_id).update(**{field: value})
    assert audit.verify() == 3
    with pytest.raises(CommandError, match="event 3"):
        call_command("verify_audit")


@committed
def test_a_removed_event_is_named(admin):
    write(admin)
    with unguarded():
        AuditSeal.objects.filter(seq=2).delete()
    assert audit.verify() == 2


@committed
def test_two_events_that_changed_places_are_named(admin):
    write(admin)
    second, third = (AuditSeal.objects.get(seq=seq) for seq in (2, 3))
    with unguarded():
        AuditSeal.objects.filter(seq=2).delete()
        AuditSeal.objects.filter(seq=3).update(event_id=second.event_id)
        AuditSeal.objects.create(seq=2, event_id=third.event_id, prev_hash=second.prev_hash, hash=second.hash)
    assert audit.verify() == 2


@committed
def test_a_chain_forged_without_the_key_is_named(admin):
    write(admin)
    last = AuditSeal.objects.order_by("-seq").first().seq
    with unguarded():
        AuditSeal.objects.filter(seq=last).update(hash="0" * 63 + "1")
    assert audit.verify() == last


@pytest.mark.django_db(transaction=True)
def test_an_event_cannot_be_written_apart_from_its_change():
    with pytest.raises(RuntimeError, match="outside a transaction"):
        audit.record("scan.open", actor=None)


def test_an_event_dies_with_a_change_that_fails(admin):
    before = AuditEvent.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.record("scan.update", actor=admin)
        _ = 1 / 0
    assert AuditEvent.objects.count() == before


@committed
@pytest.mark.parametrize("table", ["core_auditevent", "core_auditseal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_the_database_refuses_to_change_the_trail(admin, table, statement):
    write(admin)
    column = "action" if table == "core_auditevent" else "hash"
    with pytest.raises(DatabaseError, match=guards.REFUSAL), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column, "'x'"))
    assert audit.verify() is None


@committed
@pytest.mark.parametrize("table", ["core_auditevent", "core_auditseal"])
def test_replacing_a_row_is_changing_it(admin, table):
    write(admin)
    if connection.vendor == "postgresql":
        pytest.skip("has no REPLACE")
    with pytest.raises(DatabaseError, match=guards.REFUSAL), connection.cursor() as cursor:
        cursor.execute(f"REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608
    assert audit.verify() is None


@committed
def test_postgresql_refuses_to_truncate_the_trail(admin):
    if connection.vendor != "postgresql":
        pytest.skip("a trigger on TRUNCATE is PostgreSQL's")
    write(admin)
    with pytest.raises(DatabaseError, match=guards.REFUSAL), connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_auditevent CASCADE")


@committed
@pytest.mark.parametrize("instead", ["", "does something else"])
def test_a_trigger_that_is_gone_is_told_and_put_back_by_migrate(admin, instead):
    assert guards.missing() == []
    trigger = guards.TRIGGERS.by_vendor[connection.vendor]()[0]
    name = trigger.name
    with connection.cursor() as cursor:
        table = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {name}{table}")
        if instead and connection.vendor == "sqlite":
            cursor.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON core_auditevent BEGIN SELECT 1; END")
    assert guards.missing() == [name]
    assert guards.watch() == [name]
    assert name in Notice.objects.get(key=guards.NOTICE).sentence
    call_command("migrate", verbosity=0)
    assert guards.watch() == []
    assert AuditEvent.objects.get(action="trail.guard").details == {"made_again": [name]}
    assert not Notice.objects.filter(key=guards.NOTICE).exists()


@pytest.mark.parametrize("code, remedy", [(1419, "log_bin_trust_function_creators"), (1142, "GRANT TRIGGER")])
def test_a_database_that_lets_nobody_make_triggers_is_explained(code, remedy):
    error = guards.TRIGGERS.explained(OperationalError(code, "denied"), connection)
    assert isinstance(error, CommandError)
    assert remedy in str(error)


def test_a_row_that_sql_wrote_is_never_sealed_and_is_told(admin, capsys):
    write(admin)
    forged = insert(actor_id=admin.pk, actor_name=admin.username)
    audit.seal_pending()
    assert str(forged) in Notice.objects.get(key=audit.STRAYS).sentence
    assert not AuditSeal.objects.filter(event_id=forged).exists()
    write(admin)
    assert audit.verify() is None
    with pytest.raises(CommandError, match=str(forged)) as refused:
        call_command("verify_audit")
    assert refused.value.returncode == 1


@pytest.mark.parametrize("mac", ["", "0" * 64])
def test_a_row_with_a_uid_and_no_right_mac_is_not_ours(admin, mac):
    write(admin)
    forged = copied(AuditEvent.objects.latest("id"), uid="11111111111111111111111111111111", mac=mac)
    audit.seal_pending()
    assert not AuditSeal.objects.filter(event=forged).exists()


def test_a_copy_of_an_event_is_refused_and_one_under_another_name_is_found(admin):
    write(admin)
    genuine = AuditEvent.objects.latest("id")
    with pytest.raises(DatabaseError), transaction.atomic():
        copied(genuine)
    forged = copied(genuine, uid="22222222222222222222222222222222")
    audit.seal_pending()
    assert not AuditSeal.objects.filter(event=forged).exists()


@committed
def test_a_sealed_event_without_its_mac_is_named(admin):
    write(admin)
    last = AuditSeal.objects.order_by("-seq").first()
    with unguarded():
        AuditEvent.objects.filter(pk=last.event_id).update(mac="")
    assert audit.verify() == last.seq


def aged(count: int) -> None:
    """A trail from before there were MACs, sealed but for its last event."""
    with unguarded():
        AuditSeal.objects.all().delete()
        AuditEvent.objects.all().delete()
    for number in range(count):
        AuditEvent.objects.create(uid=None, mac="", action="old", details={"number": number})
    beginning._seal(AuditEvent, AuditSeal)
    AuditEvent.objects.create(uid=None, mac="", action="old", details={"unsealed": True})


@committed
def test_events_from_before_there_were_macs_stay_valid(admin):
    aged(4)
    beginning.note(AuditEvent, AuditSeal)
    write(admin)
    assert audit.verify() is None
    assert AuditEvent.objects.get(action=beginning.ACTION).details == {"without": 5}


@committed
def test_nothing_is_added_to_what_is_older_than_macs(admin):
    aged(4)
    beginning.note(AuditEvent, AuditSeal)
    forged = insert(action="old")
    write(admin)
    assert not AuditSeal.objects.filter(event_id=forged).exists()


@committed
def test_a_whole_trail_without_macs_and_without_a_note_is_not_believed(admin):
    aged(4)
    assert audit.verify() == 5
    write(admin)
    assert audit.verify() == 5


NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32)
WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
DETAILS = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS, lambda below: st.lists(below) | st.dictionaries(WORDS, below)
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=st.dictionaries(WORDS, DETAILS))
def test_a_mac_holds_whatever_the_database_does_to_details(admin, details):
    with transaction.atomic():
        event = audit.record("scan.open", actor=admin, details=details)
    assert macs.is_genuine(AuditEvent.objects.get(pk=event.pk))


def test_numbers_are_recorded_with_no_more_digits_than_every_database_gives_back(admin):
    details = {
        "share": 1 / 3,
        "list": [2 / 3, {"whole": 1234567890123456.0, "count": 2**60}],
        "small": -5.960464477539063e-08,
    }
    with transaction.atomic():
        event = audit.record("scan.open", actor=admin, details=details)
    found = AuditEvent.objects.get(pk=event.pk)
    assert found.details["share"] == 0.333333333333
    assert found.details["list"][0] == 0.666666666667
    assert found.details["list"][1] == {"whole": 1234567890123456, "count": 2**60}
    # One off in the last place, as MySQL gives it back.
    found.details["small"] = -5.960464477540001e-08
    assert macs.is_genuine(found)


def test_an_event_of_an_older_version_has_all_its_digits(admin):
    with transaction.atomic():
        event = audit.record("scan.open", actor=admin, details={"share": 0.5})
    event.details = {"share": 1 / 3}
    event.mac = macs._mac(event, event.details)
    assert macs.is_genuine(event)
    event.details = {"share": 0.34}
    assert not macs.is_genuine(event)
