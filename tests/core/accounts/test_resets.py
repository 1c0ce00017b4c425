"""Forgotten passwords: one answer whoever asks and whatever the mail server does."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from mediscan_site.core import resets, sweeping
from mediscan_site.core.models import AuditEvent, Notice, ResetRequest, Tally
from tests.conftest import PASSWORD, make_user
from tests.site.planted import word_hits

pytestmark = pytest.mark.django_db
PAGE = "/password-reset/"


def ask(client, email: str, address: str = "10.0.0.1"):
    answer = client.post(PAGE, {"email": email}, REMOTE_ADDR=address)
    return answer.status_code, answer.get("Location"), answer.content


def work_off() -> None:
    for request in ResetRequest.objects.filter(status="queued"):
        resets.run(request.pk)


def test_a_link_goes_to_the_address_on_file_with_the_sites_own_address(client, outsider, settings):
    settings.PUBLIC_URL = "https://scan.example"
    ask(client, "OUTSIDER@hospital.example")
    assert mail.outbox == []
    work_off()
    (sent,) = mail.outbox
    assert sent.to == ["outsider@hospital.example"]
    assert "https://scan.example/password-reset/" in sent.body
    assert AuditEvent.objects.get(action="user.reset_mail").object_id == str(outsider.pk)
    path = re.search(r"https://scan.example(\S+)", sent.body)[1]
    assert client.get(path).status_code == 302


def test_no_mail_goes_to_unknown_or_inactive_accounts(client, inactive):
    make_user("bare")
    for email in (inactive.email, "nobody@hospital.example"):
        ask(client, email)
    work_off()
    assert mail.outbox == []


@pytest.mark.parametrize("failure", [None, ConnectionRefusedError(), TimeoutError()])
def test_known_and_unknown_get_the_same_answer_by_the_same_work(
    client, outsider, monkeypatch, failure, django_assert_num_queries
):
    """The request itself never meets the mail server, and asks the database the same questions."""

    def send(*arguments, **options):
        raise AssertionError("a request met the mail server") if failure is None else failure

    monkeypatch.setattr(resets, "send_mail", send)
    ask(client, "first@hospital.example")
    answers = set()
    for email in (outsider.email, "nobody@hospital.example"):
        with django_assert_num_queries(8, exact=False) as counted:
            answers.add((*ask(client, email), len(counted)))
    assert len(answers) == 1


def test_with_the_mail_server_away_it_is_tried_again_and_administrators_are_told(client, outsider, monkeypatch):
    real = resets.send_mail

    def away(*arguments, **options):
        raise ConnectionRefusedError("no")

    monkeypatch.setattr(resets, "send_mail", away)
    ask(client, outsider.email)
    work_off()
    request = ResetRequest.objects.get()
    assert (request.status, Notice.objects.get().key) == ("queued", "mail")
    assert outsider.email not in Notice.objects.get().sentence
    monkeypatch.setattr(resets, "send_mail", real)
    work_off()
    request.refresh_from_db()
    assert (request.status, request.email, len(mail.outbox)) == ("succeeded", "", 1)
    assert not Notice.objects.exists()


def test_after_an_hour_it_gives_up_and_forgets_the_address(client, outsider, monkeypatch):
    def away(*arguments, **options):
        raise TimeoutError

    monkeypatch.setattr(resets, "send_mail", away)
    ask(client, outsider.email)
    ResetRequest.objects.update(requested_at=timezone.now() - timedelta(hours=2))
    work_off()
    request = ResetRequest.objects.get()
    assert (request.status, request.email) == ("failed", "")
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        resets.forget()
    assert not ResetRequest.objects.exists()


def test_three_an_hour_for_one_account_and_nobody_is_told(client, outsider):
    answers = {ask(client, email, f"10.0.0.{number}") for number, email in enumerate([outsider.email] * 25)}
    assert len(answers) == 1
    work_off()
    assert len(mail.outbox) == 3
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        ask(client, outsider.email.upper(), "10.0.0.99")
        work_off()
    assert len(mail.outbox) == 4


def test_an_address_asks_thirty_times_an_hour(client, outsider):
    for number in range(40):
        ask(client, f"nobody{number}@hospital.example")
    assert ResetRequest.objects.count() == 30
    assert ask(client, outsider.email)[0] == 302
    assert ResetRequest.objects.count() == 30


def test_what_was_typed_is_not_kept(client):
    ask(client, "zwetschge@hospital.example")
    work_off()
    assert Tally.objects.exists()
    assert word_hits(["zwetschge"]) == []


def test_a_lost_worker_leaves_no_address_behind(client, settings):
    ask(client, "zwetschge@hospital.example")
    ResetRequest.objects.update(
        status="running", attempt=settings.WORK_MAX_ATTEMPTS, heartbeat_at=timezone.now() - timedelta(days=1)
    )
    sweeping.sweep()
    assert ResetRequest.objects.get().email == ""


def test_a_site_without_mail_says_whom_to_ask(client, outsider, settings):
    settings.SENDS_MAIL = False
    for answer in (client.get(PAGE), client.post(PAGE, {"email": outsider.email})):
        assert (answer.status_code, "administrator" in answer.content.decode()) == (200, True)
    assert not ResetRequest.objects.exists()


def test_a_password_by_link_unlocks_the_account(client, outsider):
    from mediscan_site.core.services import set_password

    for _ in range(5):
        client.post("/login/", {"username": "outsider", "password": "wrong"})
    assert client.post("/login/", {"username": "outsider", "password": PASSWORD}).status_code == 429
    set_password(actor=outsider, user=outsider, password="another long passphrase")
    done = client.post("/login/", {"username": "outsider", "password": "another long passphrase"})
    assert done.status_code == 302
