import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from mediscan_site.core import audit
from mediscan_site.core.models import AuditEvent, AuditSeal


def write(actor, count: int = 5) -> None:
    with transaction.atomic():
        for number in range(count):
            audit.record("scan.open", actor=actor, obj=actor, details={"number": number})
    audit.seal_pending()


def test_an_untouched_chain_verifies(admin):
    write(admin)
    assert audit.verify() is None
    assert AuditSeal.objects.count() == AuditEvent.objects.count()


@pytest.mark.parametrize("field, value", [("action", "scan.delete"), ("actor_name", "somebody"), ("details", {"x": 1})])
def test_an_edited_event_is_named(admin, field, value):
    write(admin)
    victim = AuditSeal.objects.get(seq=3)
    AuditEvent.objects.filter(pk=victim.event_id).update(**{field: value})
    assert audit.verify() == 3
    with pytest.raises(CommandError, match="event 3"):
        call_command("verify_audit")


def test_a_removed_event_is_named(admin):
    write(admin)
    AuditSeal.objects.filter(seq=2).delete()
    assert audit.verify() == 2


def test_two_events_that_changed_places_are_named(admin):
    write(admin)
    second, third = (AuditSeal.objects.get(seq=seq) for seq in (2, 3))
    AuditSeal.objects.filter(seq=2).delete()
    AuditSeal.objects.filter(seq=3).update(event_id=second.event_id)
    AuditSeal.objects.create(seq=2, event_id=third.event_id, prev_hash=second.prev_hash, hash=second.hash)
    assert audit.verify() == 2


def test_a_chain_forged_without_the_key_is_named(admin):
    write(admin)
    AuditSeal.objects.filter(seq=5).update(hash="0" * 63 + "1")
    assert audit.verify() == 5


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
