"""What people are told: each thing once, to whom it concerns, whatever is lost on the way."""

import re
from datetime import UTC, datetime, timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from images.services import add_member, grant, remove_member
from labeling.models import Import
from labeling.reading.everyone import waiting_for
from labeling.reading.reviews import review_scan
from labeling.reading.selectors import queue_counts
from mediscan_site.core import audit, services
from mediscan_site.core.messages import mailing
from mediscan_site.core.messages.kinds import KINDS, sentence_of
from mediscan_site.core.messages.services import KEPT, Waiting, forget, tell, tell_of_all_work
from mediscan_site.core.models import Backup, Bookmark, Digest, Drill, Message, User
from mediscan_site.core.services import create_user
from mediscan_site.front.messages import digests, jobs, trail, waiting
from models_registry.deployments.services import deploy
from models_registry.models import Alarm, AlarmTold

pytestmark = pytest.mark.django_db
FACTS = {"code": "x", "project": "p", "number": 2, "by": "b", "name": "n"}


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[1])
    return client


def sentences(user) -> list[str]:
    return [sentence_of(row.kind, row.facts) for row in Message.objects.filter(user=user).order_by("pk")]


def follow() -> None:
    audit.seal_pending()
    trail.follow()


def told(author, **more) -> Message:
    tell([author], "run_ended", key="run:1", url="/jobs/", facts={"code": "training001", "project": "Chest"}, **more)
    return Message.objects.get(user=author)


def test_every_kind_makes_a_sentence_of_what_it_is_told_and_never_fails():
    assert [kind for kind in KINDS if "%" in sentence_of(kind, FACTS) or sentence_of(kind, FACTS) == kind] == []
    assert sentence_of("review_waits", {}) == "review_waits"
    assert sentence_of("of_a_later_version", FACTS) == "of_a_later_version"


def test_a_rejected_label_is_told_to_its_author_once_and_what_was_before_is_not(make_scan, author, colleague, admin):
    old = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=old, status="rejected")
    follow()
    assert sentences(author) == []
    scan = make_scan(seed=2, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="rejected", comment="Look again")
    follow()
    # As after a restore of the bookmark, or by two workers: nobody is told twice.
    Bookmark.objects.update(seq=0)
    trail.follow()
    assert f"colleague has rejected your label of {scan.code} in Chest X-ray." in sentences(author)
    assert Message.objects.filter(user=author, key__startswith="rejected:").count() == 2
    assert "Look again" not in str(list(Message.objects.values()))
    assert sentences(colleague) == []


def test_members_hear_of_a_version_that_serves_and_those_who_decide_of_an_alarm_and_of_backups_administrators(
    make_version, author, colleague, admin, project
):
    follow()
    model = make_version()
    deploy(actor=admin, model=model)
    alarm = Alarm.objects.create(
        project=project, model=model, site="Klinik Nord", score="distance", rule="tell", limit=9, log_capital=9, seen=9
    )
    AlarmTold.objects.create(alarm=alarm, user=colleague)
    with transaction.atomic():
        audit.record("alarm.raise", actor=None, obj=alarm, project=project.pk)
        for status in ("failed", "cancelled"):
            audit.record("backup.fail", actor=None, obj=Backup.objects.create(kind="daily"), details={"status": status})
        for status in ("failed", "succeeded"):
            audit.record("backup.drill", actor=None, obj=Drill.objects.create(), details={"status": status})
    follow()
    serves = f"{model.code} now answers in Chest X-ray; admin has deployed it."
    alarmed = f"The watching of {model.code} in Chest X-ray has raised an alarm. Look at it and decide."
    assert sentences(author) == [serves]
    assert sentences(colleague) == [serves, alarmed]
    assert [sentence.split(".")[0] for sentence in sentences(admin)] == [
        "A backup failed",
        "A rehearsal of a restore failed",
    ]
    assert "Klinik" not in str(list(Message.objects.values()))


def test_whoever_asked_for_a_job_is_told_of_its_end_also_when_its_worker_was_lost(project, author, colleague):
    now = timezone.now()
    ended = {"finished_at": now, "heartbeat_at": now, "total": 1}
    rows = [
        Import.objects.create(project=project, created_by=author, file_name="person4711.zip", status=status, **ended)
        for status in ("succeeded", "failed", "cancelled")
    ]
    old = {**ended, "finished_at": timezone.now() - jobs.LOOKED_BACK - timedelta(minutes=1)}
    Import.objects.create(project=project, created_by=author, file_name="old.zip", status="succeeded", **old)
    jobs.tell_of_ended()
    jobs.tell_of_ended()
    assert sorted(sentences(author)) == sorted(
        [
            f"Import {rows[0].pk} into Chest X-ray has ended.",
            f"Import {rows[1].pk} into Chest X-ray failed. Its page says why.",
        ]
    )
    assert sentences(colleague) == []


