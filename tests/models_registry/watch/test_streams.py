"""The stream of a version at a place: what counts, that it can be computed again, alarms, and what they do."""

from copy import deepcopy
from datetime import timedelta

import numpy as np
import pytest
from django.core import mail
from django.utils import timezone

from images.models import Project
from images.policies import require
from mediscan_site.core import notices
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import AuditEvent
from models_registry.grades.services import request_grade
from models_registry.grades.worker import run_grade
from models_registry.models import Alarm, AlarmDecision, AlarmTold, Grade, WatchStream
from models_registry.versions import conditions, places
from models_registry.watch import alarms, streams, worker
from tests.models_registry.watch.conftest import SITE

pytestmark = pytest.mark.django_db


def usual(n: int, seed: int = 5):
    return np.random.default_rng(seed).normal(0.7, 0.15, n)


def foreign(n: int):
    return 1.5 + np.arange(n) / 100


def test_grades_like_the_reference_raise_no_alarm(watched, graded):
    graded(usual(60))
    worker.watch_streams()
    row = WatchStream.objects.get()
    assert (row.seen, row.score, row.site) == (60, "distance", SITE)
    assert row.highest < streams.LIMIT
    assert not Alarm.objects.exists()


def test_foreign_grades_raise_one_within_ten_and_only_one(watched, graded, admin):
    graded(foreign(8))
    worker.watch_streams()
    graded(foreign(3))
    worker.advance(watched, SITE)
    alarm = Alarm.objects.get()
    assert alarm.seen <= 8
    assert (alarm.rule, alarm.active, alarm.limit) == ("tell", True, 1000.0)
    assert alarms.capital(alarm) >= 1000


def test_each_place_has_a_stream_of_its_own(watched, graded):
    graded(usual(30))
    graded(foreign(8), site="Sother")
    worker.watch_streams()
    assert [alarm.site for alarm in Alarm.objects.all()] == ["Sother"]
    assert WatchStream.objects.count() == 2


@pytest.mark.parametrize(
    "columns",
    [{"seen_in": "train"}, {"blind": True}, {"distance": None}, {"status": "failed"}],
    ids=lambda columns: next(iter(columns)),
)
def test_what_is_not_exchangeable_with_the_reference_does_not_count(watched, graded, columns):
    graded(foreign(8))
    Grade.objects.update(**columns)
    worker.advance(watched, SITE)
    assert not WatchStream.objects.filter(seen__gt=0).exists()
    assert not Alarm.objects.exists()


def test_a_patient_counts_once_however_often_graded(watched, graded):
    graded(foreign(12), patients=["P1"] * 12)
    worker.advance(watched, SITE)
    assert WatchStream.objects.get().seen == 1


def test_a_stream_is_the_same_computed_at_once_or_piece_by_piece(watched, graded):
    for piece in np.split(usual(40), 8):
        graded(piece)
        worker.advance(watched, SITE)
    pieces = WatchStream.objects.get()
    WatchStream.objects.all().delete()
    worker.advance(watched, SITE)
    whole = WatchStream.objects.get()
    assert (whole.seen, whole.log_capital, whole.bets) == (pieces.seen, pieces.log_capital, pieces.bets)


def test_a_look_reads_what_is_new_also_where_another_process_was_quicker(watched, graded, monkeypatch):
    graded(usual(20))
    worker.advance(watched, SITE)
    monkeypatch.setattr(streams, "replay", lambda *_: pytest.fail("all grades were read"))
    mine = streams._left.copy()
    for key in mine:
        mine[key] = deepcopy(mine[key])
    graded(usual(7, seed=6))
    worker.advance(watched, SITE)
    # As a process that has not seen the seven of which the row knows.
    streams._left.update(mine)
    graded(usual(5, seed=7))
    worker.advance(watched, SITE)
    pieces = WatchStream.objects.get()
    monkeypatch.undo()
    worker.advance(watched, SITE, whole=True)
    whole = WatchStream.objects.get()
    assert pieces.seen == 32
    assert (whole.seen, whole.log_capital, whole.bets) == (pieces.seen, pieces.log_capital, pieces.bets)


def test_a_grade_that_is_stored_after_later_ones_is_counted_in_its_place(watched, graded):
    rows = graded(usual(20))
    late = rows[5]
    Grade.objects.filter(pk=late.pk).update(status="running")
    worker.advance(watched, SITE)
    Grade.objects.filter(pk=late.pk).update(status="succeeded")
    worker.advance(watched, SITE)
    found = WatchStream.objects.get()
    worker.advance(watched, SITE, whole=True)
    assert (found.seen, found.bets) == (20, WatchStream.objects.get().bets)


