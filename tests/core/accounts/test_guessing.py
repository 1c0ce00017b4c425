"""Guessing of passwords: slowed by name and by address, recorded, and nothing of what was typed is kept."""

import logging
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import hashers
from django.utils import timezone
from rest_framework.test import APIClient

from mediscan_site.core import logins, tidy
from mediscan_site.core.models import AuditEvent
from tests.conftest import PASSWORD, make_user
from tests.site.planted import word_hits

pytestmark = pytest.mark.django_db
WRONG = "wrong"
SECRET = "Zwetschgen-Passwort-77"


def obtain(username: str, password: str = WRONG, *, address: str = "10.9.9.9", client=None):
    body = {"username": username, "password": password}
    return (client or APIClient()).post("/api/v1/auth/token/", body, format="json", REMOTE_ADDR=address)


def guess_widely(username: str, *, times: int = 40) -> list[int]:
    return [obtain(username, address=f"10.0.{number}.1").status_code for number in range(times)]


@pytest.mark.parametrize("username", ["author", "AUTHOR", "nobody"])
def test_one_name_guessed_from_many_addresses_is_slowed_whether_it_exists_or_not(author, username):
    statuses = guess_widely(username)
    assert statuses == [401] * 19 + [429] * 21
    assert obtain("author", PASSWORD, address="10.8.8.8").status_code == (200 if username == "nobody" else 429)
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert obtain("author", PASSWORD, address="10.8.8.8").status_code == 200


def test_guessing_from_elsewhere_does_not_lock_out_whoever_works_here(author):
    assert obtain("author", PASSWORD, address="10.1.1.1").status_code == 200
    guess_widely("author")
    assert obtain("author", PASSWORD, address="10.1.1.1").status_code == 200
    assert obtain("author", PASSWORD, address="10.1.1.2").status_code == 429


def test_a_lock_ends_though_guessing_goes_on(author):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        guess_widely("author")
        clock.shift(timedelta(minutes=10))
        guess_widely("author")
        clock.shift(timedelta(minutes=6))
        assert obtain("author", PASSWORD, address="10.8.8.8").status_code == 200


def test_an_administrator_unlocks_on_record(client, admin, author):
    guess_widely("author")
    client.force_login(admin)
    client.post("/admin/core/user/", {"action": "unlock", "_selected_action": [author.pk]})
    assert AuditEvent.objects.filter(action="user.unlock", object_id=str(author.pk), actor=admin).count() == 1
    assert obtain("author", PASSWORD, address="10.8.8.8").status_code == 200


def test_many_names_from_one_address_are_slowed_and_ipv6_blocks_are_one_address():
    make_user("dr1")
    statuses = [obtain(f"nobody{number}", address=f"2001:db8::{number:x}").status_code for number in range(1, 110)]
    assert statuses == [401] * 99 + [429] * 10
    assert obtain("dr1", PASSWORD, address="2001:db8::ffff").status_code == 429
    assert obtain("dr1", PASSWORD, address="2001:db8:0:1::1").status_code == 200


def test_each_lock_is_one_event_and_names_accounts_alone(author):
    for name in ("author", SECRET):
        for _ in range(9):
            obtain(name)
    locked = AuditEvent.objects.filter(action="login.locked").order_by("id")
    assert [(event.actor_name, event.object_id) for event in locked] == [("author", str(author.pk)), ("", "")]


@pytest.mark.parametrize("door", ["api", "page", "admin"])
def test_nothing_typed_as_a_name_is_kept_anywhere(author, client, caplog, door):
    caplog.set_level(logging.DEBUG)
    for _ in range(7):
        if door == "api":
            obtain(SECRET, SECRET)
        else:
            path = {"page": "/login/?next=/?patient=" + SECRET, "admin": "/admin/login/"}[door]
            client.post(path, {"username": SECRET, "password": SECRET, "extra": SECRET})
    assert AccessAttempt.objects.exists()
    assert word_hits([SECRET]) == []
    assert SECRET.lower() not in caplog.text.lower()


def test_names_that_an_older_version_kept_are_forgotten(author):
    AccessAttempt.objects.create(username=SECRET, ip_address="10.0.0.1", failures_since_start=1)
    obtain("author")
    tidy.run()
    assert [row.username for row in AccessAttempt.objects.all()] == [logins.typed_name(None, {"username": "author"})]


def test_every_refusal_costs_one_hash(author, inactive, settings, monkeypatch):
    """Known, unknown, not active, without a password, locked: no answer is quicker for the lack of one."""
    settings.PASSWORD_HASHERS = ["mediscan_site.core.hashers.Argon2Hasher"]
    for user in (author, inactive):
        user.set_password(PASSWORD)
        user.save()
    empty = make_user("empty")
    empty.set_unusable_password()
    empty.save()
    counted = []
    encode, verify = hashers.Argon2PasswordHasher.encode, hashers.Argon2PasswordHasher.verify

    def counting(function):
        def call(*arguments):
            counted.append(function.__name__)
            return function(*arguments)

        return call

    monkeypatch.setattr(hashers.Argon2PasswordHasher, "encode", counting(encode))
    monkeypatch.setattr(hashers.Argon2PasswordHasher, "verify", counting(verify))
    costs = {}
    for name in ("author", "inactive", "empty", "nobody"):
        counted.clear()
        assert obtain(name).status_code == 401
        costs[name] = len(counted)
    for _ in range(4):
        obtain("author")
    for password in ("wrong", PASSWORD):
        counted.clear()
        assert obtain("author", password).status_code == 429
        costs[f"locked {password}"] = len(counted)
    assert set(costs.values()) == {1}, costs


@pytest.mark.parametrize("address", ["", "no address", "::ffff:10.0.0.1", "fe80::1%eth0"])
def test_strange_addresses_are_no_fault_of_ours(author, settings, address):
    settings.TRUSTED_PROXIES = 1
    answer = APIClient().post(
        "/api/v1/auth/token/",
        {"username": "author", "password": "wrong"},
        format="json",
        HTTP_X_FORWARDED_FOR=address,
    )
    assert answer.status_code == 401