def test_labels_that_wait_are_one_message_that_keeps_up_and_goes_with_the_work(make_scan, author, colleague, project):
    scans = [make_scan(seed=seed, label="NORMAL") for seed in (1, 2)]
    waiting.tell_of_waiting()
    assert sentences(colleague) == ["2 labels wait for your review in Chest X-ray."]
    scans.append(make_scan(seed=3, label="NORMAL"))
    waiting.tell_of_waiting()
    assert sentences(colleague) == ["3 labels wait for your review in Chest X-ray."]
    # One's own labels wait for others.
    assert sentences(author) == []
    for scan in scans:
        review_scan(actor=colleague, image=scan, status="approved")
    waiting.tell_of_waiting()
    assert not Message.objects.filter(user=colleague, read_at=None).exists()
    make_scan(seed=4, label="NORMAL")
    waiting.tell_of_waiting()
    assert len(sentences(colleague)) == 1


def test_telling_of_work_asks_the_same_queries_for_two_people_and_for_twelve(make_scan, project, admin, colleague):
    """In as many projects, with what each of them said left out."""
    make_scan(seed=1, label="NORMAL")
    with CaptureQueriesContext(connection) as few:
        waiting.tell_of_waiting()
    for number in range(10):
        user = create_user(actor=admin, username=f"reader{number}", password="a long one 4711", role="doctor")
        add_member(actor=admin, project=project, user=user)
        grant(actor=admin, project=project, user=user, codename="review_label")
    with CaptureQueriesContext(connection) as many:
        waiting.tell_of_waiting()
    assert Message.objects.filter(kind="review_waits", read_at=None).count() == 11
    assert len(many) <= len(few) + 1
    for user in User.objects.all():
        mine = queue_counts(user=user, projects=[project])[project.pk]["review"]
        assert waiting_for("review", {user: [project]}) == {(user.pk, project.pk): mine}


def test_work_that_was_read_about_is_told_of_again_the_next_day(author):
    def wait(number):
        tell_of_all_work("review_waits", [Waiting(author, 1, number, "/", {"project": "Chest"})])

    wait(2)
    Message.objects.update(read_at=timezone.now())
    wait(3)
    assert Message.objects.count() == 1
    Message.objects.update(created_at=timezone.now() - timedelta(days=1), key="of yesterday")
    wait(3)
    assert Message.objects.filter(read_at=None).count() == 1


def test_the_bell_counts_and_a_message_is_read_by_going_to_it(author, colleague):
    message = told(author)
    mine, other = signed_in(author), signed_in(colleague)
    assert "1 unread message" in " ".join(mine.get(reverse("jobs")).content.decode().split())
    assert other.post(reverse("message_open", args=[message.pk])).status_code == 404
    other.post(reverse("messages_read"), {"message": message.pk})
    assert mine.post(reverse("message_open", args=[message.pk]))["Location"] == "/jobs/"
    assert "0 unread messages" in " ".join(mine.get(reverse("jobs")).content.decode().split())


def test_marking_all_leaves_what_came_in_meanwhile(author):
    seen = told(author)
    tell([author], "backup_failed", key="backup:1", url="/")
    signed_in(author).post(reverse("messages_read"), {"until": seen.pk})
    assert list(Message.objects.filter(read_at=None).values_list("kind", flat=True)) == ["backup_failed"]


def test_a_message_about_a_project_goes_with_the_membership(author, admin, project):
    told(author, project=project.pk)
    remove_member(actor=admin, project=project, user=author)
    assert "training001" not in signed_in(author).get(reverse("messages")).content.decode()


def test_the_api_lists_ones_own_messages_in_english_and_marks_them(api, author, colleague):
    message = told(author)
    services.set_preferences(actor=author, values={"language": "de"})
    [row] = api(author).get("/api/v1/messages/?unread=true").json()["results"]
    assert (row["sentence"], row["kind"], row["url"]) == ("training001 in Chest has ended.", "run_ended", "/jobs/")
    assert api(colleague).post("/api/v1/messages/read/", {"messages": [message.pk]}, format="json").json() == {
        "read": 0
    }
    assert api(author).post("/api/v1/messages/read/", {}, format="json").json() == {"read": 1}
    assert api(author).get("/api/v1/messages/?unread=true").json()["results"] == []


def test_messages_are_kept_for_ninety_days(author):
    told(author)
    forget()
    assert Message.objects.count() == 1
    Message.objects.update(created_at=timezone.now() - KEPT - timedelta(hours=1))
    forget()
    assert Message.objects.count() == 0