def test_a_row_that_does_not_fit_its_grades_is_computed_again(watched, graded):
    graded(usual(20))
    worker.advance(watched, SITE)
    right = WatchStream.objects.get()
    WatchStream.objects.update(last_grade=0, log_capital=99.0, bets={**right.bets, "kept": 50.0})
    worker.advance(watched, SITE)
    again = WatchStream.objects.get()
    assert (again.log_capital, again.bets) == (right.log_capital, right.bets)


def test_an_alarm_that_a_killed_worker_did_not_raise_is_raised_by_the_next(watched, graded, admin):
    graded(foreign(8))
    streams.advance(watched, SITE)
    assert not Alarm.objects.exists()
    worker.advance(watched, SITE)
    assert Alarm.objects.count() == 1


def test_a_version_without_a_reference_is_not_watched_and_says_why(deployed, graded):
    deployed.reference = {}
    deployed.save()
    graded(foreign(8))
    worker.watch_streams()
    assert not WatchStream.objects.exists()
    assert "Train a new version" in streams.why_not(deployed)


def test_without_distances_what_is_there_is_ranked(watched, graded):
    watched.reference = watched.reference | {"distance": [], "spread": []}
    watched.save()
    assert streams.yardstick(watched).score == "doubt"
    graded(usual(10), confidence=0.3)
    worker.advance(watched, SITE)
    assert Alarm.objects.get().score == "doubt"


@pytest.fixture
def alarm(watched, graded, admin):
    graded(foreign(8))
    worker.advance(watched, SITE)
    return Alarm.objects.get()


def test_whoever_may_deploy_is_told_by_notice_and_mail(alarm, admin, author, settings):
    settings.SENDS_MAIL = True
    assert [told.user for told in alarm.told.all()] == [admin]
    assert alarm.model.code in next(row.sentence for row in notices.standing() if row.key == alarms.NOTICE)
    alarms.mail_what_waits()
    alarms.mail_what_waits()
    assert [(len(mail.outbox), mail.outbox[0].to)] == [(1, [admin.email])]
    assert "answering until somebody has decided" in mail.outbox[0].body
    assert AlarmTold.objects.get().mailed_at is not None
    assert AuditEvent.objects.filter(action="alarm.raise").count() == 1


def test_a_mail_server_that_is_away_is_asked_again(alarm, settings, monkeypatch):
    settings.SENDS_MAIL = True
    monkeypatch.setattr(alarms, "send_mail", lambda *_, **__: (_ for _ in ()).throw(ConnectionRefusedError()))
    alarms.mail_what_waits()
    assert AlarmTold.objects.get().mailed_at is None
    monkeypatch.undo()
    settings.SENDS_MAIL = True
    alarms.mail_what_waits()
    assert AlarmTold.objects.get().mailed_at is not None


@pytest.fixture
def answer_at(author, project, make_scan, watched):
    """Grade a scan of the place whose alarm it is, by the worker."""

    def answer(seed: int) -> Grade:
        grade = request_grade(actor=author, project=project, image=make_scan(seed=seed, institution="Klinik Nord"))
        run_grade(grade.pk)
        return Grade.objects.get(pk=grade.pk)

    return answer


@pytest.fixture
def at_nord(watched, graded, admin, project):
    def raised(rule: str) -> Alarm:
        Project.objects.filter(pk=project.pk).update(on_alarm=rule)
        watched.project.refresh_from_db()
        site = places.code(project.pk, "S", "Klinik Nord")
        graded(foreign(8), site=site)
        worker.advance(watched, site)
        return Alarm.objects.get(site=site)

    return raised


def test_an_alarm_that_only_tells_lets_the_version_answer(at_nord, answer_at):
    at_nord("tell")
    assert answer_at(1).decision == "answer"


def test_one_that_refers_does_so_until_somebody_lets_the_version_go_on(at_nord, answer_at, admin, make_scan):
    alarm = at_nord("refer")
    referred = answer_at(1)
    assert (referred.decision, referred.reasons) == ("refer", ["watch_alarm"])
    assert conditions.sites_referred(alarm.model, {alarm.site, "Selsewhere"}) == {alarm.site}
    alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="A new detector, readings agree.")
    assert answer_at(2).decision == "answer"
    assert not [row for row in notices.standing() if row.key == alarms.NOTICE]


