"""Anchors: what is kept outside the database finds a tail that was cut off."""

import json
import logging
import stat
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from mediscan_site.core import audit, tasks
from mediscan_site.core.models import AuditSeal, Notice
from mediscan_site.core.trail import anchors
from tests.conftest import unguarded

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def file(tmp_path, settings):
    settings.AUDIT_ANCHOR_FILE = tmp_path / "kept" / "anchors.jsonl"
    return settings.AUDIT_ANCHOR_FILE


def write(count: int = 5) -> None:
    with transaction.atomic():
        for number in range(count):
            audit.record("scan.open", actor=None, details={"number": number})
    audit.seal_pending()


def cut(after: int) -> None:
    with unguarded():
        lost = AuditSeal.objects.filter(seq__gt=after)
        events = list(lost.values_list("event_id", flat=True))
        lost.delete()
        audit.AuditEvent.objects.filter(pk__in=events).delete()


def refused(*arguments) -> CommandError:
    with pytest.raises(CommandError) as error:
        call_command("verify_audit", *arguments)
    return error.value


@committed
def test_the_head_goes_to_a_private_file_and_to_the_log(file, caplog):
    write()
    with caplog.at_level(logging.INFO):
        anchor = anchors.drop()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = file.read_text().splitlines()
    assert line in caplog.text
    assert anchors.parse(line, "") == anchor
    assert (anchor.seq, anchor.hash) == audit.head()


@committed
def test_a_cut_tail_is_found_by_the_local_file_alone_and_named():
    write()
    anchors.drop()
    cut(after=3)
    assert audit.verify() is None
    error = refused()
    assert error.returncode == 1
    assert "Event 4 is missing" in str(error)


@committed
def test_a_cut_tail_is_found_by_a_copy_kept_elsewhere(file, tmp_path):
    write()
    anchors.drop()
    line = file.read_text()
    copy = tmp_path / "copy"
    copy.write_text(line)
    file.unlink()
    cut(after=3)
    call_command("verify_audit")
    write(1)
    for given in (str(copy), line, f"2026 INFO mediscan [-] audit anchor {line}"):
        assert "Event 5 is missing" in str(refused("--anchor", given))


@committed
def test_a_tail_that_was_cut_and_written_anew_is_found():
    write()
    anchors.drop()
    cut(after=3)
    write()
    assert "Event 5 is not the one" in str(refused())


@committed
def test_a_trail_that_goes_on_fits_all_its_anchors(capsys):
    for _ in range(3):
        write()
        anchors.drop()
    write()
    call_command("verify_audit")
    assert "20 events, 3 anchors held" in capsys.readouterr().out


@committed
def test_without_any_anchor_that_is_said(capsys):
    write()
    call_command("verify_audit")
    assert "a cut tail would not be seen" in capsys.readouterr().err


@committed
@pytest.mark.parametrize("change", [{"seq": 2}, {"hash": "0" * 64}, {"signature": "00"}, {"signature": None}])
def test_an_anchor_that_this_site_did_not_sign_is_exit_2(file, change):
    write()
    anchors.drop()
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}) + "\n")
    error = refused()
    assert error.returncode == 2
    assert "line 1" in str(error)


@committed
@pytest.mark.parametrize("text", ["/no/such/file", "{}", "{", "[1]{"])
def test_what_is_no_anchor_is_exit_2(text):
    assert refused("--anchor", text).returncode == 2


@committed
def test_half_a_line_at_the_end_is_a_crash_and_no_forgery(file):
    write()
    anchors.drop()
    with file.open("a") as broken:
        broken.write('{"audit_anchor": 1, "seq"')
    call_command("verify_audit")
    anchors.drop()
    call_command("verify_audit")
    assert len(file.read_text().splitlines()) == 2


@committed
def test_a_restore_goes_back_on_purpose_and_nobody_can_say_so_again_later(file):
    write()
    anchors.drop()
    at_two = AuditSeal.objects.get(seq=2)
    cut(after=2)
    back = anchors.restored(2, at_two.hash)
    call_command("verify_audit")
    write()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        anchors.drop()
    call_command("verify_audit")
    cut(after=2)
    with file.open("a") as replayed:
        replayed.write(anchors.to_line(back) + "\n")
    assert "Event 3 is missing" in str(refused())


@committed
def test_every_hour_a_cut_tail_is_told_to_administrators():
    write()
    tasks.watch_audit()
    assert not Notice.objects.exists()
    cut(after=3)
    tasks.watch_audit()
    assert "Event 4 is missing" in Notice.objects.get(key=anchors.LOST).sentence


@committed
def test_an_anchor_file_that_cannot_be_written_is_told(settings):
    write()
    settings.AUDIT_ANCHOR_FILE = settings.KEYS_FILE / "below a file"
    anchors.drop()
    assert "cannot be written" in Notice.objects.get(key=anchors.UNWRITABLE).sentence


def test_beat_looks_every_hour():
    assert settings.CELERY_BEAT_SCHEDULE["watch-audit"]["schedule"] == 3600.0


@committed
def test_an_empty_trail_has_no_anchor(file):
    assert anchors.drop() is None
    assert not file.exists()
