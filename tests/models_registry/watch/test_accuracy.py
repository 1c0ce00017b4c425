"""The alarm of the live accuracy: of blind reads alone, for all places, decided like any other alarm."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from mediscan_site.core.models import User
from models_registry.models import Alarm, BlindRead, Grade
from models_registry.versions import conditions
from models_registry.watch import accuracy, alarms
from models_registry.watch.worker import watch_streams

pytestmark = pytest.mark.django_db


@pytest.fixture
def promised(monkeypatch):
    monkeypatch.setattr(accuracy, "promise", lambda model: 0.9)


@pytest.fixture
def read(graded, colleague, project, watched):
    """`read([True, False])`: answers that a doctor read without seeing them, right or not."""

    def make(right, **columns) -> list[Grade]:
        grades = graded([0.7] * len(right), **columns)
        done = BlindRead.objects.count()
        ids = [entry["id"] for entry in watched.classes]
        for place, (grade, is_right) in enumerate(zip(grades, right, strict=True)):
            other = next(pk for pk in ids if pk != grade.prediction_id)
            BlindRead.objects.create(
                project=project,
                grade=grade,
                share=1.0,
                reader=colleague,
                read_at=timezone.now() - timedelta(minutes=30) + timedelta(seconds=done + place),
                read_class_id=grade.prediction_id if is_right else other,
            )
        return grades

    return make


def test_answers_that_doctors_agree_with_raise_none(read, watched, promised):
    read([True] * 60)
    assert accuracy.advance(watched) is None
    told = accuracy.figures(watched)
    assert (told["n"], told["why_not"], told["log_capital"] < 0, told["interval"]["low"] > 0.9) == (60, "", True, True)


def test_a_fall_raises_one_alarm_for_all_places_that_refers_until_somebody_decides(
    read, watched, promised, project, admin, settings
):
    settings.SENDS_MAIL = True
    User.objects.filter(pk=admin.pk).update(email="a@b.example")
    project.on_alarm = "refer"
    project.save()
    grades = read([True, False] * 25)
    watch_streams()
    watch_streams()
    alarm = Alarm.objects.get(score="accuracy")
    assert (alarm.site, alarms.place_name(alarm), alarm.rule, bool(alarm.active)) == ("", "all places", "refer", True)
    assert alarm.seen <= 50
    found = conditions.of_all(watched, [grades[0].image], [False])
    assert found[0].reasons == ["accuracy_alarm"]
    assert "blind reads" in mail.outbox[0].body
    alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="Labels of that week were wrong.")
    assert conditions.of_all(watched, [grades[0].image], [False])[0].reasons == []
    assert accuracy.advance(watched) is None, "what was decided about is behind it"


def test_the_first_read_of_a_patient_counts_and_those_of_no_class_do_not(read, watched, promised):
    read([False] * 60, patients=["one"] * 60)
    assert len(accuracy.counted(watched)) == 1
    BlindRead.objects.update(read_class=None, ungradable_reason="moved")
    assert accuracy.counted(watched) == []


def test_without_a_promise_there_is_no_alarm_and_it_says_why(read, watched):
    read([False] * 60)
    assert accuracy.advance(watched) is None
    assert "too few answered scans" in accuracy.figures(watched)["why_not"]


def test_the_page_tells_what_the_test_saw_and_what_the_alarm_is_about(read, watched, promised, client, admin):
    from django.conf import settings
    from django.urls import reverse

    from models_registry.models import Watch
    from models_registry.watch import looking

    read([True, False] * 25)
    accuracy.advance(watched)
    Watch.objects.create(
        project=watched.project,
        model=watched,
        status="succeeded",
        finished_at=timezone.now(),
        result=looking.result(watched),
    )
    client.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[1])
    page = " ".join(client.get(reverse("watching", args=[watched.pk])).content.decode().split())
    assert "Alarm at all places" in page
    assert "doctors agree with the answers less often" in page
    assert "50 reads counted" in page


def test_the_round_of_every_minute_looks_at_reads_once(read, watched, promised, monkeypatch):
    looks = []
    monkeypatch.setattr(accuracy, "advance", looks.append)
    read([True] * 3)
    watch_streams()
    watch_streams()
    assert len(looks) == 1
    read([False])
    watch_streams()
    assert len(looks) == 2