def test_alarms_of_many_places_are_one_question(alarm, watched, admin, django_assert_num_queries):
    columns = {
        "project": alarm.project,
        "model": watched,
        "score": "distance",
        "limit": 1000,
        "log_capital": 7,
        "seen": 9,
    }
    others = [Alarm.objects.create(site=f"S{n}", rule="refer", **columns) for n in range(5)]
    alarms.decide(actor=admin, alarm=others[0], decision="go_on", reason="Known.")
    alarms.decide(actor=admin, alarm=others[1], decision="refer_all", reason="Adults.")
    Alarm.objects.create(site="S2", rule="tell", active=None, **columns)
    with django_assert_num_queries(1):
        found = conditions.sites_referred(watched, {f"S{n}" for n in range(5)} | {"Selsewhere"})
    # S0 goes on, S1 is referred, of S2 the newest alarm counts, which only tells.
    assert found == {"S1", "S3", "S4"}


@pytest.mark.parametrize("decision", ["refer_all", "roll_back"])
def test_a_decision_to_refer_holds_until_another_one(at_nord, answer_at, admin, decision):
    alarm = at_nord("tell")
    alarms.decide(actor=admin, alarm=alarm, decision=decision, reason="Adults.")
    assert answer_at(1).reasons == ["watch_alarm"]
    alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="A mistake of mine.")
    assert answer_at(2).decision == "answer"
    assert AlarmDecision.objects.filter(alarm=alarm).count() == 2


def test_after_go_on_the_stream_begins_anew_and_what_came_in_is_normal(alarm, watched, graded, admin):
    alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="Known.")
    Grade.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    AlarmDecision.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=30))
    graded(usual(5, seed=8))
    worker.advance(watched, SITE)
    row = WatchStream.objects.get()
    assert (row.seen, row.bets["seen"], row.bets["n_reference"]) == (13, 5, 208)
    assert Alarm.objects.count() == 1
    graded(3 + foreign(30))
    worker.advance(watched, SITE)
    assert Alarm.objects.count() == 2


def test_a_stream_that_was_decided_to_be_referred_alarms_no_more(alarm, watched, graded, admin):
    alarms.decide(actor=admin, alarm=alarm, decision="refer_all", reason="Adults.")
    graded(foreign(8))
    worker.advance(watched, SITE)
    assert Alarm.objects.count() == 1


def test_only_who_may_deploy_decides_and_says_why(alarm, author, admin):
    with pytest.raises(Forbidden):
        alarms.decide(actor=author, alarm=alarm, decision="go_on", reason="Fine.")
    with pytest.raises(Invalid, match="Say why"):
        alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="")
    with pytest.raises(Invalid):
        alarms.decide(actor=admin, alarm=alarm, decision="shrug", reason="Hm.")
    require(admin, "deploy_model", alarm.project)


def test_an_alarm_that_a_newer_one_has_followed_is_not_decided_again(alarm, admin):
    alarms.decide(actor=admin, alarm=alarm, decision="go_on", reason="Fine.")
    Alarm.objects.create(
        project=alarm.project,
        model=alarm.model,
        site=SITE,
        rule="tell",
        limit=1000,
        log_capital=7,
        seen=40,
        score="distance",
    )
    with pytest.raises(Conflict) as refused:
        alarms.decide(actor=admin, alarm=alarm, decision="refer_all", reason="After all.")
    assert refused.value.code == "alarm_superseded"


def test_alarms_through_the_api(alarm, api, admin, author):
    listed = api(author).get("/api/v1/alarms/?is_open=true").json()["results"]
    assert [(row["id"], row["is_open"], row["told"]) for row in listed] == [(alarm.pk, True, ["admin"])]
    url = f"/api/v1/alarms/{alarm.pk}/decide/"
    body = {"decision": "go_on", "reason": "Known."}
    assert api(author).post(url, body, format="json").status_code == 403
    decided = api(admin).post(url, body, format="json").json()
    assert (decided["is_open"], decided["decisions"][0]["decision"]) == (False, "go_on")
    assert api(author).get("/api/v1/alarms/?is_open=true").json()["results"] == []


def test_the_card_tells_the_stop_rule_the_alarm_who_was_told_and_what_was_decided(alarm, admin):
    from models_registry.versions import cards

    alarms.decide(actor=admin, alarm=alarm, decision="refer_all", reason="Adults, not children.")
    card = cards.card(alarm.model, None)["watching"]
    assert card["stop_rule"] == {"limit": 1000.0, "on_alarm": "tell", "blind_read_share": 0.0}
    assert card["alarms"][0]["told"] == ["admin"]
    assert "refer all: Adults, not children. (admin)" in cards.text(alarm.model, None)