def test_only_who_wishes_it_gets_mails_one_for_all_that_is_new_and_none_twice(author, colleague, settings):
    settings.PUBLIC_URL = "https://mediscan.hospital.example"
    services.set_preferences(actor=author, values={"mail_notices": True})
    told(author)
    tell([author, colleague], "backup_failed", key="backup:1", url="/")
    mailing.mail_messages()
    mailing.mail_messages()
    [letter] = mail.outbox
    assert letter.to == [author.email]
    assert "training001 in Chest has ended.\nhttps://mediscan.hospital.example/jobs/" in letter.body


def test_a_mail_speaks_the_language_of_whoever_gets_it(author, colleague, monkeypatch):
    monkeypatch.setattr(mailing, "sentence_of", lambda *facts: f"in {get_language()}")
    for user, language in ((author, "de"), (colleague, "en")):
        services.set_preferences(actor=user, values={"mail_notices": True, "language": language})
    tell([author, colleague], "backup_failed", key="backup:1", url="/")
    mailing.mail_messages()
    said = {letter.to[0]: re.search(r"^in (\w+)", letter.body, re.MULTILINE) for letter in mail.outbox}
    assert {address: found and found[1] for address, found in said.items()} == {
        author.email: "de",
        colleague.email: "en",
    }


def test_a_mail_server_that_is_away_is_tried_again_and_a_lost_worker_keeps_nothing(author, monkeypatch):
    services.set_preferences(actor=author, values={"mail_notices": True})
    told(author)
    with monkeypatch.context() as patch:
        patch.setattr(mailing, "send", lambda *letter: (_ for _ in ()).throw(SMTPServerDisconnected()))
        mailing.mail_messages()
    # Another worker has just begun it; then that one is lost.
    Message.objects.update(mail_begun_at=timezone.now())
    mailing.mail_messages()
    assert mail.outbox == []
    Message.objects.update(mail_begun_at=timezone.now() - mailing.LOST - timedelta(seconds=1))
    mailing.mail_messages()
    assert len(mail.outbox) == 1


def at(monkeypatch, moment: datetime) -> None:
    monkeypatch.setattr(digests.timezone, "now", lambda: moment)


@pytest.mark.parametrize(
    ("zone", "moment", "due"),
    [
        ("Europe/Berlin", datetime(2026, 7, 1, 4, 59, tzinfo=UTC), False),
        ("Europe/Berlin", datetime(2026, 7, 1, 5, 0, tzinfo=UTC), True),
        ("America/New_York", datetime(2026, 7, 1, 10, 59, tzinfo=UTC), False),
        ("America/New_York", datetime(2026, 7, 1, 11, 1, tzinfo=UTC), True),
        ("", datetime(2026, 7, 1, 7, 1, tzinfo=UTC), True),
    ],
)
def test_a_daily_digest_goes_out_at_seven_by_the_readers_clock(author, make_scan, monkeypatch, zone, moment, due):
    make_scan(seed=1)
    services.set_preferences(actor=author, values={"digest": "daily", "time_zone": zone})
    Digest.objects.create(user=author, last_on=moment.date() - timedelta(days=1))
    at(monkeypatch, moment)
    digests.mail_digests()
    digests.mail_digests()
    assert len(mail.outbox) == due


def test_a_digest_says_what_waits_where_and_names_no_file_and_comes_on_mondays_where_it_is_weekly(
    author, make_scan, monkeypatch, settings
):
    settings.PUBLIC_URL = "https://mediscan.hospital.example"
    scan = make_scan(seed=1, patient="4711")
    services.set_preferences(actor=author, values={"digest": "weekly", "language": "en"})
    Digest.objects.create(user=author, last_on=datetime(2026, 6, 22, tzinfo=UTC).date())
    for day in (28, 29, 30):
        at(monkeypatch, datetime(2026, 6, day, 8, tzinfo=UTC))
        digests.mail_digests()
    [letter] = mail.outbox
    assert "Chest X-ray\n- 1 scan to label\n  https://mediscan.hospital.example/projects/" in letter.body
    assert scan.file_name not in letter.body
    assert "4711" not in letter.body


def test_a_digest_that_could_not_be_sent_is_tried_again_and_nothing_waiting_is_no_mail(author, make_scan, monkeypatch):
    services.set_preferences(actor=author, values={"digest": "daily"})
    # Chosen today: the first one comes tomorrow.
    at(monkeypatch, datetime(2026, 7, 1, 9, tzinfo=UTC))
    digests.mail_digests()
    at(monkeypatch, datetime(2026, 7, 2, 9, tzinfo=UTC))
    digests.mail_digests()
    assert mail.outbox == []
    make_scan(seed=1)
    at(monkeypatch, datetime(2026, 7, 3, 9, tzinfo=UTC))
    with monkeypatch.context() as patch:
        patch.setattr(digests, "send", lambda *letter: (_ for _ in ()).throw(ConnectionRefusedError()))
        digests.mail_digests()
    digests.mail_digests()
    assert len(mail.outbox) == 1
